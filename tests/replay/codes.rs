//! Exit codes, and every kind of script that can be named.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::stage::{Played, Written, connected, replay, run};
use super::support::{PATIENCE, RSACHAT, eventually};

fn named(argument: &str) -> Played {
    let mut command = Command::new(RSACHAT);
    command.args(["replay", argument]);
    run(command, b"")
}

#[test]
fn what_holds_ends_with_0_and_what_differs_with_1() {
    assert_eq!(replay(&connected(), &[]).code, 0);
    assert_eq!(replay("hello\n| nothing like this\n", &[]).code, 1);
}

#[test]
fn a_bad_script_or_bad_usage_ends_with_2_and_runs_nothing() {
    let played = replay("hello\n@kil alice\n", &[]);
    assert_eq!((played.code, played.out.as_str()), (2, ""));
    assert_eq!(replay("", &["--var", "x"]).code, 2);
    assert_eq!(replay("", &["--timeout", "soon"]).code, 2);
    assert_eq!(replay("", &["--no-such-option"]).code, 2);
}

#[test]
fn a_file_that_is_not_there_ends_with_3() {
    let played = named("/nowhere/x.chat");
    assert_eq!(played.code, 3);
    assert_eq!(played.err, "rsachat: error: cannot read /nowhere/x.chat: no such file or directory\n");
    assert_eq!(named(env!("CARGO_MANIFEST_DIR")).code, 3, "a folder without scripts");
}

#[test]
fn the_null_device_is_an_empty_script() {
    let played = named("/dev/null");
    assert_eq!((played.code, played.out.as_str(), played.err.as_str()), (0, "", ""));
}

#[test]
fn a_folder_is_its_scripts_by_name_and_the_first_difference_ends_it() {
    let written = Written::new(":showkey\n| ! no key yet; :keygen makes one\n");
    written.put("a.chat", "hi\n| other\n");
    written.put("notes.txt", "not a script");
    let played = written.replay(&["."]);
    assert_eq!(played.code, 1);
    assert!(played.out.contains("# ./a.chat\n") && !played.out.contains("story"), "{}", played.out);
    let played = written.replay(&[".", "--keep-going", "--quiet"]);
    assert_eq!((played.code, played.out.as_str()), (1, ""));
    assert_eq!(played.err.matches("error: line differs").count(), 1, "{}", played.err);
}

#[test]
fn bytes_that_are_not_utf_8_are_named_by_their_line() {
    let mut command = Command::new(RSACHAT);
    command.args(["replay", "-"]);
    let played = run(command, b"hello\nworld \xff\n");
    assert_eq!(played.code, 2);
    assert_eq!(played.err, "rsachat: error: -:2: a script is UTF-8, and this line is not\n");
}

/// A script that waits for somebody who never speaks, and the exit code after a signal in that wait.
fn signalled(signal: Signal) -> Option<i32> {
    let script = "@actors here peer\n@live peer\nhere> hello\nhere| never comes\n";
    let written = Written::new(script);
    let mut command = Command::new(RSACHAT);
    command.arg("replay").arg(written.folder().join("story.chat")).args(["--timeout", "600s"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut row = String::new();
    // Once the first step is printed, signals are being caught.
    while !row.contains("here> hello") {
        row.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut row).unwrap() > 0);
    }
    let stat = format!("/proc/{}/stat", child.id());
    let sleeps = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S "));
    eventually("it waits", PATIENCE, sleeps);
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    eventually("the signal ends it", PATIENCE, || child.try_wait().unwrap().is_some());
    child.wait().unwrap().code()
}

#[test]
fn a_signal_ends_a_wait_with_its_own_code() {
    assert_eq!(signalled(Signal::INT), Some(130));
    assert_eq!(signalled(Signal::TERM), Some(143));
}

#[test]
fn a_reader_that_has_gone_ends_it_like_sigpipe() {
    let written = Written::new(&format!("{}alice> hi\n", connected()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(RSACHAT);
    command.arg("replay").arg(written.folder().join("story.chat")).stdout(writer);
    assert_eq!(command.status().unwrap().code(), Some(141));
}
