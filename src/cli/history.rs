//! `rsachat history`: messages that were kept because `history = "keep"` or `:history keep` said
//! so.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;

use super::args::{GlobalArgs, at_least_one, unknown_peer};
use crate::app::error::{AppError, code};
use crate::app::json::json_line;
use crate::app::keyring::{no_key, unlock};
use crate::app::log::LOG_TIME;
use crate::app::os::{local, moment, print, print_line, unix_ms};
use crate::app::owner_client::numbered;
use crate::chat::{author, history_rows};
use crate::crypto::Fingerprint;
use crate::delivery::{Direction, HistoryEntry};
use crate::peers::book::Book;
use crate::store::{Home, MessageStore, StoreError, book_file, shown};
use crate::text::safe::{SafeText, with_bad_bytes};
use crate::time::{DAY_MS, UnixMs};

#[derive(Subcommand, Debug)]
pub(crate) enum HistoryCommand {
    /// Search the messages, and print the last matches
    #[command(after_help = "\
Ignores case, and how accented letters are encoded. No other rsachat may have the messages open; in one that does, \
:search finds the same.

Exit codes:
  0  found
  1  nothing found, or no such peer
  3  another rsachat has the messages open, or they cannot be read

Examples:
  rsachat history search lunch
  rsachat history search lunch --peer bob --count 5 --json")]
    Search {
        /// Text to search for
        text: String,
        #[command(flatten)]
        which: Which,
        /// Print at most this many messages
        #[arg(short = 'n', long, value_name = "N", default_value = "50", value_parser = at_least_one)]
        count: u64,
        /// One JSON object per line (docs/EVENTS.md)
        #[arg(long)]
        json: bool,
    },
    /// Print all messages, peer by peer
    #[command(after_help = "No other rsachat may have the messages open: end it first.

Examples:
  rsachat history export > messages.txt
  rsachat history export --peer bob --json > bob.jsonl")]
    Export {
        #[command(flatten)]
        which: Which,
        /// One JSON object per line (docs/EVENTS.md)
        #[arg(long)]
        json: bool,
    },
    /// Delete messages: by peer, by age, or all
    #[command(group = ArgGroup::new("deleted").args(["peer", "older_than", "all"]).required(true).multiple(true))]
    // The parser's own would not fit a row.
    #[command(override_usage = "rsachat history delete [OPTIONS] <--peer PEER|--older-than DAYS|--all>")]
    #[command(after_help = "No other rsachat may have the messages open: end it first.

Examples:
  rsachat history delete --peer bob
  rsachat history delete --older-than 90
  rsachat history delete --all")]
    Delete {
        #[command(flatten)]
        which: Which,
        /// Those older than this many days
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u32>,
        /// All messages of all peers
        #[arg(long, conflicts_with_all = ["peer", "older_than"])]
        all: bool,
    },
}

/// Peers that are meant.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// Only those of this peer: its name in your book, or its fingerprint
    #[arg(long, value_name = "NAME|SHA256:…")]
    peer: Option<String>,
}

pub(crate) fn run(home: &Home, common: &GlobalArgs, task: &HistoryCommand) -> Result<u8, AppError> {
    let book = book_file::read(home)?;
    let peer = match task {
        HistoryCommand::Search { which, .. }
        | HistoryCommand::Export { which, .. }
        | HistoryCommand::Delete { which, .. } => which.fingerprint(&book)?,
    };
    let Some(mut store) = open(home, common, task)? else { return nothing(task) };
    let printer = |json| Printer { book: &book, json };
    match task {
        HistoryCommand::Search { text, count, json, .. } => {
            let found = store.history()?.search(
                text,
                usize::try_from(*count).unwrap_or(usize::MAX),
                peer.as_ref(),
            )?;
            if found.entries.is_empty() {
                return nothing(task);
            }
            let printer = printer(*json);
            found.entries.iter().try_for_each(|entry| printer.print(entry))?;
        }
        HistoryCommand::Export { json, .. } => {
            let printer = printer(*json);
            store.history()?.each(peer.as_ref(), |entry| printer.print(&entry))?;
        }
        HistoryCommand::Delete { older_than, .. } => {
            let age_ms = older_than.map(|days| u64::from(days) * DAY_MS);
            let before = age_ms.map(|age| UnixMs(unix_ms().saturating_sub(age)));
            let gone = store.forget_history(peer.as_ref(), before).map_err(|failed| failed.why)?;
            say_gone(gone)?;
        }
    }
    Ok(0)
}

/// Opens the store, if there is one.
fn open(home: &Home, common: &GlobalArgs, task: &HistoryCommand) -> Result<Option<MessageStore>, AppError> {
    let (own, _) = unlock(home, common.passphrase_source().as_ref())?;
    let own = own.ok_or_else(|| no_key(home))?;
    let identity = own.identity().filter(|_| MessageStore::exists(home));
    let Some(identity) = identity else { return Ok(None) };
    let opened = MessageStore::open(home, &identity).map_err(|error| match error {
        StoreError::Held { process, .. } => held(process, task),
        error => error.into(),
    })?;
    if let Some(aside) = opened.put_aside {
        let what = format!("the store was damaged ({}) and was moved to {}", aside.why, shown(&aside.path));
        return Err(AppError::new(code::MACHINE, what).hint("a new one was created in its place"));
    }
    Ok(Some(opened.store))
}

/// What a process is that has the messages open, and what finds them there.
fn held(process: Option<u32>, task: &HistoryCommand) -> AppError {
    let end = process.map_or_else(String::new, |process| format!(": kill {process}"));
    let what = format!("another rsachat{} has the messages of this home open", numbered(process));
    AppError::new(code::MACHINE, what).hint(match task {
        HistoryCommand::Search { .. } => {
            format!(":search finds the same at its prompt, or at one that rsachat attach opens; or end it first{end}")
        }
        HistoryCommand::Export { .. } | HistoryCommand::Delete { .. } => {
            format!("end it first, since what it keeps stays{end}")
        }
    })
}

fn nothing(task: &HistoryCommand) -> Result<u8, AppError> {
    match task {
        HistoryCommand::Search { .. } => Err(AppError::new(code::FAILED, "nothing found")),
        HistoryCommand::Export { .. } => Ok(0),
        HistoryCommand::Delete { .. } => {
            say_gone(0)?;
            Ok(0)
        }
    }
}

fn say_gone(messages: u64) -> Result<(), AppError> {
    Ok(match messages {
        1 => print_line("deleted 1 message"),
        _ => print_line(&format!("deleted {messages} messages")),
    }?)
}

impl Which {
    fn fingerprint(&self, book: &Book) -> Result<Option<Fingerprint>, AppError> {
        let Some(peer) = &self.peer else { return Ok(None) };
        let known = book.find(peer).map(|peer| peer.fingerprint);
        // Who was forgotten has no name any more.
        let known = known.or_else(|| peer.parse().ok());
        known.map(Some).ok_or_else(|| {
            unknown_peer(peer, "rsachat peers list shows your book; a fingerprint works as well")
        })
    }
}

/// Printer of messages.
struct Printer<'a> {
    book: &'a Book,
    json: bool,
}

/// Message as other programs read it.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    direction: &'static str,
    /// The other side.
    peer: &'a str,
    fingerprint: String,
    /// Author, by the name that it had then.
    from: &'a str,
    /// It is yours, and was taken back before the peer was known to have it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    taken_back: bool,
    text: String,
    /// The exact bytes in base64, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

impl Printer<'_> {
    fn print(&self, entry: &HistoryEntry) -> Result<(), AppError> {
        let (peer, row) = (&entry.peer, &entry.row);
        let known = self.book.by_fingerprint(peer).map(|peer| peer.name.to_string());
        let name = known.unwrap_or_else(|| peer.to_string());
        if self.json {
            let is_text = std::str::from_utf8(&row.text).is_ok();
            let line = Line {
                time: moment(row.at.0),
                direction: match row.direction {
                    Direction::Sent | Direction::TakenBack => "sent",
                    Direction::Received => "received",
                },
                peer: &name,
                fingerprint: peer.to_string(),
                from: &row.name,
                taken_back: row.direction == Direction::TakenBack,
                text: with_bad_bytes(&row.text, str::to_owned),
                bytes: (!is_text).then(|| BASE64_STANDARD.encode(&row.text)),
            };
            return Ok(print(&json_line(&line))?);
        }
        let time = local(row.at.0).strftime(LOG_TIME).to_string();
        let to = if row.direction == Direction::Received { Vec::new() } else { vec![name] };
        let author = author(&SafeText::line(&row.name).to_string(), &to);
        let rows = history_rows(row);
        let text: String =
            rows.iter().flat_map(|row| [time.as_str(), " ", &author, ": ", row.as_str(), "\n"]).collect();
        Ok(print(&text)?)
    }
}
