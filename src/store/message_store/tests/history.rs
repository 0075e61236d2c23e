//! History on disk: what was appended is found, and what was forgotten is gone.

use std::ops::ControlFlow;

use super::*;

fn entry(number: u8, at: u64, text: &str) -> HistoryEntry {
    let row = HistoryRow {
        at: UnixMs(at),
        direction: if at.is_multiple_of(2) { Direction::Sent } else { Direction::Received },
        name: "bob".into(),
        text: text.as_bytes().into(),
    };
    HistoryEntry { peer: peer(number), row }
}

fn texts(entries: &[HistoryEntry]) -> Vec<&str> {
    entries.iter().map(|entry| str::from_utf8(&entry.row.text).unwrap()).collect()
}

/// A store with messages of three peers, each with a text of its own.
fn store(home: &Home) -> MessageStore {
    let mut store = open(home).store;
    for (number, at, text) in [
        (1, 10, "Eins"),
        (2, 20, "zwei"),
        (1, 30, "eine Drei"),
        (3, 25, "vier\n드라이 DREI"),
        (1, 40, "fünf"),
    ] {
        store.commit_with_history(&[queue(at, super::text(text))], &[entry(number, at, text)]).unwrap();
    }
    store
}

#[test]
fn what_was_said_is_found_by_text_peer_and_age_after_a_restart() {
    let (_folder, home) = home();
    drop(store(&home));
    let opened = open(&home);
    assert_eq!(opened.pairs[&peer(1)].outbox.len(), 5, "in the same commits");
    let history = opened.store.history().unwrap();
    assert_eq!(texts(&history.last(2, None).unwrap()), ["eine Drei", "fünf"]);
    assert_eq!(texts(&history.last(2, Some(&peer(3))).unwrap()), ["vier\n드라이 DREI"]);
    assert_eq!(history.last(9, None).unwrap()[0], entry(1, 10, "Eins"));
    for (wanted, count, peer, found, earlier) in [
        ("ein", 9, None, &["Eins", "eine Drei"][..], 0),
        ("EIN", 1, None, &["eine Drei"], 1),
        ("drei", 9, None, &["vier\n드라이 DREI", "eine Drei"], 0),
        ("드라이", 9, None, &["vier\n드라이 DREI"], 0),
        ("\u{1103}\u{1173}\u{1105}\u{1161}", 9, None, &["vier\n드라이 DREI"], 0),
        ("FU\u{308}NF", 9, None, &["fünf"], 0),
        ("drei", 9, Some(&peer(1)), &["eine Drei"], 0),
        ("vier\n드", 9, None, &[], 0),
        ("", 2, None, &["eine Drei", "fünf"], 3),
    ] {
        let result = history.search(wanted, count, peer).unwrap();
        assert_eq!((texts(&result.entries), result.earlier), (found.to_vec(), earlier), "{wanted}");
    }
}

#[test]
fn a_snapshot_stays_as_it_was_and_the_store_goes_on() {
    let (_folder, home) = home();
    let mut store = store(&home);
    let before = store.history().unwrap();
    store.commit_with_history(&[], &[entry(1, 50, "later")]).unwrap();
    assert_eq!(store.forget_history(Some(&peer(2)), None).unwrap(), 1);
    let count = |history: &HistoryReader| history.last(99, None).unwrap().len();
    assert_eq!((count(&before), count(&store.history().unwrap())), (5, 5));
    assert_eq!(texts(&before.last(9, Some(&peer(2))).unwrap()), ["zwei"]);
}

#[test]
fn history_is_forgotten_by_peer_and_by_age_and_the_rest_stays() {
    let (_folder, home) = home();
    let mut store = store(&home);
    assert_eq!(store.forget_history(Some(&peer(1)), Some(UnixMs(30))).unwrap(), 1);
    assert_eq!(store.forget_history(None, Some(UnixMs(25))).unwrap(), 1);
    let all = store.history().unwrap().last(9, None).unwrap();
    assert_eq!(texts(&all), ["vier\n드라이 DREI", "eine Drei", "fünf"]);
    assert_eq!(store.forget_history(Some(&peer(1)), None).unwrap(), 2);
    store.commit_with_history(&[], &[entry(1, 60, "anew"), entry(1, 61, "and on")]).unwrap();
    assert_eq!(texts(&store.history().unwrap().last(9, Some(&peer(1))).unwrap()), ["anew", "and on"]);
    assert_eq!(store.forget_history(None, None).unwrap(), 3);
    assert!(store.history().unwrap().is_empty().unwrap());
    drop(store);
    assert_eq!(open(&home).pairs[&peer(1)].outbox.len(), 5, "what waits is no history");
}

#[test]
fn each_message_is_forgotten_by_its_own_time_in_rows_and_in_blocks_of_any_number() {
    let (_folder, home) = home();
    let mut store = open(&home).store;
    // A clock that was a year ahead at first, and for every tenth message.
    let at = |number: u64| if number.is_multiple_of(10) { 1_000_000 + number } else { number };
    let all: Vec<_> = (0..70_000).map(|number| entry(1, at(number), &number.to_string())).collect();
    store.commit_with_history(&[], &all).unwrap();
    let some = [(900_000, "ahead"), (20, "old"), (19, "older"), (30, "new")];
    store.commit_with_history(&[], &some.map(|(at, text)| entry(2, at, text))).unwrap();
    assert_eq!(store.forget_history(Some(&peer(2)), Some(UnixMs(25))).unwrap(), 2);
    let of_peer = |store: &MessageStore, number| {
        let all = store.history().unwrap().last(99_999, Some(&peer(number))).unwrap();
        all.into_iter().map(|entry| entry.row.at.0).collect::<Vec<_>>()
    };
    assert_eq!(of_peer(&store, 2), [30, 900_000]);
    assert_eq!(store.forget_history(None, Some(UnixMs(69_950))).unwrap(), 62_956);
    let left = |number: &u64| at(*number) >= 69_950;
    let mut expected: Vec<_> = (0..70_000).filter(left).map(at).collect();
    expected.sort_unstable();
    assert_eq!(of_peer(&store, 1), expected);
    store.commit_with_history(&[], &[entry(1, 2_000_000, "and on")]).unwrap();
    assert_eq!(texts(&store.history().unwrap().last(1, None).unwrap()), ["and on"]);
    assert_eq!(store.forget_history(None, None).unwrap(), expected.len() as u64 + 2);
    assert!(store.history().unwrap().is_empty().unwrap());
}

#[test]
fn what_was_taken_back_is_marked_once_for_each_in_rows_and_in_blocks() {
    let (_folder, home) = home();
    let mut store = open(&home).store;
    let sent =
        |at: u64| HistoryEntry { row: HistoryRow { direction: Direction::Sent, ..row(at) }, peer: peer(1) };
    let mark = |at: u64| HistoryEntry {
        row: HistoryRow { direction: Direction::TakenBack, ..row(at) },
        peer: peer(1),
    };
    let all: Vec<_> = (0..1_000).map(|number| sent(number / 2)).collect();
    store.commit_with_history(&[], &all).unwrap();
    // The last is said and taken back at once; one was never said.
    let marks = [sent(900), mark(900), mark(3), mark(3), mark(250), mark(499), mark(777)];
    store.commit_with_history(&[], &marks).unwrap();
    let marked = |store: &MessageStore| {
        let all = store.history().unwrap().last(9_999, None).unwrap();
        assert_eq!(all.len(), 1_001);
        all.into_iter().filter(HistoryEntry::is_mark).map(|entry| entry.row.at.0).collect::<Vec<_>>()
    };
    assert_eq!(marked(&store), [3, 3, 250, 499, 900]);
    drop(store);
    assert_eq!(marked(&open(&home).store), [3, 3, 250, 499, 900]);
}

fn row(at: u64) -> HistoryRow {
    entry(1, at, &format!("line {at}")).row
}

/// End of an export, by its reader or by an error.
struct Stop(ControlFlow<StoreError>);
impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self(ControlFlow::Break(error))
    }
}

#[test]
fn an_export_hands_on_each_message_and_stops_where_its_reader_does() {
    let (_folder, home) = home();
    let store = store(&home);
    let history = store.history().unwrap();
    let mut seen = Vec::new();
    history
        .each(Some(&peer(1)), |entry| -> Result<(), StoreError> {
            seen.push(entry);
            Ok(())
        })
        .unwrap();
    assert_eq!(texts(&seen), ["Eins", "eine Drei", "fünf"]);
    let mut count = 0;
    let stopped = history.each(None, |_| {
        count += 1;
        if count == 2 { Err(Stop(ControlFlow::Continue(()))) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(Stop(ControlFlow::Continue(())))));
    assert_eq!(count, 2);
}

#[test]
fn a_store_without_history_has_an_empty_one() {
    let (_folder, home) = home();
    let history = open(&home).store.history().unwrap();
    assert_eq!(history.search("x", 9, None).unwrap(), FoundEntries::default());
    assert_eq!((history.is_empty().unwrap(), history.last(9, None).unwrap()), (true, Vec::new()));
}

#[test]
fn messages_of_one_peer_and_of_many_are_searched_in_parts() {
    let (_folder, home) = home();
    let mut store = open(&home).store;
    let said =
        |at: u64| entry(u8::try_from(at % 5).unwrap(), at, if at % 97 == 3 { "needle" } else { "hay" });
    store.commit_with_history(&[], &(0..2_000).map(said).collect::<Vec<_>>()).unwrap();
    let many: Vec<_> = (2_000..20_000).map(|at| HistoryEntry { peer: peer(9), ..said(at) }).collect();
    store.commit_with_history(&[], &many).unwrap();
    let found = store.history().unwrap().search("Needle", 3, None).unwrap();
    let last: Vec<u64> = found.entries.iter().map(|entry| entry.row.at.0).collect();
    let all: Vec<u64> = (0..20_000).filter(|at| at % 97 == 3).collect();
    assert_eq!((last.as_slice(), found.earlier), (&all[all.len() - 3..], all.len() as u64 - 3));
}

#[test]
fn a_long_history_is_kept_in_blocks_and_reads_and_is_forgotten_as_a_short_one() {
    let (_folder, home) = home();
    let mut store = open(&home).store;
    let all: Vec<_> = (0..1_000).map(|at| entry(1, at, &format!("line {at}"))).collect();
    for part in all.chunks(90) {
        store.commit_with_history(&[], part).unwrap();
    }
    drop(store);
    let mut store = open(&home).store;
    let of_peer = |store: &MessageStore, count| store.history().unwrap().last(count, Some(&peer(1))).unwrap();
    for count in [0, 1, 127, 128, 300, 999, 1_000, 2_000] {
        assert_eq!(of_peer(&store, count), all[1_000 - count.min(1_000)..], "{count}");
    }
    for (before, left) in [(5, 5), (128, 128), (300, 300), (900, 900), (990, 990)] {
        let forgotten = store.forget_history(None, Some(UnixMs(before))).unwrap();
        assert_eq!(of_peer(&store, 2_000), all[left..], "before {before}");
        let mut exported = Vec::new();
        let push = |entry| -> Result<(), StoreError> {
            exported.push(entry);
            Ok(())
        };
        store.history().unwrap().each(None, push).unwrap();
        assert_eq!(exported, all[left..], "before {before}");
        assert!(forgotten > 0);
    }
    store.commit_with_history(&[], &[entry(1, 1_000, "line 1000")]).unwrap();
    assert_eq!(texts(&store.history().unwrap().search("LINE 1000", 9, None).unwrap().entries), ["line 1000"]);
    assert_eq!(store.forget_history(Some(&peer(1)), None).unwrap(), 11);
    assert!(store.history().unwrap().is_empty().unwrap());
}

#[test]
fn as_many_of_the_first_batches_are_kept_as_a_disk_has_room_for() {
    let said = |number| {
        let changes = vec![queue(number, super::text(&"x".repeat(2_000)))];
        StoreBatch { changes, history: vec![entry(1, number, &"y".repeat(500))] }
    };
    let batches: Vec<_> = (1..=40).map(said).collect();
    let mut counts = Vec::new();
    for kib in (40..160).step_by(20) {
        let (_folder, home) = home();
        let disk = SimulatedDisk::default();
        let mut store = MessageStore::open_on(&home, &alice(), &disk).unwrap().store;
        disk.set(DiskState::FullBehind(kib * 1_024));
        let (kept, result) = store.commit_first(&batches);
        let failed = result.unwrap_err();
        assert!(failed.why.to_string().contains("no space left on device"), "{failed}");
        let numbers = |pairs: &Pairs| pairs.get(&peer(1)).map_or(0, |pair| pair.outbox.len());
        assert_eq!(failed.pairs.as_ref().map(numbers), Some(kept), "{kib} KiB");
        // The history, too, has that much and nothing twice.
        let history = store.history().unwrap().last(99, None).unwrap();
        let upto = u64::try_from(kept).unwrap();
        assert!(history.iter().map(|entry| entry.row.at.0).eq(1..=upto), "{kib} KiB");
        disk.set(DiskState::Works);
        let (rest, result) = store.commit_first(&batches[kept..]);
        assert_eq!((kept + rest, result.is_ok()), (40, true));
        drop(store);
        let opened = open(&home);
        assert_eq!(numbers(&opened.pairs), 40);
        assert_eq!(opened.store.history().unwrap().last(99, None).unwrap().len(), 40);
        counts.push(kept);
    }
    assert!(counts.is_sorted() && counts[5] > counts[0] && counts[0] < 40, "{counts:?}");
}
