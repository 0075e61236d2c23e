//! Parser of typed lines and commands: every argument is checked before anything is done.

use std::borrow::Cow;

use super::habits::{Beginning, Meaning, meaning};
use super::{
    COMMANDS, Command, CommandError, CommandSpec, HelpTopic, KNOWN_ON_RAW, KeyForm, KnownFiles, LogTarget,
    ONE_WAY_ON_NATIVE, ParsedLine,
};
use crate::chat::callee::CallOptions;
use crate::chat::lobby::{InviteFor, InviteOptions};
use crate::chat::types::{
    AcceptPolicy, HistoryPolicy, KeyExchange, KeyFor, KeyReplacement, ListenOptions, NotifyContent,
    NotifyPolicy, NotifyWhen, Protocol,
};
use crate::crypto::Fingerprint;
use crate::delivery::Room;
use crate::limits;
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::invitation::{INVITATION_ADDRESSES, Invitation, InvitationError};
use crate::peers::name::Name;
use crate::text::duration::milliseconds;
use crate::text::hangul_layout::pressed_keys;
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;
use crate::transfer::FileName;

/// U+FF20, which an input method for Korean may put in the place of an @.
const FULLWIDTH_AT: char = '\u{FF20}';

/// U+FF1A, the same for a colon.
const FULLWIDTH_COLON: char = '\u{FF1A}';
/// Word behind `:accept` that takes more than there is room for.
const ANYWAY: &str = "--anyway";
/// Messages that `:last` shows where no number is named.
const LAST: usize = 10;

/// Reads a typed line; a pasted block comes with its newlines.
///
/// # Errors
/// [`CommandError`], in words that say what to write instead.
pub fn parse_line(line: &str) -> Result<ParsedLine, CommandError> {
    let trimmed = line.trim_start();
    if trimmed.is_empty() {
        return Ok(ParsedLine::Nothing);
    }
    if let Some(text) = line.strip_prefix("::").filter(|text| is_invitation(text)) {
        return text_of(text.to_owned());
    }
    if is_invitation(trimmed) {
        return Ok(ParsedLine::Invitation(Box::new(trimmed.trim_end().parse()?)));
    }
    for sign in [':', '@', FULLWIDTH_AT] {
        if let Some(text) = line.strip_prefix(sign).filter(|text| text.starts_with(sign)) {
            return text_of(text.to_owned());
        }
    }
    if let Some(rest) = line.strip_prefix('@') {
        return text_to(rest);
    }
    if trimmed.starts_with(['@', FULLWIDTH_AT]) && !trimmed.starts_with("@@") {
        return Err(CommandError::At);
    }
    if let Some(name) = behind_full_width_colon(trimmed) {
        return Err(CommandError::FullWidthColon(name));
    }
    if let Some(text) =
        line.strip_prefix(FULLWIDTH_COLON).filter(|text| behind_full_width_colon(text).is_some())
    {
        return text_of(text.to_owned());
    }
    let Some(rest) = trimmed.strip_prefix(':').filter(|_| !trimmed.starts_with("::")) else {
        return text_of(line.to_owned());
    };
    let word = rest.split_whitespace().next().unwrap_or_default();
    let is_command = named(word).is_some();
    let is_word = word.len() > 1 || meaning(word).is_some();
    let looks_like_command = rest.starts_with(|c: char| c.is_ascii_alphabetic()) && is_word;
    match line.strip_prefix(':') {
        Some(_) if let Some(name) = typed_in_korean(word) => Err(CommandError::KoreanLayout(name)),
        Some(rest) if looks_like_command && rest.contains('\n') => {
            command(&unwrapped(rest).ok_or(CommandError::Block)?)
        }
        Some(rest) if looks_like_command => command(rest),
        // Blanks before the colon or behind it.
        _ if is_command || (looks_like_command && trimmed.len() < line.len()) => {
            Err(CommandError::Blanks(word_of(word)))
        }
        _ => text_of(line.to_owned()),
    }
}

/// Whether a line is an invitation, and nothing else.
fn is_invitation(line: &str) -> bool {
    Invitation::is_meant_by(line) && !line.trim_end().contains(char::is_whitespace)
}

/// Name of the command that a word is, or that it is by habit.
fn command_meant(word: &str) -> Option<&'static str> {
    match (named(word), meaning(word)) {
        (Some(spec), _) => Some(spec.name),
        (None, Some(Meaning::Command(name))) => Some(name),
        (None, _) => None,
    }
}

/// Name of the command that a word means which was typed on the Korean layout.
fn typed_in_korean(word: &str) -> Option<&'static str> {
    pressed_keys(word.trim_end_matches('!')).and_then(|keys| command_meant(&keys))
}

/// Name of the command that a word is, on either layout.
fn command_typed(word: &str) -> Option<&'static str> {
    command_meant(word).or_else(|| typed_in_korean(word))
}

/// Name of the command behind a full-width colon.
fn behind_full_width_colon(line: &str) -> Option<&'static str> {
    let rest = line.strip_prefix(FULLWIDTH_COLON)?;
    command_typed(rest.split_whitespace().next().unwrap_or_default())
}

/// Reads `@NAME TEXT` without its @. The name is all up to the first blank.
fn text_to(rest: &str) -> Result<ParsedLine, CommandError> {
    let (name, text) = rest.split_once(char::is_whitespace).ok_or(CommandError::At)?;
    if name.is_empty() || name.ends_with([':', ',']) || text.trim().is_empty() {
        return Err(CommandError::At);
    }
    match text_of(text.to_owned())? {
        ParsedLine::Text(text) => Ok(ParsedLine::TextTo { name: name.to_owned(), text }),
        other => Ok(other),
    }
}

/// Rows of `:trust`, the one command that is copied with a fingerprint from a notice, as one line:
/// on a narrow screen it has several rows, and those below the first begin with blanks.
fn unwrapped(rest: &str) -> Option<String> {
    let from_notice = rest.starts_with("trust ") && rest.split('\n').skip(1).all(|row| row.starts_with(' '));
    from_notice.then(|| rest.replace('\n', " "))
}

/// Reads a command as it is typed, without its colon.
fn command(rest: &str) -> Result<ParsedLine, CommandError> {
    let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if meaning(word) == Some(Meaning::TextTo) {
        return text_to(arguments.trim_start());
    }
    let spec = spec_of(word)?;
    let command = text_command(spec, arguments.trim_start()).unwrap_or_else(|| {
        let words = words_of(spec, arguments)?;
        word_command(spec, &words.iter().map(|word| &**word).collect::<Vec<_>>())
    })?;
    if matches!(command, Command::OutboxDrop { .. }) && named(word).is_none() {
        return Err(CommandError::Whole("outbox drop", SafeText::line(&format!("{word} drop"))));
    }
    Ok(ParsedLine::Command(command))
}

/// Reads a command by its name, with its arguments as a program gives them: each is one, whatever
/// is in it.
///
/// # Errors
/// [`CommandError`], in words that say what to write instead.
pub fn command_of(name: &str, arguments: &[String]) -> Result<Command, CommandError> {
    let name = name.trim_start_matches(':');
    let spec = named(name).map_or_else(|| Err(no_such(name)), Ok)?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (text_command(spec, words.first().copied().unwrap_or_default()), words.len()) {
        (Some(command), 0 | 1) => command,
        (Some(_), _) => Err(CommandError::Usage(spec)),
        (None, _) => word_command(spec, &words),
    }
}

/// Commands that take everything behind them as one text.
fn text_command(spec: &'static CommandSpec, argument: &str) -> Option<Result<Command, CommandError>> {
    let text = || match text_of(argument.to_owned())? {
        ParsedLine::Text(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(CommandError::Usage(spec)),
    };
    match spec.name {
        "all" => Some(text().map(|text| Command::All { text })),
        "search" => Some(text().map(|text| Command::Search { text: text.trim_end().to_owned() })),
        "log" => Some(Ok(Command::Log { to: log(argument.trim()) })),
        _ => None,
    }
}

/// Words of a command. A path may have blanks in it, also before a number; several are quoted as in
/// a shell.
fn words_of<'a>(spec: &CommandSpec, arguments: &'a str) -> Result<Vec<Cow<'a, str>>, CommandError> {
    let whole = arguments.trim();
    let shell_words = |text| shell_words::split(text).map_err(|_| CommandError::Quotes);
    Ok(match (spec.name, whole.rsplit_once(char::is_whitespace), whole.split_once(char::is_whitespace)) {
        ("connect", ..) if whole.contains("--via") || whole.contains("--knock") => {
            shell_words(whole)?.into_iter().map(Cow::Owned).collect()
        }
        ("send", ..) => shell_words(whole)?.into_iter().map(Cow::Owned).collect(),
        ("accept", _, Some((number, rest))) => {
            let (place, anyway) = match rest.strip_suffix(ANYWAY) {
                Some(place) if place.trim_end() != place || place.is_empty() => (place, Some(ANYWAY)),
                _ => (rest, None),
            };
            let place = match <[String; 1]>::try_from(shell_words(place)?) {
                Ok([place]) => Cow::Owned(place),
                Err(_) => Cow::Borrowed(place.trim()),
            };
            [Cow::Borrowed(number), place].into_iter().chain(anyway.map(Cow::Borrowed)).collect()
        }
        ("save", Some((file, number)), _) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
            vec![Cow::Borrowed(file.trim_end()), Cow::Borrowed(number)]
        }
        ("save", ..) if !whole.is_empty() => vec![Cow::Borrowed(whole)],
        _ => whole.split_whitespace().map(Cow::Borrowed).collect(),
    })
}

/// Commands that take words.
fn word_command(spec: &'static CommandSpec, words: &[&str]) -> Result<Command, CommandError> {
    let usage = || CommandError::Usage(spec);
    let owned = |word: &&str| (*word).to_owned();
    Ok(match (spec.name, words) {
        ("listen", words) => return listen(words, usage),
        ("unlisten", []) => Command::Unlisten { at: None },
        ("unlisten", [at]) => Command::Unlisten { at: Some(at.parse()?) },
        ("connect", []) => Command::ConnectAgain,
        ("invite", words) => return invite(words, usage),
        ("admit", [number]) => Command::Admit { number: number.parse().map_err(|_| usage())? },
        ("refuse", [number]) => Command::RefuseStranger { number: number.parse().map_err(|_| usage())? },
        ("connect", words) => return connect(words, usage),
        ("keygen", words) => return keygen(words, usage),
        ("last", words) => return last(words, usage),
        ("notify", words) => return notify(words, usage),
        ("name", [peer, name]) => Command::Name { peer: owned(peer), name: Name::parse(name)? },
        ("trust", [name]) => Command::Trust { name: owned(name), fingerprint: None },
        // In pieces where it was copied from a narrow screen.
        ("trust", [name, pieces @ ..]) => {
            Command::Trust { name: owned(name), fingerprint: Some(fingerprint(&pieces.concat())?) }
        }
        ("showkey", []) => Command::Showkey { form: KeyForm::Line },
        ("showkey", ["--pem"]) => Command::Showkey { form: KeyForm::Pem },
        ("close", []) => Command::Close { name: None },
        ("close", [name]) => Command::Close { name: Some(owned(name)) },
        ("help", []) => Command::Help { topic: None },
        ("help", ["more"]) => Command::Help { topic: Some(HelpTopic::More) },
        ("help", ["prompt"]) => Command::Help { topic: Some(HelpTopic::Prompt) },
        ("help", ["keys"]) => Command::Help { topic: Some(HelpTopic::Keys) },
        ("help", [topic]) => {
            let spec = spec_of(topic.trim_start_matches(':')).map_err(|error| match error {
                CommandError::Unknown(word) => CommandError::NoTopic(word),
                error => error,
            })?;
            Command::Help { topic: Some(HelpTopic::Command(spec)) }
        }
        ("nick", [name]) => Command::Nick { name: Name::parse(name)? },
        ("show", [number]) => Command::Show { number: number.parse().map_err(|_| usage())? },
        ("copy", []) => Command::Copy { number: 1 },
        ("copy", [number]) => Command::Copy { number: from_last(number, usage)? },
        ("save", [file]) if !file.is_empty() => Command::Save { file: owned(file), number: 1 },
        ("save", [file, number]) if !file.is_empty() => {
            Command::Save { file: owned(file), number: from_last(number, usage)? }
        }
        ("send", words) => return send(words, usage),
        ("files", []) => Command::Files { number: None },
        ("files", [number]) => Command::Files { number: Some(number.parse().map_err(|_| usage())?) },
        ("accept", [number, rest @ ..]) => {
            let (place, room) = match rest {
                [place @ .., ANYWAY] => (place, Room::Ignore),
                place => (place, Room::Reserve),
            };
            if place.len() > 1 {
                return Err(usage());
            }
            let place = place.first().map(owned).filter(|place| !place.is_empty());
            Command::AcceptFiles { number: number.parse().map_err(|_| usage())?, place, room }
        }
        ("decline", [number]) => Command::DeclineFiles { number: number.parse().map_err(|_| usage())? },
        ("cancel", [number]) => Command::CancelFiles { number: number.parse().map_err(|_| usage())? },
        ("outbox", []) => Command::Outbox,
        ("outbox", ["drop", name]) => Command::OutboxDrop { name: owned(name), number: None },
        ("outbox", ["drop", name, number]) => {
            let number = number.parse().map_err(|_| usage())?;
            Command::OutboxDrop { name: owned(name), number: Some(number) }
        }
        ("history", []) => Command::History { policy: None },
        ("history", [word]) => {
            let policy = HistoryPolicy::ALL.into_iter().find(|policy| policy.word() == *word);
            Command::History { policy: Some(policy.ok_or_else(usage)?) }
        }
        ("to", [name]) => Command::To { name: owned(name) },
        ("verify", [name]) => Command::Verify { name: owned(name) },
        ("forget", [name]) => Command::Forget { name: owned(name) },
        ("block", [name]) => Command::Block { name: owned(name) },
        ("unblock", [name]) => Command::Unblock { name: owned(name) },
        ("edit", []) => Command::Edit,
        ("peers", []) => Command::Peers,
        ("peers", ["met"]) => Command::MetPeers,
        ("status", []) => Command::Status,
        ("relay", []) => Command::Relay,
        ("limits", []) => Command::Limits,
        ("quit", []) => Command::Quit,
        _ => return Err(usage()),
    })
}

/// Argument of `:log`: a path may have blanks in it.
fn log(argument: &str) -> LogTarget {
    match argument {
        "" => LogTarget::Ask,
        "off" => LogTarget::Off,
        file => LogTarget::File(file.to_owned()),
    }
}

/// Arguments of `:send`.
fn send(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut paths, mut to, mut name) = (Vec::new(), None, None);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--to" => to = Some(words.next().ok_or_else(&usage)?.to_owned()),
            "--as" => name = Some(words.next().ok_or_else(&usage)?.to_owned()),
            "" => return Err(usage()),
            _ => paths.push(word.to_owned()),
        }
    }
    let is_named = name.as_ref().is_none_or(|name| paths.len() == 1 && FileName::is_one(name));
    if paths.is_empty() || !is_named {
        Err(usage())
    } else {
        Ok(Command::SendFiles { paths, to, name, known: KnownFiles::OfferedAnew })
    }
}

/// Number of a message, counted from the last, which is 1.
fn from_last(number: &str, usage: impl Fn() -> CommandError) -> Result<usize, CommandError> {
    number.parse().ok().filter(|number| *number > 0).ok_or_else(usage)
}

/// Arguments of `:last`: names never begin with a digit, so that a number is never read as a name.
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
        match NotifyWhen::ALL.into_iter().find(|when| when.word() == *word) {
            Some(named) if when.is_none() => when = Some(named),
            None if *word == "--content" => content = NotifyContent::Shown,
            _ => return Err(usage()),
        }
    }
    match when {
        None if content == NotifyContent::Shown => Err(usage()),
        when => Ok(Command::Notify { policy: when.map(|when| NotifyPolicy { when, content }) }),
    }
}

fn listen(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut at, mut family, mut accept) = (None, Family::Any, None);
    let mut protocol = Protocol::Native;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--wire" => protocol = protocol_of(words.next().ok_or_else(&usage)?)?,
            "--known" => accept = Some(AcceptPolicy::KnownOnly),
            "--ask" => accept = Some(AcceptPolicy::Ask),
            "--anybody" => accept = Some(AcceptPolicy::Anyone),
            "-4" => family = Family::V4,
            "-6" => family = Family::V6,
            word if word.starts_with('-') || at.is_some() => return Err(usage()),
            word => at = Some(word.parse()?),
        }
    }
    let at = at.unwrap_or(ListenAt { host: None, port: limits::PORT_DEFAULT });
    listen_command(ListenOptions { at, family, accept, protocol })
}

/// Command that listens.
///
/// # Errors
/// [`CommandError::WireOption`] if only known peers are to be accepted where nobody proves a key.
pub(crate) fn listen_command(options: ListenOptions) -> Result<Command, CommandError> {
    let is_restricted = matches!(options.accept, Some(AcceptPolicy::KnownOnly | AcceptPolicy::Ask));
    if options.protocol != Protocol::Native && is_restricted {
        return Err(CommandError::WireOption(KNOWN_ON_RAW));
    }
    Ok(Command::Listen(options))
}

/// Arguments of `:invite`.
fn invite(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    match words {
        ["list"] => return Ok(Command::Invitations),
        ["drop", number] => {
            return Ok(Command::DropInvitation { number: number.parse().map_err(|_| usage())? });
        }
        _ => {}
    }
    let (mut name, mut once, mut time_ms) = (None, InviteFor::Everybody, limits::INVITATION_MS);
    let mut at = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--once" => once = InviteFor::FirstKey,
            "--for" => time_ms = invitation_time(words.next().ok_or_else(&usage)?)?,
            "--at" => {
                let list = words.next().ok_or_else(&usage)?;
                let targets = list.split(',').map(str::parse).collect::<Result<Vec<Target>, _>>()?;
                at.extend(targets);
            }
            word if word.starts_with('-') || name.is_some() => return Err(usage()),
            word => name = Some(Name::parse(word)?),
        }
    }
    if at.len() > INVITATION_ADDRESSES {
        return Err(InvitationError::Addresses.into());
    }
    // One person is one key.
    if name.is_some() {
        once = InviteFor::FirstKey;
    }
    Ok(Command::Invite(InviteOptions { name, once, time_ms, at }))
}

/// Time for which an invitation is open, in milliseconds.
///
/// # Errors
/// [`CommandError::InvitationTime`] if it is none, or longer than a year.
pub fn invitation_time(word: &str) -> Result<u64, CommandError> {
    let time_ms = milliseconds(word).filter(|ms| (1_000..=limits::INVITATION_MAX_MS).contains(ms));
    time_ms.ok_or_else(|| CommandError::InvitationTime(SafeText::line(word)))
}

/// Text of a knock.
///
/// # Errors
/// [`CommandError::Knock`] if it is empty or longer than is shown.
pub fn knock_of(text: &str) -> Result<String, CommandError> {
    let is_one = (1..=limits::KNOCK_CHARACTERS).contains(&text.chars().count());
    is_one.then(|| text.to_owned()).ok_or(CommandError::Knock)
}

fn connect(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut callee, mut via, mut family, mut pin) = (None, None, Family::Any, None);
    let mut knock = None;
    let mut accept = AcceptPolicy::Anyone;
    let (mut protocol, mut direction) = (Protocol::Native, KeyExchange::Mutual);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--wire" => protocol = protocol_of(words.next().ok_or_else(&usage)?)?,
            "--knock" => knock = Some(knock_of(words.next().ok_or_else(&usage)?)?),
            "--one-way" => direction = KeyExchange::ListenerOnly,
            "--via" => via = Some(Box::new(words.next().ok_or_else(&usage)?.parse()?)),
            "--pin" => pin = Some(fingerprint(words.next().ok_or_else(&usage)?)?),
            "--to" => accept = AcceptPolicy::Key(fingerprint(words.next().ok_or_else(&usage)?)?),
            "-4" => family = Family::V4,
            "-6" => family = Family::V6,
            word if word.starts_with('-') || callee.is_some() => return Err(usage()),
            word => callee = Some(word.parse()?),
        }
    }
    let callee = callee.ok_or_else(usage)?;
    let protocol = match (protocol, direction) {
        (Protocol::Native, KeyExchange::ListenerOnly) => {
            return Err(CommandError::WireOption(ONE_WAY_ON_NATIVE));
        }
        (Protocol::Native, KeyExchange::Mutual) => Protocol::Native,
        (Protocol::Oaep(_), _) if pin.is_some() || accept != AcceptPolicy::Anyone => {
            let why = "the raw wire proves no keys; --pin and --to cannot be used with it";
            return Err(CommandError::WireOption(why));
        }
        (Protocol::Oaep(_), _) if knock.is_some() => {
            return Err(CommandError::WireOption(
                "the raw wire has no lobby; --knock cannot be used with it",
            ));
        }
        (Protocol::Oaep(_), direction) => Protocol::Oaep(direction),
    };
    Ok(Command::Connect(CallOptions { callee, via, family, pin, accept, protocol, knock }))
}

fn fingerprint(word: &str) -> Result<Fingerprint, CommandError> {
    word.parse().map_err(|_| CommandError::Fingerprint(SafeText::line(word)))
}

/// Protocol that `--wire` names.
///
/// # Errors
/// [`CommandError::Protocol`] if there is none of that name.
pub fn protocol_of(word: &str) -> Result<Protocol, CommandError> {
    match word {
        "oaep" => Ok(Protocol::Oaep(KeyExchange::Mutual)),
        "native" => Ok(Protocol::Native),
        _ => Err(CommandError::Protocol(SafeText::line(word))),
    }
}

fn keygen(words: &[&str], usage: impl Fn() -> CommandError) -> Result<Command, CommandError> {
    let (mut of, mut bits, mut replacing) = (KeyFor::Identity, None, KeyReplacement::Never);
    for word in words {
        match *word {
            "--replace" => replacing = KeyReplacement::KeepOld,
            "--raw" => of = KeyFor::Oaep,
            word if bits.is_none() => bits = Some(word.parse::<u32>().map_err(|_| usage())?),
            _ => return Err(usage()),
        }
    }
    let fits =
        |bits: u32| (limits::KEY_BITS_MIN..=limits::KEY_BITS_MAX).contains(&bits) && bits.is_multiple_of(8);
    if bits.is_none_or(fits) { Ok(Command::Keygen { of, bits, replacing }) } else { Err(CommandError::Bits) }
}

fn text_of(text: String) -> Result<ParsedLine, CommandError> {
    if text.len() > limits::MESSAGE_BYTES {
        return Err(CommandError::TooLong(text.len()));
    }
    Ok(ParsedLine::Text(text))
}

fn word_of(text: &str) -> SafeText {
    SafeText::line(text.split_whitespace().next().unwrap_or_default())
}

/// Command of this name.
fn named(word: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|spec| spec.name == word)
}

/// Command that a person means: by its name, a unique beginning, or a word of another program.
fn spec_of(word: &str) -> Result<&'static CommandSpec, CommandError> {
    if let Some(spec) = named(word) {
        return Ok(spec);
    }
    let safe = || SafeText::line(word);
    match meaning(word) {
        Some(Meaning::Command(name)) => return named(name).ok_or_else(|| no_such(word)),
        Some(Meaning::Instead(what)) => return Err(CommandError::Instead(safe(), what)),
        Some(Meaning::TextTo) => return Err(CommandError::At),
        None => {}
    }
    match Beginning::new(word) {
        Beginning::Of(spec) => Ok(spec),
        Beginning::OfWhole(spec) => Err(CommandError::Whole(spec.name, safe())),
        Beginning::OfSeveral(names) => Err(CommandError::Ambiguous(safe(), names)),
        Beginning::OfNone => Err(no_such(word)),
    }
}

fn no_such(word: &str) -> CommandError {
    match nearest(&word.to_lowercase(), COMMANDS.iter().map(|spec| spec.name)) {
        Some(near) => CommandError::Near(SafeText::line(word), near),
        None => CommandError::Unknown(SafeText::line(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::command::{TOPICS, help};

    fn error(line: &str) -> String {
        parse_line(line).unwrap_err().to_string()
    }

    #[test]
    fn what_looks_like_a_command_is_never_text() {
        assert_eq!(error(":conect x"), "no such command :conect (did you mean :connect?)");
        assert_eq!(error(" :keygen"), "a command begins with a colon; write :keygen");
        assert_eq!(error(": listen"), "a command begins with a colon; write :listen");
        assert!(error(":zzzzzz").starts_with("no such command :zzzzzz;"));
        assert!(error(":to\u{1b}[2J x").contains("\\u{1b}"));
        assert_eq!(parse_line(":ab\nb"), Err(CommandError::Block));
        assert_eq!(parse_line(":trust bob\n:quit"), Err(CommandError::Block));
    }

    #[test]
    fn text_is_text() {
        for (line, text) in [
            ("exit", "exit"),
            ("::x", ":x"),
            (":::", "::"),
            (" a ", " a "),
            ("a\n:b", "a\n:b"),
            (":D", ":D"),
            (":p ", ":p "),
            (":) hi", ":) hi"),
            (": hello", ": hello"),
            ("@@home", "@home"),
            ("a @b", "a @b"),
        ] {
            assert_eq!(parse_line(line), Ok(ParsedLine::Text(text.to_owned())), "{line:?}");
        }
        assert_eq!(parse_line(" \t"), Ok(ParsedLine::Nothing));
        assert_eq!(parse_line(&"가".repeat(5_462)), Err(CommandError::TooLong(16_386)));
    }

    #[test]
    fn an_at_sends_one_text_to_one_peer_or_nothing() {
        let to = |name: &str, text: &str| ParsedLine::TextTo { name: name.to_owned(), text: text.to_owned() };
        assert_eq!(parse_line("@bob hi  you"), Ok(to("bob", "hi  you")));
        assert_eq!(parse_line("@철수 밥?\n@bob 아니"), Ok(to("철수", "밥?\n@bob 아니")));
        for line in ["@", "@bob", "@bob ", "@bob: hi", "@bob, hi", " @bob hi", "\u{FF20}bob hi", "@ bob hi"] {
            assert_eq!(parse_line(line), Err(CommandError::At), "{line:?}");
        }
    }

    #[test]
    fn a_command_behind_a_full_width_colon_is_named_and_no_text() {
        for line in ["：listen 8000", " ：listen", "： listen", "：ㅣㅑㄴㅅ두"] {
            let told = "`：` is the full-width colon; write :listen, or begin with ：： to send it as text";
            assert_eq!(error(line), told, "{line}");
        }
        assert!(error("：q").starts_with("`：` is the full-width colon; write :quit, or"));
        for text in ["：D", "：", "：안녕", "안녕：listen", "：：안녕", " ：：listen"] {
            assert_eq!(parse_line(text), Ok(ParsedLine::Text(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_full_width_sign_is_doubled_to_begin_a_text_with_one() {
        for (line, text) in
            [("：：listen 8000", "：listen 8000"), ("：：ㅂ", "：ㅂ"), ("＠＠bob", "＠bob"), ("＠＠", "＠")]
        {
            assert_eq!(parse_line(line), Ok(ParsedLine::Text(text.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_command_on_the_korean_layout_is_named() {
        assert!(error(":ㅣㅑㄴㅅ두 8000").starts_with("that is :listen on the Korean layout"));
        for quit in [":ㅂ", ":ㅈㅂ", ":ㅂ!"] {
            assert!(error(quit).starts_with("that is :quit on the Korean layout"), "{quit}");
        }
        assert_eq!(parse_line(":ㅋㅋ"), Ok(ParsedLine::Text(":ㅋㅋ".to_owned())));
        assert_eq!(parse_line(":안녕"), Ok(ParsedLine::Text(":안녕".to_owned())));
    }

    #[test]
    fn a_fingerprint_can_be_copied_from_the_rows_of_a_notice() {
        let fingerprint = Fingerprint::of(b"bob");
        let (first, rest) = (&fingerprint.to_string()[..30], &fingerprint.to_string()[30..]);
        let trust = Command::Trust { name: "bob".to_owned(), fingerprint: Some(fingerprint) };
        let line = format!(":trust bob\n      {first}\n      {rest}");
        assert_eq!(parse_line(&line), Ok(ParsedLine::Command(trust)));
    }

    #[test]
    fn every_command_of_the_table_is_parsed() {
        for entry in &COMMANDS {
            let parsed = parse_line(&format!(":{}", entry.name));
            let wants_more = !entry.usage.is_empty() && !entry.usage.starts_with('[');
            match parsed {
                Ok(ParsedLine::Command(_)) => assert!(!wants_more, ":{} took no argument", entry.name),
                Err(CommandError::Usage(named)) => assert!(wants_more && named == entry),
                other => panic!(":{}: {other:?}", entry.name),
            }
            assert!(parse_line(&format!(":help {}", entry.name)).is_ok());
            assert!(!help(Some(HelpTopic::Command(entry))).is_empty());
        }
    }

    #[test]
    fn arguments_are_checked_before_anything_is_done() {
        assert_eq!(error(":keygen 1024"), "a key has 2048 to 8192 bits, in steps of 8");
        assert_eq!(error(":keygen x"), "write :keygen [BITS] [--raw] [--replace]");
        assert_eq!(error(":quit now"), "write :quit");
        let topics = TOPICS.map(|topic| format!(":help {topic}")).join(", ");
        let expected = format!("there is no help on nope; write {topics} or :help COMMAND");
        assert_eq!(error(":help nope"), expected);
        assert_eq!(error(":help :conect"), "no such command :conect (did you mean :connect?)");
        assert!(error(":connect host --pin SHA256:abc").starts_with("SHA256:abc is not a complete"));
        assert!(error(":trust bob SHA256:abc").starts_with("SHA256:abc is not a complete"));
        assert!(error(":connect 8000").starts_with("8000 is a port without a host"));
        assert!(parse_line(":listen [::1]:0 --known -6").is_ok());
        assert_eq!(parse_line(":listen --known"), parse_line(":listen 8000 --known"));
        assert_eq!(error(":last 0"), "write :last [N] [NAME]");
        assert_eq!(error(":last x 3"), "write :last [N] [NAME]");
        assert_eq!(error(":notify --content"), "write :notify [off|mention|all] [--content]");
        assert_eq!(error(":notify off all"), "write :notify [off|mention|all] [--content]");
        assert_eq!(error(":show x"), "write :show N");
        assert_eq!(error(":name bob 2bob"), "a name begins with a letter");
        let log = |line| match parse_line(line) {
            Ok(ParsedLine::Command(Command::Log { to })) => to,
            other => panic!("{other:?}"),
        };
        assert_eq!(log(":log my file.txt "), LogTarget::File("my file.txt".to_owned()));
        assert_eq!((log(":log"), log(":log off")), (LogTarget::Ask, LogTarget::Off));
        let save = |line| match parse_line(line) {
            Ok(ParsedLine::Command(Command::Save { file, number })) => (file, number),
            other => panic!("{other:?}"),
        };
        assert_eq!(save(":save my file.txt "), ("my file.txt".to_owned(), 1));
        assert_eq!(save(":save my  file 2 13"), ("my  file 2".to_owned(), 13));
        assert_eq!(save(":save 7"), ("7".to_owned(), 1));
        for line in [":save", ":save x 0", ":save x 99999999999999999999", ":copy 0", ":copy x", ":copy 1 2"]
        {
            assert!(error(line).starts_with("write :"), "{line}");
        }
        let send = |line| match parse_line(line) {
            Ok(ParsedLine::Command(Command::SendFiles { paths, to, name: None, .. })) => {
                (paths.join("|"), to)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(
            send(r#":send a "b c" 'd' --to bob e\ f"#),
            ("a|b c|d|e f".to_owned(), Some("bob".to_owned()))
        );
        assert_eq!(error(":send 'a"), "a quotation mark is not closed; \\' is one that means itself");
        let named = parse_line(":send a --as b");
        let (paths, name, known) = (vec!["a".to_owned()], Some("b".to_owned()), KnownFiles::OfferedAnew);
        let expected = Command::SendFiles { paths, to: None, name, known };
        assert_eq!(named, Ok(ParsedLine::Command(expected)));
        for line in [
            ":send",
            ":send --to bob",
            ":send a --to",
            ":send ''",
            ":send a --as",
            ":send a b --as c",
            ":send a --as b/c",
        ] {
            assert_eq!(error(line), "write :send FILE|DIR… [--to NAME] [--as NAME]", "{line}");
        }
        let accept = |line: &str| match parse_line(line) {
            Ok(ParsedLine::Command(Command::AcceptFiles { number, place, room })) => (number, place, room),
            other => panic!("{other:?}"),
        };
        assert_eq!(accept(":accept 3"), (3, None, Room::Reserve));
        assert_eq!(accept(":accept 3 --anyway "), (3, None, Room::Ignore));
        assert_eq!(accept(":accept 3 a b --anyway"), (3, Some("a b".to_owned()), Room::Ignore));
        assert_eq!(accept(":accept 3 'a --anyway'"), (3, Some("a --anyway".to_owned()), Room::Reserve));
        assert_eq!(accept(":accept 3 x--anyway"), (3, Some("x--anyway".to_owned()), Room::Reserve));
        for (place, meant) in
            [("a  b", "a  b"), ("'a  b'", "a  b"), (r"a\ b", "a b"), ("받은 것/", "받은 것/")]
        {
            let line = format!(":accept 3  {place} ");
            assert_eq!(accept(&line), (3, Some(meant.to_owned()), Room::Reserve));
        }
        // A program gives each path as it is.
        let words = |words: [&str; 3]| command_of("send", &words.map(str::to_owned));
        let paths = vec!["it's".to_owned(), "a b".to_owned(), "c".to_owned()];
        assert_eq!(
            words(["it's", "a b", "c"]),
            Ok(Command::SendFiles { paths, to: None, name: None, known: KnownFiles::OfferedAnew })
        );
        let words = |words: [&str; 2]| command_of("save", &words.map(str::to_owned));
        assert_eq!(words(["a 1", "2"]), Ok(Command::Save { file: "a 1".to_owned(), number: 2 }));
        assert_eq!(words(["a", "b"]), words(["", "1"]));
        assert!(error(":listen 0 --wire morse").starts_with("no such wire morse;"));
        assert_eq!(error(":connect h --one-way"), "--one-way is for the raw wire; add --wire oaep");
        assert!(error(":listen 0 --known --wire oaep").ends_with("--known and --ask cannot be used with it"));
        assert!(error(&format!(":connect h --wire oaep --pin SHA256:{}", "A".repeat(43))).contains("--pin"));
        assert!(parse_line(":connect h --one-way --wire oaep").is_ok());
        assert!(parse_line(":listen 0 --anybody").is_ok());
    }
}
