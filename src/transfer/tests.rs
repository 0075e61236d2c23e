//! Both sides of a transfer against each other.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::limits::{FILE_AHEAD_BYTES, FILE_CHUNK_BYTES};
use crate::time::MonoMs;
use crate::wire::{Offer, OfferKind, Padding, Position, Record, TransferId};

const ID: TransferId = TransferId([3; 16]);

/// Records of files of these sizes from a place on.
fn records(sizes: &[u64], from: Position) -> VecDeque<TransferRecord> {
    let mut records = VecDeque::new();
    for (entry, size) in (0..).zip(sizes).skip(usize::try_from(from.entry).unwrap()) {
        let mut offset = if entry == from.entry { from.offset } else { 0 };
        while offset < *size {
            let bytes = vec![0; FILE_CHUNK_BYTES.min(usize::try_from(size - offset).unwrap())];
            let at = Position { entry, offset };
            offset += bytes.len() as u64;
            records.push_back(TransferRecord::Chunk { id: ID, at, bytes });
        }
        records.push_back(TransferRecord::EndOfFile { id: ID, entry, size: *size, root: [0; 32] });
    }
    records
}

fn offer(sizes: &[u64]) -> Offer {
    let kind = if sizes.len() == 1 { OfferKind::File } else { OfferKind::Folder };
    let (entries, total) = (u32::try_from(sizes.len()).unwrap(), sizes.iter().sum());
    Offer { id: ID, kind, entries, total, modified_ms: 0, name: b"name".to_vec() }
}

fn place(entry: u32, offset: u64) -> Position {
    Position { entry, offset }
}

/// A source, a disk and the two machines between them.
struct Both {
    sizes: Vec<u64>,
    outgoing: Outgoing,
    incoming: Incoming,
    source: VecDeque<TransferRecord>,
    reads: usize,
    wire: VecDeque<TransferRecord>,
    unwritten: VecDeque<TransferRecord>,
    disk: Position,
    now: MonoMs,
}

impl Both {
    fn new(sizes: Vec<u64>) -> Self {
        let offer = offer(&sizes);
        let (outgoing, incoming) = (Outgoing::new(offer.clone()), Incoming::new(offer));
        let (source, wire, unwritten) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let disk = Position::START;
        Self { sizes, outgoing, incoming, source, reads: 0, wire, unwritten, disk, now: MonoMs(0) }
    }

    fn connect(&mut self) {
        self.incoming.accept(self.disk);
        self.outgoing.accept(self.disk).unwrap();
        self.source = records(&self.sizes, self.disk);
        self.reads = 0;
    }

    fn cut(&mut self) {
        self.outgoing.interrupt();
        self.incoming.interrupt();
        self.wire.clear();
        self.unwritten.clear();
    }

    fn read(&mut self) {
        while self.outgoing.begin_read() {
            self.reads += 1;
        }
        if self.reads > 0 {
            self.reads -= 1;
            let count = self.source.len().min(8);
            self.outgoing.take_read(self.source.drain(..count).collect());
        }
    }

    fn send(&mut self) {
        self.wire.extend(self.outgoing.next_record());
        let ahead: u64 = self.wire.iter().chain(&self.unwritten).map(cost).sum();
        assert!(ahead <= FILE_AHEAD_BYTES, "{ahead} bytes are ahead");
    }

    fn receive(&mut self) {
        if let Some(record) = self.wire.pop_front() {
            self.incoming.receive(&record).unwrap();
            self.unwritten.push_back(record);
        }
    }

    fn write(&mut self) {
        self.now = self.now + 10;
        if let Some(record) = self.unwritten.pop_front() {
            self.disk = outgoing::end_of_record(&record).unwrap();
            self.incoming.wrote(self.now, cost(&record), self.disk);
        }
        if let Some(at) = self.incoming.report(self.now) {
            self.outgoing.have(at).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn every_byte_arrives_in_order_whatever_is_slow_and_wherever_it_is_cut(
        sizes in prop_oneof![
            proptest::collection::vec(prop_oneof![Just(0), Just(1), 1_u64..200_000], 1..12),
            (8_u64..40).prop_map(|blocks| vec![blocks * 1024 * 1024 + 5]),
        ],
        acts in proptest::collection::vec(0_u8..50, 1..400),
    ) {
        let mut both = Both::new(sizes.clone());
        both.connect();
        for act in acts {
            match act {
                0 => {
                    both.cut();
                    both.connect();
                }
                1..=12 => both.read(),
                13..=25 => both.send(),
                26..=38 => both.receive(),
                _ => both.write(),
            }
        }
        for _ in 0..100_000 {
            if both.incoming.is_written() {
                break;
            }
            both.read();
            both.send();
            both.receive();
            both.write();
        }
        prop_assert!(both.incoming.is_written());
        prop_assert_eq!(both.disk, place(u32::try_from(sizes.len()).unwrap(), 0));
        prop_assert_eq!(both.outgoing.written(), Some(both.disk), "the last report is the end");
        prop_assert_eq!(both.outgoing.filed(), Ok(OutgoingProgress::Filed));
        prop_assert_eq!(both.outgoing.filed(), Ok(OutgoingProgress::None));
    }
}

#[test]
fn a_sender_waits_for_a_receiver_that_writes_nothing() {
    let mut both = Both::new(vec![64 * 1024 * 1024]);
    both.connect();
    for _ in 0..10_000 {
        both.read();
        both.send();
        both.receive();
    }
    let ahead: u64 = both.unwritten.iter().map(cost).sum();
    assert!(FILE_AHEAD_BYTES - ahead < 33_000, "{ahead} bytes are ahead");
    assert!(both.wire.is_empty() && !both.outgoing.is_sent());
}

#[test]
fn a_receiver_takes_nothing_that_is_out_of_order() {
    let sizes = [100_000, 5];
    let chunk = |entry, offset, bytes: usize| TransferRecord::Chunk {
        id: ID,
        at: place(entry, offset),
        bytes: vec![0; bytes],
    };
    let end = |entry, size| TransferRecord::EndOfFile { id: ID, entry, size, root: [0; 32] };
    let hole = |offset, length| TransferRecord::Hole { id: ID, at: place(0, offset), length };
    let mut incoming = Incoming::new(offer(&sizes));
    assert_eq!(incoming.receive(&chunk(0, 0, 5)), Err(OutOfOrder), "it was not accepted");
    incoming.accept(Position::START);
    incoming.receive(&chunk(0, 0, 100)).unwrap();
    for bad in [
        chunk(0, 0, 5),
        chunk(0, 99, 5),
        chunk(0, 101, 5),
        chunk(1, 0, 5),
        hole(100, u64::MAX - 100),
        end(0, 99),
        end(0, 101),
        TransferRecord::Filed(ID),
    ] {
        assert_eq!(incoming.receive(&bad), Err(OutOfOrder), "{bad:?}");
    }
    incoming.receive(&hole(100, 99_900)).unwrap();
    incoming.receive(&end(0, 100_000)).unwrap();
    incoming.receive(&chunk(1, 0, 5)).unwrap();
    incoming.receive(&end(1, 5)).unwrap();
    assert_eq!(incoming.receive(&end(2, 0)), Err(OutOfOrder), "there is no third file");
    let mut one = Incoming::new(offer(&[5]));
    one.accept(Position::START);
    assert_eq!(one.receive(&end(0, 0)), Err(OutOfOrder), "a file has the size that was offered");
    assert_eq!(one.receive(&chunk(0, 0, 6)), Err(OutOfOrder));
}

#[test]
fn a_receiver_does_not_hold_more_than_the_window() {
    let mut incoming = Incoming::new(offer(&[u64::MAX]));
    incoming.accept(Position::START);
    let mut at = 0;
    let refused = (0..1_000).find(|_| {
        let bytes = vec![0; FILE_CHUNK_BYTES];
        let chunk = TransferRecord::Chunk { id: ID, at: place(0, at), bytes };
        at += FILE_CHUNK_BYTES as u64;
        incoming.receive(&chunk).is_err()
    });
    assert_eq!(refused, Some(260), "260 records of 32,256 bytes are 8 MiB");
}

#[test]
fn a_sender_believes_nothing_that_it_has_not_sent() {
    let mut both = Both::new(vec![100_000]);
    assert_eq!(both.outgoing.accept(place(0, 100_001)), Err(OutOfOrder));
    assert_eq!(both.outgoing.accept(place(2, 0)), Err(OutOfOrder));
    both.connect();
    assert_eq!(both.outgoing.accept(Position::START), Err(OutOfOrder), "accepted once");
    both.read();
    both.send();
    assert_eq!(both.outgoing.filed(), Err(OutOfOrder));
    assert_eq!(both.outgoing.have(place(0, 0)), Ok(OutgoingProgress::None));
    assert_eq!(both.outgoing.have(place(0, 31_999)), Err(OutOfOrder), "no record ends there");
    assert_eq!(both.outgoing.have(place(0, 64_000)), Err(OutOfOrder), "that was not sent");
}

#[test]
fn a_sender_believes_a_receipt_whose_first_copy_a_cut_has_lost() {
    let mut both = Both::new(vec![100_000]);
    both.connect();
    while !both.incoming.is_written() {
        both.read();
        both.send();
        both.receive();
        both.write();
    }
    both.cut();
    assert_eq!(both.outgoing.filed(), Ok(OutgoingProgress::Filed));
    // Perhaps an earlier process has sent everything.
    assert_eq!(Both::new(vec![1]).outgoing.filed(), Ok(OutgoingProgress::Filed));
}

#[test]
fn written_bytes_are_reported_each_mebibyte_and_each_quarter_of_a_second() {
    let mut incoming = Incoming::new(offer(&[10_000_000]));
    incoming.accept(Position::START);
    incoming.wrote(MonoMs(1_000), 32_000, place(0, 32_000));
    assert_eq!(incoming.poll_timeout(), Some(MonoMs(1_250)));
    assert_eq!(incoming.report(MonoMs(1_249)), None);
    assert_eq!(incoming.report(MonoMs(1_250)), Some(place(0, 32_000)));
    assert_eq!(incoming.poll_timeout(), None);
    incoming.wrote(MonoMs(1_300), 1024 * 1024, place(0, 1_080_000));
    assert_eq!(incoming.report(MonoMs(1_300)), Some(place(0, 1_080_000)));
}

#[test]
fn the_example_of_the_document_is_read_and_written() {
    let text = include_str!("../../docs/PROTOCOL.md");
    let (_, table) = text.split_once("| from | record | bytes |").unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let mut names = Vec::new();
    for cells in cells {
        let hex = cells[3].trim_matches('`').as_bytes();
        let digits = hex.chunks(2).map(|digits| std::str::from_utf8(digits).unwrap());
        let bytes: Vec<u8> = digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect();
        let record = Record::read(&bytes).unwrap();
        let mut written = Vec::new();
        record.write(Padding::Bulk, &mut written).unwrap();
        assert!(written.starts_with(&bytes) && written[bytes.len()..].iter().all(|byte| *byte == 0));
        let Record::Transfer(record) = record else { panic!("{record:?}") };
        if let TransferRecord::EndOfFile { size, root, .. } = &record {
            let mut hasher = BlockHasher::after(BlockList::default());
            hasher.update("안녕\n".as_bytes());
            assert_eq!((*size, *root), (hasher.bytes(), hasher.root()));
        }
        names.push(format!("{record:?}").split([' ', '(']).next().unwrap().to_owned());
        assert_eq!(names.last().unwrap(), cells[2]);
    }
    assert_eq!(names, ["Offer", "Accept", "Chunk", "EndOfFile", "Have", "Filed"]);
}
