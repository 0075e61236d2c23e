//! Check of the store of messages: whether it can be opened, what waits in it, and what was lost
//! with a damaged one.

use super::report::{Finding, FindingStatus};
use crate::app::error::code;
use crate::crypto::Identity;
use crate::delivery::Pair;
use crate::store::{Home, MessageStore, StoreError, quoted};

/// Room on the disk below which a store may not be able to take a message.
const LEAST_ROOM: u64 = 128 * 1024;

/// The findings about the store of a home.
pub(super) fn check_messages(home: &Home, own: &Identity) -> Vec<Finding> {
    let room = rustix::fs::statvfs(home.path()).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let store = match (check_store(home, own), room.filter(|room| *room < LEAST_ROOM)) {
        (found, Some(room)) if found.status == FindingStatus::Ok => {
            let full = format!("{} KiB are left on the disk of {}", room / 1024, quoted(home.path()));
            Finding::problem(code::MACHINE, "store", format!("{full}; {}", found.text))
                .hint("make room: until then no messages are kept")
        }
        (found, _) => found,
    };
    let damaged = MessageStore::damaged(home).into_iter().map(|path| {
        let text = format!("{} is a damaged store that was put aside", quoted(&path));
        let hint = "what waited in it was not sent, and what was received and not shown is in it: ask those \
                    who wrote, send again, then remove the file";
        Finding::warning("store", text).hint(hint)
    });
    std::iter::once(store).chain(damaged).collect()
}

fn check_store(home: &Home, own: &Identity) -> Finding {
    match MessageStore::look(home, own) {
        Ok(pairs) => {
            let pairs = pairs.iter().flat_map(|pairs| pairs.values());
            let text = match pairs.map(Pair::waiting_texts).sum() {
                0 => "no messages wait".to_owned(),
                1 => "1 message waits for its receiver".to_owned(),
                count => format!("{count} messages wait for their receivers"),
            };
            Finding::ok("store", text)
        }
        Err(StoreError::Held { process, .. }) => {
            let process = process.map_or_else(String::new, |process| format!(" (process {process})"));
            Finding::ok("store", format!("open in another rsachat{process}, whose :outbox lists what waits"))
        }
        Err(error @ StoreError::Damaged { .. }) => {
            let hint = "the next rsachat that keeps messages puts it aside and begins a new one: what waits in it \
                        is not sent, so copy the file first if you have to";
            Finding::problem(code::MACHINE, "store", error.to_string()).hint(hint)
        }
        Err(error) => {
            let hint = "until then no messages are kept, and other processes cannot use the home";
            Finding::problem(code::MACHINE, "store", error.to_string()).hint(hint)
        }
    }
}
