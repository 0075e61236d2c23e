//! Broker as a process: one thread for each request, until the socket of its process is closed.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::{Signal, kill_current_process_group};
use serde::Serialize;

use super::files::serve_request;
use super::frame;
use super::request::{Candidates, Request, Values};
use super::{NO_COMMANDS, Purpose};
use crate::app::error::describe;
use crate::app::export::save;
use crate::app::external_editor;
use crate::app::file_disk::{FileDisk, Places};
use crate::app::log::open_log;
use crate::app::message_command::RunningCommand;
use crate::app::os::named_path;
use crate::app::output::is_ready;
use crate::limits::VIA_END_MS;
use crate::net::process;
use crate::peers::via::Via;

/// Completion of the path before the cursor of a line.
pub(crate) type CompletePath = fn(line: &str, pos: usize) -> Candidates;

/// Serves the process at standard input. Returns once that has ended, and with it every request.
pub(crate) fn serve(purpose: &Purpose, complete: CompletePath) -> io::Result<()> {
    process::close_descriptors(process::inherited_descriptors());
    process::disable_core_dumps()?;
    process::catch_file_size_limit()?;
    process::outlive_signals()?;
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let terminal = <[OwnedFd; 3]>::try_from(frame::receive_with(&control, &mut [0])?).ok();
    let server = Server { purpose, complete, terminal };
    thread::scope(|scope| {
        while let Ok(socket) = frame::receive_with(&control, &mut [0]) {
            for socket in socket.into_iter().map(UnixStream::from) {
                let server = &server;
                let carry_out = move || server.carry_out(&socket);
                // Without a thread the socket is closed, which its sender is told.
                let _ = thread::Builder::new().spawn_scoped(scope, carry_out);
            }
        }
    });
    Ok(())
}

struct Server<'a> {
    purpose: &'a Purpose,
    complete: CompletePath,
    /// Terminal of the process, as that began.
    terminal: Option<[OwnedFd; 3]>,
}

impl Server<'_> {
    /// Carries out a request. One that the purpose does not allow has no answer, nor has one whose
    /// sender has gone.
    fn carry_out(&self, socket: &UnixStream) {
        let Ok((request, _, descriptors)) = frame::receive::<Request>(socket) else { return };
        match (self.purpose, request) {
            (Purpose::Prompt(_), Request::OpenLog { file }) => match open_log(&file) {
                Ok(log) => answer_with(socket, &Ok::<_, String>(()), &[log.as_fd()]),
                Err(error) => answer(socket, &Err::<(), _>(describe(&error))),
            },
            (Purpose::Prompt(_), Request::Save { file, text }) => {
                answer(socket, &save(&named_path(&file), &text));
            }
            (Purpose::Prompt(_), Request::Complete { line, pos }) => {
                answer(socket, &Ok::<_, String>((self.complete)(&line, pos)));
            }
            (Purpose::Prompt(_), Request::Files { inbox }) => serve_files(socket, inbox),
            (Purpose::Prompt(_), Request::Edit { text }) => {
                let Some(terminal) = &self.terminal else { return };
                let is_given_up = || is_ready(socket, PollFlags::IN, 0);
                let terminal = terminal.each_ref().map(|one| one.as_fd());
                answer(socket, &external_editor::edit_here(&text, terminal, is_given_up));
            }
            (Purpose::Prompt(_), Request::Suspend) => {
                let stopped = kill_current_process_group(Signal::TSTP);
                answer(socket, &stopped.map_err(|error| describe(&error.into())));
            }
            (Purpose::Exec(command, _), Request::Run { values }) => {
                let Ok(streams) = <[OwnedFd; 3]>::try_from(descriptors) else { return };
                run(socket, RunningCommand::start_here(command, &values, streams), Duration::ZERO);
            }
            (purpose, Request::RunVia { command, host, port }) => {
                let Ok(streams) = <[OwnedFd; 3]>::try_from(descriptors) else { return };
                let filled = match command.parse() {
                    Ok(Via::Command(parsed)) if purpose.allows(&command) => {
                        parsed.filled(&host, port).map_err(|error| error.to_string())
                    }
                    _ => Err(NO_COMMANDS.to_owned()),
                };
                let start = |filled: String| RunningCommand::start_here(&filled, &Values::default(), streams);
                run(socket, filled.and_then(start), Duration::from_millis(VIA_END_MS));
            }
            _ => {}
        }
    }
}

/// Reads and writes files of transfers, until the process that receives and sends them has ended.
fn serve_files(socket: &UnixStream, inbox: Option<PathBuf>) {
    answer(socket, &Ok::<_, String>(()));
    let mut disk = FileDisk::at(Places::Machine { inbox });
    while serve_request(socket, &mut disk).is_ok() {}
}

/// Waits for the command. When its sender gives up or ends, it is asked to end, if it has time for
/// that, and then killed.
fn run(socket: &UnixStream, running: Result<RunningCommand, String>, grace: Duration) {
    answer(socket, &running.as_ref().map(|_| ()));
    let Ok(running) = running else { return };
    let is_running = Mutex::new(true);
    let lock = || is_running.lock().unwrap_or_else(PoisonError::into_inner);
    let (has_ended, end) = channel::<()>();
    let (running, lock) = (&running, &lock);
    let kill_when_given_up = move || {
        // Nothing is sent on it any more.
        let _ = (&*socket).read(&mut [0]);
        if !grace.is_zero() && *lock() {
            running.terminate();
        }
        let _ = end.recv_timeout(grace);
        if *lock() {
            running.kill();
        }
    };
    thread::scope(|scope| {
        if thread::Builder::new().spawn_scoped(scope, kill_when_given_up).is_err() {
            running.kill();
        }
        let ended = running.wait();
        // Its number is another's once it has been waited for.
        *lock() = false;
        drop(has_ended);
        running.reap();
        answer(socket, &ended);
        let _ = socket.shutdown(Shutdown::Read);
    });
}

fn answer<T: Serialize>(socket: &UnixStream, result: &Result<T, impl Serialize>) {
    answer_with(socket, result, &[]);
}

fn answer_with<T: Serialize>(
    socket: &UnixStream,
    result: &Result<T, impl Serialize>,
    descriptors: &[BorrowedFd<'_>],
) {
    // One that has gone needs none.
    let _ = frame::send(socket, result, &[], descriptors);
}
