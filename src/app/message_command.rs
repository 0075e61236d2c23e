//! Command that a shell runs, of `recv --exec` for one message or of `--via` for one connection: a
//! process group, of this process or of its broker.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};

use super::broker::{self, Call, Ended, VARIABLES, Values};
use super::error::describe;
use crate::peers::address::Target;

/// Command that runs, or has ended and was not reaped.
pub(crate) enum RunningCommand {
    Here(Pid),
    AtBroker(Call),
}

impl RunningCommand {
    /// Starts the command with its standard input, output and error.
    pub(crate) fn start(exec: &str, values: Values, streams: [OwnedFd; 3]) -> Result<Self, String> {
        match broker::of_process() {
            Some(broker) => {
                broker.run(values, streams.each_ref().map(|stream| stream.as_fd())).map(Self::AtBroker)
            }
            None => Self::start_here(exec, &values, streams),
        }
    }

    /// Starts the command of a call to an address, which is filled in already; the broker fills it
    /// in by itself.
    pub(crate) fn start_via(
        command: &str,
        target: &Target,
        filled: &str,
        streams: [OwnedFd; 3],
    ) -> Result<Self, String> {
        match broker::of_process() {
            Some(broker) => {
                let borrowed = streams.each_ref().map(|stream| stream.as_fd());
                broker.run_via(command, &target.host, target.port, borrowed).map(Self::AtBroker)
            }
            None => Self::start_here(filled, &Values::default(), streams),
        }
    }

    /// The same in this process.
    pub(crate) fn start_here(
        exec: &str,
        values: &Values,
        [input, output, errors]: [OwnedFd; 3],
    ) -> Result<Self, String> {
        let mut command = Command::new("sh");
        for (name, value) in VARIABLES.iter().zip(values) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.args(["-c", exec]).stdin(input).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().map_err(|error| match error.kind() {
            // It was given up (`super::sandbox`).
            io::ErrorKind::PermissionDenied => broker::NO_COMMANDS.to_owned(),
            _ => describe(&error),
        })?;
        Ok(Self::Here(Pid::from_child(&child)))
    }

    /// Asks it to end, and what it has started; the broker kills it if it does not.
    pub(crate) fn terminate(&self) {
        match self {
            Self::Here(group) => _ = kill_process_group(*group, Signal::TERM),
            Self::AtBroker(call) => call.give_up(),
        }
    }

    /// Kills it, and what it has started.
    pub(crate) fn kill(&self) {
        match self {
            // It may have ended by itself.
            Self::Here(group) => _ = kill_process_group(*group, Signal::KILL),
            Self::AtBroker(call) => call.give_up(),
        }
    }

    /// Waits for its end. Until it is reaped, its number is no other's.
    pub(crate) fn wait(&self) -> Result<Ended, String> {
        match self {
            Self::Here(pid) => {
                let status = waited(*pid, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
                    .map_err(|error| describe(&error))?;
                Ok(status.and_then(|status| status.exit_status()).map_or(Ended::Killed, Ended::Exited))
            }
            Self::AtBroker(call) => call.end(),
        }
    }

    /// Reaps it after its end.
    pub(crate) fn reap(&self) {
        if let Self::Here(pid) = self {
            // It has been waited for.
            let _ = waited(*pid, WaitIdOptions::EXITED);
        }
    }
}

fn waited(pid: Pid, options: WaitIdOptions) -> io::Result<Option<WaitIdStatus>> {
    loop {
        match waitid(WaitId::Pid(pid), options) {
            Err(Errno::INTR) => {}
            status => return Ok(status?),
        }
    }
}
