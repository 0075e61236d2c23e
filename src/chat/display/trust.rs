//! Sentences about trust: keys that are refused, names that are imitated, changes of the book that
//! were not written.

use super::recording_class::RecordingClass::{self, Omitted, Rows};
use crate::chat::notice::{Impersonated, KeyStatus, UnsavedChange};
use crate::chat::trust_policy::KeyRefusal;
use crate::chat::types::TrustLevel;
use crate::crypto::Fingerprint;
use crate::text::safe::SafeText;

impl KeyRefusal {
    pub(crate) fn describe(&self) -> (RecordingClass<'_>, &'static str, String) {
        match self {
            Self::KeyChanged { name, address, known, now } => (
                Omitted,
                "key_changed",
                format!(
                    "the key at {address} has CHANGED; nothing was sent\n\
                     known: {known} ({name})\n\
                     now:   {now}\n\
                     if you are sure that this is {name}: :trust {name} {now}"
                ),
            ),
            Self::PinMismatch { address, pinned, now } => (
                Omitted,
                "wrong_key",
                format!(
                    "{address} has a different key from the pinned one; nothing was sent\n\
                     pinned: {pinned}\n\
                     now:    {now}"
                ),
            ),
            Self::WrongPeer { remote, name, wanted, now } => (
                Rows,
                "wrong_key",
                format!(
                    "{remote} does not have the key of {name}; nothing was sent\n\
                     expected: {wanted}\n\
                     now:      {now}"
                ),
            ),
            Self::OwnIdentity { remote } => {
                (Omitted, "refused", format!("{remote} uses your own identity; not connected"))
            }
            Self::Blocked { name } => (
                Omitted,
                "refused",
                format!("{name} is blocked and was refused; :unblock {name} undoes that"),
            ),
            Self::NotVerified { remote, name, fingerprint } => (
                Omitted,
                "unknown_key",
                format!("refused {name} from {remote}, whose key is unverified: {fingerprint}"),
            ),
            Self::UnknownKey { remote, fingerprint } => {
                (Omitted, "unknown_key", format!("refused an unknown key from {remote}: {fingerprint}"))
            }
        }
    }
}

pub(crate) fn impostor(name: &str, claimed: &SafeText, known: &str, of: Impersonated) -> String {
    let like =
        if claimed.as_str() == known { String::new() } else { format!(", which only looks like {known}") };
    match of {
        Impersonated::Verified => format!(
            "WARNING: {name} claims to be {claimed}{like}; it is NOT the {known} you verified, its key is different"
        ),
        Impersonated::Known => {
            format!("{name} claims to be {claimed}{like}; it is not the {known} you know")
        }
        Impersonated::Word => {
            format!("{name} claims to be {claimed}{like}; that name is reserved by this program")
        }
        Impersonated::Ours if like.is_empty() => {
            format!("{name} claims to be {claimed}, which is your own name")
        }
        Impersonated::Ours => format!("{name} claims to be {claimed}, which looks like your own name"),
    }
}

pub(crate) fn not_saved(name: &str, change: UnsavedChange, why: &str) -> String {
    match change {
        UnsavedChange::Remembered => format!("{name} is not remembered: {why}"),
        UnsavedChange::Verified => format!("{name} is not marked verified: {why}"),
        UnsavedChange::KeyAccepted => format!("the new key of {name} is not accepted: {why}"),
        UnsavedChange::Forgotten => format!("{name} is not forgotten: {why}"),
        UnsavedChange::Blocked => {
            format!("{name} is blocked only until this program ends; that was not saved: {why}")
        }
        UnsavedChange::Unblocked => format!("{name} is still blocked: {why}"),
        UnsavedChange::Named => format!("{name} keeps its name: {why}"),
    }
}

/// Why a name cannot be given: it is, or looks like, `other`, which somebody has.
pub(super) fn same_name(name: &str, other: &str) -> String {
    if name == other {
        format!("a peer named {name} already exists; choose another name")
    } else {
        format!("{name} looks like {other}, which is taken; choose another name")
    }
}

/// Whom plain text goes to from here on.
pub(super) fn now_talking(name: &str, status: &KeyStatus) -> String {
    let trust = match status {
        KeyStatus::New | KeyStatus::Met => "new key, not verified",
        KeyStatus::Invited => "by your invitation, not verified",
        KeyStatus::AsInvited => "key as in the invitation, not verified",
        KeyStatus::Known(TrustLevel::Met | TrustLevel::Unverified) => "not verified",
        KeyStatus::Known(trust_level @ (TrustLevel::Verified | TrustLevel::Blocked)) => trust_level.word(),
        KeyStatus::Known(TrustLevel::Unauthenticated) => "raw wire, not authenticated",
    };
    format!("you are now talking to {name} ({trust})")
}

/// Who joins, and what is known of the key.
pub(super) fn joined(name: &str, fingerprint: &Fingerprint, status: &KeyStatus) -> String {
    match status {
        KeyStatus::New => {
            format!("{name} joined, new key {fingerprint}, unverified; compare with :verify {name}")
        }
        KeyStatus::Met => format!("{name} joined, met before, unverified"),
        KeyStatus::Invited => format!(
            "{name} joined by your invitation, new key {fingerprint}, unverified; compare with :verify {name}"
        ),
        KeyStatus::AsInvited => {
            format!("{name} joined, key as in the invitation, unverified; compare with :verify {name}")
        }
        KeyStatus::Known(TrustLevel::Met | TrustLevel::Unverified) => {
            format!("{name} joined, known key, unverified")
        }
        KeyStatus::Known(trust_level) => format!("{name} joined, {}", trust_level.word()),
    }
}
