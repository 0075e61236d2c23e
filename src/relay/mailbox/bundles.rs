//! Bundles at a relay: they are left, and all that are kept of a key are read.

use super::{Mailbox, MailboxError, MailboxEvent, Publish, Request, Stage};
use crate::limits::RELAY_BUNDLES;
use crate::relay::codec::Message;
use crate::relay::headers::Headers;
use crate::relay::jetstream::BUNDLES;
use crate::time::MonoMs;

impl Mailbox {
    /// Leaves a bundle, at a name in the place of an inbox.
    pub fn publish_bundle(&mut self, now: MonoMs, order: &Publish) {
        self.publish_into(BUNDLES, now, order);
    }

    /// Reads the bundles at a name; [`MailboxEvent::Bundles`] follows.
    pub fn read_bundles(&mut self, now: MonoMs, name: &str) {
        self.read_bundle(now, name.to_owned(), 0, Vec::new());
    }

    /// Asks for the next bundle at a name, while there may be another.
    fn read_bundle(&mut self, now: MonoMs, name: String, after: u64, found: Vec<Vec<u8>>) {
        let ready = self.session.as_mut().filter(|session| session.stage == Stage::Ready);
        match ready {
            Some(session) if found.len() < RELAY_BUNDLES => {
                let subject = BUNDLES.subject(&name);
                let ask = format!("{{\"seq\":{},\"next_by_subj\":\"{subject}\"}}", after + 1);
                let request = Request::Bundle { name, after, found };
                session.request(now, &BUNDLES.direct_get(), Headers::default(), ask.as_bytes(), request);
            }
            _ => self.events.push_back(MailboxEvent::Bundles { name, bundles: found }),
        }
    }

    pub(super) fn handle_bundle(
        &mut self,
        now: MonoMs,
        name: String,
        (after, mut found): (u64, Vec<Vec<u8>>),
        message: Message,
    ) -> Result<(), MailboxError> {
        if message.headers.status.is_some() {
            self.events.push_back(MailboxEvent::Bundles { name, bundles: found });
            return Ok(());
        }
        let is_of_name = message.headers.last("Nats-Subject") == Some(&BUNDLES.subject(&name));
        let number = message.headers.last("Nats-Sequence").and_then(|number| number.parse::<u64>().ok());
        let number = number.filter(|number| is_of_name && *number > after).ok_or(MailboxError::Answer)?;
        found.push(message.payload);
        self.read_bundle(now, name, number, found);
        Ok(())
    }
}
