//! One person on the real machine: what happens there becomes inputs of the chat. The chat decides, this
//! obeys.

use std::io;
use std::time::{Duration, Instant};

use super::account::{Actor, Machine as _};
use super::error::words;
use super::host::Live;
use super::keyring::{Own, seed};
use super::print::complain;
use super::recorder::Recorder;
use super::sink::Show;
use crate::chat::{Chat, Info, Input, Link, Notice, Piped, Verdict};
use crate::crypto::Passphrase;
use crate::limits::FAREWELL_MS;
use crate::net::worker::Priority;
use crate::net::{Net, NetEvent, Reading};
use crate::store::Home;

/// A person and the machine.
pub(crate) struct Driver<S> {
    actor: Actor,
    pub(crate) machine: Live<S>,
    recorder: Option<Recorder>,
}

impl<S: Show> Driver<S> {
    pub(crate) fn new(
        chat: Chat,
        screen: S,
        net: Net,
        home: Home,
        own: Option<Own>,
        passphrase: Option<Passphrase>,
        priority: Priority,
    ) -> io::Result<Self> {
        let actor = Actor::new(chat, home, own, passphrase);
        Ok(Self { actor, machine: Live::new(net, screen, priority)?, recorder: None })
    }

    /// Says to a person at an empty prompt what can be typed there.
    pub(crate) fn greet(&mut self) {
        // For the column of names.
        self.machine.screen.follow(&self.actor.chat);
        self.machine.screen.show(&Notice::Info(Info::Greeting), None);
    }

    /// Records from now on, and says so.
    pub(crate) fn record(&mut self, recorder: Recorder) {
        let file = recorder.file_name();
        self.machine.screen.show(&Notice::Info(Info::Recording { file }), None);
        self.machine.note();
        self.recorder = Some(recorder);
    }

    pub(crate) fn chat(&self) -> &Chat {
        &self.actor.chat
    }

    /// A pipe that stands; see [`Chat::take_pipe`].
    pub(crate) fn take_pipe(&mut self) -> Option<Piped> {
        self.actor.chat.take_pipe()
    }

    /// The sockets alone: whom the chat had is left without a word.
    pub(crate) fn into_net(mut self) -> Net {
        let _ = self.machine.flush();
        self.machine.net
    }

    /// The code to end with, once the chat has said so.
    pub(crate) fn quit(&self) -> Option<u8> {
        self.actor.quit()
    }

    /// How connections that we dialled have ended since the last call.
    pub(crate) fn verdicts(&mut self) -> Vec<Verdict> {
        self.actor.verdicts()
    }

    /// Hands one input to the chat and carries out what follows from it.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        match (&mut self.recorder, &input) {
            (Some(recorder), Input::Line(line)) => recorder.typed(line, &self.actor.chat),
            (Some(recorder), Input::Farewell(farewell)) => recorder.leaves(*farewell, &self.actor.chat),
            _ => {}
        }
        self.actor.handle(&mut self.machine, input);
        self.machine.screen.settle();
        self.write_down();
    }

    fn write_down(&mut self) {
        let Some(recorder) = &mut self.recorder else { return };
        for notice in self.machine.noted() {
            recorder.shown(&notice, &self.actor.chat);
        }
        let over = self.actor.quit().is_some();
        if over {
            recorder.over();
        }
        let broken = recorder.flush();
        if let Some(broken) = &broken {
            complain(&format!("rsachat: error: {broken}"));
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
        let deadline = self.chat().deadline_ms().filter(|due| *due != u64::MAX);
        let deadline = deadline.map(|due| self.machine.instant(due));
        let deadline = deadline.into_iter().chain(until).min();
        self.flush();
        let mut events = Vec::new();
        self.machine.net.wait(deadline, &mut events)?;
        for event in events {
            self.net_event(event);
        }
        while let Some(input) = self.machine.finished_job() {
            self.handle(input);
        }
        for input in self.machine.finished_lookups() {
            self.handle(input);
        }
        if let Some(made) = self.machine.finished_key() {
            let input = self.actor.keep(&self.machine, made.key, made.of, made.replacing);
            self.handle(input);
        }
        let behind = self.machine.screen.is_behind();
        if behind {
            let now = self.machine.now();
            for link in self.actor.chat.links() {
                self.actor.chat.left_unread(link, now);
            }
        }
        self.handle(Input::Tick);
        self.regulate(behind);
        Ok(())
    }

    /// Hands what was sent to the sockets.
    fn flush(&mut self) {
        for clogged in self.machine.flush() {
            self.handle(clogged);
        }
    }

    /// The same, and gives what the sockets have not taken; see [`Net::untaken`].
    pub(crate) fn untaken(&mut self) -> usize {
        self.flush();
        self.machine.net.untaken()
    }

    /// What was said last still leaves; a peer that does not take it is not waited for.
    pub(crate) fn linger(&mut self) -> io::Result<()> {
        // It is over for everybody: nobody needs to know who is clogged.
        let _ = self.machine.flush();
        self.machine.net.settle(Instant::now() + Duration::from_millis(FAREWELL_MS))
    }

    fn net_event(&mut self, event: NetEvent) {
        let input = match event {
            NetEvent::Accepted { link, listener, from } => {
                let Some(listener) = self.machine.listener(listener) else { return };
                Input::Accepted { link: Link(link.0), listener, from, seed: seed() }
            }
            NetEvent::Connected { link, to, .. } => match self.machine.dial_of(link) {
                Some(dial) => Input::Connected { dial, link: Link(link.0), to, seed: seed() },
                None => return self.machine.net.drop_now(link),
            },
            NetEvent::Unreachable { link, tried } => {
                let Some(dial) = self.machine.dial_of(link) else { return };
                Input::Unreachable { dial, why: tried_words(&tried) }
            }
            NetEvent::Bytes { link, bytes } => {
                return self.handle(Input::Bytes { link: Link(link.0), bytes: &bytes });
            }
            NetEvent::Ended { link } => Input::Ended { link: Link(link.0), error: None },
            NetEvent::Lost { link, error } => Input::Ended { link: Link(link.0), error: Some(words(&error)) },
            NetEvent::Famine { open } => Input::Famine { open },
            NetEvent::Refused { from, why, callers } => {
                let more = if callers > 1 { format!(" ({callers} callers)") } else { String::new() };
                Input::TurnedAway { from, why: format!("{why}{more}") }
            }
            NetEvent::Drained { link } => Input::Drained { link: Link(link.0) },
            NetEvent::Woken => return,
        };
        self.handle(input);
    }

    /// Back pressure by not reading: what the chat cannot use now, or the screen cannot take, stays in the
    /// kernel. Who is still shaking hands has nothing to show yet, and cannot wait for long.
    fn regulate(&mut self, behind: bool) {
        for link in self.actor.chat.links() {
            let waits = behind && self.chat().is_met(link);
            let wanted = if self.chat().wants_bytes(link) && !waits { Reading::On } else { Reading::Off };
            self.machine.set_reading(link, wanted);
        }
    }
}

/// Every address that was tried, and why it failed.
pub(crate) fn tried_words(tried: &[(std::net::SocketAddr, io::Error)]) -> String {
    let tried: Vec<_> = tried.iter().map(|(addr, why)| format!("{addr}: {}", words(why))).collect();
    tried.join("; ")
}
