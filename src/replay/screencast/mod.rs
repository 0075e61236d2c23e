//! Screencast of a run: the screens of its actors side by side, with what is typed key by key. Its
//! times come from the script alone, so that the same script gives the same bytes.

mod asciicast;
mod film;
mod screen;
mod svg;

pub(crate) use self::film::Motion;
use self::film::{Enter, Film, ROW_MS};
use self::screen::{Pane, Style};
use super::reporter::RunEvent;
use crate::script::matcher::ShownKind;
use crate::script::{Directive, LineKind, TypeMode};
use crate::text::redaction::Redactions;
use crate::text::safe::SafeText;

/// Longest time in which nothing happens, in milliseconds.
const IDLE_MS: u64 = 2_000;
/// Most rows of a screen.
const HEIGHT: usize = 24;
/// Columns of all screens together, and of each.
const COLUMNS: usize = 150;
const PANE_COLUMNS: std::ops::RangeInclusive<usize> = 32..=80;

/// Event on the screen of an actor.
enum ScreenEvent {
    /// Text behind the prompt, and whether Enter follows.
    Typed { actor: usize, text: String, then: Enter },
    /// Row above the prompt.
    Shown { actor: usize, text: String, style: Style },
    /// Time without events, in milliseconds.
    Idle(u64),
}

/// Recorder of a run.
pub(crate) struct Screencast {
    actors: Vec<String>,
    events: Vec<ScreenEvent>,
    redactions: Redactions,
}

impl Screencast {
    /// A recorder of these actors, which have no names in a script without any.
    pub(crate) fn new(actors: &[String], redactions: Redactions) -> Self {
        let actors = if actors.is_empty() { vec![String::new()] } else { actors.to_vec() };
        Self { actors, events: Vec::new(), redactions }
    }

    /// Records an event of the run.
    pub(crate) fn event(&mut self, event: &RunEvent<'_>) {
        let event = match event {
            RunEvent::Typed { line, actor, text } => {
                let is_draft =
                    matches!(line.kind, LineKind::Directive(Directive::Type { mode: TypeMode::Draft, .. }));
                let text = self.safe(text);
                let then = if is_draft { Enter::NotYet } else { Enter::Pressed };
                ScreenEvent::Typed { actor: self.index(actor), text, then }
            }
            RunEvent::Shown { actor, shown } => {
                let text = self.safe(&shown.text);
                let style = match shown.kind {
                    ShownKind::Event => Style::Event,
                    // On a screen and in words its mark stands behind a time.
                    ShownKind::Row if shown.is_warning => Style::Warning,
                    ShownKind::Row => Style::of_row(&text),
                };
                ScreenEvent::Shown { actor: self.index(actor), text, style }
            }
            RunEvent::Idle { ms } => ScreenEvent::Idle((*ms).min(IDLE_MS)),
            RunEvent::Transcript(_) | RunEvent::Diagnostic(_) | RunEvent::Mistake(_) => return,
        };
        self.events.push(event);
    }

    fn safe(&mut self, text: &str) -> String {
        self.redactions.apply(SafeText::line(text).as_str())
    }

    fn index(&self, actor: &str) -> usize {
        self.actors.iter().position(|label| label == actor).unwrap_or(0)
    }

    /// The run as an SVG picture (SVG 1.1, with the animation of its chapter 19).
    pub(crate) fn to_svg(&self, motion: Motion) -> String {
        svg::write(&self.film(), motion)
    }

    /// The run as an asciicast (version 2), one JSON value a line.
    pub(crate) fn to_asciicast(&self) -> String {
        asciicast::write(&self.film())
    }

    fn film(&self) -> Film<'_> {
        let count = self.actors.len();
        let width = (COLUMNS / count).clamp(*PANE_COLUMNS.start(), *PANE_COLUMNS.end());
        let mut panes: Vec<Pane> = self.actors.iter().map(|label| Pane::new(label, width, HEIGHT)).collect();
        let mut film = Film {
            titles: &self.actors,
            width,
            height: HEIGHT,
            changes: Vec::new(),
            end_ms: 0,
            redacted: self.redactions.count(),
        };
        film.paint(&mut panes);
        for event in &self.events {
            match event {
                ScreenEvent::Typed { actor, text, then } => film.type_line(&mut panes, *actor, text, *then),
                ScreenEvent::Shown { actor, text, style } => {
                    if let Some(pane) = panes.get_mut(*actor) {
                        pane.show(text, *style);
                    }
                    film.paint(&mut panes);
                    film.end_ms += ROW_MS;
                }
                ScreenEvent::Idle(ms) => film.end_ms += ms,
            }
        }
        // Low screens for a short run: rows fill them from the top.
        film.height = film.changes.iter().map(|change| change.row + 1).max().unwrap_or(1);
        film
    }
}
