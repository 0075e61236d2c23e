//! Programs of a bench: started, watched while they run, and ended whatever happens.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time between two looks at a program.
const LOOK: Duration = Duration::from_millis(1);

/// A child that is ended when it goes out of scope.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Helpers of one run, and the two programs whose end is the end of the run.
pub(crate) struct Children {
    pub(crate) helpers: Vec<Guard>,
    pub(crate) receiver: Option<Guard>,
    pub(crate) sender: Guard,
}

/// What a run took, from the sender's start.
pub(crate) struct Ran {
    pub(crate) took: Duration,
    pub(crate) memory: History,
}

/// The most memory that each side had.
#[derive(Clone, Copy, Default)]
pub(crate) struct History {
    pub(crate) sender_kib: u64,
    pub(crate) receiver_kib: u64,
}

impl History {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            sender_kib: self.sender_kib.max(other.sender_kib),
            receiver_kib: self.receiver_kib.max(other.receiver_kib),
        }
    }
}

impl Children {
    /// Waits for sender and receiver.
    pub(crate) fn finish(mut self, begun: Instant) -> Outcome<Ran> {
        let mut memory = History::default();
        loop {
            let receiver_kib = self.receiver.as_ref().map_or(0, |receiver| peak_kib(&receiver.0));
            memory = memory.max(History { sender_kib: peak_kib(&self.sender.0), receiver_kib });
            let sent = self.sender.0.try_wait()?;
            let received = match &mut self.receiver {
                Some(receiver) => receiver.0.try_wait()?.is_some(),
                None => true,
            };
            if let Some(status) = sent.filter(|_| received) {
                let took = begun.elapsed();
                drop(self.helpers);
                return if status.success() {
                    Ok(Ran { took, memory })
                } else {
                    Err("the sender failed".into())
                };
            }
            if begun.elapsed() > PATIENCE {
                return Err("it did not end".into());
            }
            thread::sleep(LOOK);
        }
    }
}

/// Most resident memory so far, in KiB (proc(5), `VmHWM`); 0 once it has ended.
fn peak_kib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Starts a helper or a receiver with nothing to say.
pub(crate) fn quiet(program: &str, args: &[&str]) -> Outcome<Guard> {
    Ok(Guard(command(program, args).spawn().map_err(|error| format!("{program}: {error}"))?))
}

/// A command whose input and outputs are the null device.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until somebody listens on a port, without calling there (proc(5), `net/tcp`).
pub(crate) fn wait_for_port(port: u16) -> Outcome<()> {
    let until = Instant::now() + PATIENCE;
    let wanted = format!(":{port:04X} ");
    while Instant::now() < until {
        let table = std::fs::read_to_string("/proc/net/tcp")? + &std::fs::read_to_string("/proc/net/tcp6")?;
        let listens = |row: &str| {
            let mut fields = row.split_whitespace().skip(1);
            let local = fields.next().map(|local| format!("{local} "));
            local.is_some_and(|local| local.ends_with(&wanted)) && fields.nth(1) == Some("0A")
        };
        if table.lines().any(listens) {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    Err(format!("nobody listens on {port}").into())
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// This package's program.
pub(crate) mod rsachat {
    use std::io::{BufRead as _, BufReader};

    use super::{Command, Guard, Outcome, Path, Stdio};

    pub(crate) fn command(home: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rsachat"));
        command.arg("--home").arg(home).env_remove("RSACHAT_HOME");
        command
    }

    /// Starts one that listens, and gives its address.
    pub(crate) fn listening(home: &Path, args: &[&str], output: Stdio) -> Outcome<(Guard, String)> {
        let mut child = Guard(
            command(home)
                .args(args)
                .args(["--accept-new", "--listen", "127.0.0.1:0"])
                .stdin(Stdio::null())
                .stdout(output)
                .stderr(Stdio::piped())
                .spawn()?,
        );
        let errors = child.0.stderr.take().ok_or("no errors")?;
        let mut lines = BufReader::new(errors).lines();
        let at = loop {
            let line = lines.next().ok_or("it does not listen")??;
            if let Some((_, at)) = line.split_once("listening on ") {
                break at.to_owned();
            }
        };
        // What it says later is not wanted, but somebody must take it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok((child, at))
    }
}
