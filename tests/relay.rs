//! Relay: every configuration of `docs/RELAY.md` on a real `nats-server`, and what `rsachat doctor`
//! says of it, of a cluster that loses its nodes, and of relays that are set up wrong. Where there is
//! no nats-server, the tests are listed as ignored, by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stderr, reason = "this is the runner of its tests")]
#![expect(clippy::unnecessary_wraps, reason = "a trial returns a result")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use rsachat::crypto::Nkey;
use rsachat::relay::{
    ClientOp, Connect, Decoder, Headers, Mailbox, MailboxEvent, Publish, PublishRefusal, ServerOp,
};
use rsachat::time::MonoMs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

use self::support::{Home, PATIENCE, eventually, read};

/// Environment variable that names another nats-server than that of the path.
const PROGRAM: &str = "RSACHAT_NATS_SERVER";

fn main() -> ExitCode {
    let there = Command::new(program()).arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        eprintln!("relays were not tested: nats-server is not installed");
    }
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(!there);
    let tests = vec![
        trial("the_configuration_of_one_node_is_a_relay_and_each_user_of_it_is_told_so", one_node),
        trial("the_configuration_of_three_nodes_is_a_relay_until_two_of_them_are_dead", three_nodes),
        trial("what_is_wrong_with_a_relay_is_said_with_what_to_do", wrong),
        trial("a_log_in_that_may_harm_others_is_found_and_harms_nobody_by_that", rights),
        trial("a_mailbox_leaves_and_reads_letters_and_is_told_what_is_refused", mailbox),
        trial("a_prompt_says_when_relays_are_lost_and_stand_again_and_without_them_none_is_called", prompt),
        trial("two_people_who_are_never_on_together_write_each_other_once_they_have_met", letters),
        trial("tls_is_never_left_out_and_a_certificate_has_to_be_that_of_the_host", tls),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn program() -> String {
    std::env::var(PROGRAM).unwrap_or_else(|_| "nats-server".to_owned())
}

/// Block of `docs/RELAY.md` behind a fence with these words.
fn block(words: &str) -> String {
    let page = read("docs/RELAY.md");
    let (_, rest) = page.split_once(&format!("```{words}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Folder of one relay: keys, certificates, and a folder for each node.
struct Site {
    folder: TempDir,
    home: Home,
}

/// A running node; killed when it goes out of scope.
struct Node {
    child: Child,
    /// Where its clients come.
    at: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the nodes of a site have the `tls` of the page.
#[derive(Clone, Copy, PartialEq)]
enum Tls {
    Documented,
    Without,
}

impl Site {
    /// A folder with the keys of the operator and two users, and certificates.
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), home: Home::of("민지") };
        for name in ["operator", "alice", "bob", "mallory"] {
            let path = site.key(name);
            let public = site.home.answer(&["key", "relay", path.to_str().unwrap()]);
            assert_eq!(
                Nkey::from_text(&fs::read_to_string(&path).unwrap()).unwrap().public(),
                public.trim_end()
            );
            assert_eq!(support::mode(&path), 0o600);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.nk"))
    }

    fn nkey(&self, name: &str) -> Nkey {
        Nkey::from_text(&fs::read_to_string(self.key(name)).unwrap()).unwrap()
    }

    /// An authority, and a certificate for 127.0.0.1 that it has signed.
    fn make_certificates(&self) {
        let script = "set -e; cd \"$1\"; \
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=authority \
                -keyout ca.key -out ca.pem -days 2 2>/dev/null; \
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=relay \
                -keyout key.pem -out relay.csr 2>/dev/null; \
            printf 'subjectAltName=IP:127.0.0.1\\n' > names; \
            openssl x509 -req -in relay.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names \
                -out cert.pem 2>/dev/null";
        let made = Command::new("sh").args(["-c", script, "sh"]).arg(self.folder.path()).status().unwrap();
        assert!(made.success());
    }

    /// The configuration of the page for a node of this site.
    fn configuration(&self, name: &str, tls: Tls) -> String {
        let data = self.path(name);
        fs::create_dir_all(&data).unwrap();
        let mut text = block("conf one node").replace("server_name: n1", &format!("server_name: {name}"));
        if tls == Tls::Without {
            let (before, rest) = text.split_once("tls {").unwrap();
            text = format!("{before}{}", rest.split_once('}').unwrap().1);
        }
        let text = text
            .replace("0.0.0.0:4222", "127.0.0.1:-1")
            .replace("/etc/nats", self.folder.path().to_str().unwrap())
            .replace("/var/lib/nats", data.to_str().unwrap())
            .replace("UOPERATOR", self.nkey("operator").public())
            .replace("UALICE", self.nkey("alice").public())
            .replace("UBOB", self.nkey("bob").public());
        format!("{text}\nports_file_dir: \"{}\"\n", data.display())
    }

    fn start(&self, name: &str, configuration: &str) -> Node {
        let file = self.path(&format!("{name}.conf"));
        fs::write(&file, configuration).unwrap();
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        let mut child = Command::new(program())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let ports = self.path(name).join(format!("nats-server_{}.ports", child.id()));
        let mut at = None;
        eventually("a node listens", PATIENCE, || {
            assert!(child.try_wait().unwrap().is_none(), "{}", self.log(name));
            at = fs::read(&ports).ok().and_then(|json| serde_json::from_slice::<Value>(&json).ok());
            at.is_some()
        });
        let url = at.unwrap()["nats"][0].as_str().unwrap().to_owned();
        Node { child, at: url.rsplit('/').next().unwrap().to_owned() }
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// Makes both streams as the page has them.
    fn make_streams(&self, node: &Node, tls: Tls, replicas: u32) {
        for (name, file) in [("RC", "json rc.json"), ("RK", "json rk.json")] {
            let mut config: Value = serde_json::from_str(&block(file)).unwrap();
            config["num_replicas"] = replicas.into();
            let mut said = Value::Null;
            // A cluster needs a leader first.
            eventually("a stream is made", 3 * PATIENCE, || {
                let subject = format!("$JS.API.STREAM.CREATE.{name}");
                said = self.ask(node, tls, &subject, &config.to_string()).unwrap_or_default();
                said["error"].is_null() && !said["config"].is_null()
            });
        }
    }

    /// Answer to a request of the operator.
    fn ask(&self, node: &Node, tls: Tls, subject: &str, payload: &str) -> Option<Value> {
        let mut tcp = TcpStream::connect(&node.at).ok()?;
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut decoder = Decoder::default();
        let ServerOp::Info(info) = next(&mut tcp, &mut decoder)? else { return None };
        let key = self.nkey("operator");
        let signature = info.nonce.map(|nonce| (key.public(), key.sign(&nonce)));
        let connect = Connect::with_signature(signature);
        let mut out = Vec::new();
        ClientOp::Connect(&connect).write(&mut out);
        ClientOp::Subscribe { subject: "answer", sid: 1 }.write(&mut out);
        let (reply, headers) = (Some("answer"), Headers::default());
        ClientOp::Publish { subject, reply, headers, payload: payload.as_bytes() }.write(&mut out);
        let mut stream: Box<dyn Stream> = match tls {
            Tls::Without => Box::new(tcp),
            Tls::Documented => {
                let host = "127.0.0.1".try_into().unwrap();
                let connection = rustls::ClientConnection::new(self.trusting(), host).unwrap();
                Box::new(rustls::StreamOwned::new(connection, tcp))
            }
        };
        stream.write_all(&out).ok()?;
        loop {
            if let ServerOp::Message(message) = next(&mut stream, &mut decoder)? {
                return serde_json::from_slice(&message.payload).ok();
            }
        }
    }

    fn trusting(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// What the doctor says of a relay, and its exit code.
    fn doctor(&self, url: &str, key: Option<&str>, more: &[&str]) -> (i32, String) {
        let key = key.map(|name| self.key(name));
        let mut command = self.home.command(&["doctor", "--relay", url]);
        command.args(more).args(key.iter().flat_map(|path| ["--relay-key", path.to_str().unwrap()]));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }

    #[track_caller]
    fn doctor_says(&self, url: &str, key: Option<&str>, more: &[&str], code: i32, rows: &[&str]) {
        let (found, said) = self.doctor(url, key, more);
        assert_eq!(found, code, "{said}");
        for row in rows {
            assert!(said.contains(row), "no {row:?} in:\n{said}");
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The next thing that a server says; `None` when it has hung up.
fn next(stream: &mut impl Read, decoder: &mut Decoder) -> Option<ServerOp> {
    loop {
        if let Some(op) = decoder.take().unwrap() {
            return Some(op);
        }
        // One byte at a time: what follows INFO may belong to TLS.
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        decoder.push(&byte);
    }
}

const WELL: [&str; 5] = [
    "ok       log-in     as U",
    "ok       letters    stream RC takes and gives messages",
    "ok       bundles    stream RK takes and gives messages",
    "ok       rights     the log-in may neither delete nor change",
    "no problems found",
];

fn one_node() -> Result<(), Failed> {
    let site = Site::new();
    site.make_certificates();
    let node = site.start("n1", &site.configuration("n1", Tls::Documented));
    site.make_streams(&node, Tls::Documented, 1);
    let (url, ca) = (format!("tls://{}", node.at), site.path("ca.pem"));
    let more = ["--relay-ca", ca.to_str().unwrap()];
    for user in ["alice", "bob"] {
        site.doctor_says(&url, Some(user), &more, 0, &WELL);
        site.doctor_says(
            &url,
            Some(user),
            &more,
            0,
            &[", node n1\n", "ok       tls        the certificate is"],
        );
    }
    let config = site.path("config.toml");
    let key = site.key("alice");
    let text =
        format!("relay = [\"{url}\"]\nrelay-key = \"{}\"\nrelay-ca = \"{}\"\n", key.display(), ca.display());
    fs::write(&config, text).unwrap();
    let mut command = site.home.command(&["--config", config.to_str().unwrap()]);
    let output = command.args(["doctor", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && WELL.iter().all(|row| said.contains(row)), "{said}");
    // Nothing of all that was left there.
    let state = site.ask(&node, Tls::Documented, "$JS.API.STREAM.INFO.RC", "").unwrap();
    assert_eq!((&state["state"]["messages"], &state["state"]["last_seq"]), (&0.into(), &0.into()), "{state}");
    Ok(())
}

fn three_nodes() -> Result<(), Failed> {
    let site = Site::new();
    // Ports of the cluster have to be known before it starts.
    let held: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<_> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(held);
    let mut nodes: Vec<_> = (1..=3)
        .map(|number| {
            let mut cluster = block("conf three nodes")
                .replace("0.0.0.0:6222", &format!("127.0.0.1:{}", ports[number - 1]));
            for (number, port) in (1..).zip(&ports) {
                cluster = cluster.replace(&format!("n{number}.example:6222"), &format!("127.0.0.1:{port}"));
            }
            let name = format!("n{number}");
            let configuration = site.configuration(&name, Tls::Without) + &cluster;
            site.start(&name, &configuration)
        })
        .collect();
    site.make_streams(&nodes[0], Tls::Without, 3);
    let url = |node: &Node| format!("nats://{}", node.at);
    let is_well = |node: &Node| {
        let (code, said) = site.doctor(&url(node), Some("alice"), &[]);
        code == 0 && WELL.iter().all(|row| said.contains(row)) && said.contains(" of cluster relay\n")
    };
    for node in &nodes {
        eventually("each node is a relay", 3 * PATIENCE, || is_well(node));
    }
    // The leader of the letters dies; the two that are left go on.
    let info = site.ask(&nodes[0], Tls::Without, "$JS.API.STREAM.INFO.RC", "").unwrap();
    let leader = info["cluster"]["leader"].as_str().unwrap();
    let number: usize = leader.strip_prefix('n').unwrap().parse().unwrap();
    drop(nodes.remove(number - 1));
    for node in &nodes {
        eventually("two nodes are a relay", 3 * PATIENCE, || is_well(node));
    }
    // One alone is none, and says so.
    drop(nodes.pop());
    eventually("one node of three acknowledges nothing", 3 * PATIENCE, || {
        let (code, said) = site.doctor(&url(&nodes[0]), Some("alice"), &[]);
        code == 4 && said.contains("fewer than half of its nodes are up")
    });
    Ok(())
}

fn wrong() -> Result<(), Failed> {
    let site = Site::new();
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    let url = format!("nats://{}", node.at);
    let absent = ["problem  letters    nobody takes messages of stream RC", "docs/RELAY.md"];
    site.doctor_says(&url, Some("alice"), &[], 4, &absent);
    let refused = "problem  log-in     the relay cannot be used: it refuses: Authorization Violation";
    site.doctor_says(&url, None, &[], 4, &[refused, "rsachat key relay FILE makes a key"]);
    let mallory = site.nkey("mallory").public().to_owned();
    site.doctor_says(
        &url,
        Some("mallory"),
        &[],
        4,
        &[refused, &format!("give its operator the key of the log-in: {mallory}")],
    );
    // Not even the log-in is tried where a file cannot be used.
    for (content, mode, why) in [("SUAB\n", 0o600, "is no key of a relay"), ("", 0o644, "0644")] {
        let path = site.path("bad.nk");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        site.doctor_says(&url, Some("bad"), &[], 3, &["problem  relay key", why]);
    }
    site.doctor_says(&url, Some("none"), &[], 3, &["there is no file", "rsachat key relay "]);
    // Streams that are not as they should be.
    site.make_streams(&node, Tls::Without, 1);
    let mut config: Value = serde_json::from_str(&block("json rk.json")).unwrap();
    config["allow_direct"] = false.into();
    let changed = site.ask(&node, Tls::Without, "$JS.API.STREAM.UPDATE.RK", &config.to_string()).unwrap();
    assert!(changed["error"].is_null(), "{changed}");
    site.doctor_says(
        &url,
        Some("alice"),
        &[],
        4,
        &["problem  bundles    nobody gives messages of stream RK", "allow_direct"],
    );
    drop(node);
    let plain = site.configuration("n1", Tls::Without);
    // A server without streams, and one whose users may not receive answers or write.
    let (before, rest) = plain.split_once("jetstream {").unwrap();
    let without = format!("{before}{}", rest.split_once('}').unwrap().1);
    let node = site.start("n1", &without);
    site.doctor_says(
        &format!("nats://{}", node.at),
        Some("alice"),
        &[],
        4,
        &["JetStream is switched off there"],
    );
    drop(node);
    let node = site.start("n1", &plain.replace("_INBOX_", "_OTHER_"));
    let hint =
        format!("the log-in needs permission to subscribe to _INBOX_{}.>", site.nkey("alice").public());
    site.doctor_says(&format!("nats://{}", node.at), Some("alice"), &[], 4, &[&hint]);
    drop(node);
    let node = site.start("n1", &plain.replace("\"rc.in.*\", \"rc.key.*\",", "\"rc.key.*\","));
    site.doctor_says(
        &format!("nats://{}", node.at),
        Some("alice"),
        &[],
        4,
        &["the log-in may not write: ", "it needs permission to publish to rc.in.*"],
    );
    Ok(())
}

fn rights() -> Result<(), Failed> {
    let site = Site::new();
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    site.make_streams(&node, Tls::Without, 1);
    let kept = site.ask(&node, Tls::Without, "rc.in.someone", "a letter").unwrap();
    assert_eq!(kept["seq"], 1, "{kept}");
    let before = site.ask(&node, Tls::Without, "$JS.API.STREAM.INFO.RC", "").unwrap();
    let rows = [
        "problem  rights     the log-in may do what would harm others: $JS.API.STREAM.PURGE.*, $JS.API.STREAM.DELETE.*",
        "$JS.API.CONSUMER.CREATE.RK, subscriptions to >",
    ];
    site.doctor_says(&format!("nats://{}", node.at), Some("operator"), &[], 4, &rows);
    let after = site.ask(&node, Tls::Without, "$JS.API.STREAM.INFO.RC", "").unwrap();
    assert_eq!((&before["config"], &before["state"]), (&after["config"], &after["state"]));
    assert_eq!(after["state"]["messages"], 1);
    drop(node);
    // A relay that asks for no log-in is usable, and says what that means.
    let open = site.configuration("n1", Tls::Without);
    let node = site.start(
        "n1",
        &format!(
            "{}\nports_file_dir: \"{}\"\n",
            open.split_once("# What every user").unwrap().0,
            site.path("n1").display()
        ),
    );
    let rows = ["warning  log-in     none was needed: anybody", "ok       letters", "problem  rights"];
    site.doctor_says(&format!("nats://{}", node.at), None, &[], 4, &rows);
    Ok(())
}

/// Mailbox of a user on a socket of its own.
struct Client {
    tcp: TcpStream,
    mailbox: Mailbox,
    began: Instant,
    events: Vec<MailboxEvent>,
}

impl Client {
    fn new(site: &Site, node: &Node, user: &str) -> Self {
        let tcp = TcpStream::connect(&node.at).unwrap();
        let (mailbox, events) = (Mailbox::default(), Vec::new());
        let mut client = Self { tcp, mailbox, began: Instant::now(), events };
        client.mailbox.connect(client.now());
        let key = site.nkey(user);
        let mut info = None;
        client.until(|client| {
            info = client.mailbox.take_info();
            info.is_some()
        });
        let nonce = info.unwrap().nonce.unwrap();
        client.mailbox.log_in(client.now(), Some((key.public(), key.sign(&nonce))), key.public());
        client.until(|client| client.events.pop() == Some(MailboxEvent::Ready));
        client
    }

    fn now(&self) -> MonoMs {
        MonoMs(self.began.elapsed().as_millis().try_into().unwrap())
    }

    /// Does what is due until something is so.
    #[track_caller]
    fn until(&mut self, mut so: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.mailbox.tick(self.now()).unwrap();
            self.tcp.write_all(&self.mailbox.take_bytes()).unwrap();
            self.events.extend(std::iter::from_fn(|| self.mailbox.poll_event()));
            if so(self) {
                return;
            }
            assert!(Instant::now() < end, "{:?}", self.events);
            let due = self.mailbox.poll_timeout().unwrap().since(self.now()).clamp(1, 100);
            self.tcp.set_read_timeout(Some(Duration::from_millis(due))).unwrap();
            let mut bytes = [0; 4_096];
            match self.tcp.read(&mut bytes) {
                Ok(count) => self.mailbox.receive(self.now(), &bytes[..count]).unwrap(),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    fn leave(&mut self, ticket: u64, inbox: &str, letter: &[u8]) -> MailboxEvent {
        let (inbox, id, letter) = (inbox.to_owned(), format!("{ticket}"), letter.to_vec());
        self.mailbox.publish(self.now(), &Publish { ticket, inbox, id, letter });
        self.until(|client| !client.events.is_empty());
        self.events.pop().unwrap()
    }

    /// The numbers and contents of the next letters.
    fn read(&mut self, count: usize) -> Vec<(u64, Vec<u8>)> {
        self.until(|client| client.events.len() >= count);
        let letter = |event| match event {
            MailboxEvent::Letter { number, bytes, .. } => (number, bytes),
            event => panic!("{event:?}"),
        };
        std::mem::take(&mut self.events).into_iter().map(letter).collect()
    }
}

fn mailbox() -> Result<(), Failed> {
    let site = Site::new();
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    site.make_streams(&node, Tls::Without, 1);
    let (mut alice, mut bob) = (Client::new(&site, &node, "alice"), Client::new(&site, &node, "bob"));
    let (inbox, other) = ("aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbb");
    for (ticket, at) in [(1, inbox), (2, other), (3, inbox)] {
        let said = alice.leave(ticket, at, format!("letter {ticket}").as_bytes());
        assert_eq!(said, MailboxEvent::Published { ticket });
    }
    // The same once more is there already, and is there once.
    assert_eq!(alice.leave(3, inbox, b"letter 3"), MailboxEvent::Published { ticket: 3 });
    bob.mailbox.watch(bob.now(), inbox, 0);
    assert_eq!(bob.read(2), [(1, b"letter 1".to_vec()), (3, b"letter 3".to_vec())]);
    // One that has a number reads what is behind it, and then what comes.
    let mut later = Client::new(&site, &node, "bob");
    later.mailbox.watch(later.now(), inbox, 1);
    assert_eq!(later.read(1), [(3, b"letter 3".to_vec())]);
    let began = Instant::now();
    assert_eq!(alice.leave(4, inbox, &vec![7; 63_488]), MailboxEvent::Published { ticket: 4 });
    assert_eq!((bob.read(1), later.read(1)), (vec![(4, vec![7; 63_488])], vec![(4, vec![7; 63_488])]));
    assert!(began.elapsed() < Duration::from_secs(30), "it was not the look that is made each minute");
    // Fields of a writer pass for nobody else's.
    let headers = Headers::default().with("Nats-Sequence", "9000").with("Nats-Subject", "rc.in.x");
    let mut forged = Vec::new();
    let subject = format!("rc.in.{inbox}");
    ClientOp::Publish { subject: &subject, reply: None, headers, payload: b"forged" }.write(&mut forged);
    alice.tcp.write_all(&forged).unwrap();
    assert_eq!(bob.read(1), [(5, b"forged".to_vec())]);
    // An inbox that is full refuses, and others do not.
    let mut config: Value = serde_json::from_str(&block("json rc.json")).unwrap();
    config["max_msgs_per_subject"] = 4.into();
    let changed = site.ask(&node, Tls::Without, "$JS.API.STREAM.UPDATE.RC", &config.to_string()).unwrap();
    assert!(changed["error"].is_null(), "{changed}");
    let full = MailboxEvent::Refused { ticket: 6, why: PublishRefusal::InboxFull };
    assert_eq!(alice.leave(6, inbox, b"too many"), full);
    assert_eq!(alice.leave(7, other, b"letter 7"), MailboxEvent::Published { ticket: 7 });
    Ok(())
}

/// Names of the threads of a process.
fn threads(process: &support::Process) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(|task| name(task.unwrap()).trim_end().to_owned()).collect()
}

fn prompt() -> Result<(), Failed> {
    let site = Site::new();
    let configuration = site.configuration("n1", Tls::Without);
    let node = site.start("n1", &configuration);
    let at = node.at.clone();
    let mut without = site.home.start(&["--plain"]);
    without.types(":relay");
    without.sees("no relay is set; relay = [\"tls://HOST\"] in the settings names one");
    assert!(!threads(&without).contains(&"relay".to_owned()));
    let config = site.path("config.toml");
    let key = site.key("alice");
    fs::write(&config, format!("relay = \"nats://{at}\"\nrelay-key = \"{}\"\n", key.display())).unwrap();
    let minji = Home::of("minji");
    let mut prompt = minji.start(&["--config", config.to_str().unwrap(), "--plain"]);
    let connected = format!("note: connected to the relay nats://{at}");
    prompt.sees(&connected);
    assert!(threads(&prompt).contains(&"relay".to_owned()));
    prompt.types(":status");
    prompt.sees_times(&format!("connected to the relay nats://{at}"), 2, PATIENCE);
    drop(node);
    let lost = format!("note: no relay is connected, and they are tried again: nats://{at}: ");
    prompt.sees(&lost);
    prompt.types(":relay");
    let row = format!("relay nats://{at}, state ");
    prompt.sees(&row);
    let node = site.start("n1", &configuration.replace("127.0.0.1:-1", &at));
    prompt.sees_times(&connected, 2, 2 * PATIENCE);
    assert_eq!(prompt.output().matches(&lost).count(), 1, "{}", prompt.output());
    drop(node);
    prompt.types(":quit");
    assert_eq!(prompt.ends(), 0);
    Ok(())
}

/// A person with a relay.
struct Person {
    home: Home,
    config: PathBuf,
}

impl Person {
    fn new(site: &Site, user: &str, nodes: &[Node]) -> Self {
        let config = site.path(&format!("{user}.toml"));
        let urls: Vec<_> = nodes.iter().map(|node| format!("\"nats://{}\"", node.at)).collect();
        let key = site.key(user);
        let text = format!("relay = [{}]\nrelay-key = \"{}\"\n", urls.join(", "), key.display());
        fs::write(&config, text).unwrap();
        let key = if user == "alice" { "test-1.pem" } else { "test-2.pem" };
        Self { home: Home::with_key(user, key), config }
    }

    fn starts(&self, more: &[&str]) -> support::Process {
        let mut args = vec!["--config", self.config.to_str().unwrap(), "--plain"];
        args.extend(more);
        self.home.start(&args)
    }
}

/// Both have met over a session, and can write to each other.
fn acquainted(alice: &Person, bob: &Person) {
    let mut there = bob.starts(&["--listen", "127.0.0.1:0"]);
    let at = there.listens_at();
    let mut here = alice.starts(&["--connect", &at]);
    there.sees("alice joined");
    there.types(":to alice");
    here.types(":to bob");
    for (process, name) in [(&mut here, "bob"), (&mut there, "alice")] {
        let row = format!("letters can be left for {name}");
        eventually("both have each other's keys", PATIENCE, || {
            process.types(":relay");
            process.has_seen(&row)
        });
    }
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    there.types(":quit");
    assert_eq!(there.ends(), 0);
}

/// Waits until a line has left for the relay.
fn is_at_relay(process: &mut support::Process, line: &str) {
    eventually("a line is at the relay", PATIENCE, || {
        process.types(":outbox");
        process.output().lines().any(|row| row.contains("state at the relay") && row.contains(line))
    });
}

fn letters() -> Result<(), Failed> {
    let site = Site::new();
    let node = [site.start("n1", &site.configuration("n1", Tls::Without))];
    site.make_streams(&node[0], Tls::Without, 1);
    let (alice, bob) = (Person::new(&site, "alice", &node), Person::new(&site, "bob", &node));
    acquainted(&alice, &bob);
    let mut here = alice.starts(&[]);
    here.types(":to bob");
    here.sees(
        "plain text now goes to bob, who is away; it goes by the relay, or once you are both connected",
    );
    for number in 1..=20 {
        here.types(&format!("line {number} of alice"));
    }
    here.sees("queued; bob gets it by the relay, or when you are both connected (:outbox)");
    is_at_relay(&mut here, "line 20 of alice");
    here.types(":quit");
    here.ends();
    let mut there = bob.starts(&[]);
    there.sees("line 20 of alice");
    let said = there.output();
    let said: Vec<_> = said.lines().filter_map(|row| Some(row.split_once(" alice says: ")?.1)).collect();
    let wanted: Vec<_> = (1..=20).map(|number| format!("line {number} of alice")).collect();
    assert_eq!(said, wanted, "{}", there.output());
    there.types(":to alice");
    there.types("thanks");
    is_at_relay(&mut there, "thanks");
    there.types(":quit");
    there.ends();
    let mut here = alice.starts(&[]);
    here.sees("thanks");
    here.types(":outbox");
    here.sees("no messages are waiting");
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    Ok(())
}

fn tls() -> Result<(), Failed> {
    let site = Site::new();
    site.make_certificates();
    let node = site.start("n1", &site.configuration("n1", Tls::Documented));
    let url = format!("tls://{}", node.at);
    let is_untrusted = ["problem  tls        TLS is not possible: ", "--relay-ca FILE"];
    // Whatever the system trusts, it is not this authority; nor is an older one.
    site.doctor_says(
        &url,
        Some("alice"),
        &["--relay-ca", system_roots(&site).to_str().unwrap()],
        4,
        &is_untrusted,
    );
    let ca = site.path("ca.pem");
    let more = ["--relay-ca", ca.to_str().unwrap()];
    let other_host = url.replace("127.0.0.1", "localhost");
    site.doctor_says(&other_host, Some("alice"), &more, 4, &["problem  tls        TLS is not possible: "]);
    let requires = ["problem  tls        the relay requires TLS", "write its address with tls://"];
    site.doctor_says(&url.replace("tls", "nats"), Some("alice"), &more, 4, &requires);
    let broken = site.path("broken.pem");
    fs::write(&broken, "no certificate").unwrap();
    site.doctor_says(
        &url,
        Some("alice"),
        &["--relay-ca", broken.to_str().unwrap()],
        3,
        &["problem  relay ca"],
    );
    drop(node);
    let node = site.start("n1", &site.configuration("n1", Tls::Without));
    let rows = ["problem  tls        the relay has no TLS, so nothing was sent to it"];
    site.doctor_says(&format!("tls://{}", node.at), Some("alice"), &more, 4, &rows);
    assert!(!site.log("n1").contains("uthorization"), "not even a log-in");
    Ok(())
}

/// An authority that has signed nothing here.
fn system_roots(site: &Site) -> PathBuf {
    let other = tempfile::tempdir().unwrap();
    let there = Site { folder: other, home: site.home.clone() };
    there.make_certificates();
    let kept = site.path("other.pem");
    fs::copy(there.path("ca.pem"), &kept).unwrap();
    Path::new(&kept).to_owned()
}
