//! `rsachat doctor` against everything that can be at the other end, and everything that can be
//! wrong at this one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use rsachat::limits::PORT_DEFAULT;
use rsachat::wire::{PREFACE_BYTES, Preface, Purpose};

use crate::support::{Home, PATIENCE, Process, RSACHAT, eventually, held_address, socket};

/// Runs the doctor, which has to end with `code` and to say each of `rows`; gives everything it
/// said.
fn check(home: &Home, args: &str, code: i32, rows: &[&str]) -> String {
    let mut command = home.command(&["doctor"]);
    // The port that it looks at by itself may be taken on the machine that runs the tests.
    if !args.contains("--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let output = command.args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}{complained}");
    for row in rows {
        assert!(said.contains(row), "{args:?} does not say {row:?}:\n{said}{complained}");
    }
    assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    said
}

/// Everything in a folder, with its mode. A file that is renamed while the folder is read fails.
fn contents(folder: &Path) -> io::Result<BTreeMap<String, (u32, Vec<u8>)>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let files = entries.into_iter().filter(|entry| entry.path().is_file()).map(|entry| {
        let mode = entry.metadata()?.permissions().mode();
        Ok((entry.file_name().into_string().unwrap(), (mode, fs::read(entry.path())?)))
    });
    files.collect()
}

/// Somebody who takes one call, says `first` at once and `then` after sixteen bytes came, and gives
/// what came.
pub(crate) fn takes_a_call(first: &[u8], then: &[u8]) -> (String, JoinHandle<Vec<u8>>) {
    let (listener, at) = socket();
    let (first, then) = (first.to_vec(), then.to_vec());
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&first).unwrap();
        let mut heard = vec![0; PREFACE_BYTES];
        if stream.read_exact(&mut heard).is_err() {
            return Vec::new();
        }
        // The caller may have gone.
        let _ = stream.write_all(&then);
        heard
    });
    (at, heard)
}

#[test]
fn a_listening_prompt_is_found_and_counts_a_caller_that_said_nothing() {
    let (junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    let before = contents(minji.path()).unwrap();
    let fingerprint = junho.home.fingerprint();
    check(
        &minji,
        &at,
        0,
        &[
            "ok       home       ",
            "ok       key        2048 bits, SHA256:",
            &format!("ok       address    {at} accepts the call"),
            "ok       answer     an rsachat, protocol version 1, suite 1, for conversations",
            &format!("warning  trust      {fingerprint} is new to you; it would be accepted on first use"),
            "ok       handshake  done; the other side accepts your key",
            "no problems found; 1 warning",
        ],
    );
    check(&minji, &format!("{at} --pin {fingerprint}"), 0, &[", as pinned\n", "no problems found\n"]);
    // Whether a key is taken shows only to who has proved it.
    junho.sees("(send) has a new key, not verified");
    assert!(!junho.has_seen("joined"), "{}", junho.output());
    assert_eq!(contents(minji.path()).unwrap(), before);
    // Junho says so before it is on disk.
    eventually("peers.met is all that comes to Junho's home", PATIENCE, || {
        contents(junho.home.path()).is_ok_and(|met| {
            let is_own = |name: &&String| name.as_str() != ".lock" && !name.starts_with("store.redb");
            let names: Vec<_> = met.keys().filter(is_own).collect();
            names == ["identity.pem", "peers.met"]
        })
    });
}

#[test]
fn trust_is_judged_as_a_conversation_would_judge_it() {
    let (junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    let (theirs, other) = (junho.home.fingerprint(), Home::of("하나").fingerprint());
    let changed = ["has CHANGED; nothing was sent", &other, &theirs, "not completed; nothing was sent"];
    for (key, trust, code, rows) in [
        (&theirs, format!("verified {at}"), 0, &["ok       trust      ", "the key of Jun, verified"][..]),
        (&theirs, "unverified".to_owned(), 0, &["the key of Jun, unverified", ":verify Jun"]),
        (&theirs, "blocked".to_owned(), 4, &["problem  trust      Jun is blocked", "not completed"]),
        (&other, format!("verified {at}"), 4, &changed),
    ] {
        let book = format!("Jun {key} {trust}\n");
        minji.private("peers", &book);
        check(&minji, &at, code, rows);
        assert_eq!(fs::read_to_string(minji.file("peers")).unwrap(), book);
    }
    fs::remove_file(minji.file("peers")).unwrap();
    check(&minji, &format!("{at} --pin {other}"), 4, &["has a different key from the pinned one"]);
    // Somebody else's home with the listener's own key.
    let twin = Home::with_key("쌍둥이", "test-2.pem");
    check(
        &twin,
        &at,
        0,
        &["ok       trust ", "your own key: this is your own rsachat", "no problems found\n"],
    );
    check(&twin, &format!("{at} --pin {other}"), 4, &["uses your own identity", "not completed"]);
    twin.private("peers", format!("Hana {other} verified {at}\n"));
    check(&twin, &at, 4, &["uses your own identity", "not completed"]);
}

#[test]
fn a_listener_that_does_not_know_us_says_so() {
    let (listening, at) = Process::start("준호", &["--listen", "127.0.0.1:0", "--known-only"]).and_where();
    let minji = Home::of("민지");
    let ours = format!("give it your fingerprint, {}", minji.fingerprint());
    check(&minji, &at, 4, &["problem  handshake  the other side refuses your key", &ours]);
    listening.sees("refused an unknown key");
}

#[test]
fn another_version_or_purpose_is_said_in_words() {
    let minji = Home::of("민지");
    let pipe = Preface::new(Purpose::Pipe).to_bytes();
    let (at, heard) = takes_a_call(b"", &pipe);
    check(&minji, &at, 4, &["problem  answer     an rsachat waiting for a pipe", "rsachat pipe"]);
    assert_eq!(heard.join().unwrap(), Preface::new(Purpose::Chat).to_bytes());
    let mut newer = Preface::new(Purpose::Chat).to_bytes();
    newer[8] = 2;
    let (at, _heard) = takes_a_call(b"", &newer);
    check(&minji, &at, 4, &["protocol version 2, suite 1; this is version 1, suite 1", "rsachat --version"]);
}

#[test]
fn a_pipe_is_told_from_a_conversation_and_still_waits_for_its_other_side() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let mut waiting = junho.run(&["pipe", "--accept-new", "--listen", "127.0.0.1:0"], Stdio::piped());
    let at = waiting.listens_at();
    check(&minji, &at, 4, &["problem  answer     an rsachat waiting for a pipe, not for a conversation"]);
    waiting.closes_input();
    let mut other = minji.run(&["pipe", "--accept-new", "--connect", &at], Stdio::piped());
    other.types("안녕");
    assert_eq!((other.closes_input().ends(), waiting.ends()), (0, 0));
    assert_eq!(waiting.output(), "안녕\n");
}

#[test]
fn a_receiver_is_a_conversation_too() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let receiving = junho.run(&["recv", "--accept-new", "--listen", "127.0.0.1:0"], Stdio::null());
    let at = receiving.listens_at();
    check(&minji, &at, 0, &["ok       answer     an rsachat", "ok       handshake  done"]);
    assert!(!junho.file("peers").exists());
}

#[test]
fn who_speaks_first_is_named_and_gets_not_one_byte() {
    let minji = Home::of("민지");
    for (first, expected) in [
        (&b"-----BEGIN PUBLIC KEY-----"[..], "a PEM key, so it speaks the raw wire of the Python tutorial"),
        (
            b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
            "an SSH server, not an rsachat: it begins with \"SSH-2.0-OpenSSH_9.2p1 Debian\"",
        ),
        (b"\x16\x03\x01\x00", "a TLS server"),
        (
            "220 안녕 \x1b[2J\u{202e}\r\n".as_bytes(),
            "something else, not an rsachat: it begins with \"220 안녕 \\u{1b}[2J\\u{202e}\"",
        ),
        (b"\xff\xfe\x00", "something else"),
    ] {
        // The doctor listens for half a second before it speaks. On a busy machine our side may not
        // have been awake in that time, which proves nothing, and it is called again.
        let gets_nothing = |_| {
            let (at, heard) = takes_a_call(first, b"");
            check(&minji, &at, 4, &["problem  answer     ", expected]);
            heard.join().unwrap().is_empty()
        };
        assert!((0..20).any(gets_nothing), "{expected}");
    }
}

#[test]
fn who_answers_in_another_language_is_named() {
    let minji = Home::of("민지");
    let (at, _heard) = takes_a_call(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n");
    check(&minji, &at, 4, &["a web server, not an rsachat: it begins with \"HTTP/1.1 400 Bad Request\""]);
    let (at, _heard) = takes_a_call(b"", b"");
    check(&minji, &at, 5, &["problem  answer     ", "hung up during the handshake"]);
    let (listener, at) = socket();
    let hangs_up = thread::spawn(move || drop(listener.accept().unwrap()));
    check(&minji, &at, 5, &["it hung up before either side spoke"]);
    hangs_up.join().unwrap();
}

#[test]
fn a_port_that_takes_calls_and_says_nothing_is_given_up() {
    let (_listener, at) = socket();
    check(&Home::of("민지"), &at, 5, &["problem  answer     it accepts calls but says nothing for 10 s"]);
}

#[test]
fn nobody_there_is_told_from_no_such_place() {
    let minji = Home::of("민지");
    let (_held, free) = held_address();
    let refused = format!("problem  address    {free} cannot be reached: connection refused");
    check(&minji, &free, 3, &[&refused, "rsachat --listen PORT"]);
    // Too long for a name, so that no server has to be asked.
    let long = format!("{}.example", "a".repeat(64));
    check(&minji, &long, 3, &["problem  name       ", "has no address: ", "check the spelling"]);
    check(&minji, "-6 127.0.0.1", 3, &["it has none of that family", "omit -4 or -6"]);
}

#[test]
fn a_port_to_listen_on_is_free_or_has_an_owner() {
    let (junho, taken) = Process::listening("준호");
    let theirs = format!("is in use by an rsachat with the key {}", junho.home.fingerprint());
    let minji = Home::of("민지");
    check(&minji, &format!("--listen {taken}"), 3, &["problem  port       ", &theirs, "choose another port"]);
    let yours =
        ["ok       port       ", "by an rsachat of yours with this key; its :status counts refused callers"];
    check(&junho.home, &format!("--listen {taken}"), 0, &yours);
    let (_held, free) = held_address();
    let is_free = format!("ok       port       {free} is free to listen on");
    check(&minji, &format!("--listen {free}"), 0, &[&is_free]);
    let (other, _heard) = takes_a_call(b"220 mail\r\n", b"");
    let in_use = ["address already in use", "end the program that uses it"];
    check(&minji, &format!("--listen {other}"), 3, &in_use);
    check(&minji, "--listen 192.0.2.1:8000", 3, &["this machine does not have that address"]);
}

#[test]
fn who_only_calls_needs_no_port() {
    let (_junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    let taken: SocketAddr = ([0, 0, 0, 0], PORT_DEFAULT).into();
    // Ours, or whoever has it already: taken either way.
    let _held = TcpListener::bind(taken);
    let set = minji.private("config.toml", format!("listen = \"0.0.0.0:{PORT_DEFAULT}\"\n"));
    for config in ["none", set.to_str().unwrap()] {
        let said = minji.answer(&["doctor", &at, "--config", config]);
        assert!(!said.contains(" port       "), "{said}");
        assert!(said.ends_with("no problems found; 1 warning\n"), "{said}");
    }
}

#[test]
fn what_is_wrong_at_home_is_said_with_its_remedy() {
    let (_junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    minji.private("peers", "민지 SHA256:short verified\n");
    let damaged =
        ["problem  peers      ", "is damaged, line 1: ", "which cannot be checked without the book"];
    check(&minji, &at, 3, &damaged);
    fs::remove_file(minji.file("peers")).unwrap();

    fs::set_permissions(minji.file("identity.pem"), fs::Permissions::from_mode(0o640)).unwrap();
    check(&minji, "", 3, &["problem  key        ", "is open to others (0640); chmod 600 "]);
    fs::set_permissions(minji.file("identity.pem"), fs::Permissions::from_mode(0o600)).unwrap();

    let secret = minji.file("passphrase");
    fs::write(&secret, "비밀번호\n").unwrap();
    let secret = secret.to_str().unwrap();
    minji.answer(&["key", "passphrase", "--new-passphrase-file", secret]);
    let locked = [
        "it is protected by a passphrase",
        "--passphrase-file FILE",
        "not completed, since you have no usable key",
    ];
    check(&minji, &at, 3, &locked);
    check(&minji, &format!("{at} --passphrase-file {secret}"), 0, &["ok       handshake  done"]);

    fs::write(minji.file("identity.pem"), "no key\n").unwrap();
    check(&minji, "", 3, &["problem  key        ", " key new"]);
    fs::remove_file(minji.file("identity.pem")).unwrap();
    check(&minji, &at, 0, &["warning  key        none in ", "warning  handshake  not completed"]);

    fs::set_permissions(minji.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let said = check(&minji, "", 3, &["problem  home       ", "is open to others (0755); chmod 700 "]);
    assert!(!said.contains("problem  key"), "{said}");
    fs::set_permissions(minji.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_store_is_open_elsewhere_or_has_what_waits_or_is_damaged_and_each_is_said() {
    let minji = Home::with_key("minji", "test-1.pem");
    let key = Home::with_key("bob", "test-2.pem").fingerprint();
    minji.answer(&["peers", "add", "bob", &key]);
    check(&minji, "", 0, &["ok       store      no messages wait"]);
    minji.run(&["send", "bob", "--keep", "-m", "one"], Stdio::null()).ends_saying(6, "1 message is kept");
    check(&minji, "", 0, &["ok       store      1 message waits for its receiver"]);
    let owner = minji.run(&["serve"], Stdio::null());
    minji.is_served();
    let held = format!("ok       store      open in another rsachat (process {})", owner.id());
    check(&minji, "", 0, &[&held]);
    drop(owner);
    // Of another key.
    minji.take_key("test-3.pem");
    check(&minji, "", 3, &["problem  store      ", "is sealed for another key"]);
    minji.take_key("test-1.pem");
    // Damaged: it is looked at and left alone.
    let store = minji.file("store.redb");
    fs::write(&store, vec![7; 8_192]).unwrap();
    check(&minji, "", 3, &["problem  store      ", "is damaged", "what waits in it is not sent"]);
    assert_eq!(fs::read(&store).unwrap(), vec![7; 8_192]);
    for args in [&["history", "export"][..], &["home", "export", "x.home"]] {
        assert_eq!(minji.run(args, Stdio::null()).ends(), 3, "{args:?}");
        fs::write(&store, vec![7; 8_192]).unwrap();
    }
    let mut flush = minji.run(&["send", "--flush", "--json"], Stdio::null());
    assert_eq!(flush.ends(), 3);
    let events = flush.complaints();
    assert!(events.lines().all(|line| line.starts_with('{')), "{events}");
    assert!(events.contains(r#""event":"error","kind":"not_kept""#), "{events}");
    assert!(events.contains(r#""event":"done","code":3"#), "{events}");
    assert_eq!(flush.output(), "");
    assert_eq!(minji.run(&["send", "--flush"], Stdio::null()).ends(), 0, "nothing waits any more");
    check(&minji, "", 0, &["warning  store      ", "store.redb.bad is a damaged store that was put aside"]);
}

#[test]
fn a_home_that_is_not_there_is_not_made() {
    let minji = Home::of("민지");
    let absent = minji.file("new/home");
    let args = ["doctor", "--listen", "127.0.0.1:0", "--home", absent.to_str().unwrap()];
    let output =
        std::process::Command::new(RSACHAT).args(args).env("RSACHAT_CONFIG", "none").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("does not exist yet; it is created with your first key"), "{said}");
    assert!(!minji.file("new").exists());
}

#[test]
fn settings_that_cannot_be_used_are_the_first_problem() {
    let minji = Home::of("민지");
    let config = minji.private("config.toml", "nmae = 1\n");
    let config = config.to_str().unwrap();
    let wrong = ["problem  settings   ", "config.toml:1:1: no setting nmae"];
    check(&minji, &format!("--config {config}"), 2, &wrong);
    fs::write(config, "name = \"민지\"\n").unwrap();
    check(&minji, &format!("--config {config}"), 0, &["ok       settings   ", "is valid, with 1 setting"]);
}

#[test]
fn wrong_usage_is_told_from_a_wrong_machine() {
    let minji = Home::of("민지");
    for args in
        [&["8000"][..], &["host:port"], &["--pin", "SHA256:x", "127.0.0.1"], &["--listen", "host:http"]]
    {
        let output = minji.command(&["doctor"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_gone_ends_it_in_silence() {
    let minji = Home::of("민지");
    for args in
        [&["doctor", "--listen", "127.0.0.1:0"][..], &["man"], &["completions", "bash"], &["config", "show"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = minji.command(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(141), &b""[..]), "{args:?}");
    }
}

#[test]
fn a_time_zone_that_is_none_is_said() {
    let home = Home::of("민지");
    for (zone, said) in
        [(Some("Asia/Soul"), true), (Some("KST-9"), false), (Some("UTC"), false), (None, false)]
    {
        let mut command = home.command(&["doctor", "--listen", "127.0.0.1:0"]);
        command.env_remove("TZ").envs(zone.map(|zone| ("TZ", zone)));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let row = "TZ is Asia/Soul, which is not a time zone: times are shown in UTC";
        assert_eq!((output.status.code(), text.contains(row)), (Some(0), said), "{zone:?}\n{text}");
        assert_eq!(text.contains("warning  zone"), said, "{zone:?}\n{text}");
    }
}

#[test]
fn whatever_answers_in_place_of_a_relay_is_told_from_one() {
    let minji = Home::of("민지");
    let relay = |at: &str, code: i32, rows: &[&str]| {
        let said = check(&minji, &format!("--relay nats://{at}"), code, rows);
        assert!(!said.contains("log-in"), "nothing is said to it:\n{said}");
    };
    let endless = vec![b'x'; 40_000];
    let info = |fields: &str| format!("INFO {{\"headers\":true,\"jetstream\":true,{fields}}}\r\n");
    for (first, code, rows) in [
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            4,
            ["is no relay", "it sent a line that NATS does not have"],
        ),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), 4, ["is no relay", "check the port"]),
        (endless, 4, ["is no relay", "it sent a line of more than 32768 bytes"]),
        (b"INFO {]\r\n".to_vec(), 4, ["is no relay", "an INFO that cannot be read"]),
        (
            info("\"version\":\"2.8.4\"").into_bytes(),
            4,
            ["nats-server 2.8.4", "needs nats-server 2.9 or later"],
        ),
        (
            info("\"version\":\"x\\u001b[31m\"").into_bytes(),
            4,
            ["nats-server x\\u{1b}[31m", "needs nats-server 2.9"],
        ),
        (
            info("\"version\":\"2.9.10\",\"max_payload\":4096").into_bytes(),
            4,
            ["it takes messages of 4096 bytes", "max_payload in its configuration"],
        ),
    ] {
        let (at, heard) = takes_a_call(&first, b"");
        relay(&at, code, &rows);
        assert!(heard.join().unwrap().is_empty());
    }
    let (listener, at) = socket();
    let hangs_up = thread::spawn(move || drop(listener.accept().unwrap()));
    relay(&at, 5, &["it closed the connection", "ask its operator"]);
    hangs_up.join().unwrap();
    let (_held, at) = held_address();
    relay(&at, 3, &["problem  relay      nats://", "cannot be reached: connection refused"]);
    let mut login = minji.run(&["doctor", "--relay", "nats://bob:secret@relay.example"], Stdio::null());
    login.ends_saying(2, "no user or password stands in the address of a relay");
    assert!(!login.complaints().contains("secret"), "{}", login.complaints());
    let mut alone = minji.run(&["doctor", "--relay-key", "relay.nk"], Stdio::null());
    alone.ends_saying(2, "--relay-key and --relay-ca are for a relay, and none is checked");
}
