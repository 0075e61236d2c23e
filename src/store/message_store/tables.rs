//! Tables of a store in a database of redb, with sealed values (`docs/STORE.md`).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::TryRng as _;
use rand::rngs::SysRng;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase as _, ReadableTable, StorageBackend, Table,
    TableDefinition, WriteTransaction,
};
use zeroize::Zeroizing;

use super::rows::{self, Value};
use crate::crypto::{Fingerprint, Identity, PublicKey, Seed, StoreKey};
use crate::delivery::{PairChange, Pairs, StoreChange};

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
const OUT: SealedTable<32> = SealedTable("out");
const OUTBOX: SealedTable<40> = SealedTable("outbox");
const IN: SealedTable<32> = SealedTable("in");
const INBOX: SealedTable<40> = SealedTable("inbox");

/// Version of the format, under [`FORMAT_KEY`].
const FORMAT: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";
/// First bytes of the key of a wrapped store key; the fingerprint of its identity follows.
const WRAP_KEY: &[u8] = b"wrap";
/// Memory for pages of the file.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Reason why the tables were not read or written.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system's reason.
    Io(io::Error),
    /// Another process has the file open.
    Held,
    /// It is no store, or a changed one.
    Damaged(String),
    /// The store key is wrapped to other identities only.
    OtherIdentity(Vec<Fingerprint>),
    /// A later version of the format.
    NewerFormat(u32),
}

impl Failure {
    fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error.into() {
            redb::Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                Self::damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::DatabaseAlreadyOpen => Self::Held,
            redb::Error::Corrupted(what) => Self::Damaged(what),
            error @ (redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_)) => Self::Damaged(error.to_string()),
            error => Self::Io(io::Error::other(error.to_string())),
        }
    }
}

/// Runs code of the database: a file that was changed from outside may make it panic.
fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(Failure::damaged("its pages contradict")))
}

/// Bytes of good randomness.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    let filled = SysRng.try_fill_bytes(bytes.as_mut_slice());
    filled.map_err(|_| Failure::Io(io::Error::other("no secure random numbers")))?;
    Ok(bytes)
}

fn seed() -> Result<Seed, Failure> {
    random().map(|bytes| Seed::new(*bytes))
}

/// Table of sealed values under keys of so many bytes: of a pair, the peer's fingerprint; of a
/// message, that and the number, big-endian.
#[derive(Clone, Copy)]
struct SealedTable<const N: usize>(&'static str);

impl<const N: usize> SealedTable<N> {
    fn definition(self) -> TableDefinition<'static, &'static [u8; N], &'static [u8]> {
        TableDefinition::new(self.0)
    }

    /// What a value opens in, and nowhere else: the name of the table, a zero byte, the key.
    fn context(self, at: &[u8; N]) -> Vec<u8> {
        [self.0.as_bytes(), &[0], at].concat()
    }

    fn writable(self, transaction: &WriteTransaction) -> Result<WritableTable<'_, N>, Failure> {
        Ok(WritableTable { name: self, table: transaction.open_table(self.definition())? })
    }

    /// Opens each value, in the order of the keys.
    fn read<V: Value>(
        self,
        transaction: &ReadTransaction,
        key: &StoreKey,
        mut each: impl FnMut(&[u8; N], V),
    ) -> Result<(), Failure> {
        for row in transaction.open_table(self.definition())?.iter()? {
            let (at, sealed) = row?;
            let opened = key.open(&self.context(at.value()), sealed.value()).ok();
            let value = opened.and_then(|bytes| rows::read(&bytes));
            each(at.value(), value.ok_or_else(|| Failure::damaged("a value in it does not open"))?);
        }
        Ok(())
    }
}

/// A [`SealedTable`] that is written.
struct WritableTable<'a, const N: usize> {
    name: SealedTable<N>,
    table: Table<'a, &'static [u8; N], &'static [u8]>,
}

impl<const N: usize> WritableTable<'_, N> {
    fn put(&mut self, key: &StoreKey, at: &[u8; N], value: &impl Value) -> Result<(), Failure> {
        let sealed = key.seal(*random()?, &self.name.context(at), &rows::write(value));
        self.table.insert(at, sealed.as_slice())?;
        Ok(())
    }

    fn remove(&mut self, at: &[u8; N]) -> Result<(), Failure> {
        self.table.remove(at)?;
        Ok(())
    }
}

fn message_key(peer: &Fingerprint, number: u64) -> [u8; 40] {
    let mut key = [0; 40];
    let (head, tail) = key.split_at_mut(32);
    head.copy_from_slice(peer.as_bytes());
    tail.copy_from_slice(&number.to_be_bytes());
    key
}

fn split_message_key(key: &[u8; 40]) -> (Fingerprint, u64) {
    let (peer, number) = key.split_at(32);
    let peer = peer.try_into().expect("40 bytes are 32 and 8");
    let number = number.try_into().expect("40 bytes are 32 and 8");
    (Fingerprint::from_bytes(peer), u64::from_be_bytes(number))
}

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
            for table in [OUT, IN] {
                table.writable(&transaction)?;
            }
            for table in [OUTBOX, INBOX] {
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
                    .map_err(|_| Failure::damaged("its key does not open")),
                None => Err(Failure::OtherIdentity(wrapped_to(&meta)?)),
            }
        })
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
            Ok(pairs)
        })
    }

    /// Makes changes, all or none; they are on disk once this returns.
    pub(super) fn commit(&self, key: &StoreKey, changes: &[StoreChange]) -> Result<(), Failure> {
        self.write(|transaction| {
            let (mut out, mut outbox) = (OUT.writable(transaction)?, OUTBOX.writable(transaction)?);
            let (mut inbound, mut inbox) = (IN.writable(transaction)?, INBOX.writable(transaction)?);
            for StoreChange { peer, change } in changes {
                match change {
                    PairChange::Outbound(state) => out.put(key, peer.as_bytes(), state)?,
                    PairChange::Queue(number, row) => outbox.put(key, &message_key(peer, *number), row)?,
                    PairChange::Unqueue(number) => outbox.remove(&message_key(peer, *number))?,
                    PairChange::Inbound(state) => inbound.put(key, peer.as_bytes(), state)?,
                    PairChange::Receive(number, row) => inbox.put(key, &message_key(peer, *number), row)?,
                    PairChange::Clear(number) => inbox.remove(&message_key(peer, *number))?,
                }
            }
            Ok(())
        })
    }

    /// Gives the room of deleted rows back to the file system.
    pub(super) fn compact(&mut self) -> Result<(), Failure> {
        guarded(|| {
            self.database.compact()?;
            Ok(())
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
