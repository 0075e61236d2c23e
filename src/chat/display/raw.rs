//! The sentences of the raw wire: what it does not give, and what its peers do.

use crate::chat::notice::RawInfo;
use crate::limits;
use crate::session::OaepCloseReason;
use crate::text::safe::SafeText;

/// How every PEM begins, as far as a stranger's first bytes are kept.
pub(crate) const PEM_BEGINS: &[u8] = b"-----BEGIN";

pub(crate) fn info_words(info: &RawInfo) -> String {
    match info {
        RawInfo::Banner => {
            "raw wire: no authentication, no forward secrecy, no integrity of order or count; \
                            for the tutorial's programs and for learning"
                .into()
        }
        RawInfo::Joined { name, at, key: Some((bits, fingerprint)) } => format!(
            "{name} is at {at}, raw, key of {bits} bits {fingerprint}; nothing is signed: anyone on the path can \
             write in this name"
        ),
        RawInfo::Joined { name, at, key: None } => format!(
            "{name} is at {at}, raw, without a key: you can read it, not answer; nothing is signed: anyone can \
             write in this name"
        ),
        RawInfo::NoReceipts { name } => {
            format!("sent to {name}; no receipt exists on the raw wire, here or for what follows")
        }
        RawInfo::Parts { count } => format!("sent as {count} parts"),
        RawInfo::Waits { name } => {
            format!("{name} takes one line at a time: this one goes when the answer to the last has come")
        }
        RawInfo::Answered { name } => format!(
            "{name} answered, sealed to its own key: nobody but {name} can read that, nor what else it answers \
             (told once)"
        ),
    }
}

pub(crate) fn no_key_words(name: &str) -> String {
    format!(
        "not sent: {name} gave no key, so nothing can be sealed to it, and the tutorial's client would die of an \
         answer; :close hangs up"
    )
}

pub(crate) fn no_identity_words(name: &str) -> String {
    format!("{name} is on the raw wire, which proves nobody's key")
}

pub(crate) fn unread_words(whom: &str, in_a_row: u32) -> String {
    format!("a message from {whom} could not be read ({in_a_row} of {})", limits::RAW_UNREAD)
}

/// A peer of the raw wire where our own is spoken.
pub(crate) fn at_native_words(whom: &str) -> String {
    format!("{whom} speaks the raw wire; for that, add --wire oaep to :connect or :listen")
}

/// Somebody who waits where our own wire is spoken: on the raw one it is the listener who begins.
pub(crate) fn mute_words(whom: &str) -> String {
    format!(
        "{whom} said nothing and did not finish the handshake in 10 s; if it speaks the raw wire, add --wire oaep"
    )
}

pub(crate) fn ending_words(whom: &str, ending: &OaepCloseReason, because: &str) -> String {
    match ending {
        OaepCloseReason::Native => {
            format!("{whom} speaks rsachat's own wire, this is the raw one; leave out --wire oaep")
        }
        OaepCloseReason::NoPem(first) => {
            let first = SafeText::line_from_bytes(first);
            format!("{whom} sent no public key in PEM form; it began with \"{first}\"")
        }
        OaepCloseReason::NoKey => format!(
            "{whom} sent no public key{because}; if it is rsachat on its own wire, leave out --wire oaep"
        ),
        OaepCloseReason::EndlessKey => format!("{whom} sent a public key that does not end; closed"),
        OaepCloseReason::Key(error) => format!("the key of {whom} is refused, and not kept: {error}"),
        OaepCloseReason::OutOfStep => format!("the stream from {whom} is out of step; closed"),
        OaepCloseReason::NoReply => format!(
            "lost {whom}: it hung up before it had said anything{because}; if it is the tutorial's server, connect \
             with --one-way"
        ),
        OaepCloseReason::Gone => format!("{whom} hung up before it had said anything{because}"),
        OaepCloseReason::NoData => {
            format!("{whom} said nothing for {} min; closed", limits::RAW_MUTE_MS / 60_000)
        }
    }
}
