//! Two pipes that are to meet, what goes into each, and what comes of it.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Home, PATIENCE, eventually};

/// A running pipe: standard error in a file, standard output wherever it was sent.
pub(crate) struct Pipe {
    child: Child,
    errors: File,
    output: Option<JoinHandle<Vec<u8>>>,
    ended: Option<i32>,
}

/// Where the bytes of a pipe go.
pub(crate) enum Output {
    /// Kept, for [`Pipe::output`].
    Kept,
    Into(Stdio),
    /// A pipe that the test takes.
    Taken,
}

impl Pipe {
    pub(crate) fn start(home: &Home, args: &[&str], input: Stdio, output: Output) -> Self {
        let mut command = home.command(&["pipe"]);
        command.args(args);
        Self::start_on(command, input, output)
    }

    pub(crate) fn start_on(mut command: Command, input: Stdio, output: Output) -> Self {
        let errors = tempfile::tempfile().unwrap();
        let kept = matches!(output, Output::Kept);
        let stdout = match output {
            Output::Kept | Output::Taken => Stdio::piped(),
            Output::Into(there) => there,
        };
        command.stdin(input).stdout(stdout).stderr(errors.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let output = kept.then(|| {
            let mut from = child.stdout.take().unwrap();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                from.read_to_end(&mut bytes).unwrap();
                bytes
            })
        });
        Self { child, errors, output, ended: None }
    }

    /// Somebody who waits for the other side, and where.
    pub(crate) fn listening(home: &Home, args: &[&str], input: Stdio, output: Output) -> (Self, String) {
        let mut all = vec!["--listen", "127.0.0.1:0"];
        all.extend(args);
        let mut pipe = Self::start(home, &all, input, output);
        let row = pipe.says("listening on ");
        let at = row.split_whitespace().last().unwrap().to_owned();
        (pipe, at)
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn errors(&mut self) -> String {
        let mut text = String::new();
        let mut errors = &self.errors;
        errors.rewind().unwrap();
        errors.read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for a row on standard error.
    pub(crate) fn says(&mut self, text: &str) -> String {
        let mut found = None;
        eventually(text, PATIENCE, || {
            let errors = self.errors();
            let whole = errors.rfind('\n').map_or("", |end| &errors[..end]);
            found = whole.lines().find(|row| row.contains(text)).map(str::to_owned);
            found.is_some() || self.child.try_wait().unwrap().is_some()
        });
        found.unwrap_or_else(|| panic!("never said {text:?}: {}", self.errors()))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits for the end and gives the exit code as a shell does.
    pub(crate) fn ends(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(code) = self.ended {
            return code;
        }
        let mut status = None;
        eventually("the end", PATIENCE * 3, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        self.ended = Some(code);
        code
    }

    /// Everything that was written to standard output.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        self.output.take().expect("the output is kept").join().unwrap()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An input that is a file with these bytes.
pub(crate) fn file(bytes: &[u8]) -> Stdio {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file.into()
}

/// Bytes that no rule of a text fits, the same for the same seed.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        // xorshift64 (Marsaglia, 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// Sends both ways at once and gives what came out of each side, and the codes.
pub(crate) fn exchange(out: &[u8], back: &[u8]) -> ([Vec<u8>; 2], [i32; 2]) {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (mut listens, at) = Pipe::listening(&junho, &["--accept-new"], file(back), Output::Kept);
    let mut calls = Pipe::start(&minji, &["--connect", &at, "--accept-new"], file(out), Output::Kept);
    let codes = [calls.ends(), listens.ends()];
    ([listens.output(), calls.output()], codes)
}
