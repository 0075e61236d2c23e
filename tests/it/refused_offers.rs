//! Offers that are declined at once: however many there are, the two talk on.

use std::fs;

use rsachat::limits::OFFERS_EACH_PEER;
use rsachat::wire::{Offer, OfferKind, Record, TransferId, TransferRecord};

use crate::support::hostile_peer::HostilePeer;
use crate::support::{Home, PATIENCE, Process};
use crate::transfers::acquainted;

#[test]
fn more_offers_than_are_kept_are_declined_with_the_reason_and_the_two_talk_on() {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir().unwrap());
    let (listens, mut calls) = acquainted(&minji, &hana);
    let file = outside.path().join("n.txt");
    fs::write(&file, "n").unwrap();
    let (file, more) = (file.to_str().unwrap(), 44);
    for _ in 0..(OFFERS_EACH_PEER + more) / 50 {
        calls.types(&format!(":send {}", [file; 50].join(" ")));
    }
    calls.sees_times("declined n.txt", more, PATIENCE);
    calls.types("still here");
    listens.sees("하나: still here");
    assert!(!listens.has_seen("lost "));
}

#[test]
fn a_stranger_that_offers_on_and_on_and_never_reads_costs_bounded_memory_and_can_still_talk() {
    let (minji, at) = Process::listening("민지");
    let mut eve = HostilePeer::calls_taking_files(&at, "test-3.pem", "eve");
    minji.sees("eve joined");
    let before = minji.memory_kib("VmHWM:");
    for number in 0..60_000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let (id, kind, name) = (TransferId(id), OfferKind::File, b"n.txt".to_vec());
        let offer = Offer { id, kind, entries: 1, total: 1, modified_ms: 0, name };
        eve.sends(&Record::Transfer(TransferRecord::Offer(offer)));
    }
    eve.says("I have offered");
    minji.sees("eve: I have offered");
    let more = minji.memory_kib("VmHWM:") - before;
    assert!(more < 8 << 10, "{more} KiB more");
}
