//! Loan of the part of one file: the process that has opened it lends its descriptor to another,
//! which writes and synchronises it. The lender gives it its name.

use std::fs::File;

use super::{Current, Part, PartIdentity, layout};
use crate::store::files::destination::Destination;
use crate::store::files::entries::EntryList;
use crate::store::files::error::FileError;
use crate::transfer::BlockList;
use crate::wire::{Offer, OfferKind, Position};

impl Part {
    /// The descriptor of a part of one file; `None` for a folder, and where there are none left.
    #[must_use]
    pub fn lend(&self) -> Option<File> {
        let current = self.current.as_ref().filter(|_| self.kind == OfferKind::File)?;
        current.file.try_clone().ok()
    }

    /// A part that another process has lent, at a place, with the blocks that are known.
    ///
    /// # Errors
    /// [`FileError::OutOfOrder`] when it is that of a folder.
    pub fn borrow(
        file: File,
        destination: &Destination,
        offer: &Offer,
        identity: PartIdentity,
        at: Position,
        blocks: &[[u8; 32]],
    ) -> Result<Self, FileError> {
        let known = BlockList::new(blocks.to_vec()).up_to(at.offset);
        Ok(Self {
            id: offer.id,
            kind: offer.kind,
            folder: None,
            folder_path: destination.folder().to_owned(),
            name: destination.final_name(&offer.name),
            layout: layout(offer, EntryList::default())?,
            tree: None,
            identity,
            at,
            current: Some(Current::after(file, known)),
            unsynced: 0,
        })
    }

    /// Takes note that whoever has borrowed it has written everything.
    pub fn return_whole(&mut self) {
        self.at = Position { entry: self.layout.len(), offset: 0 };
    }
}
