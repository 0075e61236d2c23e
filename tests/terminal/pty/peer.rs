//! The other side: the same program on pipes, which types and reads as a test tells it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::PROGRAM;
use super::watch::Watched;

/// What a peer types into.
pub(crate) struct Input(ChildStdin);

impl Input {
    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.0, "{line}").and_then(|()| self.0.flush()).expect("the peer takes lines");
    }
}

pub(crate) struct Peer {
    child: Child,
    input: Option<Input>,
    lines: Arc<Watched<Vec<String>>>,
    _home: TempDir,
}

impl Peer {
    /// Starts it and calls an address.
    pub(crate) fn start(name: &str, address: &str, home: TempDir) -> Self {
        let mut command = Command::new(PROGRAM);
        command.arg("--home").arg(home.path()).args(["--name", name, "--connect", address]);
        command.env("TZ", "UTC").env("RSACHAT_CONFIG", "none").current_dir(home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let door = super::one_at_a_time();
        let mut child = command.spawn().expect("the peer starts");
        drop(door);
        let input = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        let lines = Arc::new(Watched::new(Vec::new()));
        let watched = Arc::clone(&lines);
        thread::spawn(move || read_all(output, &watched));
        Self { child, input: Some(Input(input)), lines, _home: home }
    }

    /// Types a line.
    pub(crate) fn say(&mut self, line: &str) {
        self.input.as_mut().expect("nobody took it").say(line);
    }

    /// Gives away what it types into.
    pub(crate) fn take_input(&mut self) -> Input {
        self.input.take().expect("nobody took it")
    }

    /// Stops it where it stands, as a machine that has gone to sleep.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Wakes it.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        rustix::process::kill_process(pid, signal).expect("a signal is taken");
    }

    /// Waits until it has shown a line with this text in it.
    pub(crate) fn wait_for(&self, text: &str) {
        let done = self.lines.wait(|lines| lines.iter().any(|line| line.contains(text)));
        assert!(done, "the peer never showed {text:?}: {:#?}", self.lines.look(Vec::clone));
    }

    /// Waits until alice has said this many rows, and gives them without their times and her name.
    pub(crate) fn wait_heard(&self, count: usize) -> Vec<String> {
        let done = self.lines.wait(|lines| heard(lines).len() >= count);
        assert!(done, "the peer heard too little: {:#?}", self.lines.look(Vec::clone));
        self.lines.look(|lines| heard(lines))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn heard(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| Some(line.split_once(" alice: ")?.1.to_owned())).collect()
}

fn read_all(output: ChildStdout, lines: &Watched<Vec<String>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        lines.change(|lines| lines.push(line));
    }
}
