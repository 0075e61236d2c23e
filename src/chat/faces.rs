//! Faces: front ends of one chat, each with an addressee, a held line and counts of its own; and
//! the notices that go to one of them alone.

use std::collections::{BTreeMap, BTreeSet};

use super::addressee::{Addressee, AddresseeMark, FirstCaller, HeldLine};
use super::io::Input;
use super::notice::{DeliveryInfo, DeliveryWarning, FileInfo, Info, Notice, Warning};
use super::relays::RelayInfo;
use super::types::{InputOrigin, PeerId};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, FaceId};
use crate::limits;
use crate::text::shell::below_home;
use crate::time::MonoMs;

/// One front end.
#[derive(Debug, Default)]
pub(crate) struct Face {
    pub(super) addressee: Addressee,
    /// Changes whenever plain text would go to another.
    pub(super) mark: AddresseeMark,
    /// Callers that become addressed where nobody was addressed yet.
    pub(crate) first_caller: FirstCaller,
    /// Line that waits for another Enter.
    pub(crate) question: Option<HeldLine>,
    /// Names and words that lines were held for, each once.
    pub(crate) asked: BTreeSet<String>,
    pub(crate) input: InputOrigin,
    /// Lines that were not accepted.
    pub(crate) refused_lines: u64,
    /// Hints that `exit` is a text.
    pub(crate) quit_hints: u64,
    pub(super) unread: Unread,
    pub(crate) leaves: Leaves,
    /// Folder in which its paths begin, if that is not the one of this process.
    pub(super) folder: Option<String>,
    /// Texts that it has said and that are kept, by peer and number.
    pub(crate) said: BTreeSet<(Fingerprint, u64)>,
    /// Number of those that another has dropped, or whose time has passed.
    pub(crate) lost_lines: u64,
    pub(crate) stage: FaceStage,
}

/// How far the input of a front end is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum FaceStage {
    /// More may come.
    #[default]
    Open,
    /// It has ended, and the receipts of what it has said are waited for.
    InputEnded {
        /// The end, or the last sign since that a peer gets what is kept for it.
        last_progress: MonoMs,
    },
    /// The user leaves.
    Leaving {
        /// Moment to which receipts are waited for.
        until: MonoMs,
    },
    /// Nothing that is kept is waited for any more.
    Over,
}

impl FaceStage {
    /// Moment at which what the peers have on their disks is waited for no more.
    pub(crate) fn deadline(self) -> Option<MonoMs> {
        match self {
            Self::InputEnded { last_progress } => Some(last_progress + limits::RECEIPT_MS),
            Self::Leaving { until } => Some(until),
            Self::Open | Self::Over => None,
        }
    }
}

impl Face {
    /// A path that its user has written.
    pub(crate) fn path(&self, written: String) -> String {
        match &self.folder {
            Some(folder) if !written.starts_with('/') && below_home(&written).is_none() => {
                format!("{folder}/{written}")
            }
            _ => written,
        }
    }
}

/// What stays of a front end that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Leaves {
    /// What it has said: that goes out later.
    #[default]
    Texts,
    /// Nothing: what no peer has is taken back.
    Nothing,
}

/// Messages of each connection that came while another peer was addressed.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) by_conn: BTreeMap<ConnId, usize>,
    total: usize,
}

impl Unread {
    pub(super) fn add(&mut self, conn: ConnId) {
        *self.by_conn.entry(conn).or_default() += 1;
        self.total += 1;
    }

    pub(super) fn forget(&mut self, conn: ConnId) {
        self.total -= self.by_conn.remove(&conn).unwrap_or(0);
    }
}

impl Face {
    pub(crate) fn addressee(&self) -> &Addressee {
        &self.addressee
    }

    /// Peer that plain text goes to, whether it is connected or not.
    pub(crate) fn addressed_peer(&self) -> Option<PeerId> {
        if let Addressee::Peer(id, _) = &self.addressee { Some(*id) } else { None }
    }

    pub(crate) fn mark(&self) -> AddresseeMark {
        self.mark
    }

    /// Messages of all peers that came while another was addressed.
    pub(crate) fn unread(&self) -> usize {
        self.unread.total
    }

    /// The same of each connection.
    pub(crate) fn unread_by_conn(&self) -> impl Iterator<Item = (ConnId, usize)> {
        self.unread.by_conn.iter().map(|(conn, count)| (*conn, *count))
    }

    pub(super) fn change_addressee(&mut self, addressee: Addressee) {
        if self.addressee != addressee {
            self.mark.0 += 1;
        }
        self.addressee = addressee;
    }
}

/// All faces; the own one of the process is always there.
#[derive(Debug, Default)]
pub(crate) struct Faces {
    pub(super) own: Face,
    pub(super) others: BTreeMap<FaceId, Face>,
    /// Stands for one that is gone while what it has asked for comes about.
    gone: Face,
    /// The one whose input is handled: the own one, where it is nobody's.
    pub(super) current: Option<FaceId>,
}

impl Faces {
    pub(crate) fn get(&self, face: FaceId) -> &Face {
        match face {
            FaceId::OWN => &self.own,
            face => self.others.get(&face).unwrap_or(&self.gone),
        }
    }

    pub(crate) fn get_mut(&mut self, face: FaceId) -> &mut Face {
        match face {
            FaceId::OWN => &mut self.own,
            face => self.others.get_mut(&face).unwrap_or(&mut self.gone),
        }
    }

    /// Forgets the messages of a connection that is gone.
    pub(super) fn forget_unread(&mut self, conn: ConnId) {
        for (_, face) in self.each() {
            face.unread.forget(conn);
        }
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = (FaceId, &mut Face)> {
        let others = self.others.iter_mut().map(|(id, face)| (*id, face));
        [(FaceId::OWN, &mut self.own)].into_iter().chain(others)
    }
}

impl Input<'_> {
    /// Whether it comes from a front end, and not from the machine.
    pub(crate) fn is_of_face(&self) -> bool {
        matches!(
            self,
            Self::Line(_)
                | Self::Typed { .. }
                | Self::DropQuestion
                | Self::Command(_)
                | Self::Text(_)
                | Self::TextTo { .. }
                | Self::TextUntil { .. }
                | Self::Ask { .. }
                | Self::LineRefused { .. }
                | Self::LineTooLong { .. }
                | Self::LineNotText { .. }
                | Self::Undeliverable { .. }
                | Self::Cancel
                | Self::ExitRequest(_)
        )
    }
}

impl Notice {
    /// Whether every face is told, whichever has caused it: what happens to peers, keys, listeners
    /// and the book; not what answers one line.
    pub(crate) fn is_for_all(&self) -> bool {
        match self {
            Self::Message(_) | Self::Counted(_) => true,
            Self::Own(_) | Self::Answer(_) | Self::Table(_) | Self::Whole(_) | Self::History { .. } => false,
            Self::Info(info) => !matches!(
                info,
                Info::Addressed { .. }
                    | Info::Connecting { .. }
                    | Info::NowTalking { .. }
                    | Info::AddressedAway { .. }
                    | Info::AlreadyConnected { .. }
                    | Info::Safety { .. }
                    | Info::Notify { .. }
                    | Info::NoLog
                    | Info::Copied { .. }
                    | Info::Saved { .. }
                    | Info::NoHistory
                    | Info::Greeting
                    | Info::QuitHint
                    | Info::ExitHint
                    | Info::File(FileInfo::LeftUnfinished { .. })
                    | Info::Relay(RelayInfo::Holds { .. })
                    | Info::Delivery(
                        DeliveryInfo::AddressedLater { .. }
                            | DeliveryInfo::LeftWaiting { .. }
                            | DeliveryInfo::Queued { .. }
                            | DeliveryInfo::NothingWaits
                            | DeliveryInfo::TakenBack { .. }
                            | DeliveryInfo::History { .. }
                    )
            ),
            Self::Warning(Warning::AddressFailed { warning }) => {
                !matches!(**warning, Warning::Unreachable { .. })
            }
            Self::Warning(warning) => matches!(
                warning,
                Warning::ListenFailed { .. }
                    | Warning::KeyFailed { .. }
                    | Warning::Refused(_)
                    | Warning::Book { .. }
                    | Warning::NotSaved { .. }
                    | Warning::BlocksLost { .. }
                    | Warning::Impostor { .. }
                    | Warning::SharedPlace { .. }
                    | Warning::HandshakeFailed { .. }
                    | Warning::ConnectionLost { .. }
                    | Warning::NotReceived { .. }
                    | Warning::NotDecrypted { .. }
                    | Warning::KoreanWindows { .. }
                    | Warning::LogFailed { .. }
                    | Warning::Delivery(
                        DeliveryWarning::NotKeptFrom { .. }
                            | DeliveryWarning::NotInHistory { .. }
                            | DeliveryWarning::StoreUnusable { .. }
                            | DeliveryWarning::StoreDamaged { .. }
                            | DeliveryWarning::OlderThanPeer { .. }
                            | DeliveryWarning::MissingHere { .. }
                            | DeliveryWarning::PeerOlder { .. }
                            | DeliveryWarning::TwoPlaces { .. }
                    )
            ),
        }
    }
}

impl Warning {
    /// Whether it says that a line was not understood, or not taken.
    pub(crate) fn is_of_mistake(&self) -> bool {
        matches!(
            self,
            Self::CommandError { .. }
                | Self::NoKeyYet
                | Self::KeyExists { .. }
                | Self::KeyUnderway
                | Self::NotListening { .. }
                | Self::NothingDialled
                | Self::NoKeyOf { .. }
                | Self::NobodyToSendTo
                | Self::NobodyAddressed
                | Self::NobodyToClose
                | Self::NotConnected { .. }
                | Self::AddresseeBlocked { .. }
                | Self::NoSuchPeer { .. }
                | Self::NotRefused { .. }
                | Self::NotCompared { .. }
                | Self::NumberOfAnother { .. }
                | Self::KeyPending { .. }
                | Self::NotBlocked { .. }
                | Self::NoSuchMessage { .. }
                | Self::NoEditor
                | Self::SameName { .. }
        )
    }
}
