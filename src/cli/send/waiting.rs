//! Sentences of a command that waits for the receipts of a peer that is connected.

use std::time::Duration;

use crate::events::{OutputEvent, OutputFormat, emit};

/// Time without a receipt after which it is said what is waited for.
pub(super) const TOLD_AFTER: Duration = Duration::from_secs(3);
/// The peer, where it is called at an address.
pub(super) const OTHER_SIDE: &str = "the other side";

/// Says what is waited for.
pub(super) fn tell_waiting(who: &str, format: OutputFormat) {
    let what =
        "is connected, and has not acknowledged everything yet: it has to be shown or written there first";
    emit(&OutputEvent::Warning { kind: "waiting", message: format!("{who} {what}") }, format);
}

/// Says that the time for it has passed.
pub(super) fn not_in_time(who: &str) -> String {
    format!("{who} is connected, and has not acknowledged everything in time")
}
