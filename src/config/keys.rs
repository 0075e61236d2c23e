//! Every key of the configuration file. This table feeds the reader, `config show` and the manual, so that
//! none of them can forget one.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use toml::Spanned;
use toml::de::DeValue;

use super::values::{ColourWhen, EditorMode, Layer, Notify, TimeFormat, Title, word_of};
use crate::chat::AcceptPolicy;
use crate::peers::address::ListenAt;
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;

/// One key.
pub(crate) struct Key {
    /// As it is written.
    pub(crate) name: &'static str,
    /// Other spellings of it.
    pub(crate) aliases: &'static [&'static str],
    /// A line as it may stand in the file.
    pub(crate) example: &'static str,
    /// What holds without it, in words.
    pub(crate) default: &'static str,
    /// What it does, and which option does the same.
    pub(crate) about: &'static str,
    /// Puts a value of the file into the layer, or says what is wrong with it.
    pub(crate) take: fn(&DeValue<'_>, &mut Taken<'_>) -> Result<(), ValueError>,
    /// The value as it would be written in the file.
    pub(crate) shown: fn(&Layer) -> Option<String>,
}

/// Where values go, and the folder that `~` stands for.
pub(crate) struct Taken<'a> {
    pub(crate) layer: Layer,
    pub(crate) home: Option<&'a Path>,
}

/// What is wrong with a value.
pub(crate) struct ValueError {
    pub(crate) what: String,
    /// The byte of the file where it is, when that is inside the value.
    pub(crate) at: Option<usize>,
}

impl From<String> for ValueError {
    fn from(what: String) -> Self {
        Self { what, at: None }
    }
}

/// Every key, in the order in which they are shown.
pub(crate) const KEYS: [Key; 9] = [
    Key {
        name: "name",
        aliases: &[],
        example: "name = \"민지\"",
        default: "the login name",
        about: "The name that you give to peers. The option is --name.",
        take: |value, taken| {
            let name = Name::parse(text(value)?).map_err(|error| error.to_string())?;
            taken.layer.name = Some(name);
            Ok(())
        },
        shown: |layer| layer.name.as_ref().map(|name| quoted(name.as_str())),
    },
    Key {
        name: "listen",
        aliases: &[],
        example: "listen = [\"8000\"]",
        default: "nowhere",
        about: "Where the prompt waits for callers from its start: an address or a list of addresses, as --listen \
                takes them. It does not count when --listen, --no-listen or --connect is given.",
        take: |value, taken| {
            taken.layer.listen = Some(match value {
                DeValue::Array(items) => items.iter().map(address_in_list).collect::<Result<_, _>>()?,
                one => vec![address(one)?],
            });
            Ok(())
        },
        shown: |layer| {
            let listen = layer.listen.as_ref()?;
            let items: Vec<_> = listen.iter().map(|at| quoted(&at.to_string())).collect();
            Some(format!("[{}]", items.join(", ")))
        },
    },
    Key {
        name: "known-only",
        aliases: &[],
        example: "known-only = true",
        default: "false",
        about: "Whether keys that are not in your book are turned away from every address that you listen on, \
                unless :listen says --anybody. The option is --known-only.",
        take: |value, taken| {
            taken.layer.callers =
                Some(if truth(value)? { AcceptPolicy::KnownOnly } else { AcceptPolicy::Anyone });
            Ok(())
        },
        shown: |layer| layer.callers.map(|callers| (callers == AcceptPolicy::KnownOnly).to_string()),
    },
    Key {
        name: "colour",
        aliases: &["color"],
        example: "colour = \"auto\"",
        default: "\"auto\"",
        about: "Whether output carries colour: \"auto\" (on a terminal), \"always\" or \"never\". The option is --colour; \
                NO_COLOR and CLICOLOR_FORCE in the environment win over the file.",
        take: |value, taken| {
            taken.layer.colour = Some(one_of::<ColourWhen>(value)?);
            Ok(())
        },
        shown: |layer| layer.colour.map(|when| quoted(&word_of(&when))),
    },
    Key {
        name: "time-format",
        aliases: &[],
        example: "time-format = \"%H:%M\"",
        default: "\"%H:%M\"",
        about: "How the local time before a message is written, in the conversions of strftime(3); \"none\" shows no time.",
        take: |value, taken| {
            taken.layer.time = Some(TimeFormat::parse(text(value)?)?);
            Ok(())
        },
        shown: |layer| layer.time.as_ref().map(|time| quoted(time.word())),
    },
    Key {
        name: "editor-mode",
        aliases: &[],
        example: "editor-mode = \"vi\"",
        default: "\"emacs\"",
        about: "Whose keys the line editor has: \"emacs\" or \"vi\".",
        take: |value, taken| {
            taken.layer.editor = Some(one_of::<EditorMode>(value)?);
            Ok(())
        },
        shown: |layer| layer.editor.map(|mode| quoted(&word_of(&mode))),
    },
    Key {
        name: "notify",
        aliases: &[],
        example: "notify = \"all\"",
        default: "\"mention\"",
        about: "When the terminal rings and shows a notification: \"off\", \"mention\" (your name is in the message) or \"all\".",
        take: |value, taken| {
            taken.layer.notify = Some(one_of::<Notify>(value)?);
            Ok(())
        },
        shown: |layer| layer.notify.map(|notify| quoted(&word_of(&notify))),
    },
    Key {
        name: "title",
        aliases: &[],
        example: "title = true",
        default: "false",
        about: "Whether the title of the terminal says whom you address and how many messages of others are not read; \
                never what they say. The option is --title.",
        take: |value, taken| {
            taken.layer.title = Some(if truth(value)? { Title::Kept } else { Title::Untouched });
            Ok(())
        },
        shown: |layer| layer.title.map(|title| (title == Title::Kept).to_string()),
    },
    Key {
        name: "history",
        aliases: &[],
        example: "history = \"~/.local/state/rsachat/history\"",
        default: "typed lines are forgotten",
        about: "File that keeps typed lines from one session to the next: a whole path, or one that begins with ~/. \
                The option is --history.",
        take: |value, taken| {
            taken.layer.history = Some(path(text(value)?, taken.home)?);
            Ok(())
        },
        shown: |layer| layer.history.as_ref().map(|path| quoted(&path.display().to_string())),
    },
];

/// The key of that name, or the nearest name.
pub(crate) fn find(word: &str) -> Result<&'static Key, String> {
    if let Some(key) = KEYS.iter().find(|key| key.name == word || key.aliases.contains(&word)) {
        return Ok(key);
    }
    // `known_only` and `Name` are one slip away for some people and three for a measure of letters.
    let folded = word.to_lowercase().replace('_', "-");
    let near = nearest(&folded, KEYS.iter().map(|key| key.name));
    let word = SafeText::line(word);
    Err(match near {
        Some(near) => format!("there is no key {word} (did you mean {near}?)"),
        None => format!("there is no key {word}"),
    })
}

/// A string as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| expected("text in quotes", value))
}

fn truth(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

fn expected(what: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("{what} is expected here, not {found}")
}

fn address(value: &DeValue<'_>) -> Result<ListenAt, String> {
    text(value)?.parse().map_err(|error: crate::peers::address::AddressError| error.to_string())
}

fn address_in_list(item: &Spanned<DeValue<'_>>) -> Result<ListenAt, ValueError> {
    address(item.get_ref()).map_err(|what| ValueError { what, at: Some(item.span().start) })
}

fn one_of<T: ValueEnum>(value: &DeValue<'_>) -> Result<T, String> {
    let word = text(value)?;
    T::from_str(word, false).map_err(|_| {
        let words: Vec<_> = T::value_variants().iter().map(word_of).collect();
        let near = nearest(&word.to_lowercase(), words.iter().map(String::as_str));
        let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        format!("{} is none of {}{near}", SafeText::line(word), words.join(", "))
    })
}

/// Relative paths would mean another file in each folder that the program is started in.
fn path(text: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    let path = match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    };
    if path.is_absolute() { Ok(path) } else { Err("a path begins with / or with ~/".to_owned()) }
}
