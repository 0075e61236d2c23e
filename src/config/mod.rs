//! Settings from four sources: command line, environment, configuration file and defaults, in this
//! order of precedence.

pub(crate) mod file;
mod take;
mod value;
mod values;
mod via;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use unicode_width::UnicodeWidthStr as _;

use crate::app::error::{AppError, code};
use crate::chat::{AcceptPolicy, HistoryPolicy, NameOrigin, NotifyWhen, OwnName, TakeRule, ViaRule};
use crate::limits::CONFIG_BYTES;
use crate::peers::address::{ListenAt, Target};
use crate::peers::name::Name;
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;
use crate::store::safe_file::{self, Access};
use crate::store::{StoreError, shown};
pub(crate) use file::KEYS;
use file::{FileSettings, Key};
pub(crate) use take::as_folder;
pub(crate) use values::{
    ColourWhen, EditorMode, Layer, Sandbox, TimeFormat, Title, YesNo, colour_from, word_of,
};

/// Settings in force for this run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Name that peers are given; `None` means the login name.
    pub(crate) name: Option<Name>,
    /// Addresses that the prompt listens on from its start.
    pub(crate) listen: Vec<ListenAt>,
    /// Callers that a listener accepts unless it is told otherwise.
    pub(crate) callers: AcceptPolicy,
    /// Addresses in invitations; without any, those of the listeners.
    pub(crate) invite_at: Vec<Target>,
    pub(crate) colour: ColourWhen,
    pub(crate) time: TimeFormat,
    pub(crate) editor: EditorMode,
    pub(crate) notify: NotifyWhen,
    /// Whether the terminal's title follows the conversation.
    pub(crate) title: Title,
    pub(crate) history: HistoryPolicy,
    /// Days for which messages are kept; `None`: without an end.
    pub(crate) history_days: Option<u32>,
    /// File of typed lines.
    pub(crate) line_history: Option<PathBuf>,
    /// Folder for received files; `None`: that for downloads.
    pub(crate) inbox: Option<PathBuf>,
    /// Files that are accepted without anybody.
    pub(crate) take: Vec<TakeRule>,
    /// Ways of calls where none is named or remembered.
    pub(crate) via: Vec<ViaRule>,
    /// Relays that are checked.
    pub(crate) relay: Vec<RelayUrl>,
    /// File of the key that logs in at them.
    pub(crate) relay_key: Option<PathBuf>,
    /// File of the certificates that theirs are signed by; `None`: those of the system.
    pub(crate) relay_ca: Option<PathBuf>,
    /// Way to the relays, where it is not that of all calls.
    pub(crate) relay_via: Option<Via>,
    pub(crate) sandbox: Sandbox,
}

/// The settings of each source, and the path of the file.
#[derive(Default)]
pub(crate) struct SettingSources {
    options: Layer,
    environment: Layer,
    file: Option<FileSettings>,
    path: Option<PathBuf>,
}

type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Variable that names the file.
const VARIABLE: &str = "RSACHAT_CONFIG";
/// Word in a file's place when none is to be read, as with `ssh -F`.
const NO_FILE: &str = "none";

impl SettingSources {
    /// Reads every source. `given` is the file that the command line names, which then has to
    /// exist. A file that cannot be used is never half used.
    pub(crate) fn read(given: Option<&Path>, options: Layer) -> Result<Self, AppError> {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let location = FileLocation::find(given, &env);
        let file = location.as_ref().map(|location| location.read(&env)).transpose()?.flatten();
        let environment = Layer { colour: values::colour_from(&env), ..Layer::default() };
        Ok(Self { options, environment, file, path: location.map(|location| location.path) })
    }

    /// Path of the file, which need not exist; `None` if none is read.
    pub(crate) fn path_of(given: Option<&Path>) -> Option<PathBuf> {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        FileLocation::find(given, &env).map(|location| location.path)
    }

    pub(crate) fn resolve(&self) -> Settings {
        let file = self.file.as_ref().map(|file| file.layer.clone()).unwrap_or_default();
        let layer = self.options.clone().or(self.environment.clone()).or(file);
        Settings {
            name: layer.name,
            listen: layer.listen.unwrap_or_default(),
            callers: layer.callers.unwrap_or(AcceptPolicy::Anyone),
            invite_at: layer.invite_at.unwrap_or_default(),
            colour: layer.colour.unwrap_or_default(),
            time: layer.time.unwrap_or_default(),
            editor: layer.editor.unwrap_or_default(),
            notify: layer.notify.unwrap_or_default(),
            title: layer.title.unwrap_or_default(),
            history: layer.history.unwrap_or_default(),
            history_days: layer.history_days,
            line_history: layer.line_history,
            inbox: layer.inbox,
            take: layer.take.unwrap_or_default(),
            via: layer.via.unwrap_or_default(),
            relay: layer.relay.unwrap_or_default(),
            relay_key: layer.relay_key,
            relay_ca: layer.relay_ca,
            relay_via: layer.relay_via,
            sandbox: layer.sandbox.unwrap_or_default(),
        }
    }
}

impl Settings {
    /// What holds where nothing is set.
    fn defaults() -> Layer {
        let none = SettingSources::default().resolve();
        Layer {
            name: Some(none.own_name().name),
            listen: Some(none.listen),
            callers: Some(none.callers),
            invite_at: None,
            colour: Some(none.colour),
            time: Some(none.time),
            editor: Some(none.editor),
            notify: Some(none.notify),
            title: Some(none.title),
            history: Some(none.history),
            history_days: none.history_days,
            line_history: none.line_history,
            inbox: none.inbox,
            take: None,
            via: None,
            relay: None,
            relay_key: None,
            relay_ca: None,
            relay_via: None,
            sandbox: Some(none.sandbox),
        }
    }

    /// The way to the relays: their own, else that of all calls.
    pub(crate) fn way_to_relays(&self) -> Option<Via> {
        let of_all = || self.via.iter().find(|rule| rule.peer.is_none()).map(|rule| rule.via.clone());
        self.relay_via.clone().or_else(of_all)
    }

    /// The user's own name: the one that was set, else the login name, else a neutral one.
    pub(crate) fn own_name(&self) -> OwnName {
        self.name.clone().map_or_else(login_name, OwnName::from)
    }
}

fn login_name() -> OwnName {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let name = Name::claimed(user.map(|user| user.name).unwrap_or_default().as_bytes());
    OwnName { name, origin: NameOrigin::Login }
}

/// Path of the configuration file.
struct FileLocation {
    path: PathBuf,
    /// The user named the file, so it has to exist.
    is_required: bool,
}

impl FileLocation {
    /// The file given, else the variable's, else `rsachat/config.toml` in `XDG_CONFIG_HOME`, else
    /// in `~/.config` (XDG Base Directory Specification: relative paths there count as unset).
    fn find(given: Option<&Path>, env: Env<'_>) -> Option<Self> {
        if let Some(path) = given.map(Path::to_owned).or_else(|| env(VARIABLE).map(PathBuf::from)) {
            return (path != Path::new(NO_FILE)).then_some(Self { path, is_required: true });
        }
        let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder =
            absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
        Some(Self { path: folder.join("rsachat/config.toml"), is_required: false })
    }

    fn read(&self, env: Env<'_>) -> Result<Option<FileSettings>, AppError> {
        let shown = shown(&self.path);
        let text = match safe_file::read_text(&self.path, CONFIG_BYTES, Access::Settings) {
            Ok(Some(text)) => text,
            Ok(None) if !self.is_required => return Ok(None),
            Ok(None) => {
                return Err(AppError::new(code::USAGE, format!("there is no file {shown}"))
                    .hint(format!("--config {NO_FILE} reads no file")));
            }
            Err(StoreError::WrongOwner { owner, .. }) => {
                let what = format!("{shown} belongs to user {owner}, not to you");
                return Err(AppError::new(code::MACHINE, what)
                    .hint("chown it, or name another file with --config FILE"));
            }
            Err(other) => return Err(other.into()),
        };
        file::parse(&text, env("HOME").map(PathBuf::from).as_deref()).map(Some).map_err(|errors| {
            let rows: Vec<_> = errors.iter().map(|error| format!("{shown}:{error}")).collect();
            AppError::at_places(code::USAGE, &rows).hint("rsachat man describes every setting")
        })
    }
}

impl SettingSources {
    /// One sentence on the configuration file.
    pub(crate) fn describe_file(&self) -> String {
        match (&self.path, &self.file) {
            (None, _) => "no configuration file is read".to_owned(),
            (Some(path), None) => format!("there is no {}; nothing is set", shown(path)),
            (Some(path), Some(file)) => {
                let settings = match file.places.len() {
                    1 => "1 setting".to_owned(),
                    count => format!("{count} settings"),
                };
                format!("{} is valid, with {settings}", shown(path))
            }
        }
    }

    /// Every key in aligned rows, with the source of its value.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = KEYS.each_ref().map(|key| self.row(key));
        let cells = rows.iter().map(|(row, _)| row.width()).max().unwrap_or_default();
        let aligned = rows.iter().map(|(row, origin)| {
            let blanks = " ".repeat(cells - row.width());
            format!("{row}{blanks}  # {origin}")
        });
        std::iter::once(format!("# {}", self.describe_file())).chain(aligned).collect()
    }

    /// A key as it would stand in the file, and the source of its value.
    fn row(&self, key: &Key) -> (String, String) {
        let set = |value: String| format!("{} = {value}", key.name);
        if let Some(value) = (key.value)(&self.options) {
            return (set(value), "command line".to_owned());
        }
        if let Some(value) = (key.value)(&self.environment) {
            return (set(value), "environment".to_owned());
        }
        if let (Some(path), Some(file)) = (&self.path, &self.file)
            && let (Some(value), Some(place)) = ((key.value)(&file.layer), file.places.get(key.name))
        {
            return (set(value), format!("{}:{place}", shown(path)));
        }
        // As a comment, so that what is shown is a file with the same settings.
        match (key.value)(&Settings::defaults()) {
            Some(value) if value == key.default => (format!("# {}", set(value)), "default".to_owned()),
            Some(value) => (format!("# {}", set(value)), format!("default: {}", key.default)),
            None => (format!("# {}", key.name), format!("not set: {}", key.default)),
        }
    }
}
