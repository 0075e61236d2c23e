//! Account of the user in the core: name, keys, and the key that is being generated.

use super::types::{KeyExchange, KeyFor, NameOrigin, OwnKey, OwnName, Protocol};
use crate::crypto::{Fingerprint, Seed};
use crate::peers::name::Name;
use crate::session::{AnySession, OaepRole, OaepSession, RekeyThresholds, Role, Session, SessionConfig};
use crate::time::MonoMs;
use crate::wire::{Durability, FileTransfer, Introduction, Letters, Lifetime, Purpose};

/// Name and keys of the user.
pub(crate) struct Account {
    pub(crate) name: Name,
    name_origin: NameOrigin,
    identity: Option<OwnKey>,
    oaep_key: Option<OwnKey>,
    pub(crate) purpose: Purpose,
    /// Lifetime of the connections that it opens.
    pub(crate) lifetime: Lifetime,
    durability: Durability,
    pub(crate) file_transfer: FileTransfer,
    /// Whether letters can be exchanged.
    pub(crate) letters: Letters,
}

impl Account {
    pub(crate) fn new(own: OwnName, identity: Option<OwnKey>) -> Self {
        let OwnName { name, origin: name_origin } = own;
        let (purpose, lifetime) = (Purpose::Chat, Lifetime::Lasting);
        let (durability, file_transfer) = (Durability::Connection, FileTransfer::Unsupported);
        let oaep_key = None;
        Self {
            name,
            name_origin,
            identity,
            oaep_key,
            purpose,
            lifetime,
            durability,
            file_transfer,
            letters: Letters::Unsupported,
        }
    }

    /// Takes a name that the user chose.
    pub(crate) fn choose_name(&mut self, name: Name) {
        (self.name, self.name_origin) = (name, NameOrigin::Chosen);
    }

    /// Name that nobody else should claim: that of a login is everybody's who has the same.
    pub(crate) fn chosen_name(&self) -> Option<&Name> {
        Some(&self.name).filter(|_| self.name_origin == NameOrigin::Chosen)
    }

    /// Tells peers from here on that messages are kept.
    pub(crate) fn exchange_letters(&mut self) {
        self.letters = Letters::Supported;
    }

    pub(crate) fn keep_messages(&mut self) {
        self.durability = Durability::Pair;
    }

    pub(crate) fn key(&self, of: KeyFor) -> Option<&OwnKey> {
        match of {
            KeyFor::Identity => self.identity.as_ref(),
            KeyFor::Oaep => self.oaep_key.as_ref(),
        }
    }

    pub(crate) fn set_key(&mut self, of: KeyFor, key: OwnKey) {
        match of {
            KeyFor::Identity => self.identity = Some(key),
            KeyFor::Oaep => self.oaep_key = Some(key),
        }
    }

    /// Fingerprint of the identity.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.identity.as_ref().map(|key| key.public.fingerprint())
    }

    /// Key that must be generated before a protocol can be spoken, if one must.
    pub(crate) fn missing_key(&self, protocol: Protocol) -> Option<KeyFor> {
        let wanted = match protocol {
            Protocol::Native => KeyFor::Identity,
            Protocol::Oaep(KeyExchange::Mutual) => KeyFor::Oaep,
            Protocol::Oaep(KeyExchange::ListenerOnly) => return None,
        };
        self.key(wanted).is_none().then_some(wanted)
    }

    /// New session, if the key for it is there.
    pub(crate) fn session(
        &self,
        protocol: Protocol,
        role: Role,
        introduction: Option<Introduction>,
        seed: Seed,
        now: MonoMs,
    ) -> Option<AnySession> {
        let public = |of| self.key(of).map(|key| key.public.clone());
        let role = match (protocol, role) {
            (Protocol::Native, role) => {
                let (key, name) = (public(KeyFor::Identity)?, self.name.to_string());
                let lifetime = match role {
                    Role::Initiator => self.lifetime,
                    Role::Responder => Lifetime::Lasting,
                };
                let (purpose, rekeying) = (self.purpose, RekeyThresholds::default());
                // A pipe has no lobby.
                let introduction = introduction.filter(|_| purpose == Purpose::Chat);
                let (durability, file_transfer) = (self.durability, self.file_transfer);
                let config = SessionConfig {
                    key,
                    name,
                    purpose,
                    lifetime,
                    durability,
                    file_transfer,
                    letters: if durability == Durability::Pair { self.letters } else { Letters::Unsupported },
                    introduction,
                    rekeying,
                };
                return Some(AnySession::Native(Box::new(Session::new(role, config, seed, now))));
            }
            (Protocol::Oaep(_), Role::Responder) => OaepRole::Listener(public(KeyFor::Oaep)?),
            (Protocol::Oaep(KeyExchange::Mutual), Role::Initiator) => OaepRole::Dialer(public(KeyFor::Oaep)?),
            (Protocol::Oaep(KeyExchange::ListenerOnly), Role::Initiator) => OaepRole::OneWay,
        };
        Some(AnySession::Oaep(Box::new(OaepSession::new(role, seed, now))))
    }
}

/// Progress of a key that is being generated.
#[derive(Clone, Copy)]
pub(crate) struct KeygenProgress {
    pub(crate) of: KeyFor,
    started: MonoMs,
    reported: MonoMs,
}

impl KeygenProgress {
    /// Time between two reports, in milliseconds.
    const PROGRESS_EVERY_MS: u64 = 2_000;

    pub(crate) fn new(of: KeyFor, now: MonoMs) -> Self {
        Self { of, started: now, reported: now }
    }

    /// Moment of the next report.
    pub(crate) fn poll_timeout(&self) -> MonoMs {
        self.reported + Self::PROGRESS_EVERY_MS
    }

    /// Seconds since the start, if a report is due.
    pub(crate) fn report(&mut self, now: MonoMs) -> Option<u64> {
        let due = now >= self.poll_timeout();
        due.then(|| {
            self.reported = now;
            now.since(self.started) / 1_000
        })
    }
}
