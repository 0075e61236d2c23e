//! One person on the real machine: what happens there becomes inputs of the chat. The chat decides, this
//! obeys.

use std::io;
use std::time::{Duration, Instant};

use super::account::Client;
use super::error::describe;
use super::host::{Host as _, OsHost};
use super::keyring::{StoredKey, seed};
use super::print::eprint_line;
use super::recorder::Recorder;
use super::sink::NoticeSink;
use crate::chat::{Chat, DialOutcome, EstablishedPipe, Info, Input, Notice};
use crate::crypto::Passphrase;
use crate::limits::FAREWELL_MS;
use crate::net::worker::Priority;
use crate::net::{Net, NetEvent, ReadInterest};
use crate::store::Home;

/// A person and the machine.
pub(crate) struct App<S> {
    client: Client,
    pub(crate) host: OsHost<S>,
    recorder: Option<Recorder>,
}

impl<S: NoticeSink> App<S> {
    pub(crate) fn new(
        chat: Chat,
        screen: S,
        net: Net,
        home: Home,
        own: Option<StoredKey>,
        passphrase: Option<Passphrase>,
        priority: Priority,
    ) -> io::Result<Self> {
        let client = Client::new(chat, home, own, passphrase);
        Ok(Self { client, host: OsHost::new(net, screen, priority)?, recorder: None })
    }

    /// Says to a person at an empty prompt what can be typed there.
    pub(crate) fn greet(&mut self) {
        // For the column of names.
        self.host.sink.chat_changed(&self.client.chat);
        self.host.sink.show(&Notice::Info(Info::PrefaceProgress), None);
    }

    /// Records from now on, and says so.
    pub(crate) fn record(&mut self, recorder: Recorder) {
        let file = recorder.file_name();
        self.host.sink.show(&Notice::Info(Info::Recording { file }), None);
        self.host.record();
        self.recorder = Some(recorder);
    }

    pub(crate) fn chat(&self) -> &Chat {
        &self.client.chat
    }

    /// A pipe that stands; see [`Chat::take_pipe`].
    pub(crate) fn take_pipe(&mut self) -> Option<EstablishedPipe> {
        self.client.chat.take_pipe()
    }

    /// The sockets alone: whom the chat had is left without a word.
    pub(crate) fn into_net(mut self) -> Net {
        let _ = self.host.flush();
        self.host.net
    }

    /// The code to end with, once the chat has said so.
    pub(crate) fn quit(&self) -> Option<u8> {
        self.client.exit_code()
    }

    /// How connections that we dialled have ended since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<DialOutcome> {
        std::iter::from_fn(|| self.client.next_outcome()).collect()
    }

    /// Hands one input to the chat and carries out what follows from it.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        match (&mut self.recorder, &input) {
            (Some(recorder), Input::Line(line)) => recorder.typed(line, &self.client.chat),
            (Some(recorder), Input::ExitRequest(farewell)) => recorder.leaves(*farewell, &self.client.chat),
            _ => {}
        }
        self.client.handle(&mut self.host, input);
        self.host.sink.effects_done();
        self.write_down();
    }

    fn write_down(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        for notice in self.host.recorded() {
            recorder.shown(&notice, &self.client.chat);
        }
        let over = self.client.exit_code().is_some();
        if over {
            recorder.over();
        }
        let broken = recorder.flush();
        if let Some(broken) = &broken {
            eprint_line(&format!("rsachat: error: {broken}"));
        }
        if over || broken.is_some() {
            self.recorder = None;
        }
    }

    /// Waits for the machine until something happens or the chat's next deadline, and passes it on.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        self.turn_until(None)
    }

    /// The same, but not longer than to this moment.
    pub(crate) fn turn_until(&mut self, until: Option<Instant>) -> io::Result<()> {
        let deadline = self.chat().poll_timeout();
        let deadline = deadline.map(|due| self.host.instant(due.0));
        let deadline = deadline.into_iter().chain(until).min();
        self.flush();
        let mut events = Vec::new();
        self.host.net.wait(deadline, &mut events)?;
        for event in events {
            self.net_event(event);
        }
        while let Some(input) = self.host.finished_job() {
            self.handle(input);
        }
        for input in self.host.finished_lookups() {
            self.handle(input);
        }
        if let Some((request, generated)) = self.host.finished_key() {
            let input = self.client.store_key(&self.host, &request, generated);
            self.handle(input);
        }
        let behind = self.host.sink.is_behind();
        if behind {
            let now = self.host.now();
            for conn in self.client.chat.connections() {
                self.client.chat.reading_paused(conn, now);
            }
        }
        self.handle(Input::Tick);
        self.regulate(behind);
        Ok(())
    }

    /// Hands what was sent to the sockets.
    fn flush(&mut self) {
        for clogged in self.host.flush() {
            self.handle(clogged);
        }
    }

    /// The same, and gives what the sockets have not taken; see [`Net::unsent_bytes`].
    pub(crate) fn unsent_bytes(&mut self) -> usize {
        self.flush();
        self.host.net.unsent_bytes()
    }

    /// What was said last still leaves; a peer that does not take it is not waited for.
    pub(crate) fn linger(&mut self) -> io::Result<()> {
        // It is over for everybody: nobody needs to know who is clogged.
        let _ = self.host.flush();
        self.host.net.wait_closed(Instant::now() + Duration::from_millis(FAREWELL_MS))
    }

    fn net_event(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::Accepted { conn, listener, from } => {
                let Some(listener) = self.host.listener(listener) else { return };
                Input::Accepted { conn, listener, from, seed: seed() }
            }
            NetEvent::Connected { conn, to, .. } => match self.host.take_dial(conn) {
                Some(dial) => Input::Connected { dial, conn, to, seed: seed() },
                None => return self.host.net.abort(conn),
            },
            NetEvent::Unreachable { conn, tried } => {
                let Some(dial) = self.host.take_dial(conn) else { return };
                Input::Unreachable { dial, why: tried_words(&tried) }
            }
            NetEvent::Bytes { conn, bytes } => {
                return self.handle(Input::Bytes { conn, bytes: &bytes });
            }
            NetEvent::Ended { conn } => Input::Ended { conn, error: None },
            NetEvent::Lost { conn, error } => Input::Ended { conn, error: Some(describe(&error)) },
            NetEvent::OutOfFds { open } => Input::OutOfFds { open },
            NetEvent::Refused { from, why, callers } => {
                let more = if callers > 1 { format!(" ({callers} callers)") } else { String::new() };
                Input::TurnedAway { from, why: format!("{why}{more}") }
            }
            NetEvent::Drained { conn } => Input::Drained { conn },
            NetEvent::Woken => return,
        };
        self.handle(input);
    }

    /// Back pressure by not reading: what the chat cannot use now, or the screen cannot take, stays in the
    /// kernel. Who is still shaking hands has nothing to show yet, and cannot wait for long.
    fn regulate(&mut self, behind: bool) {
        for conn in self.client.chat.connections() {
            let waits = behind && self.chat().has_peer(conn);
            let wanted =
                if self.chat().wants_read(conn) && !waits { ReadInterest::On } else { ReadInterest::Off };
            self.host.set_reading(conn, wanted);
        }
    }
}

/// Every address that was tried, and why it failed.
pub(crate) fn tried_words(tried: &[(std::net::SocketAddr, io::Error)]) -> String {
    let tried: Vec<_> = tried.iter().map(|(addr, why)| format!("{addr}: {}", describe(why))).collect();
    tried.join("; ")
}
