//! Configuration file: TOML with top-level keys only. The table of keys feeds the reader, `config
//! show` and the manual, so that none of them can forget one. All errors are reported at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{ValueError, expected, path, quoted, text, yes_no};
use super::values::{Layer, Sandbox, TimeFormat, Title, YesNo, word_of};
use super::{take, via};
use crate::chat::AcceptPolicy;
use crate::peers::address::{AddressError, ListenAt, Target};
use crate::peers::invitation::INVITATION_ADDRESSES;
use crate::peers::name::Name;
use crate::peers::relay_url::{RelayUrl, RelayUrlError};
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;

pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// Line as it may stand in the file.
    pub(crate) example: &'static str,
    /// Default value, in words.
    pub(crate) default: &'static str,
    /// Description for the manual, with the option that does the same.
    pub(crate) about: &'static str,
    /// Reads a value of the file into the layer; the path is what `~` stands for.
    pub(crate) read: fn(&DeValue<'_>, &mut Layer, Option<&Path>) -> Result<(), ValueError>,
    /// The layer's value as it would be written in the file.
    pub(crate) value: fn(&Layer) -> Option<String>,
}

/// Other spelling of `colour`.
const COLOUR_ALIAS: &str = "color";
/// Key of the file of typed lines, which was `history` before messages were kept.
const LINE_HISTORY: &str = "line-history";

/// Every key, in the order of `config show`.
pub(crate) const KEYS: [Key; 21] = [
    Key {
        name: "name",
        example: "name = \"민지\"",
        default: "the login name",
        about: "The name that you give to peers. The option is --name.",
        read: |value, layer, _| {
            let name = text(value).and_then(|name| Name::parse(name).map_err(|error| error.to_string()));
            set(&mut layer.name, name)
        },
        value: |layer| layer.name.as_ref().map(|name| quoted(name.as_str())),
    },
    Key {
        name: "listen",
        example: "listen = [\"8000\"]",
        default: "nowhere",
        about: "Where the prompt listens from the start: an address or a list of addresses, as for --listen. It is \
                ignored when --listen, --no-listen or --connect is given.",
        read: |value, layer, _| set(&mut layer.listen, one_or_list::<ListenAt, AddressError>(value)),
        value: |layer| layer.listen.as_ref().map(|listen| written_list(listen)),
    },
    Key {
        name: "known-only",
        example: "known-only = true",
        default: "false",
        about: "Whether keys that are not in your book are turned away from every address that you listen on, \
                unless :listen says --anybody. The option is --known-only.",
        read: |value, layer, _| callers(value, &mut layer.callers, AcceptPolicy::KnownOnly),
        value: |layer| layer.callers.map(|callers| (callers == AcceptPolicy::KnownOnly).to_string()),
    },
    Key {
        name: "ask",
        example: "ask = true",
        default: "false",
        about: "Whether keys that are not in your book are turned away, but may knock, so that the prompt asks you to \
                :admit or :refuse them. Nobody is asked by serve, which turns them away. The option is --ask.",
        read: |value, layer, _| callers(value, &mut layer.callers, AcceptPolicy::Ask),
        value: |layer| layer.callers.map(|callers| (callers == AcceptPolicy::Ask).to_string()),
    },
    Key {
        name: "invite-at",
        example: "invite-at = [\"alice.example:8000\"]",
        default: "those of the listeners",
        about: "Where others call you, if that is not where you listen: the addresses in your invitations, one or a list of up \
                to eight. The option of :invite and rsachat invite is --at.",
        read: |value, layer, _| set(&mut layer.invite_at, invitation_addresses(value)),
        value: |layer| layer.invite_at.as_ref().map(|addresses| written_list(addresses)),
    },
    Key {
        name: "colour",
        example: "colour = \"auto\"",
        default: "\"auto\"",
        about: "When output is coloured: \"auto\" (on a terminal), \"always\" or \"never\". The option is --colour; \
                NO_COLOR and CLICOLOR_FORCE in the environment win over the file.",
        read: |value, layer, _| set(&mut layer.colour, one_of(value)),
        value: |layer| layer.colour.map(|when| quoted(&word_of(&when))),
    },
    Key {
        name: "time-format",
        example: "time-format = \"%H:%M\"",
        default: "\"%H:%M\"",
        about: "The format of the local time before a message, in the conversions of strftime(3); \"none\" shows no time.",
        read: |value, layer, _| set(&mut layer.time, text(value).and_then(TimeFormat::parse)),
        value: |layer| layer.time.as_ref().map(|time| quoted(time.word())),
    },
    Key {
        name: "editor-mode",
        example: "editor-mode = \"vi\"",
        default: "\"emacs\"",
        about: "The key bindings of the line editor: \"emacs\" or \"vi\".",
        read: |value, layer, _| set(&mut layer.editor, one_of(value)),
        value: |layer| layer.editor.map(|mode| quoted(&word_of(&mode))),
    },
    Key {
        name: "notify",
        example: "notify = \"all\"",
        default: "\"mention\"",
        about: "When the terminal rings and shows a notification: \"off\", \"mention\" (your name is in the message) or \"all\".",
        read: |value, layer, _| set(&mut layer.notify, one_of(value)),
        value: |layer| layer.notify.map(|notify| quoted(&word_of(&notify))),
    },
    Key {
        name: "title",
        example: "title = true",
        default: "false",
        about: "Whether the title of the terminal shows the addressed peer and the number of unread messages from \
                others; never their text. The option is --title.",
        read: |value, layer, _| set(&mut layer.title, yes_no(value).map(YesNo::title)),
        value: |layer| layer.title.map(|title| (title == Title::Kept).to_string()),
    },
    Key {
        name: "history",
        example: "history = \"keep\"",
        default: "\"forget\"",
        about: "Whether the prompt, or serve, keeps messages exchanged with peers in your book on disk, sealed, so that \
                :last, :search and rsachat history find them later: \"keep\" or \"forget\". :history changes it for a \
                session.",
        read: |value, layer, _| set(&mut layer.history, one_of(value)),
        value: |layer| layer.history.map(|history| quoted(history.word())),
    },
    Key {
        name: "history-days",
        example: "history-days = 90",
        default: "until they are deleted",
        about: "Days for which messages are kept, if they are: older ones are deleted when the prompt starts, and daily.",
        read: |value, layer, _| set(&mut layer.history_days, days(value)),
        value: |layer| layer.history_days.map(|days| days.to_string()),
    },
    Key {
        name: LINE_HISTORY,
        example: "line-history = \"~/.local/state/rsachat/lines\"",
        default: "typed lines are forgotten",
        about: "File that keeps typed lines from one session to the next: an absolute path, or one that begins with ~/. \
                The option is --line-history. It was once named history, which still works.",
        read: |value, layer, home| {
            set(&mut layer.line_history, text(value).and_then(|text| path(text, home)))
        },
        value: |layer| layer.line_history.as_ref().map(|path| quoted(&path.display().to_string())),
    },
    Key {
        name: "inbox",
        example: "inbox = \"~/received\"",
        default: "XDG_DOWNLOAD_DIR, else ~/Downloads",
        about: "The folder for files that you accept without naming a place: an absolute path, or one that begins with ~/. \
                It is created when it is needed.",
        read: |value, layer, home| set(&mut layer.inbox, text(value).and_then(|text| path(text, home))),
        value: |layer| layer.inbox.as_ref().map(|path| quoted(&path.display().to_string())),
    },
    Key {
        name: "take",
        example: "take = [{from = \"bob\", dir = \"~/from-bob\", max = \"100 MiB\"}]",
        default: "nothing",
        about: "Rules by which the prompt and serve accept files and folders without anybody. from is a peer in your book, by \
                name or fingerprint, who must be verified, unless the rule says verified = false. dir is the folder \
                where they go, else inbox. What is larger than max waits for you, like every other offer. The first rule about \
                a peer counts.",
        read: |value, layer, home| set(&mut layer.take, take::rules(value, home)),
        value: |layer| layer.take.as_ref().map(|rules| take::written(rules)),
    },
    Key {
        name: "via",
        example: "via = \"socks5h://127.0.0.1:9050\"",
        default: "directly",
        about: "The way of calls, as for --via, which wins: a proxy that looks names up, or a shell command with %h and %p. \
                A list of rules like {peer = \"bob\", via = \"none\"} says it for each peer in your book, and without peer for all others; \
                the first rule about a peer counts. A way that is remembered with an address wins over it.",
        read: |value, layer, _| set(&mut layer.via, via::rules(value)),
        value: |layer| layer.via.as_ref().map(|rules| via::written(rules)),
    },
    Key {
        name: "relay",
        example: "relay = [\"tls://relay.example:4222\"]",
        default: "none",
        about: "Relays on NATS that rsachat doctor checks, as nats://HOST:PORT, or tls://HOST:PORT for one with TLS: an address or \
                a list of addresses. The prompt and serve stay connected with one of them, for what is written to people who are away. \
                The option of doctor is --relay.",
        read: |value, layer, _| set(&mut layer.relay, one_or_list::<RelayUrl, RelayUrlError>(value)),
        value: |layer| layer.relay.as_ref().map(|relays| written_list(relays)),
    },
    Key {
        name: "relay-key",
        example: "relay-key = \"~/.config/rsachat/relay.nk\"",
        default: "no log-in",
        about: "File of the key that logs in at the relays, which rsachat key relay FILE makes: an absolute path, or one that \
                begins with ~/. The option of doctor is --relay-key.",
        read: |value, layer, home| set(&mut layer.relay_key, text(value).and_then(|text| path(text, home))),
        value: |layer| layer.relay_key.as_ref().map(|path| quoted(&path.display().to_string())),
    },
    Key {
        name: "relay-ca",
        example: "relay-ca = \"/etc/ssl/relay-ca.pem\"",
        default: "those of the system",
        about: "File of the certificates (PEM) by which those of the relays are signed: an absolute path, or one that begins with \
                ~/. The option of doctor is --relay-ca.",
        read: |value, layer, home| set(&mut layer.relay_ca, text(value).and_then(|text| path(text, home))),
        value: |layer| layer.relay_ca.as_ref().map(|path| quoted(&path.display().to_string())),
    },
    Key {
        name: "relay-via",
        example: "relay-via = \"socks5h://127.0.0.1:9050\"",
        default: "the way of all calls",
        about: "The way to the relays: a proxy that looks names up, or a shell command with %h and %p; none: directly, where via \
                says another way. The option of doctor is --via.",
        read: |value, layer, _| set(&mut layer.relay_via, via::way(value)),
        value: |layer| layer.relay_via.as_ref().map(via::written_way),
    },
    Key {
        name: "sandbox",
        example: "sandbox = false",
        default: "true",
        about: "Whether commands, where Linux allows it, give up access to all files but the home and those of the system, \
                and the right to run other commands, before they talk to a peer; for a prompt, a second process opens \
                what you name. The option --no-sandbox turns this off.",
        read: |value, layer, _| set(&mut layer.sandbox, yes_no(value).map(YesNo::sandbox)),
        value: |layer| layer.sandbox.map(|sandbox| (sandbox == Sandbox::On).to_string()),
    },
];

/// The key of that name, or an error that names the nearest.
fn find(word: &str, value: &DeValue<'_>) -> Result<&'static Key, String> {
    let is_path = value.as_str().is_some_and(|text| text.starts_with(['/', '~']));
    let name = match word {
        COLOUR_ALIAS => "colour",
        "history" if is_path => LINE_HISTORY,
        _ => word,
    };
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    // `known_only` and `Name` are near for people, but not by edit distance.
    let folded = word.to_lowercase().replace('_', "-");
    let near = nearest(&folded, KEYS.iter().map(|key| key.name));
    let word = SafeText::line(word);
    Err(match near {
        Some(near) => format!("no setting {word} (did you mean {near}?)"),
        None => format!("no setting {word}; rsachat man lists them"),
    })
}

/// Puts a value that was read in its place.
fn set<T, E: Into<ValueError>>(place: &mut Option<T>, value: Result<T, E>) -> Result<(), ValueError> {
    *place = Some(value.map_err(Into::into)?);
    Ok(())
}

/// A number of days: a century at most.
fn days(value: &DeValue<'_>) -> Result<u32, String> {
    const DAYS: u32 = 36_525;
    let number = value.as_integer().ok_or_else(|| expected("a number of days", value))?;
    let days = number.as_str().parse().ok().filter(|days| (1..=DAYS).contains(days));
    days.ok_or_else(|| format!("a number from 1 to {DAYS} is expected here"))
}

/// Reads one of the two keys that turn strangers away, of which only one can be true.
fn callers(
    value: &DeValue<'_>,
    place: &mut Option<AcceptPolicy>,
    policy: AcceptPolicy,
) -> Result<(), ValueError> {
    match (yes_no(value)?, *place) {
        (YesNo::No, _) => _ = place.get_or_insert(AcceptPolicy::Anyone),
        (YesNo::Yes, None | Some(AcceptPolicy::Anyone)) => *place = Some(policy),
        (YesNo::Yes, _) => return Err("known-only and ask cannot both be true".to_owned().into()),
    }
    Ok(())
}

fn invitation_addresses(value: &DeValue<'_>) -> Result<Vec<Target>, ValueError> {
    let addresses = one_or_list::<Target, AddressError>(value)?;
    if addresses.is_empty() || addresses.len() > INVITATION_ADDRESSES {
        return Err(format!("1 to {INVITATION_ADDRESSES} addresses are expected here").into());
    }
    Ok(addresses)
}

/// Text, or a list of texts, each of which stands for one value.
fn one_or_list<T: FromStr<Err = E>, E: fmt::Display>(value: &DeValue<'_>) -> Result<Vec<T>, ValueError> {
    let parsed = |value: &DeValue<'_>| text(value)?.parse().map_err(|error: E| error.to_string());
    match value {
        DeValue::Array(items) => {
            let in_list = |item: &Spanned<DeValue<'_>>| {
                parsed(item.get_ref()).map_err(|what| ValueError { what, at: Some(item.span().start) })
            };
            items.iter().map(in_list).collect()
        }
        one => Ok(vec![parsed(one)?]),
    }
}

/// A list as it would be written in the file.
fn written_list(items: &[impl fmt::Display]) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

fn one_of<T: ValueEnum>(value: &DeValue<'_>) -> Result<T, String> {
    let word = text(value)?;
    T::from_str(word, false).map_err(|_| {
        let words: Vec<_> = T::value_variants().iter().map(word_of).collect();
        let near = nearest(&word.to_lowercase(), words.iter().map(String::as_str));
        let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        format!("{} is not one of {}{near}", SafeText::line(word), words.join(", "))
    })
}

/// Settings of the file, and the place of each key.
pub(crate) struct FileSettings {
    pub(crate) layer: Layer,
    pub(crate) places: BTreeMap<&'static str, Place>,
}

/// Place in the file: line and column count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One error and its place.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub(crate) struct SettingError {
    place: Place,
    what: String,
}

/// Errors that are reported at once; after more, a file is rather no configuration at all.
const ERRORS: usize = 10;

/// Parses the text; `home` is what `~` stands for.
pub(crate) fn parse(text: &str, home: Option<&Path>) -> Result<FileSettings, Vec<SettingError>> {
    let error_at = |at: usize, what: String| SettingError { place: place(text, at), what };
    let (table, syntax_errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = syntax_errors
        .iter()
        .map(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            error_at(at, format!("this is not TOML: {}", error.message()))
        })
        .collect();
    let mut settings = FileSettings { layer: Layer::default(), places: BTreeMap::new() };
    // What a damaged file seems to say is not worth a second error.
    let entries = if errors.is_empty() { table.into_inner() } else { DeTable::new() };
    for (word, value) in entries {
        let at = word.span().start;
        let key = match (find(word.get_ref(), value.get_ref()), value.get_ref()) {
            (Ok(key), _) => key,
            (Err(_), DeValue::Table(_)) => {
                let what = "tables are not allowed here; all settings stand at the top level";
                errors.push(error_at(at, what.to_owned()));
                continue;
            }
            (Err(what), _) => {
                errors.push(error_at(at, what));
                continue;
            }
        };
        if settings.places.insert(key.name, place(text, at)).is_some() {
            errors.push(error_at(at, format!("{} is set twice", key.name)));
        }
        if let Err(error) = (key.read)(value.get_ref(), &mut settings.layer, home) {
            let at = error.at.unwrap_or(value.span().start);
            errors.push(error_at(at, format!("{}: {}", key.name, error.what)));
        }
    }
    if errors.is_empty() {
        return Ok(settings);
    }
    errors.sort();
    errors.truncate(ERRORS);
    Err(errors)
}

fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Place { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}
