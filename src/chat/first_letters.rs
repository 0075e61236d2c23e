//! First letters (`docs/PROTOCOL.md`, 12.3): bundles that are read and given, letters that are
//! sealed and opened.

use std::collections::{BTreeMap, VecDeque};

use crate::crypto::{Bundle, Fingerprint, LetterPair};
use crate::delivery::{FirstLetterDraft, FirstLetterId, OwnLetterKey};
use crate::ids::FaceId;
use crate::peers::invitation::Invitation;
use crate::time::MonoMs;
use crate::wire::LetterBody;

/// First letters of a chat that has a relay.
#[derive(Default)]
pub(crate) struct FirstLetters {
    /// Bundles of peers, as they were read.
    pub(crate) bundles: BTreeMap<Fingerprint, Bundle>,
    /// What bundles are being read for, by their names at the relay.
    pub(crate) lookups: BTreeMap<String, BundleLookup>,
    /// When the bundle of a peer that was not found is read again.
    pub(crate) look_again: BTreeMap<Fingerprint, MonoMs>,
    /// Letters that are being sealed, in their order.
    pub(crate) drafts: VecDeque<(Fingerprint, FirstLetterDraft)>,
    /// Letters of others that wait for the one before them.
    pub(crate) unread: VecDeque<UnreadLetter>,
    /// The one that is being read.
    pub(crate) reading: Option<ReadingLetter>,
    /// Moment before which no inbox of an invitation is read, since one could not be kept.
    pub(crate) not_before: Option<MonoMs>,
    /// Our own bundle at the relay.
    pub(crate) own: OwnBundle,
    /// Why the relay has not taken that, as it was told.
    pub(crate) refused: Option<String>,
}

/// Bundle that is being read at the relay.
pub(crate) struct BundleLookup {
    pub(crate) key: Fingerprint,
    /// Face that has called with an invitation, and that; none for a letter that is due.
    pub(crate) caller: Option<(FaceId, Box<Invitation>)>,
}

/// First letter in the inbox of an invitation.
pub(crate) struct UnreadLetter {
    pub(crate) inbox: String,
    pub(crate) number: u64,
    pub(crate) letter: Vec<u8>,
}

/// First letter that is being read.
pub(crate) struct ReadingLetter {
    /// Where it was left, and its number there.
    pub(crate) place: (String, u64),
    pub(crate) id: FirstLetterId,
    /// The key to which it is sealed.
    pub(crate) key: OwnLetterKey,
    /// What it says, once it is open and judged.
    pub(crate) opened: Option<(LetterPair, LetterBody)>,
}

/// State of our own bundle at the relay.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum OwnBundle {
    /// It is not there, as far as we know; not before this moment, if there is one.
    #[default]
    Absent,
    /// It was refused: it is left again at this moment.
    Refused(MonoMs),
    /// Its key is being made.
    Making,
    /// It is being signed.
    Signing(u64),
    /// It is on its way.
    Leaving { ticket: u64, bundle: u64 },
    /// The one of this number is there.
    Left(u64),
}
