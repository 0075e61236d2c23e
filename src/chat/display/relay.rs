//! Sentences of relays, and of letters by them.

use super::delivery::left_at_relay;
use crate::chat::relays::RelayInfo;

impl RelayInfo {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Connected { relay } => format!("connected to the relay {relay}"),
            Self::NotLeft { name, why } => {
                format!("the relay has not taken a letter to {name}, which stays in the outbox: {why}")
            }
            Self::Holds { waiting } => left_at_relay(waiting),
            Self::NamedRelay { relay } => format!(
                "the invitation names a relay too: a prompt with relay = [\"{relay}\"] in its settings can leave a letter there"
            ),
            Self::NoFirstLetter { name, why } => format!("no letter can be left for {name}: {why}"),
            Self::FirstLetters { name } => format!(
                "lines to {name} go to the relay now; the first letter is signed, so {name} could show it to others, \
                 and nobody has answered yet"
            ),
            Self::Answered { name } => {
                format!("{name} has answered: what goes to {name} by the relay from here on is not signed")
            }
            Self::Introduced { name, fingerprint } => {
                format!("{name} has come by your invitation, in a letter, not verified: {fingerprint}")
            }
            Self::NoBundle { why } => {
                format!(
                    "nobody can write by your invitations before a call: the relay has not taken your key: {why}"
                )
            }
            Self::Lost { relay, why } => {
                format!("no relay is connected, and they are tried again: {relay}: {why} (:relay)")
            }
        }
    }
}
