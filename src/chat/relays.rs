//! Relays of the settings: what is asked of them, what they say, and how each stands.

use crate::crypto::Fingerprint;
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;
use crate::relay::{Publish, PublishRefusal};

/// Order to the connection with the relays.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum RelayOrder {
    /// Read an inbox, from behind this number of its letters on, and once another is read.
    Watch { inbox: String, after: u64, behind: Option<String> },
    /// Read it no more.
    Unwatch { inbox: String },
    /// Leave a letter; [`RelayNews::Published`] or [`RelayNews::Refused`] has its ticket.
    Publish(Publish),
    /// Leave a bundle, in the same way.
    PublishBundle(Publish),
    /// Read the bundles at a name; [`RelayNews::Bundles`] has them.
    ReadBundles { name: String },
}

/// News of the connection with the relays.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "fields are what their names and types say")]
pub enum RelayNews {
    /// A relay has accepted the log-in.
    Connected { relay: RelayUrl },
    /// A relay was lost, or could not be used. Others are tried, and the same again later.
    Failed { relay: RelayUrl, why: String },
    /// A letter is at the relay.
    Published { ticket: u64 },
    /// A letter is not, or that is not known.
    Refused { ticket: u64, why: PublishRefusal },
    /// A letter has come; numbers grow in each inbox.
    Letter { inbox: String, number: u64, bytes: Vec<u8> },
    /// The bundles at a name: none, if there are none or the relay has failed.
    Bundles { name: String, bundles: Vec<Vec<u8>> },
}

/// Event of the relays.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum RelayInfo {
    Connected { relay: RelayUrl },
    // None of the relays of the settings can be used; `relay` was the last that was tried.
    Lost { relay: RelayUrl, why: String },
    // A letter, whose lines stay in the outbox.
    NotLeft { name: String, why: String },
    // Lines that are there as the program ends, by their receivers.
    Holds { waiting: Vec<(String, usize)> },
    // An invitation names a relay, and none is in the settings.
    NamedRelay { relay: String },
    // Somebody has invited us, is not there, and takes no letter; or does.
    NoFirstLetter { name: String, why: String },
    FirstLetters { name: String },
    Answered { name: String },
    // Somebody has written by an invitation of ours.
    Introduced { name: String, fingerprint: Fingerprint },
    // Nobody can.
    NoBundle { why: String },
}

/// Relays of the settings, all of them nodes of one.
#[derive(Default)]
pub(crate) struct Relays {
    all: Vec<(RelayUrl, RelayState)>,
    /// Way to them.
    via: Option<Via>,
    /// Failures since one was connected.
    failures: usize,
    /// What was told last: whether one is connected.
    told: Option<Standing>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Connected,
    Lost,
}

/// State of one.
enum RelayState {
    Untried,
    Connected,
    /// It has failed for this reason.
    Failed(String),
}

impl Relays {
    pub(crate) fn of(all: Vec<RelayUrl>, via: Option<Via>) -> Self {
        let all = all.into_iter().map(|relay| (relay, RelayState::Untried)).collect();
        Self { all, via, ..Self::default() }
    }

    pub(crate) fn is_set(&self) -> bool {
        !self.all.is_empty()
    }

    /// The relay that invitations name.
    pub(crate) fn first(&self) -> Option<&RelayUrl> {
        self.all.first().map(|(relay, _)| relay)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.all.iter().any(|(_, state)| matches!(state, RelayState::Connected))
    }

    /// Whether one is connected, or not all have been tried yet.
    pub(crate) fn may_connect(&self) -> bool {
        self.is_connected() || self.failures < self.all.len()
    }

    /// Takes note of a relay that is connected; gives what is told of that: once.
    pub(crate) fn connect(&mut self, relay: RelayUrl) -> Option<RelayInfo> {
        self.set(&relay, RelayState::Connected);
        self.failures = 0;
        let before = self.told.replace(Standing::Connected);
        (before != Some(Standing::Connected)).then_some(RelayInfo::Connected { relay })
    }

    /// Takes note of a relay that has failed; gives what is told of that: once, and where each
    /// other has failed too.
    pub(crate) fn fail(&mut self, relay: RelayUrl, why: String) -> Option<RelayInfo> {
        self.set(&relay, RelayState::Failed(why.clone()));
        self.failures += 1;
        if self.failures < self.all.len() || self.told == Some(Standing::Lost) {
            return None;
        }
        self.told = Some(Standing::Lost);
        Some(RelayInfo::Lost { relay, why })
    }

    fn set(&mut self, relay: &RelayUrl, state: RelayState) {
        if let Some(entry) = self.all.iter_mut().find(|(url, _)| url == relay) {
            entry.1 = state;
        }
    }

    /// Row of `:status`.
    pub(crate) fn status_row(&self) -> Option<String> {
        let connected = self.all.iter().find(|(_, state)| matches!(state, RelayState::Connected));
        Some(match (connected, self.all.as_slice()) {
            (Some((relay, _)), _) => format!("connected to the relay {relay}"),
            (None, []) => return None,
            (None, _) => "no relay is connected (:relay)".to_owned(),
        })
    }

    /// Rows of `:relay`: each with its state.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        self.all.iter().map(|(relay, state)| {
            let state = match state {
                RelayState::Untried => "not tried".to_owned(),
                RelayState::Connected => "connected".to_owned(),
                RelayState::Failed(why) => why.clone(),
            };
            let relay = match self.via.as_ref().filter(|via| **via != Via::Direct) {
                Some(via) => format!("{relay} via {via}"),
                None => relay.to_string(),
            };
            vec![relay, state]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_relays_are_lost_is_told_once_and_where_all_have_failed_and_so_is_that_one_stands_again() {
        let [first, second] = ["nats://a", "nats://b"].map(|url| url.parse::<RelayUrl>().unwrap());
        let mut relays = Relays::of(vec![first.clone(), second.clone()], None);
        let why = || "it closed the connection".to_owned();
        assert!(relays.connect(first.clone()).is_some());
        // One that takes over at once is no news.
        assert_eq!(relays.fail(first.clone(), why()), None);
        assert_eq!(relays.connect(second.clone()), None);
        assert_eq!(relays.status_row().unwrap(), "connected to the relay nats://b:4222");
        assert_eq!(relays.fail(second.clone(), why()), None);
        assert_eq!(
            relays.fail(first.clone(), why()),
            Some(RelayInfo::Lost { relay: first.clone(), why: why() })
        );
        assert_eq!(relays.fail(second.clone(), why()), None);
        assert_eq!(relays.status_row().unwrap(), "no relay is connected (:relay)");
        assert_eq!(relays.connect(second.clone()), Some(RelayInfo::Connected { relay: second }));
        let rows: Vec<_> = relays.rows().collect();
        assert_eq!(rows, [["nats://a:4222", "it closed the connection"], ["nats://b:4222", "connected"]]);
        assert_eq!(Relays::default().status_row(), None);
    }
}
