//! Faces of actors: how the notices of a session become rows.

use jiff::tz::TimeZone;

use crate::chat::{Chat, DeliveryReport, Notice, QuestionId, SentMessage};
use crate::config::TimeFormat;
use crate::events::exit_reason::last_events;
use crate::events::json_client::JsonClient;
use crate::events::{Id, OutputEvent};
use crate::render::Size;
use crate::render::colour::ColourDepth;
use crate::render::cut::RowLimit;
use crate::render::layout::{Layout, OutputMode};
use crate::script::{FaceSpec, FrontEnd};
use crate::time::UnixMs;

/// What an actor sees of its session.
pub(crate) enum Face {
    /// Rows of notices as they are, without time and wrap.
    Rows,
    /// Rows as the prompt lays them out.
    LaidOut(Box<LaidOut>),
    /// Events for a program.
    Json(Box<JsonClient>),
}

/// Output of the prompt for a person.
pub(crate) struct LaidOut {
    layout: Layout,
    size: Size,
    /// Version of the roster that the column of names fits.
    roster: Option<u64>,
}

/// Row that a face has made.
pub(crate) struct FaceRow {
    pub(crate) text: String,
    /// Whether a warning begins in it.
    pub(crate) is_warning: bool,
}

impl Face {
    pub(crate) fn new(spec: FaceSpec) -> Self {
        let (mode, limit) = match (spec.front_end, spec.columns) {
            (Some(FrontEnd::Plain), None) => (OutputMode::Words, RowLimit::None),
            (Some(FrontEnd::Plain), Some(_)) => (OutputMode::Words, RowLimit::Terminal),
            (None, Some(_)) => (OutputMode::Screen, RowLimit::None),
            (Some(FrontEnd::Json), _) => return Self::Json(Box::default()),
            (None, None) => return Self::Rows,
        };
        let layout = Layout::new(mode, ColourDepth::Monochrome, TimeFormat::default()).with_limit(limit);
        let cells = spec.columns.map_or(Size::DEFAULT.cells, usize::from);
        let size = Size { cells, ..Size::DEFAULT };
        Self::LaidOut(Box::new(LaidOut { layout: layout.in_zone(TimeZone::UTC), size, roster: None }))
    }

    /// Takes note of who is there.
    pub(crate) fn chat_changed(&mut self, chat: &Chat) {
        match self {
            Self::Rows => {}
            Self::LaidOut(output) => {
                if output.roster.replace(chat.roster()) != Some(chat.roster()) {
                    output.layout.fit_to(chat);
                }
            }
            Self::Json(client) => client.update(chat),
        }
    }

    /// Rows of a notice. Those of ours are rewritten before they are wrapped.
    pub(crate) fn notice(
        &mut self,
        notice: &Notice,
        now: UnixMs,
        rewrite: &dyn Fn(&str) -> String,
    ) -> Vec<FaceRow> {
        match self {
            Self::Rows => {
                let rows = notice.rows().into_iter();
                rows.map(|text| FaceRow { is_warning: text.starts_with("! "), text }).collect()
            }
            Self::LaidOut(output) => {
                let rows = output.layout.render_rewritten(notice, now, output.size, rewrite);
                let mark = if output.layout.mode == OutputMode::Words { "problem: " } else { "! " };
                let mut is_expected = matches!(notice, Notice::Warning(_));
                let row = |text: &str| {
                    let is_warning = is_expected && text.contains(mark);
                    is_expected &= !is_warning;
                    FaceRow { text: text.to_owned(), is_warning }
                };
                rows.lines().map(row).collect()
            }
            Self::Json(client) => {
                let is_warning = matches!(notice, Notice::Warning(_));
                let row = |text: &str| FaceRow { text: text.to_owned(), is_warning };
                client.notice(notice, now).lines().map(row).collect()
            }
        }
    }

    /// Rows of a text of ours on its way.
    pub(crate) fn sent(&self, sent: &SentMessage, now: UnixMs) -> Vec<FaceRow> {
        rows(match self {
            Self::Rows => None,
            Self::LaidOut(output) => output.layout.sent(sent, now, output.size),
            Self::Json(client) => Some(client.sent(sent, now)),
        })
    }

    /// Rows of how far messages to a peer are.
    pub(crate) fn delivery(&self, report: &DeliveryReport, now: UnixMs) -> Vec<FaceRow> {
        let Self::Json(client) = self else { return Vec::new() };
        rows(Some(client.delivery(report, now)))
    }

    /// Begins a request.
    pub(crate) fn begin(&mut self, id: Option<Id>) {
        if let Self::Json(client) = self {
            client.begin(id);
        }
    }

    /// Notes that the question of the request was accepted.
    pub(crate) fn asked(&mut self, question: QuestionId) {
        if let Self::Json(client) = self {
            client.asked(question);
        }
    }

    /// Notes that the next notice is the answer to this question, or gives it up.
    pub(crate) fn answers(&mut self, question: QuestionId) {
        if let Self::Json(client) = self {
            client.answers(question);
        }
    }

    /// Whether the answer to the question with this id is awaited.
    pub(crate) fn awaits_answer(&self, id: &Id) -> bool {
        matches!(self, Self::Json(client) if client.awaits_answer(id))
    }

    /// Rows of the reply to a request.
    pub(crate) fn reply(&mut self, now: UnixMs) -> Vec<FaceRow> {
        let Self::Json(client) = self else { return Vec::new() };
        rows(client.reply(now))
    }

    /// Rows once all effects of an input have been performed.
    pub(crate) fn effects_done(&mut self, now: UnixMs) -> Vec<FaceRow> {
        let Self::Json(client) = self else { return Vec::new() };
        rows(client.take_state(now))
    }

    /// Rows of the end of a session with this code.
    pub(crate) fn ended(&self, code: u8, now: UnixMs) -> Vec<FaceRow> {
        let Self::Json(client) = self else { return Vec::new() };
        let row = |event: OutputEvent| FaceRow {
            is_warning: matches!(event, OutputEvent::Error { .. }),
            text: client.event(&event, now).trim_end().to_owned(),
        };
        last_events(code, None).map(row).collect()
    }
}

/// Rows of a text that is no warning.
fn rows(text: Option<String>) -> Vec<FaceRow> {
    let text = text.unwrap_or_default();
    text.lines().map(|text| FaceRow { text: text.to_owned(), is_warning: false }).collect()
}
