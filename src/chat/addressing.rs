//! Addressees of the faces, as the conversations change: dials that are answered, connections that
//! end or are replaced, messages that are read.

use super::addressee::{Addressee, FirstCaller};
use super::conversation::{Conversation, Conversations};
use super::faces::{Face, Leaves};
use super::types::PeerId;
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, DialId, FaceId};
use crate::peers::name::Name;

impl Conversations {
    /// The face whose input is handled.
    pub(crate) fn current_face(&self) -> FaceId {
        self.faces.current.unwrap_or(FaceId::OWN)
    }

    /// Makes a face the current one; returns the one before.
    pub(crate) fn select_face(&mut self, face: FaceId) -> FaceId {
        self.faces.current.replace(face).unwrap_or(FaceId::OWN)
    }

    pub(crate) fn face(&self) -> &Face {
        self.faces.get(self.current_face())
    }

    pub(crate) fn face_mut(&mut self) -> &mut Face {
        self.faces.get_mut(self.current_face())
    }

    pub(crate) fn face_of(&self, face: FaceId) -> &Face {
        self.faces.get(face)
    }

    pub(crate) fn add_face(&mut self, face: FaceId, first_caller: FirstCaller) {
        self.faces.others.insert(face, Face { first_caller, ..Face::default() });
    }

    pub(crate) fn remove_face(&mut self, face: FaceId) -> Option<Face> {
        self.faces.others.remove(&face)
    }

    pub(crate) fn set_leaves(&mut self, face: FaceId, leaves: Leaves) {
        self.faces.get_mut(face).leaves = leaves;
    }

    pub(crate) fn set_folder(&mut self, face: FaceId, folder: String) {
        self.faces.get_mut(face).folder = Some(folder);
    }

    /// Takes note that no face has said these any more. Returns the faces that had.
    pub(crate) fn forget_said(&mut self, peer: Fingerprint, seqs: &[u64]) -> Vec<(FaceId, Vec<u64>)> {
        let faces = self.faces.each().map(|(id, face)| {
            let its = seqs.iter().copied().filter(|seq| face.said.remove(&(peer, *seq)));
            (id, its.collect::<Vec<_>>())
        });
        faces.filter(|(_, its)| !its.is_empty()).collect()
    }

    pub(crate) fn face_ids(&self) -> Vec<FaceId> {
        [FaceId::OWN].into_iter().chain(self.faces.others.keys().copied()).collect()
    }

    /// Receiver of plain text of the current face, connected or not.
    pub(crate) fn addressee(&self) -> &Addressee {
        self.face().addressee()
    }

    /// Peer that plain text of the current face goes to, whether it is connected or not.
    pub(crate) fn addressed_peer(&self) -> Option<PeerId> {
        self.face().addressed_peer()
    }

    /// Connection that plain text of the current face goes to.
    pub(crate) fn addressed_conn(&self) -> Option<ConnId> {
        self.addressed_conn_of(self.current_face())
    }

    /// Connection that plain text of a face goes to.
    pub(crate) fn addressed_conn_of(&self, face: FaceId) -> Option<ConnId> {
        self.open_with(self.face_of(face).addressed_peer()?)
    }

    /// Conversation that plain text of a face goes to.
    pub(crate) fn addressed_of(&self, face: FaceId) -> Option<&Conversation> {
        self.get(self.addressed_conn_of(face)?)
    }

    /// Whether any face addresses a peer.
    pub(crate) fn is_addressed(&self, peer: PeerId) -> bool {
        self.face_ids().into_iter().any(|face| self.face_of(face).addressed_peer() == Some(peer))
    }

    /// Sends plain text to whoever answers this dial.
    pub(crate) fn address_dial(&mut self, dial: DialId) {
        self.face_mut().change_addressee(Addressee::Dialled(dial));
    }

    /// Follows a dial to its connection, where it is addressed.
    pub(crate) fn dial_connected(&mut self, dial: DialId, conn: ConnId) {
        self.readdress(&Addressee::Dialled(dial), &Addressee::Connecting(conn));
    }

    /// Follows a dial that came to nothing to the next one for the same peer, where it is
    /// addressed.
    pub(crate) fn redial(&mut self, failed: &Addressee, dial: DialId) {
        self.readdress(failed, &Addressee::Dialled(dial));
    }

    /// Follows a connection to the one that takes its place, where it is addressed.
    pub(crate) fn readdress(&mut self, from: &Addressee, to: &Addressee) {
        for (_, face) in self.faces.each() {
            if face.addressee == *from {
                face.addressee = to.clone();
            }
        }
    }

    /// Addresses nobody: what was chosen last came to nothing.
    pub(crate) fn address_nobody(&mut self) {
        self.face_mut().change_addressee(Addressee::Nobody);
    }

    /// Addresses nobody wherever the addressee is this one, which came to nothing.
    pub(crate) fn give_up(&mut self, chosen: &Addressee) {
        for (_, face) in self.faces.each() {
            if face.addressee == *chosen {
                face.change_addressee(Addressee::Nobody);
            }
        }
    }

    /// Follows a connection to its peer, where it is addressed: the addressee stays the same one.
    /// Returns whether it was by the own face.
    pub(crate) fn connection_answered(&mut self, conn: ConnId, peer: PeerId, name: &Name) {
        for face in self.face_ids() {
            if self.face_of(face).addressee == Addressee::Connecting(conn) {
                self.faces.get_mut(face).addressee = Addressee::Peer(peer, name.clone());
                self.mark_read(face, peer);
            }
        }
    }

    /// Sends plain text of the current face to this peer from now on; its messages count as read.
    pub(crate) fn address(&mut self, peer: PeerId, name: Name) {
        self.address_in(self.current_face(), peer, name);
    }

    /// The same in any face.
    pub(crate) fn address_in(&mut self, face: FaceId, peer: PeerId, name: Name) {
        let addressee = Addressee::Peer(peer, name);
        let one = self.faces.get_mut(face);
        if one.addressed_peer() == Some(peer) {
            one.addressee = addressee;
        } else {
            one.change_addressee(addressee);
        }
        self.mark_read(face, peer);
    }

    fn mark_read(&mut self, face: FaceId, peer: PeerId) {
        if let Some(conn) = self.open_with(peer) {
            self.faces.get_mut(face).unread.forget(conn);
        }
    }

    /// Counts a message of a peer in each face that addresses another.
    pub(crate) fn count_unread(&mut self, conn: ConnId, peer: PeerId) {
        for (_, face) in self.faces.each() {
            if face.addressed_peer() != Some(peer) {
                face.unread.add(conn);
            }
        }
    }

    /// Messages of a connection that the current face has not read.
    pub(crate) fn unread_of(&self, conn: ConnId) -> usize {
        self.face().unread.by_conn.get(&conn).copied().unwrap_or(0)
    }
}
