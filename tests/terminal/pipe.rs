//! Pipe at a terminal: a person who types sees what was said and nothing between; a file that is
//! sent shows how far it has come, until something arrives.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use portable_pty::CommandBuilder;

use super::pty::{Pty, has};
use crate::support::{Home, Output, Process, RSACHAT};

/// A pipe that waits for the other side.
pub(crate) fn listening(output: Output) -> Process {
    let junho = Home::of("준호");
    let args = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--name", "준호"];
    junho.start_into(junho.command(&args), Stdio::piped(), output)
}

/// A pipe on a terminal that calls it, with this behind its command in a shell.
fn calling(listens: &Process, redirected: &str) -> Pty {
    calling_with(listens, redirected, |command, size, home| Pty::open(command.clone(), size, home))
}

/// The same on a terminal that is opened in this way.
pub(crate) fn calling_with(
    listens: &Process,
    redirected: &str,
    open: impl FnOnce(&CommandBuilder, (u16, u16), Home) -> Pty,
) -> Pty {
    let minji = Home::of("민지");
    let line = format!(
        r#"exec "$0" --home "$1" --config none pipe --connect "$2" --accept-new --name 민지 {redirected}"#
    );
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", &line, RSACHAT]);
    command.arg(minji.path());
    command.arg(listens.listens_at());
    open(&command, (100, 12), minji)
}

#[test]
fn a_person_who_types_sees_what_was_said_and_no_counts() {
    let mut listens = listening(Output::Taken);
    let mut says = listens.take_input();
    let mut hears = listens.take_output();
    let mut calls = calling(&listens, "");
    calls.press("안녕하세요\r");
    let mut line = [0; 16];
    hears.read_exact(&mut line).unwrap();
    assert_eq!(line, *"안녕하세요\n".as_bytes());
    says.write_all("네, 반갑습니다\n".as_bytes()).unwrap();
    calls.sees("네, 반갑습니다");
    drop(says);
    let told = "rsachat: the other side has sent everything; Ctrl-D ends your side";
    calls.wait(told, |screen| has(screen, told));
    calls.press("\x04");
    assert_eq!([calls.wait_end(), u32::try_from(listens.ends()).unwrap()], [0, 0]);
    assert_eq!(calls.screen().trim_end(), format!("안녕하세요\n네, 반갑습니다\n{told}"));
    assert!(!calls.bytes().contains("sent,"));
}

#[test]
fn a_file_that_is_sent_shows_its_counts_until_something_arrives() {
    let mut listens = listening(Output::Into(Stdio::null()));
    let mut says = listens.take_input();
    let mut calls = calling(&listens, "< /dev/zero");
    calls.sees("B confirmed, 0 B received");
    says.write_all(b"enough\n").unwrap();
    calls.sees("enough");
    drop(says);
    drop(listens);
    assert_eq!(calls.wait_end(), 5);
    // What it wrote last may still be on its way from the terminal.
    calls.sees("rsachat: error: ");
    let screen = calls.screen();
    assert!(screen.starts_with("enough\nrsachat: error: "), "the row is gone: {screen}");
}
