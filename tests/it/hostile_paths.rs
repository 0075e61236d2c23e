//! Paths of which the names hold what a terminal obeys: no front end writes that as it is.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Home, Process, RSACHAT};
use crate::transfers::acquainted;

/// It would set a title, ring, begin a row of its own and turn letters around.
const NAME: &str = "e\u{1b}]2;HACKED\u{7}red\n* bob is verified\u{202e}.txt";
/// What of it can be typed at a prompt.
const TYPED: &str = "e\u{1b}]2;HACKED\u{7}red\u{202e}.txt";

fn assert_harmless(what: &str, process: &Process) {
    let written = String::from_utf8(process.raw_output()).unwrap() + &process.complaints();
    let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!written.contains(is_obeyed), "{what}: {written:?}");
    assert!(!written.contains("\n* bob is verified"), "{what}: {written:?}");
}

#[test]
fn what_a_prompt_says_of_a_path_is_in_one_row_and_obeyed_by_no_terminal() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (from, to) = (outside.path().join("photos"), outside.path().join("to"));
    fs::create_dir(&from).unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(from.join(NAME), "1").unwrap();
    let (mut takes, mut sends) = acquainted(&minji, &hana);
    sends.types(&format!(":send {} --to 민지", from.display()));
    takes.sees("(:accept 1, :decline 1)");
    fs::File::options().append(true).open(from.join(NAME)).unwrap().write_all(b"2").unwrap();
    takes.types(&format!(":accept 1 {}", to.display()));
    sends.sees("changed since it was offered; offer it again");
    takes.types("hello");
    sends.sees("hello");
    for (line, said) in [
        (format!(":log {}/{TYPED}/x", to.display()), "there is no folder"),
        (format!(":send {}/{TYPED}", to.display()), "is not offered"),
        (format!(":save {}/{TYPED}/x", to.display()), "was not saved as"),
    ] {
        sends.types(&line);
        sends.sees(said);
    }
    fs::write(from.join(NAME), "1").unwrap();
    sends.types(&format!(":send {} --to 민지", from.display()));
    takes.sees("(:accept 2, :decline 2)");
    takes.types(&format!(":accept 2 {}/{TYPED}/none/x", to.display()));
    takes.sees("there is no folder");
    takes.types(&format!(":accept 2 {}/{TYPED}", to.display()));
    takes.sees("received ");
    takes.types(":files");
    takes.sees("is /");
    assert_harmless("the sender's prompt", &sends);
    assert_harmless("the receiver's prompt", &takes);
}

#[test]
fn no_subcommand_writes_a_path_as_a_terminal_would_obey_it() {
    let (hana, outside) = (Home::of("하나"), tempfile::tempdir().unwrap());
    let there = outside.path().join(NAME);
    // What is below a file cannot be there.
    fs::write(&there, "x").unwrap();
    let inside = there.join("x");
    let (there, inside) = (there.to_str().unwrap(), inside.to_str().unwrap());
    let cases: [&[&str]; 22] = [
        &["recv", "--listen", "127.0.0.1:0", "--files", inside],
        &["recv", "--listen", "127.0.0.1:0", "--home", inside],
        &["send", "127.0.0.1:9", "--home", inside],
        &["pipe", "127.0.0.1:9", "--home", inside],
        &["serve", "--home", inside, "--listen", "127.0.0.1:0"],
        &["attach", "--home", inside],
        &["outbox", "--home", inside],
        &["history", "search", "x", "--home", inside],
        &["peers", "list", "--home", inside],
        &["peers", "list", "--home", there],
        &["key", "show", "--home", inside],
        &["key", "import", inside],
        &["home", "export", inside],
        &["home", "import", inside],
        &["doctor", "--home", inside],
        &["config", "check", "--config", inside],
        &["config", "show", "--config", inside],
        &["replay", inside],
        &["replay", there],
        &["--log", inside],
        &["--record", inside],
        &["--passphrase-file", inside],
    ];
    for args in cases {
        let mut command = Command::new(RSACHAT);
        if !args.contains(&"--home") {
            command.arg("--home").arg(hana.path());
        }
        command.args(args).env_remove("RSACHAT_HOME").env("RSACHAT_CONFIG", "none");
        let mut ended = hana.start_on(command, Stdio::null());
        ended.ends();
        assert_harmless(&args.join(" "), &ended);
    }
}
