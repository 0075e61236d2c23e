//! What the store of messages costs: a commit of one line and of many, opening with lines that wait, and a
//! search in a long history.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rsachat::crypto::{Fingerprint, Identity};
use rsachat::delivery::{Chain, Content, Epoch, Outbound, OutboxRow, PairChange, StoreChange};
use rsachat::store::{Direction, HistoryEntry, HistoryRow, Home, MessageStore};
use rsachat::time::UnixMs;

use crate::{Aim, Outcome, Peer, Table, ms, percentile};

/// Commits of one line that are timed, and of many.
const SINGLES: u32 = 400;
const BATCHES: u32 = 100;
/// Lines of such a commit.
const BATCH: u32 = 64;
/// Lines that wait as the store is opened.
const WAITING: u64 = 10_000;
/// Messages of the history that is searched, in commits of so many.
const MESSAGES: u64 = 1_000_000;
const COMMIT: u64 = 20_000;
/// Peers with whom they were exchanged.
const PEERS: u64 = 12;
/// Times that something is opened or searched.
const ROUNDS: usize = 5;

pub(crate) fn store(table: &mut Table, folder: &Path, identity: &Identity) -> Outcome<()> {
    commits(table, &folder.join("store"), identity)?;
    waiting(table, &folder.join("waiting"), identity)?;
    history(table, &folder.join("history"), identity)
}

fn commits(table: &mut Table, folder: &Path, identity: &Identity) -> Outcome<()> {
    let mut store = MessageStore::open(&Home::at(folder.to_owned()), identity)?.store;
    let mut file = File::create(folder.join("plain"))?;
    let (mut single, mut plain, mut number) = (Vec::new(), Vec::new(), 0_u32);
    for _ in 0..SINGLES {
        let begun = Instant::now();
        store.commit(&line(number.into()))?;
        single.push(begun.elapsed());
        number += 1;
        let begun = Instant::now();
        file.write_all(&[b'x'; 200])?;
        file.sync_data()?;
        plain.push(begun.elapsed());
    }
    for share in [50, 99] {
        let (one, other) = (ms(percentile(&mut single, share)), ms(percentile(&mut plain, share)));
        let peer = Peer::Ratio(one / other, "append and fdatasync");
        table.row(
            &format!("durable commit of a line, p{share} of {SINGLES}"),
            Aim::AtMost(10.0, "ms"),
            one,
            peer,
        );
    }
    let a_second = |lines: u32, time: Duration| f64::from(lines) / time.as_secs_f64();
    let lines = a_second(SINGLES, single.iter().sum());
    table.row(
        "durable lines a second, one a commit",
        Aim::None("/s"),
        lines,
        Peer::Note("one after another"),
    );
    let begun = Instant::now();
    for _ in 0..BATCHES {
        let changes: Vec<_> = (number..number + BATCH).map(u64::from).flat_map(line).collect();
        store.commit(&changes)?;
        number += BATCH;
    }
    let lines = a_second(BATCHES * BATCH, begun.elapsed());
    let aim = Aim::AtLeast(5_000.0, "/s");
    table.row(
        &format!("durable lines a second, {BATCH} a commit"),
        aim,
        lines,
        Peer::Note("one after another"),
    );
    Ok(())
}

fn waiting(table: &mut Table, folder: &Path, identity: &Identity) -> Outcome<()> {
    let home = Home::at(folder.to_owned());
    let changes: Vec<_> = (0..WAITING).flat_map(line).collect();
    MessageStore::open(&home, identity)?.store.commit(&changes)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let opened = MessageStore::open(&home, identity)?;
        times.push(begun.elapsed());
        assert_eq!(opened.pairs.values().map(|pair| pair.outbox.len() as u64).sum::<u64>(), WAITING);
    }
    let note = Peer::Note("every page and value checked");
    let what = format!("store opened with {WAITING} lines, median");
    table.row(&what, Aim::AtMost(300.0, "ms"), ms(percentile(&mut times, 50)), note);
    Ok(())
}

fn history(table: &mut Table, folder: &Path, identity: &Identity) -> Outcome<()> {
    let home = Home::at(folder.to_owned());
    let mut store = MessageStore::open(&home, identity)?.store;
    for first in (0..MESSAGES).step_by(usize::try_from(COMMIT)?) {
        let entries: Vec<_> = (first..first + COMMIT).map(said).collect();
        store.commit_with_history(&[], &entries)?;
    }
    let (mut english, mut korean) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (times, wanted) in [(&mut english, "NUMBER 4711 "), (&mut korean, "사천칠백십일")] {
            let begun = Instant::now();
            let found = store.history()?.search(wanted, 10, None)?;
            times.push(begun.elapsed());
            assert_eq!((found.entries.len(), found.earlier), (1, 0), "{wanted}");
        }
    }
    let bytes = std::fs::metadata(folder.join("store.redb"))?.len();
    let note = format!("{} MiB on disk, one in ten in Korean", bytes / 1024 / 1024);
    for (times, which) in [(&mut english, "English"), (&mut korean, "Korean")] {
        let what = format!("search in {MESSAGES} messages, {which}, median");
        table.row(&what, Aim::AtMost(1_000.0, "ms"), ms(percentile(times, 50)), Peer::Note(&note));
    }
    drop(store);
    let begun = Instant::now();
    drop(MessageStore::open(&home, identity)?);
    let what = format!("store opened with {MESSAGES} messages of history");
    table.row(&what, Aim::None("ms"), ms(begun.elapsed()), Peer::Note(&note));
    Ok(())
}

/// A line of 200 bytes as it is accepted: its row, and the count.
fn line(number: u64) -> [StoreChange; 2] {
    let peer = Fingerprint::of(b"bob");
    let text = format!("{number:0200}");
    let chain = Chain([1; 16]);
    let row = OutboxRow { typed: UnixMs(number), content: Content::Text(text.into()), chain, expires: None };
    let next = number + 1;
    let state = Outbound { epoch: Epoch([2; 16]), next, sent: 0, kept: 0, received: 0, chain };
    [PairChange::Queue(number, row), PairChange::Outbound(state)].map(|change| StoreChange { peer, change })
}

fn said(number: u64) -> HistoryEntry {
    let text = match (number % 10, number) {
        (1, 4_711) => "message NUMBER 4711 of a conversation, 사천칠백십일 번째".to_owned(),
        (1, _) => format!("{number} 번째 메시지입니다. 내일 저녁에 같이 밥 먹을까요?"),
        _ => format!("this is the message with the number {number} of a conversation between two"),
    };
    let row = HistoryRow {
        at: UnixMs(number),
        direction: Direction::Received,
        name: "bob".into(),
        text: text.into_bytes().into(),
    };
    HistoryEntry { peer: Fingerprint::of(&(number % PEERS).to_be_bytes()), row }
}
