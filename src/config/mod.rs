//! What one would otherwise type each time. The command line wins over the environment, that over the file,
//! that over what holds without any of them. Nothing here changes a file.

pub(crate) mod file;
pub(crate) mod keys;
pub(crate) mod show;
pub(crate) mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::app::error::{AppError, code};
use crate::chat::AcceptPolicy;
use crate::peers::address::ListenAt;
use crate::peers::name::Name;
use crate::store::StoreError;
use crate::store::settings::load_settings;
use file::Settings;
pub(crate) use keys::{KEYS, Key};
pub(crate) use show::{ConfigCommand, run};
pub(crate) use values::{ColourWhen, EditorMode, Layer, Notify, TimeFormat, Title, YesNo};

/// What holds for this run.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The name that peers are given; none means the login name.
    pub(crate) name: Option<Name>,
    /// Where the prompt waits for callers from its start.
    pub(crate) listen: Vec<ListenAt>,
    /// Whom a listener takes that says nothing else.
    pub(crate) callers: AcceptPolicy,
    /// Whether output carries colour.
    pub(crate) colour: ColourWhen,
    /// How the time before a message is written.
    pub(crate) time: TimeFormat,
    /// Whose keys the line editor has.
    pub(crate) editor: EditorMode,
    /// When to draw attention.
    pub(crate) notify: Notify,
    /// Whether the terminal's title follows the conversation.
    pub(crate) title: Title,
    /// File that keeps typed lines.
    pub(crate) history: Option<PathBuf>,
}

/// What each source says, and which file that was.
#[derive(Default)]
pub(crate) struct SettingSources {
    options: Layer,
    environment: Layer,
    file: Option<Settings>,
    path: Option<PathBuf>,
}

type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Name of the variable with the file's name.
const VARIABLE: &str = "RSACHAT_CONFIG";
/// What stands in a file's place when none is to be read, as with `ssh -F`.
const NO_FILE: &str = "none";

impl SettingSources {
    /// Reads what there is. `given` is the file that the command line names.
    ///
    /// # Errors
    /// A file that was named is not there, or there is one that cannot be used: it is never half used.
    pub(crate) fn read(given: Option<&Path>, options: Layer) -> Result<Self, AppError> {
        let env = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = place(given, &env);
        let file = path.as_ref().map(|place| place.read(&env)).transpose()?.flatten();
        let environment = Layer { colour: values::colour_of(&env), ..Layer::default() };
        Ok(Self { options, environment, file, path: path.map(|place| place.path) })
    }

    /// The file in words.
    pub(crate) fn described(&self) -> String {
        show::check(self)
    }

    /// What holds.
    pub(crate) fn settle(&self) -> Config {
        let file = self.file.as_ref().map(|file| file.layer.clone()).unwrap_or_default();
        let layer = self.options.clone().or(self.environment.clone()).or(file);
        Config {
            name: layer.name,
            listen: layer.listen.unwrap_or_default(),
            callers: layer.callers.unwrap_or(AcceptPolicy::Anyone),
            colour: layer.colour.unwrap_or_default(),
            time: layer.time.unwrap_or_default(),
            editor: layer.editor.unwrap_or_default(),
            notify: layer.notify.unwrap_or_default(),
            title: layer.title.unwrap_or_default(),
            history: layer.history,
        }
    }
}

impl Config {
    /// What holds where the command line says nothing of it.
    ///
    /// # Errors
    /// As [`SettingSources::read`].
    pub(crate) fn read(given: Option<&Path>) -> Result<Self, AppError> {
        Ok(SettingSources::read(given, Layer::default())?.settle())
    }

    /// The name to go by: the one that was set, else the login name, else a neutral one.
    pub(crate) fn own_name(&self) -> Name {
        self.name.clone().unwrap_or_else(|| {
            let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
            Name::claimed(user.map(|user| user.name).unwrap_or_default().as_bytes())
        })
    }
}

/// Where the file is, and whether somebody named it.
struct Place {
    path: PathBuf,
    named: Named,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    /// It has to be there.
    Yes,
    /// It may be absent.
    No,
}

/// The file: the one given, else the variable's, else `rsachat/config.toml` in `XDG_CONFIG_HOME`, else in
/// `~/.config` (XDG Base Directory Specification: relative paths there count as unset).
fn place(given: Option<&Path>, env: Env<'_>) -> Option<Place> {
    if let Some(path) = given.map(Path::to_owned).or_else(|| env(VARIABLE).map(PathBuf::from)) {
        return (path != Path::new(NO_FILE)).then_some(Place { path, named: Named::Yes });
    }
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(Place { path: folder.join("rsachat/config.toml"), named: Named::No })
}

impl Place {
    fn read(&self, env: Env<'_>) -> Result<Option<Settings>, AppError> {
        let text = load_settings(&self.path).map_err(|error| Self::unusable(&error))?;
        let Some(text) = text else {
            let missing = || AppError::new(code::USAGE, format!("there is no file {}", self.path.display()));
            return match self.named {
                Named::No => Ok(None),
                Named::Yes => Err(missing().hint(format!("--config {NO_FILE} reads no file"))),
            };
        };
        file::parse(&text, env("HOME").map(PathBuf::from).as_deref()).map(Some).map_err(|mistakes| {
            let rows: Vec<_> = mistakes.iter().map(|m| format!("{}, {m}", self.path.display())).collect();
            AppError::new(code::USAGE, rows.join("\nrsachat: error: "))
                .hint("rsachat man describes every key")
        })
    }

    fn unusable(error: &StoreError) -> AppError {
        match error {
            StoreError::Foreign { path, owner } => {
                let what = format!("{} belongs to user {owner}, not to you", path.display());
                AppError::new(code::MACHINE, what).hint("chown it, or name another file with --config FILE")
            }
            other => AppError::new(code::MACHINE, other.to_string()),
        }
    }
}
