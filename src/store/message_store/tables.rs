//! Tables of a store in a database of redb, with sealed values (`docs/STORE.md`).

use std::sync::Arc;

use redb::{
    Builder, CompactionError, Database, ReadTransaction, ReadableDatabase as _, ReadableTable,
    StorageBackend, TableDefinition, WriteTransaction,
};

use super::failure::{Failure, guarded};
use super::history::{HistoryPart, append, forget};
use super::sealed_table::{SealedTable, message_key, random, seed, split_message_key};
use crate::crypto::{Fingerprint, Identity, PublicKey, StoreKey};
use crate::delivery::{Calls, HistoryEntry, PairChange, Pairs, StoreChange};
use crate::time::UnixMs;

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
const OUT: SealedTable<32> = SealedTable("out");
const OUTBOX: SealedTable<40> = SealedTable("outbox");
const IN: SealedTable<32> = SealedTable("in");
const INBOX: SealedTable<40> = SealedTable("inbox");
const CALLS: SealedTable<32> = SealedTable("calls");
const RENEWALS: SealedTable<32> = SealedTable("renewals");
const LETTERS: SealedTable<32> = SealedTable("letters");
const BUNDLES: SealedTable<32> = SealedTable("bundles");
const TRANSFERS: SealedTable<40> = SealedTable("transfers");

/// Version of the format, under [`FORMAT_KEY`].
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
/// First bytes of the key of a wrapped store key; the fingerprint of its identity follows.
const WRAP_KEY: &[u8] = b"wrap";
/// Memory for pages of the file.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

fn wrap_key(identity: &Fingerprint) -> Vec<u8> {
    [WRAP_KEY, identity.as_bytes()].concat()
}

/// Identities to which the store key is wrapped.
fn wrapped_to(meta: &impl ReadableTable<&'static [u8], &'static [u8]>) -> Result<Vec<Fingerprint>, Failure> {
    let mut identities = Vec::new();
    for row in meta.iter()? {
        let (name, _) = row?;
        let identity = name.value().strip_prefix(WRAP_KEY).and_then(|bytes| bytes.try_into().ok());
        identities.extend(identity.map(Fingerprint::from_bytes));
    }
    Ok(identities)
}

/// An open database with the tables of a store.
pub(super) struct Tables {
    database: Database,
}

impl Tables {
    /// Creates the tables in an empty file, on disk once this returns. The store key is wrapped to
    /// `identity`.
    pub(super) fn create(
        backend: impl StorageBackend,
        identity: &PublicKey,
    ) -> Result<(Self, StoreKey), Failure> {
        let key = StoreKey::new(random()?);
        let wrapped = key.wrap(identity, &seed()?);
        guarded(|| {
            let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
            let transaction = database.begin_write()?;
            let mut meta = transaction.open_table(META)?;
            meta.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
            meta.insert(wrap_key(&identity.fingerprint()).as_slice(), wrapped.as_slice())?;
            drop(meta);
            for table in [OUT, IN, CALLS, RENEWALS, LETTERS, BUNDLES] {
                table.writable(&transaction)?;
            }
            for table in [OUTBOX, INBOX, TRANSFERS] {
                table.writable(&transaction)?;
            }
            transaction.commit()?;
            Ok((Self { database }, key))
        })
    }

    /// Opens the tables, every page of which is checked: what was changed from outside is damage.
    pub(super) fn open(backend: impl StorageBackend) -> Result<Self, Failure> {
        guarded(|| {
            if backend.len()? == 0 {
                return Err(Failure::damaged("it is empty"));
            }
            let database = Builder::new()
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(true)
                .create_with_backend(backend)?;
            let tables = Self { database };
            tables.check_format()?;
            Ok(tables)
        })
    }

    fn check_format(&self) -> Result<(), Failure> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let version = meta.get(FORMAT_KEY)?.and_then(|bytes| bytes.value().try_into().ok());
        match version.map(u32::from_be_bytes) {
            Some(FORMAT) => Ok(()),
            Some(version) if version > FORMAT => Err(Failure::NewerFormat(version)),
            _ => Err(Failure::damaged("its format is unknown")),
        }
    }

    /// The store key, which is wrapped to `identity`.
    pub(super) fn unwrap_key(&self, identity: &Identity) -> Result<StoreKey, Failure> {
        guarded(|| {
            let meta = self.database.begin_read()?.open_table(META)?;
            match meta.get(wrap_key(&identity.public().fingerprint()).as_slice())? {
                Some(wrapped) => StoreKey::unwrap(identity, wrapped.value())
                    .map_err(|_| Failure::damaged("its key cannot be decrypted")),
                None => Err(Failure::OtherIdentity(wrapped_to(&meta)?)),
            }
        })
    }

    /// The identities that open it.
    pub(super) fn keys(&self) -> Result<Vec<Fingerprint>, Failure> {
        guarded(|| wrapped_to(&self.database.begin_read()?.open_table(META)?))
    }

    /// Wraps the store key to one more identity.
    pub(super) fn add_wrap(&self, key: &StoreKey, identity: &PublicKey) -> Result<(), Failure> {
        let wrapped = key.wrap(identity, &seed()?);
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert(wrap_key(&identity.fingerprint()).as_slice(), wrapped.as_slice())?;
            Ok(())
        })
    }

    /// Deletes what is wrapped to other identities than one, to which the store key is wrapped.
    pub(super) fn drop_wraps_but(&self, identity: &Fingerprint) -> Result<(), Failure> {
        self.write(|transaction| {
            let mut meta = transaction.open_table(META)?;
            let identities = wrapped_to(&meta)?;
            if !identities.contains(identity) {
                return Err(Failure::OtherIdentity(identities));
            }
            for other in identities.iter().filter(|other| *other != identity) {
                meta.remove(wrap_key(other).as_slice())?;
            }
            Ok(())
        })
    }

    /// Whether anything of ours to a peer is kept.
    pub(super) fn has_rows_for(&self, peer: &Fingerprint) -> Result<bool, Failure> {
        guarded(|| {
            let outbox = self.database.begin_read()?.open_table(OUTBOX.definition())?;
            let (first, last) = (message_key(peer, 0), message_key(peer, u64::MAX));
            let mut rows = outbox.range::<&[u8; 40]>(&first..=&last)?;
            Ok(rows.next().is_some())
        })
    }

    /// Everything that is kept. One value that does not open is damage of the whole.
    pub(super) fn read(&self, key: &StoreKey) -> Result<Pairs, Failure> {
        guarded(|| {
            let transaction = self.database.begin_read()?;
            let mut pairs = Pairs::new();
            OUT.read(&transaction, key, |peer, state| {
                pairs.entry(Fingerprint::from_bytes(*peer)).or_default().outbound = Some(state);
            })?;
            IN.read(&transaction, key, |peer, state| {
                pairs.entry(Fingerprint::from_bytes(*peer)).or_default().inbound = Some(state);
            })?;
            OUTBOX.read(&transaction, key, |at, row| {
                let (peer, number) = split_message_key(at);
                pairs.entry(peer).or_default().outbox.insert(number, row);
            })?;
            INBOX.read(&transaction, key, |at, row| {
                let (peer, number) = split_message_key(at);
                pairs.entry(peer).or_default().inbox.insert(number, row);
            })?;
            CALLS.read(&transaction, key, |peer, ()| {
                pairs.entry(Fingerprint::from_bytes(*peer)).or_default().calls = Calls::Stand;
            })?;
            RENEWALS.read(&transaction, key, |peer, moments| {
                pairs.entry(Fingerprint::from_bytes(*peer)).or_default().renewals = moments;
            })?;
            LETTERS.read(&transaction, key, |peer, state| {
                pairs.entry(Fingerprint::from_bytes(*peer)).or_default().letters = Some(Arc::new(state));
            })?;
            BUNDLES.read(&transaction, key, |own, keys| {
                pairs.entry(Fingerprint::from_bytes(*own)).or_default().bundles = Some(Arc::new(keys));
            })?;
            TRANSFERS.read(&transaction, key, |at, row| {
                let (peer, number) = split_message_key(at);
                pairs.entry(peer).or_default().transfers.insert(number, Arc::new(row));
            })?;
            Ok(pairs)
        })
    }

    /// Makes changes, all or none; they are on disk once this returns.
    pub(super) fn commit(
        &self,
        key: &StoreKey,
        changes: &[StoreChange],
        history: &[HistoryEntry],
    ) -> Result<(), Failure> {
        self.write(|transaction| {
            let (mut out, mut outbox) = (OUT.writable(transaction)?, OUTBOX.writable(transaction)?);
            let (mut inbound, mut inbox) = (IN.writable(transaction)?, INBOX.writable(transaction)?);
            let (mut calls, mut renewals) = (CALLS.writable(transaction)?, RENEWALS.writable(transaction)?);
            let (mut transfers, mut letters) =
                (TRANSFERS.writable(transaction)?, LETTERS.writable(transaction)?);
            let mut bundles = BUNDLES.writable(transaction)?;
            for StoreChange { peer, change } in changes {
                match change {
                    PairChange::Outbound(state) => out.put(key, peer.as_bytes(), state)?,
                    PairChange::Queue(number, row) | PairChange::Rewrite(number, row) => {
                        outbox.put(key, &message_key(peer, *number), row)?;
                    }
                    PairChange::Unqueue(number) => outbox.remove(&message_key(peer, *number))?,
                    PairChange::Inbound(state) => inbound.put(key, peer.as_bytes(), state)?,
                    PairChange::Receive(number, row) | PairChange::Expose(number, row) => {
                        inbox.put(key, &message_key(peer, *number), row)?;
                    }
                    PairChange::Clear(number) => inbox.remove(&message_key(peer, *number))?,
                    PairChange::Calls(Calls::Stand) => calls.put(key, peer.as_bytes(), &())?,
                    PairChange::Calls(Calls::Ended) => calls.remove(peer.as_bytes())?,
                    PairChange::Renewals(moments) => renewals.put(key, peer.as_bytes(), moments)?,
                    PairChange::Transfer(number, row) => {
                        transfers.put(key, &message_key(peer, *number), &**row)?;
                    }
                    PairChange::EndTransfer(number) => transfers.remove(&message_key(peer, *number))?,
                    PairChange::Letters(state) => letters.put(key, peer.as_bytes(), &**state)?,
                    PairChange::EndLetters => letters.remove(peer.as_bytes())?,
                    PairChange::Bundles(keys) => bundles.put(key, peer.as_bytes(), &**keys)?,
                    PairChange::Forget => {
                        letters.remove(peer.as_bytes())?;
                        transfers.remove_all_of(peer)?;
                        calls.remove(peer.as_bytes())?;
                        renewals.remove(peer.as_bytes())?;
                        out.remove(peer.as_bytes())?;
                        inbound.remove(peer.as_bytes())?;
                        outbox.remove_all_of(peer)?;
                        inbox.remove_all_of(peer)?;
                    }
                }
            }
            append(transaction, key, history)
        })
    }

    /// Deletes one part of the history of one peer or of all, or what of it is older than a moment.
    /// Returns the number of messages, and the next part.
    pub(super) fn forget(
        &self,
        key: &StoreKey,
        peer: Option<&Fingerprint>,
        before: Option<UnixMs>,
        part: HistoryPart,
    ) -> Result<(u64, Option<HistoryPart>), Failure> {
        guarded(|| {
            let transaction = self.database.begin_write()?;
            let (forgotten, next) = forget(&transaction, key, peer, before, part)?;
            if forgotten == 0 {
                transaction.abort()?;
            } else {
                transaction.commit()?;
            }
            Ok((forgotten, next))
        })
    }

    /// The state of now, which later commits do not change.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, Failure> {
        guarded(|| Ok(self.database.begin_read()?))
    }

    /// Gives the room of deleted rows back to the file system, unless the file is being read.
    pub(super) fn compact(&mut self) -> Result<(), Failure> {
        guarded(|| match self.database.compact() {
            Ok(_) | Err(CompactionError::TransactionInProgress) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }

    fn write(&self, change: impl FnOnce(&WriteTransaction) -> Result<(), Failure>) -> Result<(), Failure> {
        guarded(|| {
            let transaction = self.database.begin_write()?;
            change(&transaction)?;
            Ok(transaction.commit()?)
        })
    }
}
