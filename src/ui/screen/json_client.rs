//! JSON output of the prompt: notices and changes of its state as events (`docs/EVENTS.md`).
//!
//! Events that follow from a request with an id carry that id, up to the reply.

use crate::app::clock::unix_ms;
use crate::chat::{Chat, Notice, PromptView};
use crate::events::from_notice;
use crate::events::{Event, Id};

/// Encoder of events for one program.
#[derive(Default)]
pub(crate) struct JsonClient {
    request: Option<PendingRequest>,
    /// The state as it was last sent, or is to be sent.
    state: Option<PromptView>,
    state_changed: bool,
}

/// Request that is being carried out.
struct PendingRequest {
    id: Id,
    ok: bool,
}

impl JsonClient {
    /// Begins a request; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        self.request = id.map(|id| PendingRequest { id, ok: true });
    }

    /// The reply to the request, if it had an id.
    pub(crate) fn reply(&mut self) -> Option<String> {
        let ok = self.request.as_ref()?.ok;
        let reply = self.event(&Event::Reply { ok });
        self.request = None;
        Some(reply)
    }

    pub(crate) fn notice(&mut self, notice: &Notice) -> String {
        if let (Some(request), Notice::Warning(_)) = (&mut self.request, notice) {
            request.ok = false;
        }
        // As `recv` has it: a message has the time of its arrival.
        let now_ms = if let Notice::Message(message) = notice { message.arrived.0 } else { unix_ms() };
        self.encode(&from_notice::of_prompt(notice), now_ms)
    }

    pub(crate) fn event(&self, event: &Event) -> String {
        self.encode(event, unix_ms())
    }

    fn encode(&self, event: &Event, now_ms: u64) -> String {
        event.to_json(now_ms, self.request.as_ref().map(|request| &request.id))
    }

    pub(crate) fn update(&mut self, chat: &Chat) {
        let state = Some(chat.view());
        self.state_changed |= self.state != state;
        self.state = state;
    }

    /// The state, if it has changed. It is sent after the notices of the same change.
    pub(crate) fn take_state(&mut self) -> Option<String> {
        let is_due = std::mem::take(&mut self.state_changed);
        let state = self.state.as_ref().filter(|_| is_due)?;
        Some(self.event(&Event::State(from_notice::state(state))))
    }
}
