//! Encoder of events for one program that talks to the prompt (`docs/EVENTS.md`).

use super::{Id, OutputEvent, from_notice};
use crate::chat::{Chat, Notice, PromptView, SentMessage};
use crate::crypto::Fingerprint;
use crate::time::UnixMs;

/// Encoder of the events. Those that follow from a request with an id carry that id, up to the
/// reply.
#[derive(Default)]
pub(crate) struct JsonClient {
    /// Id of the request that is being carried out.
    request: Option<Id>,
    /// Whether no warning has followed from the request.
    ok: bool,
    /// Request whose reply waits for the book, and the same about it.
    deferred: Option<(Id, bool)>,
    /// The state as it was last sent, or is to be sent.
    state: Option<PromptView>,
    state_changed: bool,
}

impl JsonClient {
    /// Begins a request; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        (self.request, self.ok) = (id, true);
    }

    /// The reply to the request, if it had an id.
    pub(crate) fn reply(&mut self, now: UnixMs) -> Option<String> {
        let reply = self.event(&OutputEvent::Reply { ok: self.ok }, now);
        self.request.take().map(|_| reply)
    }

    /// Keeps the reply; what is shown meanwhile does not follow from the request.
    pub(crate) fn defer_reply(&mut self) {
        self.deferred = self.request.take().map(|id| (id, self.ok));
    }

    /// Goes on with the request whose reply was kept.
    pub(crate) fn resume_reply(&mut self) {
        if let Some((id, ok)) = self.deferred.take() {
            (self.request, self.ok) = (Some(id), ok);
        }
    }

    /// The event of a notice; nothing, if it is none.
    pub(crate) fn notice(&mut self, notice: &Notice, now: UnixMs) -> String {
        self.ok &= !matches!(notice, Notice::Warning(_));
        // As `recv` has it: a message has the time of its arrival.
        let time = if let Notice::Message(message) = notice { message.arrived } else { now };
        from_notice::of_prompt(notice).map(|event| self.event(&event, time)).unwrap_or_default()
    }

    /// A text of ours is on its way.
    pub(crate) fn sent(&self, sent: &SentMessage, now: UnixMs) -> String {
        self.event(&from_notice::sent(sent), now)
    }

    /// A peer has acknowledged what we sent, up to this number.
    pub(crate) fn received(
        &self,
        name: &str,
        fingerprint: Option<Fingerprint>,
        upto: u64,
        now: UnixMs,
    ) -> String {
        let fingerprint = fingerprint.map(|key| key.to_string());
        self.event(&OutputEvent::Received { to: name.to_owned(), fingerprint, upto }, now)
    }

    /// Any event.
    pub(crate) fn event(&self, event: &OutputEvent, now: UnixMs) -> String {
        event.to_json(now.0, self.request.as_ref())
    }

    /// Takes note of the state of the prompt.
    pub(crate) fn update(&mut self, chat: &Chat) {
        let state = chat.view();
        self.state_changed |= self.state.as_ref().is_none_or(|last| !last.looks_like(&state));
        self.state = Some(state);
    }

    /// The state, if it has changed. It is sent after the notices of the same change.
    pub(crate) fn take_state(&mut self, now: UnixMs) -> Option<String> {
        let is_due = std::mem::take(&mut self.state_changed);
        let state = self.state.as_ref().filter(|_| is_due)?;
        Some(self.event(&OutputEvent::State(from_notice::state(state)), now))
    }
}
