//! Publishing of letters at a relay, and the answers of its stream.

use super::{Mailbox, MailboxEvent, Publish, PublishRefusal, Request, Stage};
use crate::limits::RELAY_PUBLISHES;
use crate::relay::codec::Message;
use crate::relay::headers::Headers;
use crate::relay::jetstream::{Ack, LETTERS, STORE_FAILED, StreamName};
use crate::time::MonoMs;

impl Mailbox {
    /// Leaves a letter.
    pub fn publish(&mut self, now: MonoMs, order: &Publish) {
        self.publish_into(LETTERS, now, order);
    }

    pub(super) fn publish_into(&mut self, stream: StreamName, now: MonoMs, order: &Publish) {
        let Publish { ticket, inbox, id, letter } = order;
        let ready = self.session.as_mut().filter(|session| session.stage == Stage::Ready);
        let why = match ready {
            None => PublishRefusal::NotConnected,
            Some(session) if session.requests.len() - session.reads >= RELAY_PUBLISHES => {
                PublishRefusal::Busy
            }
            Some(session) => {
                let headers =
                    Headers::default().with("Nats-Msg-Id", id).with("Nats-Expected-Stream", stream.name);
                let subject = stream.subject(inbox);
                let request = Request::Publish { ticket: *ticket, stream, subject: subject.clone() };
                return session.request(now, &subject, headers, letter, request);
            }
        };
        self.events.push_back(MailboxEvent::Refused { ticket: *ticket, why });
    }

    /// Tells what the stream has answered.
    pub(super) fn end_publish(&mut self, ticket: u64, stream: StreamName, answer: &Message) {
        self.events.push_back(match acknowledged(answer, stream) {
            Ok(()) => MailboxEvent::Published { ticket },
            Err(why) => MailboxEvent::Refused { ticket, why },
        });
    }
}

/// Whether the stream has a letter or a bundle, by its answer.
fn acknowledged(answer: &Message, stream: StreamName) -> Result<(), PublishRefusal> {
    if answer.headers.status.is_some() {
        return Err(PublishRefusal::NoLeader);
    }
    let ack = Ack::read(&answer.payload).unwrap_or_default();
    match ack.error {
        Some(error) if error.err_code == STORE_FAILED && error.description.contains("per subject") => {
            Err(PublishRefusal::InboxFull)
        }
        Some(error) if error.err_code == STORE_FAILED => Err(PublishRefusal::RelayFull(error.description)),
        Some(error) => Err(PublishRefusal::Refused(error.description)),
        None if ack.stream == stream.name && ack.seq > 0 => Ok(()),
        None => Err(PublishRefusal::Refused("what answers is no stream".to_owned())),
    }
}
