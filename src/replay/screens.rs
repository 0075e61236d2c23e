//! Screens of the actors, as the prompt of a terminal shows them, for a run of which a picture is
//! made.
//!
//! Nothing of them reaches an expectation, a transcript or a report.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::chat::{Chat, KnownNames, LineStart, Message, Notice, PromptView, SentMessage};
use crate::config::TimeFormat;
use crate::render::colour::ColourDepth;
use crate::render::layout::{Layout, OutputMode};
use crate::script::FaceSpec;
use crate::script::matcher::{ShownKind, ShownRow};
use crate::time::UnixMs;

/// Whether a picture is made of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Drawing {
    Off,
    On,
}

/// Event on the screen of an actor.
pub(crate) enum ScreenEvent {
    /// The prompt, or the column of names, is another one.
    Prompt { view: Box<PromptView>, layout: Box<Layout> },
    /// Keys were pressed.
    Typed(String),
    /// Enter was pressed.
    Entered(Echoed),
    /// A text was not sent, and stands in the line again.
    Returned(String),
    /// Something is shown above the prompt.
    Notice(Box<Notice>, UnixMs),
    /// Row of an actor without a prompt, or event beside a screen.
    Row(ShownRow),
}

/// What stands in the place of a line behind which Enter was pressed.
pub(crate) enum Echoed {
    /// The line, as it was typed.
    Line,
    /// The message that is on its way.
    Message { author: String, text: String, now: UnixMs },
    /// Nothing yet: its message comes once it is sent.
    Nothing,
}

/// Screens of a run, and what has happened on them since it was taken last.
#[derive(Default)]
pub(crate) struct Screens {
    is_on: bool,
    prompts: BTreeMap<usize, Prompt>,
    events: Vec<(usize, ScreenEvent)>,
}

/// Prompt of an actor.
struct Prompt {
    layout: Layout,
    view: PromptView,
    /// Names that an actor knows, and the version of its roster then.
    names: (KnownNames, Option<u64>),
    /// Texts that were sent as they are, and are not on the screen as messages yet.
    unsaid: Vec<String>,
    /// Number of the message of ours that was shown last.
    said: Option<u64>,
    /// Line behind which Enter was pressed last, while it waits for its message.
    pending: Option<PendingLine>,
}

/// Line that its message replaces, if it is accepted.
struct PendingLine {
    /// Number of its event.
    event: usize,
    message: Echoed,
}

impl Screens {
    pub(crate) fn new(drawing: Drawing) -> Self {
        Self { is_on: drawing == Drawing::On, ..Self::default() }
    }

    /// Takes what has happened, in its order.
    pub(crate) fn take(&mut self) -> Vec<(usize, ScreenEvent)> {
        for prompt in self.prompts.values_mut() {
            prompt.pending = None;
        }
        std::mem::take(&mut self.events)
    }

    /// An actor is started.
    pub(crate) fn start(&mut self, actor: usize, face: FaceSpec, chat: &Chat) {
        if !self.is_on || face.front_end.is_some() {
            return;
        }
        let layout = Layout::new(OutputMode::Screen, ColourDepth::Ansi256, TimeFormat::default());
        let prompt = Prompt {
            layout: layout.in_zone(TimeZone::UTC),
            view: chat.view(),
            names: (KnownNames::default(), None),
            unsaid: Vec::new(),
            said: None,
            pending: None,
        };
        self.prompts.insert(actor, prompt);
    }

    /// Takes note of who is there.
    pub(crate) fn chat_changed(&mut self, actor: usize, chat: &Chat) {
        let Some(prompt) = self.prompts.get_mut(&actor) else { return };
        let (view, roster) = (chat.view(), Some(chat.roster()));
        let before = std::mem::replace(&mut prompt.view, view);
        let is_same_roster = prompt.names.1 == roster;
        if !is_same_roster {
            prompt.layout.fit_to(chat);
            prompt.names = (chat.known_names(), roster);
        }
        if !is_same_roster || !before.looks_like(&prompt.view) {
            let (view, layout) = (Box::new(prompt.view.clone()), Box::new(prompt.layout.clone()));
            self.events.push((actor, ScreenEvent::Prompt { view, layout }));
        }
    }

    /// Keys were pressed.
    pub(crate) fn typed(&mut self, actor: usize, text: &str) {
        self.push(actor, || ScreenEvent::Typed(text.to_owned()));
    }

    /// Enter was pressed behind a line that was begun at `start`.
    pub(crate) fn entered(&mut self, actor: usize, line: &str, start: &LineStart, now: UnixMs) {
        let event = self.events.len();
        if let Some(prompt) = self.prompts.get_mut(&actor) {
            let message = prompt.view.message_of(line, start, &prompt.names.0);
            prompt.pending = message
                .map(|(author, text)| PendingLine { event, message: Echoed::Message { author, text, now } });
        }
        self.push(actor, || ScreenEvent::Entered(Echoed::Line));
    }

    /// Enter was pressed behind a line that becomes no message of the prompt.
    pub(crate) fn entered_line(&mut self, actor: usize) {
        self.push(actor, || ScreenEvent::Entered(Echoed::Line));
    }

    /// Enter was pressed behind a text that is sent as it is.
    pub(crate) fn entered_text(&mut self, actor: usize, text: &str) {
        if let Some(prompt) = self.prompts.get_mut(&actor) {
            prompt.unsaid.push(text.to_owned());
        }
        self.push(actor, || ScreenEvent::Entered(Echoed::Nothing));
    }

    /// A line was not sent.
    pub(crate) fn returned(&mut self, actor: usize, line: &str) {
        self.push(actor, || ScreenEvent::Returned(line.to_owned()));
    }

    /// A line of ours was accepted.
    pub(crate) fn said(&mut self, actor: usize, message: &Message) {
        let Some(prompt) = self.prompts.get_mut(&actor) else { return };
        let is_its = |line: &mut PendingLine| matches!(&line.message, Echoed::Message { text, .. } if text.as_bytes() == message.text);
        let place = prompt.pending.take_if(is_its);
        match place.and_then(|line| Some((self.events.get_mut(line.event)?, line.message))) {
            Some(((_, event), message)) => *event = ScreenEvent::Entered(message),
            None => self
                .push(actor, || ScreenEvent::Notice(Box::new(Notice::Own(message.clone())), message.arrived)),
        }
    }

    /// A notice is shown.
    pub(crate) fn notice(&mut self, actor: usize, notice: &Notice, now: UnixMs) {
        let Some(prompt) = self.prompts.get(&actor) else { return };
        if !matches!(notice, Notice::Own(message) if prompt.said == Some(message.number)) {
            self.push(actor, || ScreenEvent::Notice(Box::new(notice.clone()), now));
        }
    }

    /// A text of ours is on its way, which no line became.
    pub(crate) fn sent(&mut self, actor: usize, SentMessage { message, .. }: &SentMessage, now: UnixMs) {
        let Some(prompt) = self.prompts.get_mut(&actor) else { return };
        if let Some(at) = prompt.unsaid.iter().position(|text| text.as_bytes() == message.text) {
            prompt.unsaid.remove(at);
            prompt.said = Some(message.number);
            let own = Notice::Own(Message::clone(message));
            self.push(actor, || ScreenEvent::Notice(Box::new(own), now));
        }
    }

    /// A row of an actor, or an event beside its screen.
    pub(crate) fn row(&mut self, row: &ShownRow) {
        if row.kind == ShownKind::Event || !self.prompts.contains_key(&row.actor) {
            self.push(row.actor, || ScreenEvent::Row(row.clone()));
        }
    }

    fn push(&mut self, actor: usize, event: impl FnOnce() -> ScreenEvent) {
        if self.is_on {
            self.events.push((actor, event()));
        }
    }
}
