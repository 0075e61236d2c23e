//! Runs of scripts: text in, what the program did out. Keys come from `tests/keys`, so none is
//! generated.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{RSACHAT, read};

pub(crate) struct Played {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Played {
    pub(crate) fn passes(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.err, self.out);
        self.out
    }
}

/// A replay of a script, which may be `-`.
pub(crate) fn command(script: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(RSACHAT);
    command.arg("replay").arg(script).env_remove("CI");
    command
}

pub(crate) fn replay(script: &str, args: &[&str]) -> Played {
    let mut command = command("-");
    command.args(args);
    run(command, script.as_bytes())
}

pub(crate) fn run(mut command: Command, input: &[u8]) -> Played {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Played {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A script in a file of a folder of its own.
pub(crate) struct Written {
    folder: TempDir,
}

impl Written {
    pub(crate) fn new(script: &str) -> Self {
        let written = Self { folder: TempDir::new().unwrap() };
        written.put("story.chat", script);
        written
    }

    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.story()).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn story(&self) -> PathBuf {
        self.folder.path().join("story.chat")
    }

    /// Plays it, from its folder, so that its name is the same on every machine.
    pub(crate) fn replay(&self, args: &[&str]) -> Played {
        let mut command = Command::new(RSACHAT);
        command.current_dir(self.folder.path()).arg("replay").args(args).env_remove("CI");
        run(command, b"")
    }
}

pub(crate) fn key(who: &str, number: u32) -> String {
    let pem = read(&format!("tests/keys/test-{number}.pem"));
    format!("@file {who}/identity.pem <<END\n{}\nEND\n", pem.trim_end())
}

/// Alice and Bob with keys, not connected.
pub(crate) fn two() -> String {
    format!("@actors alice bob\n{}{}", key("alice", 1), key("bob", 2))
}

pub(crate) fn connected() -> String {
    format!("{}alice> :listen 0\nbob> :connect 127.0.0.1:${{alice.port}}\n", two())
}

/// What follows the keys in a transcript.
pub(crate) fn after_keys(transcript: &str) -> String {
    transcript.rsplit("-----END PRIVATE KEY-----\nEND\n").next().unwrap().to_owned()
}

/// The transcript of a script plays to itself.
pub(crate) fn closes(script: &str) -> String {
    let once = replay(script, &[]).passes();
    let twice = replay(&once, &[]).passes();
    assert_eq!(once, twice, "of\n{script}");
    once
}
