//! Losses of power at every call of the database, and files that were cut or changed.

use std::io;
use std::sync::{Arc, Mutex};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rand::rngs::ChaCha20Rng;
use rand::{Rng as _, SeedableRng as _};
use redb::StorageBackend;

use super::*;
use crate::store::message_store::failure::Failure;
use crate::store::message_store::tables::Tables;

/// Smallest part of a write that a disk keeps or loses as a whole.
const SECTOR_BYTES: usize = 512;

/// Call of a backend that changes the file.
#[derive(Clone, Debug)]
enum Call {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// File in memory, with the calls that were made.
#[derive(Clone, Default, Debug)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Disk {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: Arc::new(Mutex::new(bytes.to_vec())), ..Self::default() }
    }

    fn call(&self, call: Call) {
        make(&call, &mut self.bytes.lock().unwrap());
        self.calls.lock().unwrap().push(call);
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let part = bytes.get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Call::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Call::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(Call::Write(offset, data.to_vec()));
        Ok(())
    }
}

fn make(call: &Call, bytes: &mut Vec<u8>) {
    match call {
        Call::Write(offset, data) => {
            let from = usize::try_from(*offset).unwrap();
            bytes.resize(bytes.len().max(from + data.len()), 0);
            bytes[from..from + data.len()].copy_from_slice(data);
        }
        Call::SetLen(len) => bytes.resize(usize::try_from(*len).unwrap(), 0),
        Call::Sync => {}
    }
}

/// Part of a change that reached the disk: all of it, none, or some sectors of it.
fn torn(call: &Call, rng: &mut ChaCha20Rng, bytes: &mut Vec<u8>) {
    match (rng.next_u32() % 3, call) {
        (0, _) => {}
        (1, Call::Write(offset, data)) => {
            for (number, sector) in data.chunks(SECTOR_BYTES).enumerate() {
                if rng.next_u32().is_multiple_of(2) {
                    make(&Call::Write(offset + (number * SECTOR_BYTES) as u64, sector.to_vec()), bytes);
                }
            }
        }
        _ => make(call, bytes),
    }
}

fn read(bytes: &[u8], key: &StoreKey) -> Result<Pairs, Failure> {
    Tables::open(Disk::of(bytes)).and_then(|tables| tables.read(key))
}

/// Commits of random changes with the state after each of them, the first of an empty store.
fn commits(count: usize) -> (Vec<Vec<StoreChange>>, Vec<Pairs>) {
    let mut runner = TestRunner::deterministic();
    let (mut commits, mut states) = (Vec::new(), vec![Pairs::new()]);
    while commits.len() < count {
        let changes = changes().new_tree(&mut runner).unwrap().current();
        if changes.is_empty() {
            continue;
        }
        let mut pairs = states.last().unwrap().clone();
        apply(&mut pairs, &changes);
        commits.push(changes);
        states.push(pairs);
    }
    (commits, states)
}

#[test]
fn no_loss_of_power_loses_what_was_committed_or_shows_half_of_a_commit() {
    let (commits, states) = commits(60);
    let disk = Disk::default();
    let (tables, key) = Tables::create(disk.clone(), alice().public()).unwrap();
    let created = disk.calls();
    let mut acknowledged = Vec::new();
    for changes in &commits {
        tables.commit(&key, changes, &[]).unwrap();
        acknowledged.push(disk.calls());
    }
    drop(tables);
    let calls = disk.calls.lock().unwrap().clone();
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let (mut synced, mut unsynced): (Vec<u8>, Vec<&Call>) = Default::default();
    let mut images = 0;
    for (number, call) in calls.iter().enumerate() {
        unsynced.push(call);
        if matches!(call, Call::Sync) {
            for call in unsynced.drain(..) {
                make(call, &mut synced);
            }
        }
        // Before that the file has its first name, under which nobody opens it.
        if number + 1 < created {
            continue;
        }
        let done = acknowledged.iter().filter(|calls| **calls <= number + 1).count();
        for image in 0..6 {
            let mut bytes = synced.clone();
            for call in &unsynced {
                match image {
                    0 => {}
                    1 => make(call, &mut bytes),
                    _ => torn(call, &mut rng, &mut bytes),
                }
            }
            let pairs = read(&bytes, &key)
                .unwrap_or_else(|failure| panic!("call {number}, image {image}: {failure:?}"));
            let expected = &states[done..states.len().min(done + 2)];
            assert!(
                expected.contains(&pairs),
                "call {number}, image {image}: neither {done} commits nor one more"
            );
            images += 1;
        }
    }
    assert!(images > 2_000, "{images}");
}

/// A store that was closed in order, with the key and what is in it.
fn closed() -> (Vec<u8>, StoreKey, Vec<Pairs>) {
    let (commits, states) = commits(12);
    let disk = Disk::default();
    let (tables, key) = Tables::create(disk.clone(), alice().public()).unwrap();
    for changes in &commits {
        tables.commit(&key, changes, &[]).unwrap();
    }
    drop(tables);
    (disk.bytes(), key, states)
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let (bytes, key, states) = closed();
    let (mut refused, mut whole) = (0, 0);
    for length in (0..bytes.len()).step_by(509).chain([bytes.len() - 1, 1]) {
        match read(&bytes[..length], &key) {
            Err(Failure::Damaged(_)) => refused += 1,
            Err(failure) => panic!("cut at {length}: {failure:?}"),
            Ok(pairs) => {
                assert_eq!(Some(&pairs), states.last(), "cut at {length}");
                whole += 1;
            }
        }
    }
    assert!(refused > 2 * whole, "{refused} refused, {whole} whole");
}

#[test]
fn a_file_with_a_changed_byte_is_refused_or_reads_as_before() {
    let (bytes, key, states) = closed();
    let mut refused = 0;
    for at in (0..512).chain((512..bytes.len()).step_by(61)) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        match read(&changed, &key) {
            Err(Failure::Damaged(_)) => refused += 1,
            Err(failure) => panic!("byte {at}: {failure:?}"),
            Ok(pairs) => assert_eq!(Some(&pairs), states.last(), "byte {at}"),
        }
    }
    assert!(refused > 20, "{refused}");
}
