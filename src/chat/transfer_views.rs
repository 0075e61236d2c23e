//! Transfers as a prompt shows them: progress of the one with the addressee, and numbers to choose.

use serde::{Deserialize, Serialize};

use super::Chat;
use super::command::TransferStage;
use super::file_io::TransferNumber;
use super::transfers::{Decision, IncomingFile, Transfer, TransferSide};
use super::types::PeerId;
use crate::ids::FaceId;
use crate::text::safe::SafeText;
use crate::wire::{OfferKind, Position};

/// Transfer that is on its way, as far as the receiver has written it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransferProgress {
    /// Its number.
    pub number: TransferNumber,
    /// Its name, as it may be shown.
    pub name: String,
    /// What its amounts count.
    pub unit: ProgressUnit,
    /// Amount that is written.
    pub written: u64,
    /// Amount that was offered.
    pub total: u64,
}

/// Unit of the amounts of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressUnit {
    /// Bytes of a file.
    Bytes,
    /// Entries of a folder.
    Entries,
}

/// Transfer whose number a command takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransferChoice {
    /// Its number.
    pub number: TransferNumber,
    /// What it is, with whom.
    pub label: String,
    /// Its stage.
    pub stage: TransferStage,
}

impl Chat {
    /// The first transfer on its way with the addressee of a face.
    #[must_use]
    pub fn transfer_progress(&self, face: FaceId) -> Option<TransferProgress> {
        let Some(PeerId::Key(peer)) = self.conversations.face_of(face).addressed_peer() else { return None };
        let mut with_peer = self.transfers.iter().filter(|(_, transfer)| transfer.peer == peer);
        with_peer.find_map(|(number, transfer)| transfer.progress(number))
    }

    /// A transfer on its way.
    #[must_use]
    pub fn progress_of(&self, number: TransferNumber) -> Option<TransferProgress> {
        self.transfers.get(number)?.progress(number)
    }

    /// The transfers that are not over.
    #[must_use]
    pub fn transfer_choices(&self) -> Vec<TransferChoice> {
        let choices = self.transfers.iter().filter(|(_, transfer)| !transfer.is_over());
        choices
            .map(|(number, transfer)| {
                let (stage, direction) = match &transfer.side {
                    TransferSide::Outgoing(_) => (TransferStage::Own, "to"),
                    TransferSide::Incoming(file) => (file.stage(), "from"),
                };
                let name = SafeText::line(transfer.name.as_str());
                let label = format!("{name} {direction} {}", self.name_of_key(transfer.peer));
                TransferChoice { number, label, stage }
            })
            .collect()
    }

    /// The transfers that a later process goes on with, as a sentence names them: those that are
    /// offered by us, and those that are accepted.
    #[must_use]
    pub fn left_transfers(&self) -> Vec<String> {
        let is_left = |choice: &TransferChoice| {
            let peer = self.transfers.get(choice.number).map(|transfer| transfer.peer);
            let is_decided = matches!(choice.stage, TransferStage::Own | TransferStage::Accepted);
            is_decided && peer.is_some_and(|peer| !self.is_blocked(peer))
        };
        let choices = self.kept.iter().flat_map(|_| self.transfer_choices());
        choices.filter(is_left).map(|choice| choice.label).collect()
    }

    /// Number that changes whenever [`Chat::transfer_choices`] may change, besides
    /// [`Chat::roster`].
    #[must_use]
    pub fn transfer_changes(&self) -> u64 {
        self.transfers.changes()
    }
}

impl Transfer {
    /// How far it is, if it is on its way.
    fn progress(&self, number: TransferNumber) -> Option<TransferProgress> {
        let written = match &self.side {
            _ if self.conn.is_none() => None,
            TransferSide::Outgoing(file) => file.transfer.written(),
            TransferSide::Incoming(file) if matches!(file.decision, Decision::Accepted { .. }) => {
                file.transfer.written()
            }
            TransferSide::Incoming(_) => None,
        };
        let (offer, Position { entry, offset }) = (self.offer(), written?);
        let name = SafeText::line(self.name.as_str()).to_string();
        let (unit, written, total) = match offer.kind {
            OfferKind::File => {
                let written = if entry > 0 { offer.total } else { offset };
                (ProgressUnit::Bytes, written, offer.total)
            }
            OfferKind::Folder => (ProgressUnit::Entries, entry.into(), offer.entries.into()),
        };
        Some(TransferProgress { number, name, unit, written, total })
    }
}

impl IncomingFile {
    fn stage(&self) -> TransferStage {
        match (&self.decision, &self.part) {
            (Decision::Open, None) => TransferStage::Offered,
            (Decision::Open, Some(_)) => TransferStage::Stopped,
            _ => TransferStage::Accepted,
        }
    }
}
