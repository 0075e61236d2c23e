//! Sink of a process that serves its home: the own face, the faces at the socket, and the messages
//! that no face has shown yet.

use std::collections::{BTreeMap, BTreeSet};

use super::face_order::{FaceRole, Taking};
use super::receiver::Receiver;
use super::remote_face::{FaceStage, RemoteFace, now};
use super::{Id, OutputEvent, from_notice};
use crate::app::host::{Behind, NoticeSink};
use crate::app::os::unix_ms;
use crate::chat::{
    Audience, Chat, DeliveryReport, Export, ExportError, ExposureRecord, HeldMessage, Message, Notice,
    QuestionId, ReceiptDue, ReturnedLine, SentMessage,
};
use crate::delivery::Exposure;
use crate::ids::FaceId;
use crate::limits::{OUTPUT_BACKLOG_BYTES, OWED_BYTES};
use crate::text::safe::SafeText;

/// Use of messages by the own face.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnFace {
    /// It shows them, and reports that.
    Shows,
    /// Nobody looks at it: they wait for a face at the socket.
    OnlyTells,
}

/// Whether another face than the receiver says to the sender that a message was shown.
fn is_reported_by_all(receiver: Option<&Receiver>, message: &Message) -> bool {
    !receiver.is_some_and(|receiver| receiver.takes(message))
}

/// Why a face is not the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken;

/// Message that nobody has shown yet who says so to its sender.
struct Owed {
    message: Message,
    due: ReceiptDue,
    /// Who may have it, as the disk says: it is given to no others.
    written: Exposure,
    /// The same once the disk has what was asked of it.
    wanted: Exposure,
    /// Who may have had it.
    had: Exposure,
    /// Faces that got it.
    given_to: BTreeSet<FaceId>,
}

pub(crate) struct ServedSink<S> {
    pub(crate) own: S,
    use_of_own: OwnFace,
    faces: BTreeMap<FaceId, RemoteFace>,
    receiver: Option<Receiver>,
    /// By the number of the message.
    owed: BTreeMap<u64, Owed>,
    owed_bytes: usize,
    /// Held messages that a face waits for.
    wanted: Vec<HeldMessage>,
}

impl<S: NoticeSink> ServedSink<S> {
    pub(crate) fn new(own: S, use_of_own: OwnFace) -> Self {
        let (faces, owed) = (BTreeMap::new(), BTreeMap::new());
        Self { own, use_of_own, faces, receiver: None, owed, owed_bytes: 0, wanted: Vec::new() }
    }

    pub(crate) fn add_face(&mut self, face: FaceId) {
        self.faces.insert(face, RemoteFace::new());
    }

    pub(crate) fn remove_face(&mut self, face: FaceId) {
        self.faces.remove(&face);
        self.receiver.take_if(|receiver| receiver.face == face);
        // It may have shown them, and ended before it said so.
        for owed in self.owed.values_mut().filter(|owed| owed.given_to.contains(&face)) {
            owed.message.mark_again(owed.had);
        }
    }

    /// Makes a face one of a kind.
    pub(crate) fn set_role(&mut self, face: FaceId, role: FaceRole, taking: Taking) -> Result<(), Taken> {
        if role == FaceRole::Receiver {
            if self.receiver.as_ref().is_some_and(|receiver| receiver.face != face) {
                return Err(Taken);
            }
            self.receiver = Some(Receiver::new(face, taking));
        }
        if let Some(remote) = self.faces.get_mut(&face) {
            remote.open(role, taking);
            remote.given_upto = self.owed.last_key_value().map_or(0, |(number, _)| *number);
        }
        Ok(())
    }

    /// Whether a face has not said yet which kind it is.
    pub(crate) fn is_unknown(&self, face: FaceId) -> bool {
        self.faces.get(&face).is_some_and(|remote| remote.stage == FaceStage::Unknown)
    }

    /// The faces that get events.
    fn open_faces(&mut self) -> impl Iterator<Item = (FaceId, &mut RemoteFace)> {
        let faces = self.faces.iter_mut().map(|(face, remote)| (*face, remote));
        faces.filter(|(_, remote)| remote.stage != FaceStage::Unknown)
    }

    /// Sends a face that takes or shows messages those that nobody has shown yet.
    pub(crate) fn show_owed(&mut self, face: FaceId) {
        let Some(remote) = self.faces.get_mut(&face) else { return };
        match remote.encoder.role() {
            FaceRole::Receiver => self.give_owed(),
            FaceRole::Prompt | FaceRole::Program => {
                remote.given_upto = 0;
                for owed in self.owed.values_mut() {
                    self.wanted.extend(owed.want(Exposure::Shown));
                }
                self.give_in_order();
            }
            FaceRole::Sender | FaceRole::Asker => {}
        }
    }

    /// Gives the receiver what it takes and can begin.
    fn give_owed(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        let Some(remote) = self.faces.get_mut(&receiver.face) else { return };
        for owed in self.owed.values_mut() {
            if receiver.give(&owed.message) {
                self.wanted.extend(owed.want(receiver.exposure()));
                owed.give_to(receiver, remote);
            }
        }
    }

    /// Gives the faces that show messages what they have not got, up to one that waits for the
    /// disk.
    fn give_in_order(&mut self) {
        for (face, remote) in self.faces.iter_mut().filter(|(_, remote)| remote.is_audience()) {
            for (number, owed) in self.owed.range_mut(remote.given_upto + 1..) {
                if owed.written < Exposure::Shown {
                    break;
                }
                remote.show(&Notice::Message(owed.message.clone()));
                owed.note_given(*face, Exposure::Shown);
                remote.given_upto = *number;
            }
        }
    }

    /// Gives those that ask their answers, up to one that waits for the disk.
    fn give_answers(&mut self) {
        for (face, remote) in &mut self.faces {
            while let Some((number, id)) = remote.next_answer(|number| {
                self.owed.get(&number).is_none_or(|owed| owed.written >= Exposure::Shown)
            }) {
                if let Some(owed) = self.owed.get_mut(&number) {
                    remote.answer(&owed.message, id.as_ref());
                    owed.note_given(*face, Exposure::Shown);
                }
            }
        }
    }

    /// Takes note of who asks for a message that has come. It also gets what that author sent
    /// before, since a receipt counts for all of that.
    fn want_answer(&mut self, message: &Message) {
        for (face, remote) in &mut self.faces {
            if !remote.asks_for(message) {
                continue;
            }
            let is_its = |owed: &Owed| {
                owed.message.fingerprint == message.fingerprint
                    && !owed.given_to.contains(face)
                    && is_reported_by_all(self.receiver.as_ref(), &owed.message)
            };
            for (number, owed) in &mut self.owed {
                if *number == message.number || is_its(owed) {
                    self.wanted.extend(owed.want(Exposure::Shown));
                    remote.want(*number);
                }
            }
        }
    }

    /// Takes a message that nobody has shown, and gives it to who wants it and may have it.
    fn owe(&mut self, message: &Message, due: ReceiptDue, written: Exposure) {
        let number = message.number;
        self.owed_bytes += message.text.len();
        let had = match self.use_of_own {
            OwnFace::Shows => message.had().max(Exposure::Shown),
            OwnFace::OnlyTells => message.had(),
        };
        let (wanted, given_to) = (written, BTreeSet::new());
        let mut owed = Owed { message: message.clone(), due, written, wanted, had, given_to };
        if self.faces.values().any(RemoteFace::is_audience) {
            self.wanted.extend(owed.want(Exposure::Shown));
        }
        if let Some(receiver) = &mut self.receiver
            && let Some(remote) = self.faces.get_mut(&receiver.face)
            && receiver.give(message)
        {
            self.wanted.extend(owed.want(receiver.exposure()));
            owed.give_to(receiver, remote);
        }
        self.owed.insert(number, owed);
        self.want_answer(message);
        self.give_in_order();
        self.give_answers();
    }

    /// Takes the held messages that a face waits for.
    pub(crate) fn take_wanted(&mut self) -> Vec<HeldMessage> {
        std::mem::take(&mut self.wanted)
    }

    /// Whether somebody sees each message as it comes.
    pub(crate) fn audience(&self) -> Audience {
        match self.use_of_own {
            OwnFace::OnlyTells if !self.faces.values().any(RemoteFace::is_audience) => Audience::Absent,
            OwnFace::OnlyTells | OwnFace::Shows => Audience::Present,
        }
    }

    /// Whether nobody has shown the message of this number yet.
    pub(crate) fn owes(&self, number: u64) -> bool {
        self.owed.contains_key(&number)
    }

    /// Messages that not all have got whom the disk names, with those who may have had them.
    pub(crate) fn never_given(&self) -> Vec<HeldMessage> {
        let less = self.owed.values().filter(|owed| owed.had < owed.written);
        less.map(|owed| owed.held(owed.had)).collect()
    }

    /// Takes note that a face has shown every message up to this number, or a receiver this one.
    /// Returns the receipts that are due for that.
    pub(crate) fn shown_by(&mut self, face: FaceId, upto: u64) -> Vec<ReceiptDue> {
        let shown: Vec<_> = if let Some(receiver) = self.receiver.as_mut().filter(|one| one.face == face) {
            let shown = receiver.show(upto).then(|| self.owed.remove(&upto));
            shown.flatten().into_iter().collect()
        } else {
            let receiver = self.receiver.as_ref();
            let is_shown =
                |owed: &Owed| owed.given_to.contains(&face) && is_reported_by_all(receiver, &owed.message);
            self.owed.extract_if(..=upto, |_, owed| is_shown(owed)).map(|(_, owed)| owed).collect()
        };
        self.owed_bytes -= shown.iter().map(|owed| owed.message.text.len()).sum::<usize>();
        self.give_owed();
        shown.into_iter().map(|owed| owed.due).collect()
    }

    /// Takes note that the receiver could not do with a message what it does: who has it next is
    /// told that somebody had it.
    pub(crate) fn failed_by(&mut self, face: FaceId, number: u64) {
        let receiver = self.receiver.as_mut().filter(|receiver| receiver.face == face);
        if receiver.is_some_and(|receiver| receiver.fail(number)) {
            if let Some(owed) = self.owed.get_mut(&number) {
                owed.message.mark_again(owed.had);
            }
            self.give_owed();
        }
    }

    /// Gives the receiver once more what it could not do.
    pub(crate) fn retried_by(&mut self, face: FaceId, number: u64) {
        if let Some(receiver) = self.receiver.as_mut().filter(|receiver| receiver.face == face) {
            receiver.retry(number);
            self.give_owed();
        }
    }

    /// Whether a face that reports what it has shown has not done so with all that it got.
    pub(crate) fn awaits_report(&self, face: FaceId) -> bool {
        let receiver = self.receiver.as_ref();
        if let Some(receiver) = receiver.filter(|receiver| receiver.face == face) {
            return receiver.awaits_report();
        }
        let Some(remote) = self.faces.get(&face) else { return false };
        let is_its = |owed: &Owed| {
            let is_to_come = owed.written < Exposure::Shown && owed.wanted >= Exposure::Shown;
            let is_wanted = is_to_come && remote.awaits(owed.message.number);
            owed.given_to.contains(&face) || is_wanted
        };
        self.owed.values().any(|owed| is_its(owed) && is_reported_by_all(receiver, &owed.message))
    }

    /// Whether a prompt is at a face.
    pub(crate) fn is_prompt(&self, face: FaceId) -> bool {
        self.faces.get(&face).is_some_and(|remote| remote.encoder.role() == FaceRole::Prompt)
    }

    /// Whether a face sends or asks, and so ends by itself.
    pub(crate) fn is_command(&self, face: FaceId) -> bool {
        let role = self.faces.get(&face).map(|remote| remote.encoder.role());
        matches!(role, Some(FaceRole::Sender | FaceRole::Asker))
    }

    /// Begins a request of a face.
    pub(crate) fn begin(&mut self, face: FaceId, id: Option<Id>) {
        if let Some(remote) = self.faces.get_mut(&face) {
            remote.encoder.begin(id);
        }
    }

    /// Sends an event to a face, outside of any request.
    pub(crate) fn tell(&mut self, face: FaceId, event: &OutputEvent, id: Option<&Id>) {
        if let Some(remote) = self.faces.get_mut(&face) {
            remote.pending += &event.to_json(unix_ms(), id);
        }
    }

    /// Whether the answer to a question of a face is awaited.
    pub(crate) fn awaits_answer(&self, face: FaceId, id: Option<&Id>) -> bool {
        self.faces.get(&face).is_some_and(|remote| match id {
            Some(id) => remote.encoder.awaits_answer(id),
            None => remote.encoder.awaits_answers(),
        })
    }

    /// Takes what is to be written to a face.
    pub(crate) fn take_pending(&mut self, face: FaceId) -> String {
        self.faces.get_mut(&face).map(|remote| std::mem::take(&mut remote.pending)).unwrap_or_default()
    }

    /// Whether a face has asked for its end.
    pub(crate) fn is_ending(&self, face: FaceId) -> bool {
        self.faces.get(&face).is_some_and(|remote| remote.stage == FaceStage::Ending)
    }

    /// Whether somebody else than the own face says to the sender that a message was shown. A
    /// receipt counts for all before it: behind a message that a receiver has not acknowledged,
    /// none is the own face's.
    fn is_owed(&self, message: &Message) -> bool {
        let is_of_author = |owed: &Owed| owed.message.fingerprint == message.fingerprint;
        self.use_of_own == OwnFace::OnlyTells
            || !is_reported_by_all(self.receiver.as_ref(), message)
            || self.owed.values().any(is_of_author)
    }
}

impl Owed {
    /// Asks the disk to say that more may have it, unless it does or was asked.
    fn want(&mut self, exposure: Exposure) -> Option<HeldMessage> {
        let is_more = exposure > self.wanted;
        self.wanted = self.wanted.max(exposure);
        is_more.then(|| self.held(exposure))
    }

    fn held(&self, exposure: Exposure) -> HeldMessage {
        HeldMessage { number: self.message.number, due: self.due, exposure }
    }

    /// Gives it to the receiver, unless it waits for the disk.
    fn give_to(&mut self, receiver: &Receiver, remote: &mut RemoteFace) {
        if self.written >= receiver.exposure() {
            remote.give(&self.message, self.due, receiver.exposure());
            self.note_given(receiver.face, receiver.exposure());
        }
    }

    fn note_given(&mut self, face: FaceId, exposure: Exposure) {
        self.had = self.had.max(exposure);
        self.given_to.insert(face);
    }
}

impl<S: NoticeSink> NoticeSink for ServedSink<S> {
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) {
        let owed = match notice {
            Notice::Message(message) if self.is_owed(message) => due.map(|due| (message.clone(), due)),
            _ => None,
        };
        let (is_message, is_owed) = (matches!(notice, Notice::Message(_)), owed.is_some());
        if !is_message || self.use_of_own == OwnFace::Shows {
            self.own.show(notice, due.filter(|_| !is_owed));
        }
        if let Some((message, due)) = owed {
            // What is not kept has no row.
            let written = due.peer.map_or(Exposure::Taken, |_| message.had().max(Exposure::Shown));
            return self.owe(&message, due, written);
        }
        for (_, remote) in self.open_faces() {
            match notice {
                Notice::Message(message) if remote.asks_for(message) => {
                    if let Some((_, id)) = remote.next_answer(|number| number == message.number) {
                        remote.answer(message, id.as_ref());
                    }
                }
                Notice::Message(_) if !remote.is_audience() => {}
                notice => remote.show(notice),
            }
        }
    }

    fn hold(&mut self, message: &Message, due: ReceiptDue) {
        self.owe(message, due, Exposure::None);
    }

    fn give(&mut self, held: &[HeldMessage], record: ExposureRecord) {
        for HeldMessage { number, exposure, .. } in held {
            let Some(owed) = self.owed.get_mut(number) else { continue };
            let before = owed.written;
            owed.written = before.max(*exposure);
            if record == ExposureRecord::Failed {
                // A person who sees it twice is told; a command must not skip what it never had.
                owed.message.mark_again(Exposure::Shown);
            }
            if let Some(receiver) = self.receiver.as_ref().filter(|receiver| receiver.has(*number))
                && before < receiver.exposure()
                && let Some(remote) = self.faces.get_mut(&receiver.face)
            {
                owed.give_to(receiver, remote);
            }
        }
        self.give_in_order();
        self.give_answers();
    }

    fn show_to(&mut self, face: FaceId, notice: &Notice) {
        match self.faces.get_mut(&face) {
            Some(remote) => remote.show(notice),
            None if face == FaceId::OWN => self.own.show_to(face, notice),
            None => {}
        }
    }

    fn behind(&self) -> Behind {
        match self.own.behind() {
            _ if self.owed_bytes > OWED_BYTES => Behind::All,
            // Whose messages wait holds up nobody else.
            Behind::These(mut conns) if self.owed_bytes > OUTPUT_BACKLOG_BYTES => {
                conns.extend(self.owed.values().filter_map(|owed| owed.due.conn));
                Behind::These(conns)
            }
            behind => behind,
        }
    }

    fn chat_changed(&mut self, chat: &Chat) {
        self.own.chat_changed(chat);
        for (face, remote) in self.open_faces() {
            remote.encoder.update_of(chat, face);
            let names = remote.encoder.take_names(chat, now());
            let transfers = remote.encoder.take_transfers(chat, now());
            let progress = remote.encoder.take_progress(chat, face, now());
            remote.pending.extend(names.into_iter().chain(transfers).chain(progress));
        }
    }

    fn reply(&mut self, face: FaceId) {
        match self.faces.get_mut(&face) {
            Some(remote) => {
                let reply = remote.encoder.reply(now());
                remote.pending.extend(reply);
            }
            None => self.own.reply(face),
        }
    }

    fn defer_reply(&mut self, face: FaceId, answers: usize) {
        match self.faces.get_mut(&face) {
            Some(remote) => remote.encoder.defer_reply(answers),
            None => self.own.defer_reply(face, answers),
        }
    }

    fn resume_reply(&mut self, face: FaceId) -> bool {
        match self.faces.get_mut(&face) {
            Some(remote) => remote.encoder.resume_reply(),
            None => self.own.resume_reply(face),
        }
    }

    fn awaited_by_replies(&self, face: FaceId) -> usize {
        let remote = self.faces.get(&face);
        remote.map_or_else(|| self.own.awaited_by_replies(face), |remote| remote.encoder.awaited())
    }

    fn effects_done(&mut self) {
        self.own.effects_done();
        for (_, remote) in self.open_faces() {
            let state = remote.encoder.take_state(now());
            remote.pending.extend(state);
        }
    }

    fn sent(&mut self, sent: &SentMessage) {
        if self.use_of_own == OwnFace::Shows {
            self.own.sent(sent);
            if sent.face != FaceId::OWN {
                self.own.show(&Notice::Own(sent.message.clone()), None);
            }
        }
        for (face, remote) in self.open_faces() {
            let is_its = face == sent.face;
            match remote.encoder.role() {
                FaceRole::Receiver => {}
                FaceRole::Sender | FaceRole::Asker if !is_its => {}
                FaceRole::Prompt if !is_its => remote.show(&Notice::Own(sent.message.clone())),
                _ => remote.pending += &remote.encoder.sent(sent, now()),
            }
        }
    }

    fn delivery(&mut self, report: &DeliveryReport) {
        self.own.delivery(report);
        for (_, remote) in self.open_faces() {
            if remote.encoder.role() != FaceRole::Receiver {
                remote.pending += &remote.encoder.delivery(report, now());
            }
        }
    }

    fn asked(&mut self, question: QuestionId) {
        // The one that is carrying out a request takes note.
        self.own.asked(question);
        for remote in self.faces.values_mut() {
            remote.encoder.asked(question);
        }
    }

    fn answers(&mut self, question: QuestionId) {
        self.own.answers(question);
        for remote in self.faces.values_mut() {
            remote.encoder.answers(question);
        }
    }

    fn said(&mut self, face: FaceId, message: &Message) {
        match face {
            FaceId::OWN => self.own.said(face, message),
            face => self.show_to(face, &Notice::Own(message.clone())),
        }
    }

    fn line_returned(&mut self, face: FaceId, line: ReturnedLine) {
        match self.faces.get_mut(&face) {
            Some(remote) => {
                remote.pending += &remote.encoder.event(&from_notice::returned(line), now());
            }
            None => self.own.line_returned(face, line),
        }
    }

    fn export(&mut self, face: FaceId, export: &Export) -> Option<Result<(), ExportError>> {
        match self.faces.get_mut(&face) {
            Some(remote) if remote.encoder.role() == FaceRole::Prompt => {
                remote.pending += &remote.encoder.event(&from_notice::export(export), now());
                None
            }
            Some(_) => Some(Err(ExportError::ProgramAtSocket)),
            None if face == FaceId::OWN => self.own.export(face, export),
            None => None,
        }
    }

    fn end_face(&mut self, face: FaceId) {
        if let Some(remote) = self.faces.get_mut(&face) {
            remote.stage = FaceStage::Ending;
        }
    }

    fn alert(&mut self, text: &SafeText) {
        self.own.alert(text);
        let prompts = self.open_faces().filter(|(_, remote)| remote.encoder.role() == FaceRole::Prompt);
        for (_, remote) in prompts {
            remote.pending += &OutputEvent::Alert { text: text.to_string() }.to_json(unix_ms(), None);
        }
    }
}

/// Earlier messages, for a prompt whose screen is rebuilt.
pub(crate) fn past(messages: &[Message], earlier: usize) -> OutputEvent {
    OutputEvent::Past { earlier, messages: messages.iter().map(from_notice::past).collect() }
}
