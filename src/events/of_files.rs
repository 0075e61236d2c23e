//! Events of file transfers: offers of peers, and what becomes of each transfer.

use super::{FileEvent, OfferEvent, OutputEvent};
use crate::chat::{FileInfo, FileWarning, TransferProgress};
use crate::wire::OfferKind;

impl FileEvent {
    fn new(number: u32, state: &'static str, with: &str, message: String) -> Self {
        let with = Some(with.to_owned());
        Self { number, state, with, name: None, bytes: None, written: None, path: None, message }
    }

    fn named(self, name: &impl ToString) -> Self {
        Self { name: Some(name.to_string()), ..self }
    }
}

/// The event of a notice, with its words.
pub(crate) fn of_info(info: &FileInfo, message: String) -> OutputEvent {
    let event = |number: &u32, state, with: &str| FileEvent::new(*number, state, with, message.clone());
    OutputEvent::File(match info {
        FileInfo::Offers { from, number, what } => {
            return OutputEvent::Offer(OfferEvent {
                number: *number,
                from: from.clone(),
                name: what.name.to_string(),
                folder: what.kind == OfferKind::Folder,
                entries: what.entries,
                bytes: what.bytes,
                message,
            });
        }
        FileInfo::Offered { to, number, what, .. } | FileInfo::OfferedAlready { to, number, what } => {
            FileEvent { bytes: Some(what.bytes), ..event(number, "offered", to).named(&what.name) }
        }
        FileInfo::Taking { from, number, what } => {
            FileEvent { bytes: Some(what.bytes), ..event(number, "accepted", from).named(&what.name) }
        }
        FileInfo::Taken { by, number, file } => event(number, "accepted", by).named(file),
        FileInfo::NotTaken { from, number, file } => event(number, "declined", from).named(file),
        FileInfo::Delivered { to, number, file, bytes } => {
            FileEvent { bytes: Some(*bytes), ..event(number, "filed", to).named(file) }
        }
        FileInfo::Received { from, number, path, bytes } => {
            let (bytes, path) = (Some(*bytes), Some(path.clone()));
            FileEvent { bytes, path, ..event(number, "filed", from) }
        }
        FileInfo::Cancelled { with, number, file } => event(number, "cancelled", with).named(file),
        FileInfo::Expired { with, number, file } => event(number, "expired", with).named(file),
        FileInfo::Dropped { .. }
        | FileInfo::LeftUnfinished { .. }
        | FileInfo::TakenLater { .. }
        | FileInfo::TakenAlready { .. }
        | FileInfo::ListedLater { .. }
        | FileInfo::NoTransfers => return OutputEvent::Notice { message },
    })
}

/// The event of a warning about a transfer that has a number, with its words.
pub(crate) fn of_warning(warning: &FileWarning, message: String) -> Option<OutputEvent> {
    let (number, state, with, file) = match warning {
        FileWarning::Declined { by, number, file, .. } => (number, "declined", Some(by), file),
        FileWarning::Cancelled { by, number, file, .. } => (number, "cancelled", Some(by), file),
        FileWarning::Stopped { by, number, file, .. } => (number, "stopped", Some(by), file),
        FileWarning::NotFinished { from, number, file, .. }
        | FileWarning::NotAccepted { from, number, file, .. } => (number, "stopped", Some(from), file),
        FileWarning::NotReceived { from, number, file, .. } => (number, "failed", Some(from), file),
        FileWarning::SourceFailed { number, file, .. } => (number, "failed", None, file),
        _ => return None,
    };
    let with = with.cloned();
    let event = FileEvent::new(*number, state, "", message).named(file);
    Some(OutputEvent::File(FileEvent { with, ..event }))
}

/// How far a transfer is.
pub(crate) fn of_progress(progress: &TransferProgress) -> OutputEvent {
    let TransferProgress { number, name, written, .. } = progress;
    OutputEvent::File(FileEvent {
        number: *number,
        state: "moving",
        with: None,
        name: Some(name.clone()),
        bytes: None,
        written: Some(*written),
        path: None,
        message: format!("{name}: {written} of {} are written", progress.total),
    })
}
