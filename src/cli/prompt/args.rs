//! Options of the prompt, and the settings among them.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::app::error::{AppError, code};
use crate::config::{ColourWhen, EditorMode, Layer, NotifyLevel, TimeFormat, YesNo};
use crate::peers::address::ListenAt;
use crate::peers::name::Name;

/// Options of the prompt.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct PromptArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Wait for callers: a port, `host:port` or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "addresses")]
    pub(crate) listen: Vec<String>,
    /// Do not listen where the configuration file says
    #[arg(long, conflicts_with = "listen")]
    no_listen: bool,
    /// Turn away keys that are not in the book, on every address
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    known_only: Option<YesNo>,
    /// Call somebody: host or host:port
    #[arg(long, value_name = "ADDR", value_hint = ValueHint::Hostname, group = "addresses")]
    pub(crate) connect: Option<String>,
    /// Accept this key only
    #[arg(long, value_name = "SHA256:…", requires = "connect")]
    pub(crate) pin: Option<String>,
    /// Write the session into a new file, as a script of all who take part
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody
    #[arg(long, value_name = "WIRE", requires = "addresses")]
    pub(crate) wire: Option<String>,
    /// On the raw wire, give no key of yours: for the tutorial's server
    #[arg(long, requires_all = ["connect", "wire"])]
    pub(crate) one_way: bool,
    /// Keep typed lines in this file from one session to the next
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    history: Option<PathBuf>,
    /// Whether output carries colour [default: auto]
    #[arg(long, alias = "color", value_name = "WHEN")]
    colour: Option<ColourWhen>,
    /// Time before each message, in the conversions of strftime, or `none` [default: %H:%M]
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// No time before messages
    #[arg(long, conflicts_with = "time_format")]
    no_time: bool,
    /// Whose keys edit the line [default: emacs]
    #[arg(long, value_name = "KEYS")]
    editor_mode: Option<EditorMode>,
    /// Which messages ring [default: mention]
    #[arg(long, value_name = "WHICH")]
    notify: Option<NotifyLevel>,
    /// Put the peer's name and what is unread into the title of the terminal
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    title: Option<YesNo>,
    /// Also write what is said to this file, as :log does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log: Option<String>,
    /// For screen readers: one event a line, in words, no editor and no cursor movement
    #[arg(long)]
    pub(crate) plain: bool,
    /// For programs: events out and orders in, one JSON object a line (see docs/EVENTS.md)
    #[arg(long, conflicts_with_all = ["plain", "record", "history", "editor_mode", "colour", "time_format", "no_time", "notify"])]
    pub(crate) json: bool,
}

impl PromptArgs {
    /// Settings on the command line. One that listens or connects replaces the listeners of the
    /// file.
    ///
    /// # Errors
    /// A name or an address cannot be parsed.
    pub(crate) fn layer(&self) -> Result<Layer, AppError> {
        let wrong = |option: &str, error: String| AppError::new(code::USAGE, format!("{option}: {error}"));
        let name = self.name.as_deref().map(Name::parse).transpose();
        let listen: Result<Vec<_>, _> = self.listen.iter().map(|at| at.parse::<ListenAt>()).collect();
        let listen = listen.map_err(|error| wrong("--listen", error.to_string()))?;
        let time = match &self.time_format {
            _ if self.no_time => Some(TimeFormat::none()),
            Some(format) => Some(TimeFormat::parse(format).map_err(|error| wrong("--time-format", error))?),
            None => None,
        };
        let asked = !listen.is_empty() || self.no_listen || self.connect.is_some();
        Ok(Layer {
            name: name.map_err(|error| wrong("--name", error.to_string()))?,
            listen: asked.then_some(listen),
            callers: self.known_only.map(YesNo::callers),
            colour: self.colour,
            history: self.history.clone(),
            time,
            editor: self.editor_mode,
            notify: self.notify,
            title: self.title.map(YesNo::title),
        })
    }
}
