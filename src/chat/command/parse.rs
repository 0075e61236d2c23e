//! From the words after a command to the command: every argument is checked before anything is done.

use super::{
    Command, CommandError, CommandSpec, KNOWN_ON_RAW, Keep, KeyForm, ONE_WAY_ON_NATIVE, ParsedLine, entry_of,
    text_of,
};
use crate::chat::conversation::AcceptPolicy;
use crate::chat::handlers::log::LogTarget;
use crate::chat::handlers::notify::{Notify, NotifyContent, NotifyWhen};
use crate::chat::kinds::{Direction, KeyFor, Protocol};
use crate::limits;
use crate::peers::address::Family;
use crate::peers::name::Name;

/// Messages that `:last` shows where no number is named.
const LAST: usize = 10;

/// A command as it is typed, and what stands behind it.
pub(crate) fn command(rest: &str) -> Result<Command, CommandError> {
    let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let entry = entry_of(word)?;
    match of_text(entry, arguments.trim_start()) {
        Some(command) => command,
        None => of_words(entry, &arguments.split_whitespace().collect::<Vec<_>>()),
    }
}

/// A command by its name, with its arguments as a program gives them: whatever is in one of them, it is one.
///
/// # Errors
/// [`CommandError`], in words that say what to write instead.
pub fn command_of(name: &str, arguments: &[String]) -> Result<Command, CommandError> {
    let entry = entry_of(name.trim_start_matches(':'))?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (of_text(entry, words.first().copied().unwrap_or_default()), words.len()) {
        (Some(command), 0 | 1) => command,
        (Some(_), _) => Err(CommandError::Usage(entry)),
        (None, _) => of_words(entry, &words),
    }
}

/// Commands that take everything behind them as one text.
fn of_text(entry: &'static CommandSpec, argument: &str) -> Option<Result<Command, CommandError>> {
    let text = || match text_of(argument.to_owned())? {
        ParsedLine::Text(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(CommandError::Usage(entry)),
    };
    match entry.name {
        "all" => Some(text().map(|text| Command::All { text })),
        "search" => Some(text().map(|text| Command::Search { text: text.trim_end().to_owned() })),
        "log" => Some(Ok(Command::Log { to: log(argument.trim()) })),
        _ => None,
    }
}

/// Commands that take words.
fn of_words(entry: &'static CommandSpec, words: &[&str]) -> Result<Command, CommandError> {
    let usage = || CommandError::Usage(entry);
    let name = || match words {
        [name] => Ok((*name).to_owned()),
        _ => Err(usage()),
    };
    match entry.name {
        "listen" => listen(words, usage),
        "connect" => connect(words, usage),
        "keygen" => keygen(words, usage),
        "last" => last(words, usage),
        "notify" => notify(words, usage),
        "name" => match words {
            [peer, name] => Ok(Command::Name { peer: (*peer).to_owned(), name: Name::parse(name)? }),
            _ => Err(usage()),
        },
        "trust" => match words {
            [name] => Ok(Command::Trust { name: (*name).to_owned(), fingerprint: None }),
            // In pieces where it was copied from a narrow screen.
            [name, pieces @ ..] => {
                Ok(Command::Trust { name: (*name).to_owned(), fingerprint: Some(pieces.concat().parse()?) })
            }
            [] => Err(usage()),
        },
        "showkey" => match words {
            [] => Ok(Command::Showkey { form: KeyForm::Line }),
            ["--pem"] => Ok(Command::Showkey { form: KeyForm::Pem }),
            _ => Err(usage()),
        },
        "close" if words.is_empty() => Ok(Command::Close { name: None }),
        "close" => Ok(Command::Close { name: Some(name()?) }),
        "help" => match words {
            [] => Ok(Command::Help { topic: None }),
            [topic] => Ok(Command::Help { topic: Some(entry_of(topic.trim_start_matches(':'))?) }),
            _ => Err(usage()),
        },
        "nick" => Ok(Command::Nick { name: Name::parse(&name()?)? }),
        "to" => Ok(Command::To { name: name()? }),
        "verify" => Ok(Command::Verify { name: name()? }),
        "forget" => Ok(Command::Forget { name: name()? }),
        "block" => Ok(Command::Block { name: name()? }),
        "unblock" => Ok(Command::Unblock { name: name()? }),
        _ if !words.is_empty() => Err(usage()),
        _ => Ok(alone(entry)),
    }
}

/// Commands without arguments.
fn alone(entry: &CommandSpec) -> Command {
    match entry.name {
        "edit" => Command::Edit,
        "peers" => Command::Peers,
        "status" => Command::Status,
        "limits" => Command::Limits,
        _ => Command::Quit,
    }
}

/// A path may have blanks in it.
fn log(argument: &str) -> LogTarget {
    match argument {
        "" => LogTarget::Ask,
        "off" => LogTarget::Off,
        file => LogTarget::File(file.to_owned()),
    }
}

/// A name never begins with a digit, so that a number is never one.
fn last(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (count, name) = match words {
        [] => (LAST, None),
        [one] => match one.parse() {
            Ok(count) => (count, None),
            Err(_) => (LAST, Some((*one).to_owned())),
        },
        [count, name] => (count.parse().map_err(|_| usage())?, Some((*name).to_owned())),
        _ => return Err(usage()),
    };
    if count == 0 { Err(usage()) } else { Ok(Command::Last { count, name }) }
}

fn notify(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut when, mut content) = (None, NotifyContent::Hidden);
    for word in words {
        when = Some(match *word {
            "off" if when.is_none() => NotifyWhen::Never,
            "mention" if when.is_none() => NotifyWhen::Mentioned,
            "all" if when.is_none() => NotifyWhen::Always,
            "--content" => {
                content = NotifyContent::Shown;
                continue;
            }
            _ => return Err(usage()),
        });
    }
    match when {
        None if content == NotifyContent::Shown => Err(usage()),
        when => Ok(Command::Notify { wanted: when.map(|when| Notify { when, content }) }),
    }
}

fn listen(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut at, mut family, mut callers) = (None, Family::Any, None);
    let mut wire = Protocol::Native;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--wire" => wire = wire_of(words.next().ok_or_else(&usage)?)?,
            "--known" => callers = Some(AcceptPolicy::KnownOnly),
            "--anybody" => callers = Some(AcceptPolicy::Anyone),
            "-4" => family = Family::V4,
            "-6" => family = Family::V6,
            word if word.starts_with('-') || at.is_some() => return Err(usage()),
            word => at = Some(word.parse()?),
        }
    }
    if wire != Protocol::Native && callers == Some(AcceptPolicy::KnownOnly) {
        return Err(CommandError::WireOption(KNOWN_ON_RAW));
    }
    Ok(Command::Listen { at: at.ok_or_else(usage)?, family, callers, wire })
}

fn connect(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut target, mut family, mut pin) = (None, Family::Any, None);
    let (mut wire, mut direction) = (Protocol::Native, Direction::Both);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--wire" => wire = wire_of(words.next().ok_or_else(&usage)?)?,
            "--one-way" => direction = Direction::OneWay,
            "--pin" => pin = Some(words.next().ok_or_else(&usage)?.parse()?),
            "-4" => family = Family::V4,
            "-6" => family = Family::V6,
            word if word.starts_with('-') || target.is_some() => return Err(usage()),
            word => target = Some(word.parse()?),
        }
    }
    let (target, callers) = (target.ok_or_else(usage)?, AcceptPolicy::Anyone);
    match (wire, direction) {
        (Protocol::Native, Direction::OneWay) => Err(CommandError::WireOption(ONE_WAY_ON_NATIVE)),
        (Protocol::Native, Direction::Both) => Ok(Command::Connect { target, family, pin, callers, wire }),
        (Protocol::Oaep(_), _) if pin.is_some() => {
            Err(CommandError::WireOption("the raw wire proves nobody's key; --pin cannot be kept on it"))
        }
        (Protocol::Oaep(_), _) => {
            Ok(Command::Connect { target, family, pin, callers, wire: Protocol::Oaep(direction) })
        }
    }
}

/// The wire of a name, as `--wire` takes it.
///
/// # Errors
/// [`CommandError::Protocol`] when there is none of that name.
pub fn wire_of(word: &str) -> Result<Protocol, CommandError> {
    match word {
        "oaep" => Ok(Protocol::Oaep(Direction::Both)),
        "native" => Ok(Protocol::Native),
        _ => Err(CommandError::Protocol),
    }
}

fn keygen(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut of, mut bits, mut keep) = (KeyFor::Identity, None, Keep::Existing);
    for word in words {
        match *word {
            "--replace" => keep = Keep::Aside,
            "--raw" => of = KeyFor::RawWire,
            word if bits.is_none() => bits = Some(word.parse::<u32>().map_err(|_| usage())?),
            _ => return Err(usage()),
        }
    }
    let fits =
        |bits: u32| (limits::KEY_BITS_MIN..=limits::KEY_BITS_MAX).contains(&bits) && bits.is_multiple_of(8);
    if bits.is_none_or(fits) { Ok(Command::Keygen { of, bits, keep }) } else { Err(CommandError::Bits) }
}
