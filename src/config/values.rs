//! The values that settings can have, whichever source they come from, and one source's worth of them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::chat::AcceptPolicy;
use crate::limits::TIME_CELLS;
use crate::peers::address::ListenAt;
use crate::peers::name::Name;

/// Whether output carries colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum ColourWhen {
    /// On a terminal that can be edited on.
    #[default]
    Auto,
    /// Into pipes and files as well.
    Always,
    /// Nowhere.
    Never,
}

/// Whose keys the line editor has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum EditorMode {
    /// Those of Emacs.
    #[default]
    Emacs,
    /// Those of vi.
    Vi,
}

/// When to draw attention.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Notify {
    /// Never.
    Off,
    /// When a message has our name in it.
    #[default]
    Mention,
    /// For every message.
    All,
}

impl From<Notify> for crate::chat::NotifyPolicy {
    fn from(notify: Notify) -> Self {
        let when = match notify {
            Notify::Off => crate::chat::NotifyWhen::Never,
            Notify::Mention => crate::chat::NotifyWhen::Mentioned,
            Notify::All => crate::chat::NotifyWhen::Always,
        };
        Self { when, ..Self::default() }
    }
}

/// Whether the terminal's title says with whom one talks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Title {
    /// The title is left as it is: whoever looks over a shoulder, or at a shared screen, can read it.
    #[default]
    Untouched,
    /// It has the name of the addressed peer and how much is unread.
    Kept,
}

/// A yes or a no on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

impl YesNo {
    /// As an answer to "only known keys?".
    pub(crate) fn callers(self) -> AcceptPolicy {
        match self {
            Self::Yes => AcceptPolicy::KnownOnly,
            Self::No => AcceptPolicy::Anyone,
        }
    }

    /// As an answer to "a title?".
    pub(crate) fn title(self) -> Title {
        match self {
            Self::Yes => Title::Kept,
            Self::No => Title::Untouched,
        }
    }
}

/// How the time before a message is written: in the conversions of `strftime(3)`, or not at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TimeFormat(Option<String>);

/// The word for no time at all.
const NO_TIME: &str = "none";

impl Default for TimeFormat {
    fn default() -> Self {
        Self(Some("%H:%M".to_owned()))
    }
}

impl TimeFormat {
    /// Reads `none` or conversions; what they make has to fit before a message.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == NO_TIME {
            return Ok(Self(None));
        }
        let now = jiff::ZonedDateTime::now();
        let written = jiff::fmt::strtime::format(text, &now).map_err(|error| {
            let error = error.to_string();
            format!("that is not a time format of strftime: {}", error.rsplit(": ").next().unwrap_or(&error))
        })?;
        let cells = unicode_width::UnicodeWidthStr::width(written.as_str());
        if written.is_empty() || cells > TIME_CELLS || written.chars().any(char::is_control) {
            return Err(format!("a time has one row of 1 to {TIME_CELLS} cells; {NO_TIME} shows none"));
        }
        Ok(Self(Some(text.to_owned())))
    }

    /// No time at all.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The conversions; none when no time is shown.
    pub(crate) fn strftime(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// As it was written.
    pub(crate) fn word(&self) -> &str {
        self.strftime().unwrap_or(NO_TIME)
    }
}

/// What one source says; it need not say anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) name: Option<Name>,
    pub(crate) listen: Option<Vec<ListenAt>>,
    pub(crate) callers: Option<AcceptPolicy>,
    pub(crate) colour: Option<ColourWhen>,
    pub(crate) time: Option<TimeFormat>,
    pub(crate) editor: Option<EditorMode>,
    pub(crate) notify: Option<Notify>,
    pub(crate) title: Option<Title>,
    pub(crate) history: Option<PathBuf>,
}

impl Layer {
    /// This, and where it says nothing the one below.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            name: self.name.or(below.name),
            listen: self.listen.or(below.listen),
            callers: self.callers.or(below.callers),
            colour: self.colour.or(below.colour),
            time: self.time.or(below.time),
            editor: self.editor.or(below.editor),
            notify: self.notify.or(below.notify),
            title: self.title.or(below.title),
            history: self.history.or(below.history),
        }
    }
}

/// What the environment says of colour: `NO_COLOR` (no-color.org), else `CLICOLOR_FORCE`
/// (bixense.com/clicolors).
pub(crate) fn colour_of(env: &dyn Fn(&str) -> Option<OsString>) -> Option<ColourWhen> {
    if env("NO_COLOR").is_some() {
        Some(ColourWhen::Never)
    } else {
        env("CLICOLOR_FORCE").filter(|value| value != "0").map(|_| ColourWhen::Always)
    }
}

/// The word of a value that has one.
pub(crate) fn word_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
