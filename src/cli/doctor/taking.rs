//! Check of the setting `take`: whether each rule can accept anything.

use rustix::fs::{Access, access};

use super::report::Finding;
use crate::app::error::describe;
use crate::chat::{LeastTrust, TakeRule, TakenFrom};
use crate::config::Settings;
use crate::peers::book::{Book, Trust};

/// The finding on the rules, if there are any: the first that accepts nothing, or their number.
pub(super) fn check_take(config: &Settings, book: Option<&Book>) -> Option<Finding> {
    let rules = &config.take;
    let trouble = rules.iter().find_map(|rule| trouble(rule, book));
    trouble.or_else(|| {
        let words = match rules.len() {
            0 => return None,
            1 => "files of 1 peer are accepted without you".to_owned(),
            count => format!("files are accepted without you by {count} rules"),
        };
        Some(Finding::ok("take", words))
    })
}

fn trouble(rule: &TakeRule, book: Option<&Book>) -> Option<Finding> {
    if let (TakenFrom::Peer { name, least }, Some(book)) = (&rule.from, book) {
        let trust = book.find(name).map(|entry| entry.trust);
        let (what, hint) = match (trust, least) {
            (Some(Trust::Verified), _) | (Some(Trust::Unverified), LeastTrust::Chosen) => {
                return folder(rule);
            }
            (Some(Trust::Blocked | Trust::BlockedVerified), _) => {
                ("is blocked", "rsachat peers unblock NAME, or remove the rule")
            }
            (Some(_), _) => (
                "is not verified, so nothing is accepted",
                "compare safety numbers (:verify), or write verified = false",
            ),
            (None, _) => ("is not in your book", "rsachat peers list shows the names"),
        };
        return Some(Finding::warning("take", format!("{name} {what}")).hint(hint));
    }
    folder(rule)
}

/// The finding on a folder that is there and cannot be written.
fn folder(rule: &TakeRule) -> Option<Finding> {
    let folder = rule.folder.as_deref()?;
    if !std::path::Path::new(folder).exists() {
        return None;
    }
    let error = access(folder, Access::WRITE_OK | Access::EXEC_OK).err()?;
    let why = describe(&error.into());
    let text = format!("files cannot be received in {}: {why}", folder.trim_end_matches('/'));
    Some(Finding::warning("take", text).hint("name another folder with dir"))
}
