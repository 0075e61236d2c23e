//! `rsachat peers`: lists, trusts and forgets whom the book knows.

use clap::Subcommand;

use crate::chat::book::{Change, Trust};
use crate::chat::name::Name;
use crate::front::fault::{Fault, code};
use crate::front::streams::answer;
use crate::store::{Home, bookfile};

/// `rsachat peers …`
#[derive(Subcommand, Debug)]
pub(super) enum PeerTask {
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
pub(super) fn run(home: &Home, task: &PeerTask) -> Result<u8, Fault> {
    let book = bookfile::read(home)?;
    let find = |name: &str| {
        let peer = Name::parse(name).ok().and_then(|name| book.by_name(&name));
        peer.map(|peer| peer.fingerprint).ok_or_else(|| {
            Fault::new(code::FAILED, format!("no peer is called {name}")).hint("rsachat peers list")
        })
    };
    match task {
        PeerTask::List => {
            for peer in book.peers() {
                let addresses: Vec<_> = peer.addresses.iter().map(ToString::to_string).collect();
                let row = format!(
                    "{} {} {} {}",
                    peer.name,
                    peer.fingerprint,
                    peer.trust.word(),
                    addresses.join(",")
                );
                answer(row.trim_end())?;
            }
        }
        PeerTask::Trust { name } => {
            let fingerprint = find(name)?;
            bookfile::change(home, &Change::Trust { fingerprint, level: Trust::Verified })?;
            answer(&format!("{name} is marked verified, {fingerprint}"))?;
        }
        PeerTask::Forget { name } => {
            let fingerprint = find(name)?;
            bookfile::change(home, &Change::Forget { fingerprint })?;
            answer(&format!("{name} is forgotten, {fingerprint}"))?;
        }
    }
    Ok(0)
}
