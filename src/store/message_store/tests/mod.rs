//! Stores in homes on a real file system, with every wrong thing in their place.

mod crashes;
mod history;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::Arc;

use proptest::prelude::*;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use tempfile::TempDir;

use super::*;
use crate::delivery::{Chain, Content, Epoch, Exposure, Inbound, InboxRow, Outbound, OutboxRow, PairChange};
use crate::time::UnixMs;

fn alice() -> Identity {
    Identity::from_pem(include_str!("../../../../tests/keys/alice-2048.pem"), None).unwrap()
}

fn bob() -> Identity {
    Identity::from_pem(include_str!("../../../../tests/keys/bob-2048.pem"), None).unwrap()
}

fn peer(number: u8) -> Fingerprint {
    Fingerprint::of(&[number])
}

fn text(text: &str) -> OutboxRow {
    let content = Content::Text(text.into());
    OutboxRow { typed: UnixMs(5), content, chain: Chain([3; 16]), expires: None }
}

fn queue(number: u64, row: OutboxRow) -> StoreChange {
    StoreChange { peer: peer(1), change: PairChange::Queue(number, row) }
}

/// A home whose store outlives no loss of power, which no test here causes.
fn home() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::temporary(folder.path().join("home"));
    (folder, home)
}

fn open(home: &Home) -> OpenedStore {
    let opened = MessageStore::open(home, &alice()).unwrap();
    assert_eq!(opened.put_aside, None);
    opened
}

fn error(home: &Home) -> String {
    MessageStore::open(home, &alice())
        .err()
        .unwrap()
        .to_string()
        .replace(&home.path().display().to_string(), "HOME")
}

fn apply(pairs: &mut Pairs, changes: &[StoreChange]) {
    for StoreChange { peer, change } in changes {
        pairs.entry(*peer).or_default().apply(change.clone());
    }
    // What is empty leaves no trace on disk.
    pairs.retain(|_, pair| *pair != crate::delivery::Pair::default());
}

/// Changes of a few peers and numbers, so that they meet.
pub(super) fn changes() -> impl Strategy<Value = Vec<StoreChange>> {
    let epoch = any::<[u8; 16]>().prop_map(Epoch);
    let chain = any::<[u8; 16]>().prop_map(Chain);
    let outbound = (epoch.clone(), any::<[u64; 4]>(), chain.clone()).prop_map(
        |(epoch, [next, sent, kept, received], chain)| {
            PairChange::Outbound(Outbound { epoch, next, sent, kept, received, chain })
        },
    );
    let inbound = (epoch, any::<[u64; 2]>(), chain.clone())
        .prop_map(|(epoch, [last, shown], chain)| PairChange::Inbound(Inbound { epoch, last, chain, shown }));
    let content = prop_oneof![
        4 => prop_oneof![Just(0), 1_usize..700, Just(16_384)].prop_map(|n| Content::Text("ü".repeat(n / 2).into())),
        1 => Just(Content::Skip),
    ];
    let row =
        (any::<u64>(), content, chain, any::<Option<u64>>()).prop_map(|(typed, content, chain, expires)| {
            OutboxRow { typed: UnixMs(typed), content, chain, expires: expires.map(UnixMs) }
        });
    let received = (any::<u64>(), prop::collection::vec(any::<u8>(), 0..600)).prop_map(|(typed, text)| {
        let exposure = [Exposure::Shown, Exposure::None, Exposure::Taken][(typed % 3) as usize];
        InboxRow { typed: UnixMs(typed), text: Arc::from(text), exposure }
    });
    let change = prop_oneof![
        outbound,
        inbound,
        (0_u64..6, row).prop_map(|(number, row)| PairChange::Queue(number, row)),
        (0_u64..6).prop_map(PairChange::Unqueue),
        (0_u64..6, received).prop_map(|(number, row)| PairChange::Receive(number, row)),
        (0_u64..6).prop_map(PairChange::Clear),
        Just(PairChange::Forget),
    ];
    let change = (0_u8..3, change).prop_map(|(number, change)| StoreChange { peer: peer(number), change });
    prop::collection::vec(change, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_committed_is_read_again(commits in prop::collection::vec(changes(), 0..8)) {
        let (_folder, home) = home();
        let mut pairs = Pairs::new();
        for half in commits.chunks(4) {
            let mut opened = open(&home);
            prop_assert_eq!(&opened.pairs, &pairs);
            for changes in half {
                opened.store.commit(changes).unwrap();
                apply(&mut pairs, changes);
            }
        }
        prop_assert_eq!(open(&home).pairs, pairs);
    }
}

#[test]
fn the_file_is_the_users_alone_and_nothing_is_left_beside_it() {
    let (_folder, home) = home();
    fs::create_dir(home.path()).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    fs::write(home.path().join("store.redb.new"), "of a process that was killed").unwrap();
    drop(open(&home));
    let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| ["store.redb", "store.redb.spare", ".lock"].iter().any(|known| name == known)),
        "{names:?}"
    );
    assert_eq!(fs::metadata(path(&home)).unwrap().mode() & 0o7777, 0o600);
    fs::set_permissions(path(&home), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(error(&home), "HOME/store.redb is open to others (0640); chmod 600 HOME/store.redb");
}

#[test]
fn what_is_no_file_is_left_alone() {
    let (_folder, home) = home();
    drop(open(&home));
    let elsewhere = home.path().join("elsewhere");
    fs::rename(path(&home), &elsewhere).unwrap();
    symlink(&elsewhere, path(&home)).unwrap();
    assert_eq!(error(&home), "HOME/store.redb is a symbolic link, not a file; move it away");
    fs::remove_file(path(&home)).unwrap();
    fs::create_dir(path(&home)).unwrap();
    assert!(error(&home).starts_with("cannot read HOME/store.redb: "));
}

#[test]
fn a_store_is_open_once() {
    let (_folder, home) = home();
    let mut opened = open(&home);
    let held = format!(
        "HOME/store.redb is open in another rsachat with this home (process {}); end that one and try again",
        std::process::id()
    );
    assert_eq!(error(&home), held);
    opened.store.commit(&[queue(1, text("still ours"))]).unwrap();
    drop(opened.store);
    assert_eq!(open(&home).pairs[&peer(1)].outbox[&1], text("still ours"));
}

#[test]
fn a_store_of_another_key_is_refused_and_stays() {
    let (_folder, home) = home();
    let bobs = MessageStore::open(&home, &bob()).unwrap();
    let bob = bob().public().fingerprint();
    drop(bobs);
    let before = fs::read(path(&home)).unwrap().len();
    assert_eq!(
        error(&home),
        format!(
            "HOME/store.redb is sealed for another key ({bob}); put that key back, or move the file away, \
             with the messages waiting in it"
        )
    );
    assert_eq!(fs::read(path(&home)).unwrap().len(), before);
}

#[test]
fn two_keys_open_a_store_between_two_wraps_and_then_the_new_one_alone() {
    let (_folder, home) = home();
    let (alice, bob) = (alice(), bob());
    let mut store = open(&home).store;
    store.commit(&[queue(1, text("kept"))]).unwrap();
    let failed = store.drop_wraps_but(&bob.public().fingerprint()).unwrap_err();
    assert!(matches!(failed.why, StoreError::OtherIdentity { .. }), "it would open for nobody");
    store.add_wrap(bob.public()).unwrap();
    drop(store);
    let mut pairs = Vec::new();
    for identity in [&alice, &bob] {
        let mut opened = MessageStore::open(&home, identity).unwrap();
        opened.store.commit(&[queue(2, text("by both"))]).unwrap();
        pairs.push(opened.pairs);
    }
    assert_eq!(pairs[0][&peer(1)].outbox.len(), 1);
    assert_eq!(pairs[1][&peer(1)].outbox.len(), 2);
    let mut store = MessageStore::open(&home, &bob).unwrap().store;
    store.drop_wraps_but(&bob.public().fingerprint()).unwrap();
    drop(store);
    assert!(matches!(MessageStore::open(&home, &alice), Err(StoreError::OtherIdentity { .. })));
    assert_eq!(MessageStore::open(&home, &bob).unwrap().pairs[&peer(1)].outbox.len(), 2);
}

#[test]
fn a_damaged_file_is_put_aside_whole_and_none_is_overwritten() {
    let (_folder, home) = home();
    drop(open(&home));
    for (number, bad) in ["store.redb.bad", "store.redb.bad-2", "store.redb.bad-3"].iter().enumerate() {
        let contents = format!("no store {number}").repeat(number * 1_000);
        fs::write(path(&home), &contents).unwrap();
        let put_aside = MessageStore::open(&home, &alice()).unwrap().put_aside.unwrap();
        assert_eq!(put_aside.path, home.path().join(bad));
        assert_eq!(put_aside.why, if number == 0 { "it is empty" } else { "it is not a message store" });
        assert_eq!(fs::read_to_string(put_aside.path).unwrap(), contents);
        drop(open(&home));
    }
}

#[test]
fn a_full_disk_and_a_broken_one_keep_what_was_committed() {
    let (_folder, home) = home();
    let disk = SimulatedDisk::default();
    let mut store = MessageStore::open_on(&home, &alice(), &disk).unwrap().store;
    store.commit(&[queue(1, text("first"))]).unwrap();
    for (state, word) in
        [(DiskState::Full, "no space left on device"), (DiskState::Fails, "input/output error")]
    {
        disk.set(state);
        let failed = store.commit(&[queue(2, text("second"))]).unwrap_err();
        let why = failed.why.to_string();
        assert!(why.starts_with("cannot write ") && why.contains(word), "{why}");
        assert_eq!(why.contains("make room"), state == DiskState::Full, "{why}");
        // Not even the check of the file can be noted on it.
        assert_eq!(failed.pairs, None);
        assert_eq!(store.commit(&[]).unwrap_err().pairs, None);
        disk.set(DiskState::Works);
        let reopened = store.commit(&[queue(2, text("second"))]).unwrap_err();
        assert!(matches!(reopened.why, StoreError::Reopened { .. }), "{}", reopened.why);
        let outbox = reopened.pairs.unwrap().remove(&peer(1)).unwrap().outbox;
        assert_eq!(outbox[&1], text("first"));
        store.commit(&[queue(2, text("second"))]).unwrap();
        store.commit(&[StoreChange { peer: peer(1), change: PairChange::Unqueue(2) }]).unwrap();
    }
    drop(store);
    assert_eq!(open(&home).pairs[&peer(1)].outbox.len(), 1);
    disk.set(DiskState::Full);
    fs::remove_file(path(&home)).unwrap();
    assert!(MessageStore::open_on(&home, &alice(), &disk).is_err());
    assert!(!path(&home).exists() && !home.path().join("store.redb.new").exists());
}

const OUTBOX: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("outbox");
const INBOX: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("inbox");
const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");

/// Changes the file as somebody would who has no key.
fn tamper(home: &Home, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path(home)).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn a_value_that_is_moved_to_another_key_or_table_does_not_open() {
    for table in [OUTBOX, INBOX] {
        let (_folder, home) = home();
        open(&home).store.commit(&[queue(1, text("for one"))]).unwrap();
        tamper(&home, |transaction| {
            let mut outbox = transaction.open_table(OUTBOX).unwrap();
            let (mut key, value) = {
                let (key, value) = outbox.pop_first().unwrap().unwrap();
                (*key.value(), value.value().to_vec())
            };
            drop(outbox);
            if table.to_string() == OUTBOX.to_string() {
                key[39] = 2;
            }
            transaction.open_table(table).unwrap().insert(&key, value.as_slice()).unwrap();
        });
        let put_aside = MessageStore::open(&home, &alice()).unwrap().put_aside.unwrap();
        assert_eq!(put_aside.why, "a value in it cannot be decrypted");
    }
}

#[test]
fn a_file_of_a_later_format_stays_and_one_of_another_program_is_put_aside() {
    let (_folder, home) = home();
    drop(open(&home));
    tamper(&home, |transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(b"format".as_slice(), [0, 0, 0, 2].as_slice()).unwrap();
    });
    assert_eq!(error(&home), "HOME/store.redb was written by a newer rsachat (format 2); use that one");
    tamper(&home, |transaction| {
        transaction.delete_table(META).unwrap();
    });
    assert_eq!(MessageStore::open(&home, &alice()).unwrap().put_aside.unwrap().why, "its format is unknown");
}

/// Somebody who reads the warning knows our words for it, not those of the database.
#[test]
fn damage_anywhere_in_a_file_is_told_in_our_words() {
    let (_folder, home) = home();
    open(&home).store.commit(&[queue(1, text("one"))]).unwrap();
    let whole = fs::read(path(&home)).unwrap();
    let mut told = std::collections::BTreeSet::new();
    let step = whole.len() / 24;
    let damages = (0..24).flat_map(|place| {
        let (mut changed, at) = (whole.clone(), place * step);
        changed[at..at + 300.min(step)].fill(0x5a);
        [changed, whole[..at].to_vec()]
    });
    for bytes in damages {
        fs::write(path(&home), bytes).unwrap();
        // What nothing is read from does no harm.
        told.extend(MessageStore::open(&home, &alice()).unwrap().put_aside.map(|aside| aside.why));
    }
    let ours = [
        "a value in it cannot be decrypted",
        "it is empty",
        "it is not a message store",
        "it was cut short",
        "its format is unknown",
        "its key cannot be decrypted",
        "its pages are inconsistent",
    ];
    assert!(told.len() > 2 && told.iter().all(|why| ours.contains(why)), "{told:?}");
}

#[test]
fn nothing_that_was_said_stands_in_the_file_and_the_length_shows_in_steps_only() {
    let (_folder, home) = home();
    let secret = "what nobody else may read";
    let mut store = open(&home).store;
    let received =
        InboxRow { typed: UnixMs(9), text: Arc::from(secret.as_bytes()), exposure: Exposure::Shown };
    let receive = StoreChange { peer: peer(1), change: PairChange::Receive(1, received) };
    store.commit(&[queue(1, text(secret)), queue(2, text("")), receive]).unwrap();
    drop(store);
    let bytes = fs::read(path(&home)).unwrap();
    assert!(!bytes.windows(8).any(|window| window == &secret.as_bytes()[..8]));
    let database = Database::open(path(&home)).unwrap();
    let outbox = database.begin_read().unwrap().open_table(OUTBOX).unwrap();
    for number in [1, 2] {
        let key: [u8; 40] =
            [peer(1).as_bytes().as_slice(), &u64::to_be_bytes(number)].concat().try_into().unwrap();
        let sealed = outbox.get(&key).unwrap().unwrap();
        assert_eq!(sealed.value().len(), StoreKey::OVERHEAD_BYTES + 256);
    }
}

#[test]
fn the_room_of_what_was_received_is_given_back() {
    let (_folder, home) = home();
    let mut store = open(&home).store;
    let row = |number| queue(number, text(&"x".repeat(16_000)));
    store.commit(&(0..600).map(row).collect::<Vec<_>>()).unwrap();
    let unqueue = |number| StoreChange { peer: peer(1), change: PairChange::Unqueue(number) };
    store.commit(&(1..600).map(unqueue).collect::<Vec<_>>()).unwrap();
    drop(store);
    assert_eq!(open(&home).pairs[&peer(1)].outbox.len(), 1);
    let bytes = fs::metadata(path(&home)).unwrap().len();
    assert!(bytes < 1024 * 1024, "{bytes}");
    assert_eq!(open(&home).pairs[&peer(1)].outbox.len(), 1);
}

#[test]
fn what_is_written_into_a_store_that_was_deleted_is_not_kept() {
    let (folder, home) = home();
    let mut store = open(&home).store;
    store.commit(&[queue(1, text("one"))]).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    for why in ["it was deleted", "no such file"] {
        let failed = store.commit(&[queue(2, text("two"))]).unwrap_err();
        assert!(failed.why.to_string().contains(why) && failed.pairs.is_none(), "{}", failed.why);
    }
}
