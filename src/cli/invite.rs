//! `rsachat invite`: invitations that are made, listed and taken back without a prompt.

use std::io::IsTerminal as _;

use clap::Args;

use super::args::GlobalArgs;
use crate::app::error::{AppError, code, shown};
use crate::app::keyring::{seed, unlock};
use crate::app::os::{eprint_line, print_line, unix_ms};
use crate::chat::command::invitation_time;
use crate::config::SettingSources;
use crate::crypto::Inbox;
use crate::limits::{INVITATION_MS, INVITATIONS};
use crate::peers::address::Target;
use crate::peers::book::{Book, Change, ChangeOutcome, InvitationUses, KeptInvitation};
use crate::peers::invitation::{INVITATION_ADDRESSES, Invitation, InvitationRelay, TokenHash, new_token};
use crate::peers::name::Name;
use crate::render::colour::ColourDepth;
use crate::render::qr_code::qr_code;
use crate::store::{Home, book_file};
use crate::text::duration::span;
use crate::time::UnixMs;

/// Widest QR code, in cells: that of the longest invitation has fewer.
const CODE_CELLS: usize = 200;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  rsachat invite bob --at alice.example:8000\n  rsachat invite --once --for 2h --at 192.0.2.7 --qr"
)]
pub(crate) struct InviteArgs {
    /// Name that its bearer gets in your book; then one key only can use it
    #[arg(value_name = "NAME", value_parser = Name::parse)]
    name: Option<Name>,
    /// Let one key only use it
    #[arg(long)]
    once: bool,
    /// Time until it expires: 30m, 7d [default: 24h]
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    time_ms: Option<u64>,
    /// Address at which others call you; may be given up to eight times [default: the addresses of
    /// `invite-at` in the settings, else those of `listen` that name a host]
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    at: Vec<Target>,
    /// Show it as a QR code too, on standard error
    #[arg(long)]
    qr: bool,
    /// List the invitations that are kept
    #[arg(long, conflicts_with_all = ["name", "once", "time_ms", "at", "qr", "drop"])]
    list: bool,
    /// Take the invitation with this number back
    #[arg(long, value_name = "N", conflicts_with_all = ["name", "once", "time_ms", "at", "qr"])]
    drop: Option<u32>,
}

fn time(word: &str) -> Result<u64, String> {
    invitation_time(word).map_err(|error| error.to_string())
}

/// Runs it. A process that serves the home takes the invitation from the book.
pub(crate) fn run(
    home: &Home,
    common: &GlobalArgs,
    settings: &SettingSources,
    args: &InviteArgs,
) -> Result<u8, AppError> {
    if args.list {
        return list(&book_file::read(home)?);
    }
    if let Some(number) = args.drop {
        return drop_one(home, number);
    }
    let (own, _) = unlock(home, common.passphrase_source().as_ref())?;
    let own = own.ok_or_else(|| {
        AppError::new(code::MACHINE, format!("there is no key in {}", shown(home.path())))
            .hint("rsachat key new generates one, and rsachat key import FILE imports one")
    })?;
    let settings = settings.resolve();
    let of_settings = settings
        .listen
        .iter()
        .filter_map(|at| Some(Target { host: at.host.clone()?, port: at.port, via: None }));
    let addresses = match [&args.at, &settings.invite_at].into_iter().find(|at| !at.is_empty()) {
        Some(at) => at.clone(),
        None => of_settings.collect(),
    };
    if addresses.is_empty() {
        let what = "nobody could call: no address is known";
        return Err(AppError::new(code::USAGE, what).hint("name one with --at HOST:PORT"));
    }
    if addresses.len() > INVITATION_ADDRESSES {
        let what = format!("an invitation has at most {INVITATION_ADDRESSES} addresses");
        return Err(AppError::new(code::USAGE, what));
    }
    let (token, made) = (new_token(&seed()), UnixMs(unix_ms()));
    let uses = if args.once || args.name.is_some() { InvitationUses::Once } else { InvitationUses::Many };
    let time_ms = args.time_ms.unwrap_or(INVITATION_MS);
    let (hash, until) = (TokenHash::of(&token), UnixMs(made.0.saturating_add(time_ms)));
    let url = settings.relay.first().cloned();
    let relay = url.map(|url| InvitationRelay { url, inbox: Inbox::random(&seed()) });
    let inbox = relay.as_ref().map(|relay| relay.inbox.clone());
    let kept = KeptInvitation { number: 0, hash, until, uses, name: args.name.clone(), inbox };
    let (changed, _) = book_file::change(home, &[Change::Invite { invitation: kept, now: made }])?;
    if changed.outcome != ChangeOutcome::Changed {
        let what = format!("not invited: {INVITATIONS} invitations are open");
        return Err(AppError::new(code::FAILED, what).hint("rsachat invite --drop N takes one back"));
    }
    let number = changed.book.invitations().find(|one| one.hash == hash).map_or(0, |one| one.number);
    let (name, key) = (Some(settings.own_name().name), own.public().fingerprint());
    let url = Invitation { name, addresses, token, key, relay }.to_string();
    let whom = args.name.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
    let once = if uses == InvitationUses::Once { ", once" } else { "" };
    let open = span(time_ms);
    eprint_line(&format!(
        "invitation {number}{whom}{once}, open for {open}; rsachat invite --drop {number} takes it back"
    ));
    if args.qr {
        let is_terminal = std::io::stderr().is_terminal();
        let depth = if is_terminal { ColourDepth::Ansi16 } else { ColourDepth::Monochrome };
        for row in qr_code(&url, CODE_CELLS, depth).into_iter().flat_map(|code| code.rows) {
            eprint_line(&row);
        }
    }
    print_line(&url)?;
    Ok(0)
}

fn list(book: &Book) -> Result<u8, AppError> {
    let now = UnixMs(unix_ms());
    for kept in book.invitations() {
        let uses = match kept.uses {
            InvitationUses::Many => "many".to_owned(),
            InvitationUses::Once => "once".to_owned(),
            InvitationUses::UsedBy(key) => format!("used by {key}"),
        };
        let name = kept.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let open = if kept.is_expired(now) { "expired".to_owned() } else { span(kept.until.since(now)) };
        print_line(&format!("{}\t{name}\t{uses}\t{open}", kept.number))?;
    }
    Ok(0)
}

fn drop_one(home: &Home, number: u32) -> Result<u8, AppError> {
    let (changed, _) = book_file::change(home, &[Change::Uninvite { number }])?;
    if changed.outcome != ChangeOutcome::Changed {
        let what = format!("there is no invitation {number}");
        return Err(AppError::new(code::FAILED, what).hint("rsachat invite --list shows them"));
    }
    print_line(&format!("invitation {number} is taken back"))?;
    Ok(0)
}
