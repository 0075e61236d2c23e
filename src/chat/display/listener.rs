//! Sentence on a listener: where it waits, and where others can call it.

use std::net::SocketAddr;

use crate::peers::address::BoundAddresses;

/// The sentence.
pub(crate) fn listener(at: &BoundAddresses, dial: &[SocketAddr]) -> String {
    let dial: Vec<_> = dial.iter().map(ToString::to_string).collect();
    listening(&at.to_string(), &dial)
}

/// The same of addresses as they are written.
pub(crate) fn listening(at: &str, dial: &[String]) -> String {
    match dial {
        [] => format!("listening on {at}"),
        dial => format!("listening on {at} (others call {})", dial.join(" or ")),
    }
}
