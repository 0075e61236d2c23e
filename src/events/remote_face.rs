//! Face at the socket of a home: which kind it is, and what is to be written to it.

use super::asker::Asker;
use super::face_order::{FaceRole, Taking};
use super::json_client::JsonClient;
use super::{Id, MessageEvent, OutputEvent, from_notice};
use crate::app::os::unix_ms;
use crate::chat::{Message, Notice, ReceiptDue};
use crate::delivery::Exposure;
use crate::time::UnixMs;
use crate::wire::Count;

/// A face at the socket: its encoder, and what is to be written to it.
pub(super) struct RemoteFace {
    pub(super) encoder: JsonClient,
    pub(super) pending: String,
    pub(super) stage: FaceStage,
    /// The last message that it got of those that nobody had shown; it gets them in order.
    pub(super) given_upto: u64,
    /// What it takes for its answers, where it asks.
    asker: Option<Asker>,
}

/// How far a face is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FaceStage {
    /// It has given no order, so that nothing tells which kind of face it is: it gets no events.
    Unknown,
    Open,
    /// It has asked for its end.
    Ending,
}

impl RemoteFace {
    pub(super) fn new() -> Self {
        let encoder = JsonClient::at_socket(FaceRole::default());
        let (pending, stage) = (String::new(), FaceStage::Unknown);
        Self { encoder, pending, stage, given_upto: 0, asker: None }
    }

    /// Makes it one of a kind.
    pub(super) fn open(&mut self, role: FaceRole, taking: Taking) {
        self.encoder.set_role(role);
        self.stage = FaceStage::Open;
        self.asker = (role == FaceRole::Asker).then(|| Asker::new(taking));
    }

    /// Whether it shows messages to somebody as they come.
    pub(super) fn is_audience(&self) -> bool {
        self.stage != FaceStage::Unknown
            && matches!(self.encoder.role(), FaceRole::Prompt | FaceRole::Program)
    }

    /// Whether it is to be given a message of this number, once the disk has it as seen.
    pub(super) fn awaits(&self, number: u64) -> bool {
        self.asker.as_ref().map_or_else(|| self.is_audience(), |asker| asker.awaits(number))
    }

    /// Takes note of a message that it is to be given before its answer.
    pub(super) fn want(&mut self, number: u64) {
        if let Some(asker) = &mut self.asker {
            asker.want(number);
        }
    }

    /// Whether it asks, and a message that has come is its answer.
    pub(super) fn asks_for(&mut self, message: &Message) -> bool {
        self.asker.as_mut().is_some_and(|asker| asker.take(message, self.encoder.take_answered()))
    }

    /// Takes the next message that it is to be given for its question, if that may be.
    pub(super) fn next_answer(&mut self, is_free: impl Fn(u64) -> bool) -> Option<(u64, Option<Id>)> {
        self.asker.as_mut()?.next(is_free)
    }

    /// Gives it a message that it asked for, with the id of the question that this answers.
    pub(super) fn answer(&mut self, message: &Message, id: Option<&Id>) {
        let event = MessageEvent { number: Some(message.number), ..from_notice::message(message) };
        self.pending += &OutputEvent::Message(event).to_json(message.arrived.0, id);
    }

    pub(super) fn show(&mut self, notice: &Notice) {
        self.pending += &self.encoder.notice(notice, now());
    }

    /// Gives a message to the receiver, with the number that it has at its sender's. A command is
    /// told of those that one may have had.
    pub(super) fn give(&mut self, message: &Message, due: ReceiptDue, exposure: Exposure) {
        let sent_number = if let Count::Pair(number) = due.upto { Some(number.seq) } else { None };
        let number = Some(message.number);
        let again = message.had() >= exposure;
        let event = MessageEvent { again, number, sent_number, ..from_notice::message(message) };
        self.pending += &OutputEvent::Message(event).to_json(message.arrived.0, None);
    }
}

pub(super) fn now() -> UnixMs {
    UnixMs(unix_ms())
}
