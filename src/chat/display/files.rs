//! Sentences about file transfer.

use super::RecordingClass;
use super::RecordingClass::{AnyRows, RowsAbout};
use super::delivery::{RECEIVERS_NAMED, enumerated};
use crate::chat::notice::{FileInfo, FileWarning, OfferTime, OfferedFiles};
use crate::text::byte_count::words as size;
use crate::text::safe::SafeText;
use crate::wire::{CancelReason, DeclineReason, OfferKind};

impl FileInfo {
    pub(crate) fn describe(&self) -> (RecordingClass<'_>, String) {
        match self {
            Self::Offered { to, number, what, when: OfferTime::Now } => {
                (AnyRows, format!("offered {} to {to} (:cancel {number})", said(what)))
            }
            Self::Offered { to, number, what, when: OfferTime::Later } => (
                AnyRows,
                format!(
                    "{to} is away; {} is offered when you are both connected (:cancel {number})",
                    said(what)
                ),
            ),
            Self::OfferedAlready { to, number, what } => {
                (AnyRows, format!("going on with {} to {to} (:cancel {number})", said(what)))
            }
            Self::Offers { from, number, what } => (
                RowsAbout(from),
                format!("{from} offers {} (:accept {number}, :decline {number})", said(what)),
            ),
            Self::Taking { from, what, .. } => {
                (RowsAbout(from), format!("taking {} from {from}", said(what)))
            }
            Self::Taken { by, file, .. } => (AnyRows, format!("{by} takes {file}")),
            Self::TakenLater { from, number } => {
                (AnyRows, format!("{from} is away; {number} comes when you are both connected"))
            }
            Self::TakenAlready { number } => (AnyRows, format!("{number} is accepted already (:files)")),
            Self::NotTaken { from, file, .. } => (AnyRows, format!("declined {file} from {from}")),
            Self::Delivered { to, file, bytes, .. } => {
                (AnyRows, format!("{to} has {file} ({})", size(*bytes)))
            }
            Self::Received { from, path, bytes, .. } => {
                let path = SafeText::line(path);
                (AnyRows, format!("received {path} from {from} ({})", size(*bytes)))
            }
            Self::Cancelled { with, file, .. } => (AnyRows, format!("cancelled {file} with {with}")),
            Self::Dropped { with, offers: 1 } => (AnyRows, format!("dropped 1 offer between you and {with}")),
            Self::Dropped { with, offers } => {
                (AnyRows, format!("dropped {offers} offers between you and {with}"))
            }
            Self::LeftUnfinished { transfers } => {
                (AnyRows, left_unfinished(transfers, "the next prompt or rsachat serve"))
            }
            Self::Expired { with, file, .. } => (
                AnyRows,
                format!("the offer of {file} has ended: nothing of it has moved for seven days ({with})"),
            ),
            Self::ListedLater { from, number } => (
                AnyRows,
                format!("{from} is away; what is in {number} is listed when you are both connected"),
            ),
            Self::NoTransfers => (AnyRows, "no files are offered".to_owned()),
        }
    }
}

/// What is offered, with its size.
fn said(what: &OfferedFiles) -> String {
    match what.kind {
        OfferKind::File => format!("{}, {}", what.name, size(what.bytes)),
        OfferKind::Folder if what.entries == 1 => format!("{}/, 1 file, {}", what.name, size(what.bytes)),
        OfferKind::Folder => format!("{}/, {} files, {}", what.name, what.entries, size(what.bytes)),
    }
}

impl FileInfo {
    /// The sentence where nobody types the commands of the prompt.
    pub(super) fn sentence_of_command(&self) -> String {
        match self {
            Self::Offered { to, what, when: OfferTime::Now, .. } => format!("offered {} to {to}", said(what)),
            Self::Offered { to, what, when: OfferTime::Later, .. } => {
                format!("{} is offered when {to} is connected", said(what))
            }
            Self::OfferedAlready { to, what, .. } => format!("going on with {} to {to}", said(what)),
            Self::Offers { from, what, .. } => {
                format!("{from} offers {}; it waits for a prompt of this home", said(what))
            }
            other => other.describe().1,
        }
    }
}

impl FileWarning {
    /// The sentence where nobody types the commands of the prompt.
    pub(super) fn sentence_of_command(&self) -> String {
        match self {
            Self::Stopped { by, file, reason, .. } => {
                format!(
                    "{file} has stopped at {by}{}; it goes on when it is sent again",
                    cancel_reason(*reason)
                )
            }
            Self::NotFinished { from, file, why, .. } => {
                format!("{file} from {from} has stopped: {why}; it goes on when {from} sends it again")
            }
            other => other.describe().2,
        }
    }

    pub(crate) fn describe(&self) -> (RecordingClass<'_>, &'static str, String) {
        match self {
            Self::NotOffered { file, why } => {
                (AnyRows, "file", format!("{} is not offered: {why}", SafeText::line(file)))
            }
            Self::Skipped { file, skipped: 1 } => {
                (AnyRows, "file", format!("1 link or special file in {file} is not sent"))
            }
            Self::Skipped { file, skipped } => {
                (AnyRows, "file", format!("{skipped} links and special files in {file} are not sent"))
            }
            Self::RawWire => (AnyRows, "file", "the raw wire carries no files".to_owned()),
            Self::TakesNoFiles { name } => {
                (RowsAbout(name), "file", format!("{name}'s program takes no files; nothing was offered"))
            }
            Self::TooLarge { from, what, most } => (
                RowsAbout(from),
                "file",
                format!("{from} offers {}: declined, at most {} are taken", said(what), size(*most)),
            ),
            Self::Declined { by, file, reason, .. } => {
                (RowsAbout(by), "file", format!("{by} declined {file}{}", decline_reason(*reason)))
            }
            Self::Cancelled { by, file, reason, .. } => {
                (RowsAbout(by), "file", format!("{by} cancelled {file}{}", cancel_reason(*reason)))
            }
            Self::Stopped { by, number, file, reason } => (
                RowsAbout(by),
                "file",
                format!(
                    "{file} has stopped{}; it goes on when {by} accepts it again (:cancel {number})",
                    cancel_reason(*reason)
                ),
            ),
            Self::NotFinished { from, number, file, why } => {
                (RowsAbout(from), "file", format!("{file} from {from} has stopped: {why} (:accept {number})"))
            }
            Self::SourceFailed { file, why, .. } => (AnyRows, "file", format!("{file} was not sent: {why}")),
            Self::NotReceived { from, file, why, .. } => {
                (RowsAbout(from), "file", format!("{file} from {from} was not received: {why}"))
            }
            Self::NotAccepted { from, file, why, .. } => {
                (RowsAbout(from), "file", format!("{file} from {from} is not accepted yet: {why}"))
            }
            Self::NoSuchTransfer { number } => {
                (AnyRows, "trouble", format!("no offer has the number {number}; :files lists them"))
            }
            Self::Arrived { number, path } => {
                let path = SafeText::line(path);
                (AnyRows, "trouble", format!("{number} has arrived already: it is {path}"))
            }
            Self::DeclinedBefore { number } => {
                (AnyRows, "trouble", format!("{number} was declined; ask for it to be offered again"))
            }
            Self::CancelledBefore { number } => {
                (AnyRows, "trouble", format!("{number} was cancelled; ask for it to be offered again"))
            }
            Self::OwnOffer { number } => {
                (AnyRows, "trouble", format!("{number} is your own offer; :cancel {number} takes it back"))
            }
        }
    }
}

/// Of transfers that are left as a program ends, and what goes on with them.
pub(crate) fn left_unfinished(transfers: &[String], goes_on: &str) -> String {
    let (named, others) = transfers.split_at(transfers.len().min(RECEIVERS_NAMED));
    let [have, them] = if transfers.len() == 1 { ["has", "it"] } else { ["have", "them"] };
    let what = enumerated(named.to_vec(), others.len());
    format!("{what} {have} not arrived yet; {goes_on} goes on with {them} when you are both connected")
}

fn decline_reason(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::Unwanted | DeclineReason::Other(_) => "",
        DeclineReason::TooLarge => ": it is larger than is taken there",
        DeclineReason::NoRoom => ": there is no room for it",
        DeclineReason::Expired => ": it is no longer known there",
        DeclineReason::CannotWrite => ": it cannot be written there",
        DeclineReason::TooMany => {
            ": too many of your offers wait there for an answer; offer it again when some have one"
        }
        DeclineReason::NotChosen => {
            ": files are taken only from peers that were chosen there, with :to for example; offer it again then"
        }
    }
}

fn cancel_reason(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::User | CancelReason::Other(_) => "",
        CancelReason::SourceChanged => ": it changed since it was offered, or can no longer be read",
        CancelReason::Damaged => ": what arrived was not what was sent",
        CancelReason::NoRoom => ": there is no room for it",
        CancelReason::CannotWrite => ": it cannot be written there",
    }
}
