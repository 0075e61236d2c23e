//! Types of the settings' values, and the layer of settings that one source gives.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::chat::{AcceptPolicy, HistoryPolicy, KeyExchange, NotifyWhen, Protocol, TakeRule, ViaRule};
use crate::limits::TIME_CELLS;
use crate::peers::address::{ListenAt, Target};
use crate::peers::name::Name;
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;

/// Whether output carries colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum ColourWhen {
    /// At a terminal.
    #[default]
    Auto,
    /// Into pipes and files as well.
    Always,
    /// Nowhere.
    Never,
}

/// Key bindings of the line editor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum EditorMode {
    /// Those of Emacs.
    #[default]
    Emacs,
    /// Those of vi.
    Vi,
}

impl ValueEnum for HistoryPolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()))
    }
}

impl ValueEnum for Protocol {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Native, Self::Oaep(KeyExchange::Mutual)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Native => "native",
            Self::Oaep(_) => "oaep",
        }))
    }
}

impl ValueEnum for NotifyWhen {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Never => "Never",
            Self::Mentioned => "When a message has your name in it",
            Self::Always => "For every message",
        };
        Some(PossibleValue::new(self.word()).help(help))
    }
}

/// Whether the terminal's title follows the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Title {
    /// It is left alone: others can read it over a shoulder or on a shared screen.
    #[default]
    Untouched,
    /// It shows the addressed peer and the number of unread messages.
    Kept,
}

/// Whether a front end that can be confined is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Sandbox {
    #[default]
    On,
    Off,
}

/// Value of an option that is yes or no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum YesNo {
    #[value(name = "true", alias = "yes")]
    Yes,
    #[value(name = "false", alias = "no")]
    No,
}

impl YesNo {
    /// Value of `--known-only`.
    pub(crate) fn callers(self) -> AcceptPolicy {
        match self {
            Self::Yes => AcceptPolicy::KnownOnly,
            Self::No => AcceptPolicy::Anyone,
        }
    }

    /// Value of `sandbox` in the file.
    pub(crate) fn sandbox(self) -> Sandbox {
        match self {
            Self::Yes => Sandbox::On,
            Self::No => Sandbox::Off,
        }
    }

    /// Value of `--title`.
    pub(crate) fn title(self) -> Title {
        match self {
            Self::Yes => Title::Kept,
            Self::No => Title::Untouched,
        }
    }
}

/// Format of the time before a message, in the conversions of `strftime(3)`; or no time at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TimeFormat(Option<String>);

/// Word for no time.
const NO_TIME: &str = "none";

impl Default for TimeFormat {
    fn default() -> Self {
        Self(Some("%H:%M".to_owned()))
    }
}

impl TimeFormat {
    /// Parses `none` or conversions, whose result has to fit before a message.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == NO_TIME {
            return Ok(Self(None));
        }
        let now = jiff::ZonedDateTime::now();
        let written = jiff::fmt::strtime::format(text, &now).map_err(|error| {
            let error = error.to_string();
            format!("that is not a strftime format: {}", error.rsplit(": ").next().unwrap_or(&error))
        })?;
        let cells = unicode_width::UnicodeWidthStr::width(written.as_str());
        if written.is_empty() || cells > TIME_CELLS || written.chars().any(char::is_control) {
            return Err(format!("a time has one row of 1 to {TIME_CELLS} cells; {NO_TIME} shows none"));
        }
        Ok(Self(Some(text.to_owned())))
    }

    /// Shows no time.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The conversions; `None` when no time is shown.
    pub(crate) fn strftime(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The format as it was written.
    pub(crate) fn word(&self) -> &str {
        self.strftime().unwrap_or(NO_TIME)
    }
}

/// Settings of one source, each of which may be absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(crate) name: Option<Name>,
    pub(crate) listen: Option<Vec<ListenAt>>,
    pub(crate) callers: Option<AcceptPolicy>,
    pub(crate) invite_at: Option<Vec<Target>>,
    pub(crate) colour: Option<ColourWhen>,
    pub(crate) time: Option<TimeFormat>,
    pub(crate) editor: Option<EditorMode>,
    pub(crate) notify: Option<NotifyWhen>,
    pub(crate) title: Option<Title>,
    pub(crate) history: Option<HistoryPolicy>,
    pub(crate) history_days: Option<u32>,
    pub(crate) line_history: Option<PathBuf>,
    pub(crate) inbox: Option<PathBuf>,
    pub(crate) take: Option<Vec<TakeRule>>,
    pub(crate) via: Option<Vec<ViaRule>>,
    pub(crate) relay: Option<Vec<RelayUrl>>,
    pub(crate) relay_key: Option<PathBuf>,
    pub(crate) relay_ca: Option<PathBuf>,
    pub(crate) relay_via: Option<Via>,
    pub(crate) sandbox: Option<Sandbox>,
}

impl Layer {
    /// This layer, and where a value is absent that of the layer below.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            name: self.name.or(below.name),
            listen: self.listen.or(below.listen),
            callers: self.callers.or(below.callers),
            invite_at: self.invite_at.or(below.invite_at),
            colour: self.colour.or(below.colour),
            time: self.time.or(below.time),
            editor: self.editor.or(below.editor),
            notify: self.notify.or(below.notify),
            title: self.title.or(below.title),
            history: self.history.or(below.history),
            history_days: self.history_days.or(below.history_days),
            line_history: self.line_history.or(below.line_history),
            inbox: self.inbox.or(below.inbox),
            take: self.take.or(below.take),
            via: self.via.or(below.via),
            relay: self.relay.or(below.relay),
            relay_key: self.relay_key.or(below.relay_key),
            relay_ca: self.relay_ca.or(below.relay_ca),
            relay_via: self.relay_via.or(below.relay_via),
            sandbox: self.sandbox.or(below.sandbox),
        }
    }
}

/// Colour setting of the environment: `NO_COLOR` (no-color.org), else `CLICOLOR_FORCE`
/// (bixense.com/clicolors).
pub(crate) fn colour_from(env: &dyn Fn(&str) -> Option<OsString>) -> Option<ColourWhen> {
    if env("NO_COLOR").is_some() {
        Some(ColourWhen::Never)
    } else {
        env("CLICOLOR_FORCE").filter(|value| value != "0").map(|_| ColourWhen::Always)
    }
}

/// Word of a value on the command line and in the file.
pub(crate) fn word_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
