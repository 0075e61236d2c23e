//! Live script `scripts/live/python.chat`, with a program at the other end that is not ours.

use std::process::{Command, Stdio};

use super::Python;
use crate::support::{Home, RSACHAT, root};

/// What stands after a speaker's mark in the script, in its order.
fn said(script: &str, mark: &str) -> Vec<String> {
    script.lines().filter_map(|row| row.strip_prefix(mark).map(str::to_owned)).collect()
}

pub(crate) fn live(python: &Python) {
    let path = root("scripts/live/python.chat");
    let script = std::fs::read_to_string(&path).unwrap();
    let mut peer = python.peer("oaep_peer.py", &["listen", "0"]);
    let port = peer.listens_at().rsplit(':').next().unwrap().to_owned();
    let mut command = Command::new(RSACHAT);
    command.arg("replay").arg(&path).args(["--var", &format!("port={port}")]);
    let mut replay = Home::of("나").start_on(command, Stdio::null());

    let (ours, theirs) = (said(&script, "나> "), said(&script, "파이썬> "));
    assert!(ours.len() == 3 && theirs.len() == 2, "the first of ours is its command");
    for (line, answer) in ours[1..].iter().zip(&theirs) {
        peer.sees(&format!("Received: {line}"));
        peer.types(answer);
    }
    assert_eq!(replay.ends(), 0, "{}", replay.output());
    assert_eq!(peer.rows_after("Received: "), ours[1..]);
    assert!(replay.has_seen(&format!("나| raw~1: {}", theirs[0])));
}

/// The scripts that start a peer themselves.
pub(crate) fn spawned(python: &Python) {
    for name in ["oaep", "native", "bot"] {
        let mut command = Command::new(RSACHAT);
        let path = root("scripts/spawn").join(name).with_extension("chat");
        command.arg("replay").arg(path).args(["--allow-spawn", "--var"]);
        command.arg(format!("python={}", python.path()));
        let mut replay = Home::of("나").start_on(command, Stdio::null());
        assert_eq!(replay.ends(), 0, "{}{}", replay.output(), replay.complaints());
    }
}
