//! Probes: callers whose connection came to nothing before they proved any key, such as scans and
//! programs of other protocols. The first one has a row, and all are counted for `:status`.

use std::collections::BTreeMap;

use super::display::PEM_BEGINS;
use crate::session::{CloseReason, OaepCloseReason};

/// Kind of a probe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ProbeKind {
    Silent,
    HungUp,
    OtherProtocol,
    Malformed,
}

impl ProbeKind {
    /// The kind of a caller that ended like this; none where a user can act on it: another version,
    /// the wrong wire, a refused key.
    pub(crate) fn of(reason: &CloseReason) -> Option<Self> {
        match reason {
            CloseReason::NoData
            | CloseReason::HandshakeTimeout
            | CloseReason::Oaep(OaepCloseReason::NoData) => Some(Self::Silent),
            CloseReason::ConnectionLost { .. }
            | CloseReason::LostInHandshake
            | CloseReason::Oaep(OaepCloseReason::Gone) => Some(Self::HungUp),
            CloseReason::NotRsachat(first) if !first.starts_with(PEM_BEGINS) => Some(Self::OtherProtocol),
            CloseReason::Oaep(OaepCloseReason::NoPem(_)) => Some(Self::OtherProtocol),
            CloseReason::Handshake
            | CloseReason::Wire(_)
            | CloseReason::ProtocolViolation
            | CloseReason::Record => Some(Self::Malformed),
            _ => None,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Silent => "said nothing",
            Self::HungUp => "hung up",
            Self::OtherProtocol => "spoke another protocol",
            Self::Malformed => "sent malformed data",
        }
    }
}

/// Probes of a session, by their kind.
#[derive(Debug, Default)]
pub(crate) struct Probes(BTreeMap<ProbeKind, u64>);

impl Probes {
    /// Counts one; returns whether it is the first of all.
    pub(crate) fn count(&mut self, kind: ProbeKind) -> bool {
        let is_first = self.0.is_empty();
        *self.0.entry(kind).or_default() += 1;
        is_first
    }

    /// The row of `:status`, if there were any.
    pub(crate) fn row(&self) -> Option<String> {
        let kinds: Vec<_> = self.0.iter().map(|(kind, count)| format!("{count} {}", kind.words())).collect();
        let all: u64 = self.0.values().sum();
        (all > 0).then(|| format!("callers that proved no key: {all} ({})", kinds.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_proved_no_key_are_counted_by_what_they_did() {
        let mut probes = Probes::default();
        assert_eq!(probes.row(), None);
        let reasons = [
            CloseReason::NoData,
            CloseReason::NotRsachat(b"GET / HTTP/1.1\r\n".to_vec()),
            CloseReason::HandshakeTimeout,
            CloseReason::LostInHandshake,
            CloseReason::Handshake,
        ];
        let first = reasons.map(|reason| probes.count(ProbeKind::of(&reason).unwrap()));
        assert_eq!(first, [true, false, false, false, false]);
        let row = "callers that proved no key: 5 (2 said nothing, 1 hung up, 1 spoke another protocol, \
                   1 sent malformed data)";
        assert_eq!(probes.row().as_deref(), Some(row));
        // On these a person can act.
        let raw = CloseReason::NotRsachat(b"-----BEGIN PUBLI".to_vec());
        for reason in [raw, CloseReason::PeerAbort, CloseReason::LocalReject, CloseReason::PeerBusy] {
            assert_eq!(ProbeKind::of(&reason), None, "{reason:?}");
        }
    }
}
