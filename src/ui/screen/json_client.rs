//! What a program is told: every notice as an event, and besides them what a person sees before the cursor. What
//! follows from an order with an id carries that id, up to the reply.

use crate::app::clock::unix_ms;
use crate::chat::{Chat, Notice, PromptView};
use crate::events::from_notice;
use crate::events::{Event, Id};

/// The program's end.
#[derive(Default)]
pub(crate) struct JsonClient {
    order: Option<PendingRequest>,
    told: Option<PromptView>,
    /// The state that is to be told when what belongs to it has been.
    due: Option<PromptView>,
}

/// An order that is being carried out.
struct PendingRequest {
    id: Id,
    outcome: ReplyOutcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplyOutcome {
    Taken,
    Refused,
}

impl JsonClient {
    /// What follows belongs to this order.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        self.order = id.map(|id| PendingRequest { id, outcome: ReplyOutcome::Taken });
    }

    /// The reply to the order, if it had an id.
    pub(crate) fn reply(&mut self) -> Option<String> {
        let ok = self.order.as_ref()?.outcome == ReplyOutcome::Taken;
        let reply = self.told(&Event::Reply { ok }, unix_ms());
        self.order = None;
        Some(reply)
    }

    pub(crate) fn notice(&mut self, notice: &Notice) -> String {
        if let (Some(order), Notice::Warning(_)) = (&mut self.order, notice) {
            order.outcome = ReplyOutcome::Refused;
        }
        // As `recv` has it: a message has the time of its arrival.
        let now_ms = if let Notice::Message(said) = notice { said.arrived.0 } else { unix_ms() };
        self.told(&from_notice::of_prompt(notice), now_ms)
    }

    pub(crate) fn told(&self, event: &Event, now_ms: u64) -> String {
        event.to_json_after(now_ms, self.order.as_ref().map(|order| &order.id))
    }

    pub(crate) fn follow(&mut self, chat: &Chat) {
        let now = chat.view();
        if self.told.as_ref() != Some(&now) {
            self.told = Some(now.clone());
            self.due = Some(now);
        }
    }

    /// The state, if it has changed.
    pub(crate) fn state(&mut self) -> Option<String> {
        let view = self.due.take()?;
        Some(self.told(&Event::State(from_notice::state(&view)), unix_ms()))
    }
}
