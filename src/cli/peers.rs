//! `rsachat peers`: list of the peer book, and changes to it.

use clap::Subcommand;

use crate::app::error::{AppError, code};
use crate::app::os::print_line;
use crate::peers::book::{Change, Trust};
use crate::store::{Home, book_file};

/// `rsachat peers …`
#[derive(Subcommand, Debug)]
pub(crate) enum PeersCommand {
    /// List everybody known
    #[command(after_help = "Examples:
  rsachat peers list
  rsachat peers list | grep unverified")]
    List,
    /// Mark a peer verified
    #[command(after_help = "Examples:
  rsachat peers trust bob")]
    Trust {
        /// The peer's name in your book
        name: String,
    },
    /// Remove a peer from the book
    #[command(after_help = "Examples:
  rsachat peers forget bob")]
    Forget {
        /// The peer's name in your book
        name: String,
    },
}

/// Runs `rsachat peers …`.
pub(crate) fn run(home: &Home, task: &PeersCommand) -> Result<u8, AppError> {
    let book = book_file::read(home)?;
    let fingerprint_of = |name: &str| {
        let peer = book.find(name);
        peer.map(|peer| peer.fingerprint).ok_or_else(|| {
            AppError::new(code::FAILED, format!("no peer is called {name}")).hint("rsachat peers list")
        })
    };
    match task {
        PeersCommand::List => {
            for peer in book.peers() {
                let addresses: Vec<_> = peer.addresses.iter().map(ToString::to_string).collect();
                let (name, trust, addresses) = (&peer.name, peer.trust.word(), addresses.join(","));
                print_line(format!("{name} {} {trust} {addresses}", peer.fingerprint).trim_end())?;
            }
        }
        PeersCommand::Trust { name } => {
            let fingerprint = fingerprint_of(name)?;
            book_file::change(home, &Change::Trust { fingerprint, level: Trust::Verified })?;
            print_line(&format!("{name} is marked verified, {fingerprint}"))?;
        }
        PeersCommand::Forget { name } => {
            let fingerprint = fingerprint_of(name)?;
            book_file::change(home, &Change::Forget { fingerprint })?;
            print_line(&format!("{name} is forgotten, {fingerprint}"))?;
        }
    }
    Ok(0)
}
