//! Names of peers in this session. One that was shown belongs to its peer until the program ends.

use std::collections::BTreeMap;

use super::types::PeerId;
use crate::crypto::Fingerprint;
use crate::limits::SESSION_NAMES;
use crate::peers::name::Name;
use crate::peers::name_index::NameIndex;

/// Name of the peers of the raw wire, before its number.
const OAEP_NAME: &str = "raw";

/// Names that peers were shown under, and those that they claim.
#[derive(Default)]
pub(crate) struct SessionNames {
    shown: BTreeMap<PeerId, Name>,
    claims: BTreeMap<PeerId, Name>,
    owners: NameIndex<PeerId>,
    /// Number of peers on the raw wire.
    oaep: u64,
}

impl SessionNames {
    /// Name that a peer was last shown under.
    pub(crate) fn of(&self, peer: PeerId) -> Option<&Name> {
        self.shown.get(&peer)
    }

    /// Other peers whose names, or claims, look like this one.
    pub(crate) fn others(&self, name: &Name, peer: PeerId) -> impl Iterator<Item = PeerId> {
        self.owners.alike(name).into_iter().filter(move |owner| *owner != peer)
    }

    /// Other peers that were shown under names which look like this one, with these names.
    pub(crate) fn shown_alike(&self, name: &Name, peer: PeerId) -> impl Iterator<Item = (PeerId, &Name)> {
        let shown = self.others(name, peer).filter_map(|other| Some((other, self.of(other)?)));
        shown.filter(|(_, shown)| shown.looks_like(name))
    }

    /// Which name of a peer looks like another: the shown one, or the last that it claimed.
    pub(crate) fn like(&self, name: &Name, peer: PeerId) -> Option<&Name> {
        let names = [self.of(peer), self.claimed(peer)];
        names.into_iter().flatten().find(|other| other.looks_like(name))
    }

    /// Peer that was shown under this name.
    pub(crate) fn owner(&self, name: &Name) -> Option<PeerId> {
        let is_its = |peer: &PeerId| self.of(*peer).is_some_and(|shown| shown.same_as(name));
        self.owners.alike(name).into_iter().find(is_its)
    }

    /// Whether no more names are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.shown.len() >= SESSION_NAMES
    }

    /// Name of the next peer on the raw wire: none is ever given twice.
    pub(crate) fn next_oaep(&mut self) -> Name {
        self.oaep += 1;
        Name::claimed(OAEP_NAME.as_bytes()).with_number(self.oaep)
    }

    /// Gives a name to a peer. Only [`SessionNames::rename`] takes it back.
    pub(crate) fn show(&mut self, peer: PeerId, name: &Name) {
        if self.is_full() && !self.shown.contains_key(&peer) {
            return;
        }
        if self.shown.get(&peer) != Some(name) {
            self.owners.insert(name, peer);
            self.shown.insert(peer, name.clone());
        }
    }

    /// Keeps a name free for a peer that is to get it.
    pub(crate) fn reserve(&mut self, peer: PeerId, name: &Name) {
        self.owners.insert(name, peer);
    }

    /// Ends what [`SessionNames::reserve`] began.
    pub(crate) fn release(&mut self, peer: PeerId, name: &Name) {
        self.owners.remove(name, peer);
    }

    /// Gives a peer the name that the user chose: the one before is free.
    pub(crate) fn rename(&mut self, peer: PeerId, name: &Name) {
        if let Some(old) = self.shown.remove(&peer) {
            self.owners.remove(&old, peer);
        }
        self.show(peer, name);
    }

    /// Passes the name of a peer on to another, and returns it.
    pub(crate) fn pass_on(&mut self, from: PeerId, to: PeerId) -> Option<Name> {
        if let Some(claim) = self.claims.remove(&from) {
            self.owners.remove(&claim, from);
        }
        let name = self.shown.remove(&from)?;
        self.owners.remove(&name, from);
        self.rename(to, &name);
        Some(name)
    }

    /// Last name that a peer claimed.
    pub(crate) fn claimed(&self, peer: PeerId) -> Option<&Name> {
        self.claims.get(&peer)
    }

    /// Keeps the last name that a peer claims: nobody else is shown under it.
    pub(crate) fn claim(&mut self, fingerprint: Fingerprint, claim: &Name) {
        let peer = PeerId::Key(fingerprint);
        if !self.shown.contains_key(&peer) {
            return;
        }
        if let Some(old) = self.claims.insert(peer, claim.clone()) {
            self.owners.remove(&old, peer);
        }
        self.owners.insert(claim, peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> PeerId {
        PeerId::Key(Fingerprint::of(&number.to_be_bytes()))
    }

    fn name(text: &str) -> Name {
        Name::parse_local(text).unwrap()
    }

    #[test]
    fn a_name_once_shown_belongs_to_its_peer_until_the_user_renames_it() {
        let mut names = SessionNames::default();
        names.show(key(1), &name("bob"));
        for like in ["bob", "BOB", "b\u{43e}b"] {
            assert_eq!(names.others(&name(like), key(2)).collect::<Vec<_>>(), [key(1)], "{like}");
            assert_eq!(names.others(&name(like), key(1)).count(), 0, "{like}");
        }
        names.rename(key(1), &name("rob"));
        assert_eq!(names.others(&name("bob"), key(2)).count(), 0);
        assert_eq!((names.owner(&name("Rob")), names.owner(&name("bob"))), (Some(key(1)), None));
    }

    #[test]
    fn the_last_claim_of_a_peer_is_nobody_elses() {
        let mut names = SessionNames::default();
        let PeerId::Key(fingerprint) = key(1) else { panic!("a key") };
        names.show(key(1), &name("bob"));
        names.claim(fingerprint, &name("bob"));
        names.rename(key(1), &name("밥"));
        assert_eq!(names.others(&name("bob"), key(2)).collect::<Vec<_>>(), [key(1)]);
        assert_eq!(names.owner(&name("bob")), None);
        names.claim(fingerprint, &name("robert"));
        assert_eq!(names.others(&name("bob"), key(2)).count(), 0);
    }

    #[test]
    fn so_many_names_are_kept_and_no_more() {
        let mut names = SessionNames::default();
        for number in 0..SESSION_NAMES as u64 + 10 {
            names.show(key(number), &name("bob").with_number(number + 2));
        }
        assert!(names.is_full());
        assert_eq!(names.shown.len(), SESSION_NAMES);
        assert_eq!([names.next_oaep(), names.next_oaep()], [name("raw~1"), name("raw~2")]);
        assert!(names.of(key(0)).is_some() && names.of(key(SESSION_NAMES as u64)).is_none());
    }
}
