//! Exit codes of a replay, and every kind of script that can be named.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::fixture::{Played, Written, command, connected, replay, run};
use crate::support::{PATIENCE, eventually};

fn named(argument: &str) -> Played {
    run(command(argument), b"")
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
    for name in ["", "5", "a b", "a."] {
        let played = replay("", &["--var", &format!("{name}=1")]);
        assert_eq!(played.code, 2, "{name:?}");
        assert!(played.err.contains(&format!("`{name}` is not a valid name")), "{}", played.err);
    }
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
fn a_machine_without_room_for_the_homes_ends_with_3() {
    let mut command = command("-");
    command.env("TMPDIR", "/nowhere");
    let played = run(command, b":showkey\n");
    assert_eq!(played.code, 3);
    let what = "cannot create a folder for the homes in /nowhere: no such file or directory";
    assert_eq!(
        played.err,
        format!("rsachat: error: {what}\nrsachat: hint: TMPDIR says where it is created\n")
    );
}

#[test]
fn a_folder_is_its_scripts_by_name_and_the_first_difference_ends_it() {
    let written = Written::new(":showkey\n| ! no key yet; :keygen generates one\n");
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
    let played = run(command("-"), b"hello\nworld \xff\n");
    assert_eq!(played.code, 2);
    assert_eq!(played.err, "rsachat: error: -:2: a script is UTF-8, and this line is not\n");
}

/// The exit code of a script that would never end, after a look at the folder of the run and a
/// signal once this row of it is printed. Nothing of it is left on the disk.
fn signalled(script: &str, at: &str, signal: Signal, look: impl Fn(&Path)) -> Option<i32> {
    let written = Written::new(script);
    let homes = TempDir::new().unwrap();
    let mut command = command(written.story());
    command.args(["--timeout", "600s"]).env("TMPDIR", homes.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut row = String::new();
    // Once a step is printed, signals are being caught.
    while !row.contains(at) {
        row.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut row).unwrap() > 0);
    }
    let runs: Vec<_> = std::fs::read_dir(homes.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [run] = runs.as_slice() else { panic!("{runs:?}") };
    look(run);
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    eventually("the signal ends it", PATIENCE, || child.try_wait().unwrap().is_some());
    assert_eq!(std::fs::read_dir(homes.path()).unwrap().count(), 0, "homes are left");
    child.wait().unwrap().code()
}

#[test]
fn a_signal_ends_a_wait_and_a_closed_run_with_its_own_code_and_leaves_no_home() {
    let waits = "@actors here peer\n@live peer\nhere> hello\nhere| never comes\n";
    let years = format!("{}@tick 200000d\n", connected());
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        assert_eq!(signalled(waits, "here> hello", signal, |_| {}), Some(code));
        assert_eq!(signalled(&years, "@tick 200000d", signal, |_| {}), Some(code));
    }
}

#[test]
fn the_keys_that_a_replay_makes_are_marked_in_their_files() {
    let script = format!("{}alice> :keygen --replace\nbob> :keygen --raw\n@tick 200000d\n", connected());
    let code = signalled(&script, "@tick 200000d", Signal::INT, |run| {
        for file in ["alice/identity.pem", "bob/raw.pem"] {
            let text = std::fs::read_to_string(run.join(file)).unwrap();
            assert!(text.starts_with("TEST KEY, made by a replay: never use it to talk\n"), "{file}: {text}");
        }
        // One that the script gave is as it was given.
        let given = std::fs::read_to_string(run.join("bob/identity.pem")).unwrap();
        assert!(given.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{given}");
    });
    assert_eq!(code, Some(130));
}

#[test]
fn a_signal_before_a_script_has_been_read_ends_it_at_once() {
    let mut child = command("-").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut typed, b":showkey\n").unwrap();
    eventually("it reads", PATIENCE, || rustix::io::ioctl_fionread(&typed).unwrap() == 0);
    // Not SIGINT: where the tests run in the background of a shell, that one may be ignored from
    // the start.
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    eventually("the signal ends it", PATIENCE, || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_reader_that_has_gone_ends_it_like_sigpipe() {
    let written = Written::new(&format!("{}alice> hi\n", connected()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(command(written.story()).stdout(writer).status().unwrap().code(), Some(141));
}
