//! Screencast of a run: the screens of its actors as their terminals show them, with what is typed
//! key by key. Its times come from the script alone, so that the same script gives the same bytes.

mod asciicast;
mod film;
mod redacted;
mod screen;
mod svg;

pub(crate) use self::film::Motion;
use self::film::{Film, Frame, ROW_MS};
use self::redacted::Redactor;
use self::screen::{Pane, Row, Style, painted, plain};
use super::reporter::RunEvent;
use super::screens::{Echoed, ScreenEvent};
use crate::render::colour::Look;
use crate::render::layout::Layout;
use crate::render::{Size, prompt_line};
use crate::script::matcher::{ShownKind, ShownRow};
use crate::script::{FaceSpec, Script};
use crate::text::redaction::Redactions;

/// Longest time in which nothing happens, in milliseconds.
const IDLE_MS: u64 = 2_000;
/// Columns of all screens together, and of each of which the script does not say it.
const COLUMNS: usize = 160;
const PANE_COLUMNS: std::ops::RangeInclusive<usize> = 32..=80;
/// Most rows of a screen.
const HEIGHT: usize = Size::DEFAULT.rows;

/// Event of the film.
enum FilmEvent {
    /// On the screen of an actor.
    Screen(usize, PaneEvent),
    /// Time without events, in milliseconds.
    Idle(u64),
}

/// Event on a screen.
enum PaneEvent {
    /// Another prompt, or none.
    Prompt(Option<Row>),
    /// Text behind the prompt, key by key.
    Typed(String),
    /// Text that is there again at once.
    Returned(String),
    /// Enter, and the rows that stand in the place of the line, if it does not stay.
    Entered(Option<Vec<Row>>),
    /// Rows above the prompt.
    Shown(Vec<Row>),
}

/// Recorder of a run.
pub(crate) struct Screencast {
    labels: Vec<String>,
    frames: Vec<Frame>,
    screens: Vec<ActorScreen>,
    events: Vec<FilmEvent>,
    redactor: Redactor,
}

/// What an actor sees.
enum ActorScreen {
    /// The terminal of our prompt, once it runs.
    Prompt(Option<Box<Layout>>),
    /// Rows of a program, behind the label of the actor.
    Rows,
}

impl Screencast {
    /// A recorder of a script, whose one actor may have no name.
    pub(crate) fn new(script: &Script, redactions: Redactions) -> Self {
        let labels = if script.actors.is_empty() { vec![String::new()] } else { script.actors.clone() };
        let redactor = Redactor::new(redactions);
        let width = (COLUMNS / labels.len()).clamp(*PANE_COLUMNS.start(), *PANE_COLUMNS.end());
        let frame = |(label, face): (&String, FaceSpec)| Frame {
            title: redactor.apply(label),
            width: face.columns.map_or(width, usize::from),
        };
        let frames = labels.iter().zip(script.faces()).map(frame).collect();
        let screen =
            |actor| if script.has_prompt(actor) { ActorScreen::Prompt(None) } else { ActorScreen::Rows };
        let screens = (0..labels.len()).map(screen).collect();
        Self { labels, frames, screens, events: Vec::new(), redactor }
    }

    /// Records an event of the run.
    pub(crate) fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Screen { actor, event, portable } => {
                let actor = self.labels.iter().position(|label| label == actor).unwrap_or(0);
                let width = self.frames.get(actor).map_or(Size::DEFAULT.cells, |frame| frame.width);
                self.screen_event(actor, Size { cells: width, rows: HEIGHT }, event, portable);
            }
            RunEvent::Idle { ms } => self.events.push(FilmEvent::Idle((*ms).min(IDLE_MS))),
            RunEvent::Typed { .. }
            | RunEvent::Shown { .. }
            | RunEvent::Transcript(_)
            | RunEvent::Diagnostic(_)
            | RunEvent::Mistake(_) => {}
        }
    }

    fn screen_event(
        &mut self,
        actor: usize,
        size: Size,
        event: &ScreenEvent,
        portable: &dyn Fn(&str) -> String,
    ) {
        let redactor = &self.redactor;
        let Some(screen) = self.screens.get_mut(actor) else { return };
        let event = match (event, screen) {
            (ScreenEvent::Prompt { view, layout }, ActorScreen::Prompt(of_actor)) => {
                *of_actor = Some(layout.clone());
                let text = prompt_line::natural(&redactor.prompt(view), size.cells);
                PaneEvent::Prompt(Some(plain(&text, Style::Look(Look::Bold))))
            }
            (ScreenEvent::Typed(text), _) => PaneEvent::Typed(redactor.typed(text)),
            (ScreenEvent::Entered(echoed), screen) => {
                let instead = match (echoed, screen) {
                    (Echoed::Message { author, text, now }, ActorScreen::Prompt(Some(layout))) => {
                        let (author, text) = redactor.said(author, text);
                        Some(rows(&layout.own_message(&author, &text, *now, size.cells)))
                    }
                    (Echoed::Nothing, _) => Some(Vec::new()),
                    (Echoed::Message { .. } | Echoed::Line, _) => None,
                };
                PaneEvent::Entered(instead)
            }
            (ScreenEvent::Returned(line), _) => PaneEvent::Returned(redactor.typed(line)),
            (ScreenEvent::Notice(notice, _), ActorScreen::Prompt(Some(_))) if notice.is_in_prompt() => return,
            (ScreenEvent::Notice(notice, now), ActorScreen::Prompt(Some(layout))) => {
                let clean = |row: &str| redactor.apply(&portable(row));
                let notice = redactor.notice(notice, portable);
                PaneEvent::Shown(rows(&layout.render_rewritten(&notice, *now, size, &clean)))
            }
            (ScreenEvent::Row(row), screen) => {
                if let ActorScreen::Prompt(_) = screen {
                    self.events.push(FilmEvent::Screen(actor, PaneEvent::Prompt(None)));
                }
                PaneEvent::Shown(vec![plain(&redactor.apply(&row.text), style_of(row))])
            }
            (ScreenEvent::Prompt { .. } | ScreenEvent::Notice(..), _) => return,
        };
        self.events.push(FilmEvent::Screen(actor, event));
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
        let pane = |(frame, screen): (&Frame, &ActorScreen)| {
            let prompt = match screen {
                ActorScreen::Prompt(_) => None,
                ActorScreen::Rows => Some(plain(&format!("{}> ", frame.title), Style::Look(Look::Bold))),
            };
            Pane::new(frame.width, HEIGHT, prompt)
        };
        let mut panes: Vec<Pane> = self.frames.iter().zip(&self.screens).map(pane).collect();
        let (frames, redacted) = (self.frames.as_slice(), self.redactor.count());
        let mut film = Film { frames, height: HEIGHT, changes: Vec::new(), end_ms: 0, redacted };
        film.paint(&mut panes);
        for event in &self.events {
            match event {
                FilmEvent::Idle(ms) => film.end_ms += ms,
                FilmEvent::Screen(actor, PaneEvent::Typed(text)) => film.type_text(&mut panes, *actor, text),
                FilmEvent::Screen(actor, event) => {
                    if let Some(pane) = panes.get_mut(*actor) {
                        happen(pane, event);
                    }
                    film.paint(&mut panes);
                    film.end_ms += if matches!(event, PaneEvent::Shown(_)) { ROW_MS } else { 0 };
                }
            }
        }
        // Low screens for a short run: rows fill them from the top.
        film.height = film.changes.iter().map(|change| change.number + 1).max().unwrap_or(1);
        film
    }
}

fn happen(pane: &mut Pane, event: &PaneEvent) {
    match event {
        PaneEvent::Prompt(prompt) => pane.set_prompt(prompt.clone()),
        PaneEvent::Typed(text) | PaneEvent::Returned(text) => pane.type_text(text),
        PaneEvent::Entered(instead) => pane.press_enter(instead.as_deref()),
        PaneEvent::Shown(rows) => pane.show(rows),
    }
}

fn rows(painted_rows: &str) -> Vec<Row> {
    painted_rows.lines().map(painted).collect()
}

/// Style of a row by its mark.
fn style_of(row: &ShownRow) -> Style {
    match (row.kind, row.text.as_bytes().first()) {
        (ShownKind::Event, _) => Style::Event,
        // On a screen and in words the mark of a warning stands behind a time.
        (ShownKind::Row, _) if row.is_warning => Style::Look(Look::Warning),
        (ShownKind::Row, Some(b'*')) => Style::Look(Look::Dim),
        (ShownKind::Row, _) => Style::Look(Look::Plain),
    }
}
