//! Encoder of events for one program that talks to the prompt (`docs/EVENTS.md`).

use std::collections::{BTreeMap, VecDeque};

use super::face_order::FaceRole;
use super::{EditorEvent, Id, MessageEvent, OutputEvent, UnreadEvent, from_notice};
use crate::chat::{
    Chat, DeliveryInfo, DeliveryReport, Info, LineStart, Notice, PromptView, QuestionId, SentMessage,
    TransferProgress,
};
use crate::ids::FaceId;
use crate::limits::{PROGRESS_EVERY_MS, SESSION_NAMES};
use crate::time::UnixMs;

/// Encoder of the events. Those that follow from a request with an id carry that id, up to the
/// reply.
#[derive(Default)]
pub(crate) struct JsonClient {
    /// Request that is being carried out.
    request: Option<OpenRequest>,
    /// Those whose replies wait, in their order, each with the number of answers of the store that
    /// it waits for.
    deferred: VecDeque<(OpenRequest, usize)>,
    /// Questions that wait for their answers, by the ids of their requests.
    questions: BTreeMap<QuestionId, Id>,
    /// Id of the question that the next notice answers, or gives up.
    answering: Option<Id>,
    /// The state as it was last sent, or is to be sent.
    state: Option<PromptView>,
    state_changed: bool,
    /// Kind of face at the socket of a home; none of the process itself.
    role: Option<FaceRole>,
    /// Version of the names that were sent last.
    names: Option<u64>,
    /// Versions of the transfers and of the names in them that were sent last.
    transfers: Option<(u64, u64)>,
    /// Progress that was sent last, and when.
    progress: Option<(TransferProgress, UnixMs)>,
}

/// Request that has no reply yet.
struct OpenRequest {
    id: Option<Id>,
    /// Whether no warning has followed from it.
    ok: bool,
    progress: Progress,
}

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Begun,
    /// Something that it waited for has come.
    Resumed,
}

impl JsonClient {
    /// Encoder for a face at the socket of a home.
    pub(crate) fn at_socket(role: FaceRole) -> Self {
        Self { role: Some(role), ..Self::default() }
    }

    /// Changes the kind of face.
    pub(crate) fn set_role(&mut self, role: FaceRole) {
        self.role = Some(role);
        self.state_changed = true;
    }

    pub(crate) fn role(&self) -> FaceRole {
        self.role.unwrap_or_default()
    }

    /// Begins a request; events that follow carry its id.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        self.request = Some(OpenRequest { id, ok: true, progress: Progress::Begun });
    }

    /// Id of the request that is being carried out, if it has one.
    fn id(&self) -> Option<&Id> {
        self.request.as_ref().and_then(|request| request.id.as_ref())
    }

    /// The reply to the request, if it had an id.
    pub(crate) fn reply(&mut self, now: UnixMs) -> Option<String> {
        let OpenRequest { id, ok, .. } = self.request.take()?;
        id.map(|id| OutputEvent::Reply { ok }.to_json(now.0, Some(&id)))
    }

    /// Keeps the reply, which waits for so many answers of the store, or the book; what is shown
    /// meanwhile does not follow from the request.
    pub(crate) fn defer_reply(&mut self, answers: usize) {
        match self.request.take() {
            Some(request) if request.progress == Progress::Resumed => {
                self.deferred.push_front((request, answers));
            }
            Some(request) => self.deferred.push_back((request, answers)),
            None => {}
        }
    }

    /// Goes on with the first request whose reply was kept. Returns whether there was one.
    pub(crate) fn resume_reply(&mut self) -> bool {
        let Some((request, _)) = self.deferred.pop_front() else { return false };
        self.request = Some(OpenRequest { progress: Progress::Resumed, ..request });
        true
    }

    /// Number of answers of the store that kept replies wait for.
    pub(crate) fn awaited(&self) -> usize {
        self.deferred.iter().map(|(_, answers)| answers).sum()
    }

    /// The question of the request was accepted: its answer has the id of the request.
    pub(crate) fn asked(&mut self, question: QuestionId) {
        self.questions.extend(self.id().cloned().map(|id| (question, id)));
    }

    /// The next notice is the answer to this question, or gives it up.
    pub(crate) fn answers(&mut self, question: QuestionId) {
        self.answering = self.questions.remove(&question);
    }

    /// Takes the id of the question that the next message answers, which is not shown at once.
    pub(crate) fn take_answered(&mut self) -> Option<Id> {
        self.answering.take()
    }

    /// Whether the answer to any question is awaited.
    pub(crate) fn awaits_answers(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Whether the answer to the question with this id is awaited.
    pub(crate) fn awaits_answer(&self, id: &Id) -> bool {
        self.questions.values().any(|asked| asked == id)
    }

    /// The event of a notice; nothing, if it is none.
    pub(crate) fn notice(&mut self, notice: &Notice, now: UnixMs) -> String {
        let answering = self.answering.take();
        if let Some(request) = &mut self.request {
            request.ok &= answering.is_some() || !matches!(notice, Notice::Warning(_));
        }
        // As `recv` has it: a message has the time of its arrival.
        let time = if let Notice::Message(message) = notice { message.arrived } else { now };
        let event = match (notice, self.role) {
            (Notice::Message(message), Some(_)) => {
                let number = Some(message.number);
                Some(OutputEvent::Message(MessageEvent { number, ..from_notice::message(message) }))
            }
            (Notice::Own(message), Some(FaceRole::Prompt)) => {
                Some(OutputEvent::Own(from_notice::past(message)))
            }
            // As at the owner's own prompt.
            (Notice::Counted(_), Some(FaceRole::Prompt)) => None,
            (Notice::Info(probe @ Info::Probe { .. }), Some(FaceRole::Prompt)) => {
                let short = probe.sentences_by_length().into_iter().nth(1);
                Some(OutputEvent::Notice { message: short.unwrap_or_else(|| probe.sentence()) })
            }
            (Notice::Info(queued @ Info::Delivery(DeliveryInfo::Queued { .. })), Some(FaceRole::Prompt)) => {
                Some(OutputEvent::Notice { message: queued.sentence() })
            }
            (_, Some(FaceRole::Sender | FaceRole::Asker)) => from_notice::of_sender(notice),
            _ => from_notice::of_prompt(notice),
        };
        let id = answering.as_ref().or(self.id());
        event.map(|event| event.to_json(time.0, id)).unwrap_or_default()
    }

    /// A text of ours is on its way, or kept until the peer is there.
    pub(crate) fn sent(&self, sent: &SentMessage, now: UnixMs) -> String {
        self.event(&from_notice::sent(sent), now)
    }

    /// How far messages to a peer are.
    pub(crate) fn delivery(&self, report: &DeliveryReport, now: UnixMs) -> String {
        self.event(&from_notice::delivery(report), now)
    }

    /// Any event.
    pub(crate) fn event(&self, event: &OutputEvent, now: UnixMs) -> String {
        event.to_json(now.0, self.id())
    }

    /// Takes note of the state of the prompt.
    pub(crate) fn update(&mut self, chat: &Chat) {
        self.update_of(chat, FaceId::OWN);
    }

    /// Takes note of the state of the prompt of a face.
    pub(crate) fn update_of(&mut self, chat: &Chat, face: FaceId) {
        let state = chat.view_of(face);
        // An editor also has to know where a line begins.
        let is_same = |last: &PromptView| match self.role {
            Some(FaceRole::Prompt) => *last == state,
            _ => last.looks_like(&state) || from_notice::state(last) == from_notice::state(&state),
        };
        self.state_changed |= self.state.as_ref().is_none_or(|last| !is_same(last));
        self.state = Some(state);
    }

    /// The names for completion, if they have changed, for the prompt of a face.
    pub(crate) fn take_names(&mut self, chat: &Chat, now: UnixMs) -> Option<String> {
        let is_due = self.role == Some(FaceRole::Prompt) && self.names != Some(chat.roster());
        if !is_due {
            return None;
        }
        self.names = Some(chat.roster());
        let names = chat.known_names();
        let owned = |names: Vec<&str>| names.into_iter().take(SESSION_NAMES).map(str::to_owned).collect();
        let [known, callable] =
            [names.like(""), names.callable_like("")].map(|names| names.into_iter().collect());
        let event =
            OutputEvent::Names { known: owned(known), callable: owned(callable), present: chat.present() };
        Some(self.event(&event, now))
    }

    /// The transfers for completion, if they have changed, for the prompt of a face.
    pub(crate) fn take_transfers(&mut self, chat: &Chat, now: UnixMs) -> Option<String> {
        let version = Some((chat.transfer_changes(), chat.roster()));
        if self.role != Some(FaceRole::Prompt) || self.transfers == version {
            return None;
        }
        self.transfers = version;
        Some(self.event(&OutputEvent::Transfers { open: chat.transfer_choices() }, now))
    }

    /// How far the transfer with the addressee of a face is, if it is time to tell its prompt.
    pub(crate) fn take_progress(&mut self, chat: &Chat, face: FaceId, now: UnixMs) -> Option<String> {
        if self.role != Some(FaceRole::Prompt) {
            return None;
        }
        let on_its_way = chat.transfer_progress(face);
        let is_due = match (&self.progress, &on_its_way) {
            (Some((last, sent)), Some(next)) => last != next && now.since(*sent) >= PROGRESS_EVERY_MS,
            (last, next) => last.is_some() != next.is_some(),
        };
        if !is_due {
            return None;
        }
        self.progress = on_its_way.clone().map(|progress| (progress, now));
        Some(self.event(&OutputEvent::Transfer { on_its_way }, now))
    }

    /// The state, if it has changed. It is sent after the notices of the same change.
    pub(crate) fn take_state(&mut self, now: UnixMs) -> Option<String> {
        let is_due = std::mem::take(&mut self.state_changed);
        let view = self.state.as_ref().filter(|_| is_due)?;
        let mut state = from_notice::state(view);
        if self.role == Some(FaceRole::Prompt) {
            let LineStart { mark, name: begun, roster } = view.start.clone();
            let unread_of = view.unread_of.iter().cloned();
            state.editor = Some(EditorEvent {
                mark: mark.number(),
                begun,
                roster,
                others: view.has_others,
                unread_of: unread_of.map(|(name, messages)| UnreadEvent { name, messages }).collect(),
            });
        }
        Some(self.event(&OutputEvent::State(state), now))
    }
}
