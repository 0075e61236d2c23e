//! Site of a relay: folder, keys and configurations of its nodes, and the nodes that run.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rsachat::crypto::Nkey;
use rsachat::relay::{ClientOp, Connect, Decoder, Headers, ServerOp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, Home, PATIENCE, eventually, read};

/// Environment variable that names another nats-server than that of the path.
const PROGRAM: &str = "RSACHAT_NATS_SERVER";

/// Wait for an answer that a cluster without a leader does not give: it is asked again.
const A_MOMENT: Duration = Duration::from_secs(1);

pub(crate) fn program() -> String {
    std::env::var(PROGRAM).unwrap_or_else(|_| "nats-server".to_owned())
}

/// Block of `docs/RELAY.md` behind a fence with these words.
pub(crate) fn block(words: &str) -> String {
    let page = read("docs/RELAY.md");
    let (_, rest) = page.split_once(&format!("```{words}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Folder of one relay: keys, certificates, and a folder for each node.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) home: Home,
}

/// A running node; killed when it goes out of scope.
pub(crate) struct Node {
    child: Child,
    /// Where its clients come.
    pub(crate) at: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the nodes of a site have the `tls` of the page.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tls {
    Documented,
    Without,
}

impl Site {
    /// A folder with the keys of the operator and two users, and certificates.
    pub(crate) fn new() -> Self {
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

    /// The same with one node without TLS, which has both streams.
    pub(crate) fn with_node() -> (Self, Node) {
        let site = Self::new();
        let node = site.start("n1", &site.configuration("n1", Tls::Without));
        site.make_streams(&node, Tls::Without, 1);
        (site, node)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.nk"))
    }

    pub(crate) fn nkey(&self, name: &str) -> Nkey {
        Nkey::from_text(&fs::read_to_string(self.key(name)).unwrap()).unwrap()
    }

    /// An authority, and a certificate for 127.0.0.1 that it has signed.
    pub(crate) fn make_certificates(&self) {
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
    pub(crate) fn configuration(&self, name: &str, tls: Tls) -> String {
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
            // The shortest first, which a key may have in it.
            .replace("UBOB", self.nkey("bob").public())
            .replace("UALICE", self.nkey("alice").public())
            .replace("UOPERATOR", self.nkey("operator").public());
        format!("{text}\nports_file_dir: \"{}\"\n", data.display())
    }

    pub(crate) fn start(&self, name: &str, configuration: &str) -> Node {
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

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// Makes both streams as the page has them.
    pub(crate) fn make_streams(&self, node: &Node, tls: Tls, replicas: u32) {
        for (name, file) in [("RC", "json rc.json"), ("RK", "json rk.json")] {
            let mut config: Value = serde_json::from_str(&block(file)).unwrap();
            config["num_replicas"] = replicas.into();
            let mut said = Value::Null;
            // A cluster needs a leader first.
            eventually("a stream is made", 3 * PATIENCE, || {
                let subject = format!("$JS.API.STREAM.CREATE.{name}");
                let asked = self.ask_within(A_MOMENT, node, tls, &subject, &config.to_string());
                said = asked.unwrap_or_default();
                said["error"].is_null() && !said["config"].is_null()
            });
        }
    }

    /// Sets the number of letters that an inbox holds.
    pub(crate) fn limit_inboxes(&self, node: &Node, letters: u32) {
        let mut config: Value = serde_json::from_str(&block("json rc.json")).unwrap();
        config["max_msgs_per_subject"] = letters.into();
        let changed = self.ask(node, Tls::Without, "$JS.API.STREAM.UPDATE.RC", &config.to_string()).unwrap();
        assert!(changed["error"].is_null(), "{changed}");
    }

    /// Answer to a request of the operator.
    pub(crate) fn ask(&self, node: &Node, tls: Tls, subject: &str, payload: &str) -> Option<Value> {
        self.ask_within(PATIENCE, node, tls, subject, payload)
    }

    fn ask_within(
        &self,
        patience: Duration,
        node: &Node,
        tls: Tls,
        subject: &str,
        payload: &str,
    ) -> Option<Value> {
        let mut tcp = TcpStream::connect(&node.at).ok()?;
        tcp.set_read_timeout(Some(patience)).unwrap();
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

    pub(crate) fn trusting(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// What the doctor says of a relay, and its exit code.
    pub(crate) fn doctor(&self, url: &str, key: Option<&str>, more: &[&str]) -> (i32, String) {
        let key = key.map(|name| self.key(name));
        let mut command = self.home.command(&["doctor", "--relay", url]);
        command.args(more).args(key.iter().flat_map(|path| ["--relay-key", path.to_str().unwrap()]));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }

    #[track_caller]
    pub(crate) fn doctor_says(&self, url: &str, key: Option<&str>, more: &[&str], code: i32, rows: &[&str]) {
        let (found, said) = self.doctor(url, key, more);
        assert_eq!(found, code, "{said}");
        for row in rows {
            assert!(said.contains(row), "no {row:?} in:\n{said}");
        }
    }
}

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The next thing that a server says; `None` when it has hung up.
pub(crate) fn next(stream: &mut impl Read, decoder: &mut Decoder) -> Option<ServerOp> {
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

/// Three nodes of one cluster, whose streams have three copies.
pub(crate) struct Cluster<'site> {
    site: &'site Site,
    configurations: Vec<String>,
    /// Addresses for clients, which stay.
    pub(crate) addresses: Vec<String>,
    nodes: Vec<Option<Node>>,
}

impl<'site> Cluster<'site> {
    pub(crate) fn start(site: &'site Site) -> Self {
        // Ports of the cluster have to be known before it starts.
        let held: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<_> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(held);
        let configuration = |number: usize| {
            let mut cluster = block("conf three nodes")
                .replace("0.0.0.0:6222", &format!("127.0.0.1:{}", ports[number - 1]));
            for (number, port) in (1..).zip(&ports) {
                cluster = cluster.replace(&format!("n{number}.example:6222"), &format!("127.0.0.1:{port}"));
            }
            site.configuration(&format!("n{number}"), Tls::Without) + &cluster
        };
        let configurations: Vec<_> = (1..=3).map(configuration).collect();
        let start =
            |(number, configuration): (usize, &String)| site.start(&format!("n{number}"), configuration);
        let nodes: Vec<_> = (1..).zip(&configurations).map(start).collect();
        site.make_streams(&nodes[0], Tls::Without, 3);
        let addresses = nodes.iter().map(|node| node.at.clone()).collect();
        Self { site, configurations, addresses, nodes: nodes.into_iter().map(Some).collect() }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Place of the leader of the letters, once there is one.
    pub(crate) fn leader(&self) -> usize {
        let mut leader = None;
        eventually("the letters have a leader", 3 * PATIENCE, || {
            let ask = |node| self.site.ask_within(A_MOMENT, node, Tls::Without, "$JS.API.STREAM.INFO.RC", "");
            let info = self.nodes().find_map(ask);
            let name = info.and_then(|info| Some(info["cluster"]["leader"].as_str()?.to_owned()));
            leader = name.and_then(|name| name.strip_prefix('n')?.parse::<usize>().ok());
            leader.is_some_and(|number| self.nodes[number - 1].is_some())
        });
        leader.unwrap() - 1
    }

    /// Kills a node.
    pub(crate) fn kill(&mut self, place: usize) {
        assert!(self.nodes[place].take().is_some());
    }

    /// Starts a node again where it was, with what it has on disk.
    pub(crate) fn start_again(&mut self, place: usize) {
        let configuration = self.configurations[place].replace("127.0.0.1:-1", &self.addresses[place]);
        self.nodes[place] = Some(self.site.start(&format!("n{}", place + 1), &configuration));
    }
}
