//! Tables of sealed values in a database.

use std::io;

use rand::TryRng as _;
use rand::rngs::SysRng;
use redb::{ReadTransaction, ReadableTable as _, Table, TableDefinition, TableError, WriteTransaction};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::rows::{self, Value};
use crate::crypto::{Fingerprint, Seed, StoreKey};

/// Bytes of good randomness.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    let filled = SysRng.try_fill_bytes(bytes.as_mut_slice());
    filled.map_err(|_| Failure::Io(io::Error::other("no secure random numbers")))?;
    Ok(bytes)
}

pub(super) fn seed() -> Result<Seed, Failure> {
    random().map(|bytes| Seed::new(*bytes))
}

/// Table of sealed values under keys of so many bytes: of a pair, the peer's fingerprint; of a
/// message, that and the number, big-endian.
#[derive(Clone, Copy)]
pub(super) struct SealedTable<const N: usize>(pub(super) &'static str);

impl<const N: usize> SealedTable<N> {
    pub(super) fn definition(self) -> TableDefinition<'static, &'static [u8; N], &'static [u8]> {
        TableDefinition::new(self.0)
    }

    /// What a value opens in, and nowhere else: the name of the table, a zero byte, the key.
    fn context(self, at: &[u8; N]) -> Vec<u8> {
        [self.0.as_bytes(), &[0], at].concat()
    }

    /// The value that was sealed at a key.
    pub(super) fn value<V: Value>(self, key: &StoreKey, at: &[u8; N], sealed: &[u8]) -> Result<V, Failure> {
        rows::read(&self.opened(key, at, sealed)?).ok_or_else(does_not_open)
    }

    /// The bytes of such a value.
    pub(super) fn opened(
        self,
        key: &StoreKey,
        at: &[u8; N],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        key.open(&self.context(at), sealed).map_err(|_| does_not_open())
    }

    pub(super) fn writable(self, transaction: &WriteTransaction) -> Result<WritableTable<'_, N>, Failure> {
        Ok(WritableTable { name: self, table: transaction.open_table(self.definition())? })
    }

    /// Opens each value, in the order of the keys.
    pub(super) fn read<V: Value>(
        self,
        transaction: &ReadTransaction,
        key: &StoreKey,
        mut each: impl FnMut(&[u8; N], V),
    ) -> Result<(), Failure> {
        let table = match transaction.open_table(self.definition()) {
            // A store that was made before there was such a table.
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for row in table.iter()? {
            let (at, sealed) = row?;
            each(at.value(), self.value(key, at.value(), sealed.value())?);
        }
        Ok(())
    }
}

/// A [`SealedTable`] that is written.
pub(super) struct WritableTable<'a, const N: usize> {
    pub(super) name: SealedTable<N>,
    pub(super) table: Table<'a, &'static [u8; N], &'static [u8]>,
}

impl<const N: usize> WritableTable<'_, N> {
    pub(super) fn put(&mut self, key: &StoreKey, at: &[u8; N], value: &impl Value) -> Result<(), Failure> {
        let sealed = key.seal(*random()?, &self.name.context(at), &rows::write(value));
        self.table.insert(at, sealed.as_slice())?;
        Ok(())
    }

    pub(super) fn remove(&mut self, at: &[u8; N]) -> Result<(), Failure> {
        self.table.remove(at)?;
        Ok(())
    }
}

impl WritableTable<'_, 40> {
    /// Deletes every message of a peer.
    pub(super) fn remove_all_of(&mut self, peer: &Fingerprint) -> Result<(), Failure> {
        let (first, last) = (message_key(peer, 0), message_key(peer, u64::MAX));
        Ok(self.table.retain_in::<&[u8; 40], _>(&first..=&last, |_, _| false)?)
    }
}

pub(super) fn does_not_open() -> Failure {
    Failure::damaged("a value in it cannot be decrypted")
}

pub(super) fn message_key(peer: &Fingerprint, number: u64) -> [u8; 40] {
    let mut key = [0; 40];
    let (head, tail) = key.split_at_mut(32);
    head.copy_from_slice(peer.as_bytes());
    tail.copy_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn split_message_key(key: &[u8; 40]) -> (Fingerprint, u64) {
    let (peer, number) = key.split_at(32);
    let peer = peer.try_into().expect("40 bytes are 32 and 8");
    let number = number.try_into().expect("40 bytes are 32 and 8");
    (Fingerprint::from_bytes(peer), u64::from_be_bytes(number))
}
