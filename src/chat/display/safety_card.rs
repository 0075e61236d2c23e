//! Card of a safety number: the number, and what to do with it.

use crate::crypto::{Fingerprint, SafetyNumber};

/// Safety number as it is shown large, with a code for a camera and instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SafetyCard {
    /// Title.
    pub(crate) title: String,
    /// Groups, four in a row.
    pub(crate) groups: Vec<String>,
    /// Content of the QR code: the peer's fingerprint.
    pub(crate) code: String,
    /// Instructions, where the code is shown.
    pub(crate) how: Vec<String>,
    /// Instructions, where there is no room for it.
    pub(crate) how_without_code: Vec<String>,
}

impl SafetyCard {
    /// The card of a peer.
    pub(crate) fn new(name: &str, number: &SafetyNumber, fingerprint: &Fingerprint) -> Self {
        /// What a difference means.
        const DIFFERS: &str = "if anything differs, somebody is between you: do not go on";
        let groups = number.groups().chunks(4);
        let key = format!("key of {name}: {fingerprint}");
        Self {
            title: format!("safety number for you and {name}; {name} must see the same"),
            groups: groups
                .map(|row| row.iter().map(|group| format!("{group:05}")).collect::<Vec<_>>().join("   "))
                .collect(),
            code: fingerprint.to_string(),
            how: vec![
                key.clone(),
                format!("call {name} or meet: read the digits to each other, or let {name} scan the code"),
                format!("and compare it with :showkey there; if everything matches, :trust {name}"),
                DIFFERS.to_owned(),
            ],
            how_without_code: vec![
                key,
                format!(
                    "call {name} or meet, and read the digits to each other; if everything matches, :trust {name}"
                ),
                DIFFERS.to_owned(),
            ],
        }
    }
}
