//! Card of a safety number: the number, and what to do with it.

use crate::chat::types::TrustLevel;
use crate::crypto::{Fingerprint, SafetyNumber};

/// Safety number as it is shown large, with a code for a camera and instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SafetyCard {
    /// Title.
    pub(crate) title: String,
    /// Groups, four in a row.
    pub(crate) groups: Vec<String>,
    /// The peer's key, as a row.
    pub(crate) key: String,
    /// Content of the QR code: the peer's fingerprint.
    pub(crate) code: String,
    /// Instructions, where the code is shown.
    pub(crate) how: Vec<String>,
    /// Instructions, where there is no room for it.
    pub(crate) how_without_code: Vec<String>,
}

impl SafetyCard {
    /// The card of a peer. Each row has room for the longest name, or is one that may be cut.
    pub(crate) fn new(
        name: &str,
        number: &SafetyNumber,
        fingerprint: &Fingerprint,
        trust_level: TrustLevel,
    ) -> Self {
        /// What a difference means.
        const DIFFERS: &str = "if anything differs, somebody may be between you: do not go on";
        let groups = number.groups().chunks(4);
        let trust = once_compared(name, trust_level, "everything matches");
        Self {
            title: format!("safety number for you and {name}: both must see the same"),
            groups: groups
                .map(|row| row.iter().map(|group| format!("{group:05}")).collect::<Vec<_>>().join("   "))
                .collect(),
            key: format!("their key: {fingerprint}"),
            code: fingerprint.to_string(),
            how: vec![
                "call or meet and compare the digits, or let them compare the code with :showkey".to_owned(),
                trust.clone(),
                DIFFERS.to_owned(),
            ],
            how_without_code: vec![
                "call or meet and compare the digits".to_owned(),
                trust,
                DIFFERS.to_owned(),
            ],
        }
    }
}

/// Next step once the number was compared, where it is the same.
pub(super) fn once_compared(name: &str, trust_level: TrustLevel, same: &str) -> String {
    match trust_level {
        TrustLevel::Verified => format!("{name} is verified already"),
        TrustLevel::Blocked => format!("{name} is blocked; :unblock comes first"),
        TrustLevel::Met | TrustLevel::Unverified | TrustLevel::Unauthenticated => {
            format!("if {same}, :trust {name}")
        }
    }
}
