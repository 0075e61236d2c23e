//! Typed lines: text or a command. What looks like a command is never sent as text.

mod parse;
mod table;

pub use parse::{command_of, wire_of};
pub use table::{COMMANDS, CommandSpec, Completion, markdown};

use super::conversation::AcceptPolicy;
pub use super::handlers::log::LogTarget;
use super::handlers::notify::Notify;
use super::kinds::{KeyFor, Protocol};
use crate::crypto::{Fingerprint, FingerprintError};
use crate::limits;
use crate::peers::address::{AddressError, Family, ListenAt, Target};
use crate::peers::name::{Name, NameError};
use crate::text::safe::SafeText;
use crate::text::suggest::nearest;

/// What a line is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParsedLine {
    /// Nothing but blanks.
    Nothing,
    /// Text for the addressed peer.
    Text(String),
    /// Something to do.
    Command(Command),
}

/// A command with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the table says what each one is")]
pub enum Command {
    Listen {
        at: ListenAt,
        family: Family,
        callers: Option<AcceptPolicy>,
        wire: Protocol,
    },
    Connect {
        target: Target,
        family: Family,
        pin: Option<Fingerprint>,
        callers: AcceptPolicy,
        wire: Protocol,
    },
    To {
        name: String,
    },
    All {
        text: String,
    },
    Peers,
    Status,
    Verify {
        name: String,
    },
    Trust {
        name: String,
        fingerprint: Option<Fingerprint>,
    },
    Forget {
        name: String,
    },
    Block {
        name: String,
    },
    Unblock {
        name: String,
    },
    Close {
        name: Option<String>,
    },
    Nick {
        name: Name,
    },
    Keygen {
        of: KeyFor,
        bits: Option<u32>,
        keep: Keep,
    },
    Showkey {
        form: KeyForm,
    },
    Name {
        peer: String,
        name: Name,
    },
    Last {
        count: usize,
        name: Option<String>,
    },
    Search {
        text: String,
    },
    Log {
        to: LogTarget,
    },
    Notify {
        wanted: Option<Notify>,
    },
    Edit,
    Limits,
    Help {
        topic: Option<&'static CommandSpec>,
    },
    Quit,
}

/// What `:keygen` does with a key that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// Leaves it.
    Existing,
    /// Puts it aside.
    Aside,
}

/// How `:showkey` shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyForm {
    /// Fingerprint, bits, file and one line to paste.
    Line,
    /// SPKI PEM.
    Pem,
}

/// Why a line does nothing. Nothing was sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// No such command, and none is near.
    #[error("no such command :{0}; :help lists them, and :: begins a text with a colon")]
    Unknown(SafeText),
    /// No such command, but one is near.
    #[error("no such command :{0} (did you mean :{1}?)")]
    Near(SafeText, &'static str),
    /// A command stands after blanks or has blanks after its colon.
    #[error("a command begins with its colon; write :{0}")]
    Blanks(SafeText),
    /// Several lines that begin with a colon.
    #[error("several lines that begin with a colon were not sent; begin with :: to send them as text")]
    Block,
    /// More than one message may have.
    #[error("the text has {0} bytes and was not sent; a message has at most {max}", max = limits::MESSAGE_BYTES)]
    TooLong(usize),
    /// Arguments that do not fit.
    #[error("write {}", .0.written())]
    Usage(&'static CommandSpec),
    /// A bad address.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A bad fingerprint.
    #[error("{0}")]
    Fingerprint(#[from] FingerprintError),
    /// A bad name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A bad number of bits.
    #[error("a key has {min} to {max} bits, in steps of 8", min = limits::KEY_BITS_MIN, max = limits::KEY_BITS_MAX)]
    Bits,
    /// A wire that there is not.
    #[error(
        "there is no such wire; --wire oaep is the raw wire of the tutorial, without it rsachat speaks its own"
    )]
    Protocol,
    /// An option that the raw wire cannot keep, or that only it has.
    #[error("{0}")]
    WireOption(&'static str),
}

/// Why a listener of the raw wire cannot turn unknown keys away.
pub(crate) const KNOWN_ON_RAW: &str = "the raw wire proves nobody's key; --known cannot be kept on it";

/// What `--one-way` needs.
pub const ONE_WAY_ON_NATIVE: &str = "--one-way is for the raw wire; add --wire oaep";

/// Reads a typed line; a pasted block comes with its newlines.
///
/// # Errors
/// [`CommandError`], in words that say what to write instead.
pub fn parse_line(line: &str) -> Result<ParsedLine, CommandError> {
    if line.trim().is_empty() {
        return Ok(ParsedLine::Nothing);
    }
    if let Some(text) = line.strip_prefix("::") {
        return text_of(format!(":{text}"));
    }
    match line.strip_prefix(':') {
        Some(rest) if rest.contains('\n') => {
            parse::command(&unwrapped(rest).ok_or(CommandError::Block)?).map(ParsedLine::Command)
        }
        Some(rest) if rest.starts_with(char::is_whitespace) => Err(CommandError::Blanks(word_of(rest))),
        Some(rest) => parse::command(rest).map(ParsedLine::Command),
        None if line.trim_start().starts_with(':') && !line.trim_start().starts_with("::") => {
            Err(CommandError::Blanks(word_of(line.trim_start().trim_start_matches(':'))))
        }
        None => text_of(line.to_owned()),
    }
}

/// The one command that is copied with a fingerprint from a notice: on a narrow screen it has several rows, and
/// those below the first begin with blanks.
fn unwrapped(rest: &str) -> Option<String> {
    let from_notice = rest.starts_with("trust ") && rest.split('\n').skip(1).all(|row| row.starts_with(' '));
    from_notice.then(|| rest.replace('\n', " "))
}

/// `:help`: every command in a row, or more about one.
#[must_use]
pub fn help(topic: Option<&'static CommandSpec>) -> Vec<String> {
    if let Some(entry) = topic {
        let mut rows = vec![entry.written()];
        rows.push(format!("  {}", entry.summary));
        if !entry.details.is_empty() {
            rows.push(format!("  {}", entry.details));
        }
        return rows;
    }
    let row = |entry: &CommandSpec| format!("{:<29}  {}", entry.written(), entry.summary);
    let mut rows: Vec<_> = COMMANDS.iter().map(row).collect();
    rows.push("anything else is sent as text; :: begins a text with a colon; Ctrl-D leaves".to_owned());
    rows
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

fn entry_of(word: &str) -> Result<&'static CommandSpec, CommandError> {
    if let Some(entry) = COMMANDS.iter().find(|entry| entry.name == word) {
        return Ok(entry);
    }
    match nearest(&word.to_lowercase(), COMMANDS.iter().map(|entry| entry.name)) {
        Some(near) => Err(CommandError::Near(SafeText::line(word), near)),
        None => Err(CommandError::Unknown(SafeText::line(word))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(line: &str) -> String {
        parse_line(line).unwrap_err().to_string()
    }

    #[test]
    fn what_looks_like_a_command_is_never_text() {
        assert_eq!(mistake(":conect x"), "no such command :conect (did you mean :connect?)");
        assert_eq!(mistake(" :keygen"), "a command begins with its colon; write :keygen");
        assert_eq!(mistake(": listen"), "a command begins with its colon; write :listen");
        assert!(mistake(":zzzzzz").starts_with("no such command :zzzzzz;"));
        assert!(mistake(":to\u{1b}[2J x").contains("\\u{1b}"));
        assert_eq!(parse_line(":a\nb"), Err(CommandError::Block));
        assert_eq!(parse_line(":trust bob\n:quit"), Err(CommandError::Block));
    }

    #[test]
    fn text_is_text() {
        for (line, text) in
            [("exit", "exit"), ("::x", ":x"), (":::", "::"), (" a ", " a "), ("a\n:b", "a\n:b")]
        {
            assert_eq!(parse_line(line), Ok(ParsedLine::Text(text.to_owned())), "{line:?}");
        }
        assert_eq!(parse_line(" \t"), Ok(ParsedLine::Nothing));
        assert_eq!(parse_line(&"가".repeat(5_462)), Err(CommandError::TooLong(16_386)));
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
            assert!(!help(Some(entry)).is_empty());
        }
    }

    #[test]
    fn arguments_are_checked_before_anything_is_done() {
        assert_eq!(mistake(":keygen 1024"), "a key has 2048 to 8192 bits, in steps of 8");
        assert_eq!(mistake(":keygen x"), "write :keygen [BITS] [--raw] [--replace]");
        assert_eq!(mistake(":quit now"), "write :quit");
        assert!(mistake(":connect host --pin SHA256:abc").starts_with("not a whole fingerprint"));
        assert!(mistake(":connect 8000").contains("port without a host"));
        assert!(parse_line(":listen [::1]:0 --known -6").is_ok());
        assert_eq!(mistake(":last 0"), "write :last [N] [NAME]");
        assert_eq!(mistake(":last x 3"), "write :last [N] [NAME]");
        assert_eq!(mistake(":notify --content"), "write :notify [off|mention|all] [--content]");
        assert_eq!(mistake(":notify off all"), "write :notify [off|mention|all] [--content]");
        assert_eq!(mistake(":name bob 2bob"), "a name begins with a letter");
        let log = |line| match parse_line(line) {
            Ok(ParsedLine::Command(Command::Log { to })) => to,
            other => panic!("{other:?}"),
        };
        assert_eq!(log(":log my file.txt "), LogTarget::File("my file.txt".to_owned()));
        assert_eq!((log(":log"), log(":log off")), (LogTarget::Ask, LogTarget::Off));
        assert!(mistake(":listen 0 --wire morse").starts_with("there is no such wire"));
        assert_eq!(mistake(":connect h --one-way"), "--one-way is for the raw wire; add --wire oaep");
        assert!(mistake(":listen 0 --known --wire oaep").ends_with("--known cannot be kept on it"));
        assert!(
            mistake(&format!(":connect h --wire oaep --pin SHA256:{}", "A".repeat(43))).contains("--pin")
        );
        assert!(parse_line(":connect h --one-way --wire oaep").is_ok());
        assert!(parse_line(":listen 0 --anybody").is_ok());
    }
}
