//! Faces of actors: how the notices of a session become rows.

use jiff::tz::TimeZone;

use crate::chat::{Chat, Notice};
use crate::config::TimeFormat;
use crate::render::Size;
use crate::render::colour::ColourDepth;
use crate::render::layout::{Layout, OutputMode};
use crate::script::FaceSpec;
use crate::time::UnixMs;

/// What an actor sees of its session.
pub(crate) enum Face {
    /// Rows of notices as they are, without time and wrap.
    Rows,
    /// Rows of a screen of this size, as the prompt lays them out.
    Screen(Box<Screen>),
}

/// Screen of the prompt.
pub(crate) struct Screen {
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
        let Some(columns) = spec.columns else { return Self::Rows };
        let layout = Layout::new(OutputMode::Screen, ColourDepth::Monochrome, TimeFormat::default());
        let size = Size { cells: columns.into(), ..Size::DEFAULT };
        Self::Screen(Box::new(Screen { layout: layout.in_zone(TimeZone::UTC), size, roster: None }))
    }

    /// Takes note of who is there.
    pub(crate) fn chat_changed(&mut self, chat: &Chat) {
        if let Self::Screen(screen) = self
            && screen.roster.replace(chat.roster()) != Some(chat.roster())
        {
            screen.layout.fit_to(chat);
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
            Self::Screen(screen) => {
                let rows = screen.layout.render_rewritten(notice, now, screen.size, rewrite);
                let mut is_expected = matches!(notice, Notice::Warning(_));
                let row = |text: &str| {
                    let is_warning = is_expected && text.contains("! ");
                    is_expected &= !is_warning;
                    FaceRow { text: text.to_owned(), is_warning }
                };
                rows.lines().map(row).collect()
            }
        }
    }
}
