//! `rsachat outbox`: messages that wait in the home until their receivers have them, as `:outbox`
//! lists and drops them.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::{GlobalArgs, unknown_peer};
use crate::app::error::{AppError, code, hint_at_home};
use crate::app::keyring::{no_key, seed, unlock};
use crate::app::os::{eprint_line, print, print_line, unix_ms};
use crate::app::owner_client::{Claim, OwnerClient, Watch, claim, lost_with};
use crate::chat::{DeliveryInfo, Info, Notice, Warning, outbox};
use crate::crypto::Fingerprint;
use crate::delivery::Ledger;
use crate::events::{OutputFormat, from_notice, to_notice};
use crate::net::Net;
use crate::peers::book::Book;
use crate::store::{Home, MessageStore, book_file};
use crate::time::UnixMs;

#[derive(Args, Debug)]
#[command(after_help = "\
Lists what :outbox lists at a prompt: lines that their receivers have not shown yet are queued (on your disk), unconfirmed \
(sent, no answer yet) or delivered (on their disk). If another rsachat serves the home, it is asked.

Exit codes:
  0  listed, or dropped
  1  something could not be dropped, or no such peer
  3  another rsachat has the home open and does not answer, or the messages cannot be read

Examples:
  rsachat outbox
  rsachat outbox drop bob
  rsachat outbox drop bob 42")]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    task: Option<OutboxTask>,
    /// One JSON object per line (docs/EVENTS.md)
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum OutboxTask {
    /// Take back a line, or all lines that wait for a peer
    #[command(after_help = "\
A line that was sent may have arrived already; you learn whether it has when you are next connected. One that is on the \
peer's disk (delivered) cannot be taken back.

Examples:
  rsachat outbox drop bob
  rsachat outbox drop bob 42")]
    Drop {
        /// The peer's name in your book
        name: String,
        /// Number of the line, as rsachat outbox lists it
        #[arg(value_name = "N")]
        number: Option<u64>,
    },
}

/// What is to be dropped: all lines for a peer, or one.
struct Dropped {
    peer: Fingerprint,
    number: Option<u64>,
}

pub(crate) fn run(home: &Home, common: &GlobalArgs, args: &OutboxArgs) -> Result<u8, AppError> {
    let book = book_file::read(home)?;
    let dropped = match &args.task {
        None => None,
        Some(OutboxTask::Drop { name, number }) => {
            let known = book.find(name).map(|peer| peer.fingerprint).or_else(|| name.parse().ok());
            let peer = known.ok_or_else(|| unknown_peer(name, "rsachat peers list shows your book"))?;
            Some(Dropped { peer, number: *number })
        }
    };
    let notices = match OwnerClient::find(home, Net::new()?, Watch::Always)? {
        Ok(owner) => ask(owner, dropped.as_ref())?,
        Err(net) => carry_out(home, common, net, &book, dropped.as_ref())?,
    };
    let is_refused = notices.iter().any(|notice| matches!(notice, Notice::Warning(_)));
    let format = if args.json { OutputFormat::Json } else { OutputFormat::Words };
    notices.iter().try_for_each(|notice| show(notice, format, common.home.as_deref()))?;
    Ok(if is_refused { code::FAILED } else { 0 })
}

/// Asks the process that serves the home.
fn ask(owner: OwnerClient, dropped: Option<&Dropped>) -> Result<Vec<Notice>, AppError> {
    let arguments = dropped.map_or_else(
        || json!([]),
        |dropped| {
            let number = dropped.number.map(|number| number.to_string());
            let words = ["drop".to_owned(), dropped.peer.to_string()].into_iter().chain(number);
            words.map(Value::String).collect()
        },
    );
    let (answers, _) = owner.carry_out(json!({ "command": "outbox", "arguments": arguments }))?;
    Ok(answers.iter().filter_map(to_notice::notice).collect())
}

/// Does the same where no process serves the home. Nobody is called.
fn carry_out(
    home: &Home,
    common: &GlobalArgs,
    net: Net,
    book: &Book,
    dropped: Option<&Dropped>,
) -> Result<Vec<Notice>, AppError> {
    let nothing = || vec![Notice::Info(Info::Delivery(DeliveryInfo::NothingWaits))];
    if !MessageStore::exists(home) {
        return Ok(nothing());
    }
    let (own, _) = unlock(home, common.passphrase_source().as_ref())?;
    let identity = own.and_then(|own| own.identity()).ok_or_else(|| no_key(home))?;
    let opened = match claim(home, &identity, net, Watch::Always)? {
        Claim::Served(owner) => return ask(owner, dropped),
        Claim::Free(_, opened) => opened?,
    };
    if let Some(aside) = opened.put_aside {
        return Err(lost_with(&aside));
    }
    let (mut store, mut ledger) = (opened.store, Ledger::new(opened.pairs, seed()));
    let name_of = |peer: Fingerprint| {
        book.by_fingerprint(&peer).map_or_else(|| peer.to_string(), |peer| peer.name.to_string())
    };
    let Some(Dropped { peer, number }) = dropped else {
        return Ok(vec![outbox::listing(&ledger, book, UnixMs(unix_ms()), name_of)]);
    };
    let name = &name_of(*peer);
    let numbers: Vec<_> = match number {
        Some(number) => vec![*number],
        None => ledger.waiting(*peer).map(|message| message.seq).collect(),
    };
    if numbers.is_empty() {
        return Ok(nothing());
    }
    let (withdrawals, refused) = outbox::split(ledger.take_back(*peer, &numbers, None));
    store
        .commit_with_history(&ledger.take_changes(), &ledger.take_marks())
        .map_err(|failed| AppError::from(failed.why))?;
    let said = outbox::taken_back(name, &withdrawals).map(|what| Notice::Info(Info::Delivery(what)));
    let refused = refused.into_iter().map(|(number, error)| outbox::not_taken_back(name, number, error));
    Ok(said.chain(refused.map(|what| Notice::Warning(Warning::Delivery(what)))).collect())
}

/// Prints what came of it.
fn show(notice: &Notice, format: OutputFormat, home: Option<&Path>) -> Result<(), AppError> {
    if format == OutputFormat::Json {
        let event = from_notice::of_sender(notice);
        return Ok(event.map_or(Ok(()), |event| print(&event.to_json(unix_ms(), None)))?);
    }
    match notice {
        Notice::Warning(warning) => {
            let message = hint_at_home(&warning.sentence_of_command(), home);
            eprint_line(&AppError::new(code::FAILED, message).to_string());
            Ok(())
        }
        Notice::Info(info) => Ok(print_line(&info.sentence_of_command())?),
        table => Ok(print_line(&table.rows().join("\n"))?),
    }
}
