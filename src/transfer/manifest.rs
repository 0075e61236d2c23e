//! Manifest of a folder that is offered: what is in it, checked as its parts arrive. The parts are
//! kept on disk; here is only how far they are.

use std::fmt::{self, Display, Formatter};

use super::name::FileName;
use crate::limits::{MANIFEST_BYTES, MANIFEST_DEPTH, MANIFEST_ENTRIES};
use crate::wire::{ManifestEntry, Offer};

/// Place of an entry below the folder that is offered: components that a folder may hold.
///
/// Two paths of a peer may become the same one here; whoever makes the files numbers the second.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RelativePath(Vec<FileName>);

impl RelativePath {
    /// The path that bytes of a peer name: components separated by `/`, each made a [`FileName`].
    /// `None` for one that leads elsewhere (absolute, with `.`, `..` or an empty component), and
    /// for one deeper than [`MANIFEST_DEPTH`].
    #[must_use]
    pub fn of_peer(bytes: &[u8]) -> Option<Self> {
        let components = || bytes.split(|byte| *byte == b'/');
        let leads_elsewhere = components().any(|name| matches!(name, b"" | b"." | b".."));
        if leads_elsewhere || components().count() > MANIFEST_DEPTH {
            return None;
        }
        Some(Self(components().map(FileName::of_component).collect()))
    }

    /// Its components, the outermost first; at least one.
    #[must_use]
    pub fn components(&self) -> &[FileName] {
        &self.0
    }
}

impl Display for RelativePath {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            let separator = if number > 0 { "/" } else { "" };
            write!(formatter, "{separator}{}", name.as_str())?;
        }
        Ok(())
    }
}

/// How far the parts of a manifest are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ManifestProgress {
    entries: u32,
    /// Bytes of all its parts.
    bytes: u64,
    /// Bytes of all files of them.
    total: u64,
}

/// Fault of a manifest: the peer's program is wrong, or its user is up to something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManifestError {
    /// The parts do not follow each other, or do not add up to the offer.
    #[error("the list of a folder is not the one that was offered")]
    Mismatch,
    /// A path leads out of the folder, or into no place at all.
    #[error("the list of a folder names a place outside of it")]
    Path,
    /// It is longer than anything that is taken.
    #[error("the list of a folder is too long")]
    TooLong,
}

impl ManifestProgress {
    /// Takes the next part: `entries`, of which the first has the number `first`.
    ///
    /// # Errors
    /// [`ManifestError`]; the manifest is of no use then.
    pub fn take(
        &mut self,
        offer: &Offer,
        first: u32,
        entries: &[ManifestEntry],
    ) -> Result<(), ManifestError> {
        if first != self.entries || entries.is_empty() {
            return Err(ManifestError::Mismatch);
        }
        for entry in entries {
            if RelativePath::of_peer(&entry.path).is_none() {
                return Err(ManifestError::Path);
            }
            self.entries = self.entries.checked_add(1).ok_or(ManifestError::TooLong)?;
            self.bytes += entry.encoded_bytes() as u64;
            self.total = self.total.checked_add(entry.size).ok_or(ManifestError::Mismatch)?;
        }
        if self.entries > MANIFEST_ENTRIES || self.bytes > MANIFEST_BYTES {
            return Err(ManifestError::TooLong);
        }
        let is_too_much = self.entries > offer.entries || self.total > offer.total;
        let is_wrong = self.entries == offer.entries && self.total != offer.total;
        if is_too_much || is_wrong { Err(ManifestError::Mismatch) } else { Ok(()) }
    }

    /// Number of the entry that is expected next.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.entries
    }

    /// Whether every entry of the offer is there.
    #[must_use]
    pub fn is_complete(&self, offer: &Offer) -> bool {
        self.entries == offer.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{OfferKind, TransferId};

    fn offer(entries: u32, total: u64) -> Offer {
        let (id, kind) = (TransferId([1; 16]), OfferKind::Folder);
        Offer { id, kind, entries, total, modified_ms: 0, name: b"folder".to_vec() }
    }

    fn file(path: &str, size: u64) -> ManifestEntry {
        ManifestEntry { kind: OfferKind::File, size, modified_ms: 0, path: path.as_bytes().to_vec() }
    }

    fn taken(offer: &Offer, entries: &[ManifestEntry]) -> Result<bool, ManifestError> {
        let mut progress = ManifestProgress::default();
        progress.take(offer, 0, entries).map(|()| progress.is_complete(offer))
    }

    #[test]
    fn parts_that_follow_each_other_make_the_manifest_that_was_offered() {
        let offer = offer(3, 60);
        let mut progress = ManifestProgress::default();
        progress.take(&offer, 0, &[file("a", 10), file("b/c", 20)]).unwrap();
        assert!(!progress.is_complete(&offer));
        assert_eq!(progress.next(), 2);
        assert_eq!(progress.clone().take(&offer, 1, &[file("d", 30)]), Err(ManifestError::Mismatch));
        progress.take(&offer, 2, &[file("d", 30)]).unwrap();
        assert!(progress.is_complete(&offer));
        assert_eq!(progress.take(&offer, 3, &[file("e", 0)]), Err(ManifestError::Mismatch));
    }

    #[test]
    fn a_manifest_that_does_not_add_up_is_refused() {
        assert_eq!(taken(&offer(1, 5), &[file("a", 5)]), Ok(true));
        assert_eq!(taken(&offer(1, 5), &[file("a", 4)]), Err(ManifestError::Mismatch));
        assert_eq!(taken(&offer(2, 5), &[file("a", 6)]), Err(ManifestError::Mismatch));
        assert_eq!(taken(&offer(2, 5), &[file("a", u64::MAX), file("b", 6)]), Err(ManifestError::Mismatch));
        assert_eq!(taken(&offer(1, 5), &[]), Err(ManifestError::Mismatch));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in ["/etc/passwd", "..", "../a", "a/../../b", "a/..", ".", "a/./b", "a//b", "a/", ""] {
            assert_eq!(RelativePath::of_peer(path.as_bytes()), None, "{path}");
            assert_eq!(taken(&offer(1, 0), &[file(path, 0)]), Err(ManifestError::Path), "{path}");
        }
        let deep = vec!["a"; MANIFEST_DEPTH + 1].join("/");
        assert_eq!(RelativePath::of_peer(deep.as_bytes()), None);
        let path = RelativePath::of_peer(".ssh/회의/a\u{1b}b".as_bytes()).unwrap();
        let names: Vec<_> = path.components().iter().map(FileName::as_str).collect();
        assert_eq!(names, ["_.ssh", "회의", "a_b"]);
    }

    #[test]
    fn a_manifest_has_a_bound() {
        let offer = offer(u32::MAX, 0);
        let page: Vec<_> = (0..1_000).map(|_| file("a", 0)).collect();
        let mut progress = ManifestProgress::default();
        let refused = (0..).find_map(|_| progress.take(&offer, progress.next(), &page).err());
        assert_eq!(refused, Some(ManifestError::TooLong));
        assert_eq!(progress.next(), MANIFEST_ENTRIES + 1_000);
    }
}
