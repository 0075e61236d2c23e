//! Pipes over a wire that cuts, flips and splits: nobody ends well who has not all, and what came
//! out is how it began.

use super::{listening, noise, start};
use crate::support::wire::{Direction, Fault, FaultyWire};
use crate::support::{Home, Output, file_with};

/// Sends `out` and `back` through a fault, and checks what each side says of it.
fn check(homes: &[Home; 2], out: &[u8], back: &[u8], fault: Fault) -> [i32; 2] {
    let [minji, junho] = homes;
    let (mut listens, at) = listening(junho, &["--accept-new"], file_with(back), Output::Kept);
    let wire = FaultyWire::to(&at, 0, fault);
    let args = ["--connect", &wire.at, "--accept-new"];
    let mut calls = start(minji, &args, file_with(out), Output::Kept);
    let caller = calls.ends();
    wire.passed();
    if caller != 0 && !listens.complaints().contains("bytes sent") {
        // A listener whose caller never stood waits on.
        listens.signal(rustix::process::Signal::TERM);
    }
    let codes = [caller, listens.ends()];
    let (came_out, came_back) = (listens.raw_output(), calls.raw_output());
    assert!(out.starts_with(&came_out) && back.starts_with(&came_back), "{fault:?}: not a prefix");
    // Who ended well has all, and the other side has all of theirs.
    for code in codes {
        let whole = came_out == out && came_back == back;
        assert!(code != 0 || whole, "{fault:?}: {codes:?}, {} out, {} back", came_out.len(), came_back.len());
    }
    codes
}

fn homes() -> [Home; 2] {
    [Home::of("민지"), Home::of("준호")]
}

/// Places in each direction: around the handshake, and all over the stream.
fn places() -> Vec<(Direction, usize)> {
    let mut places: Vec<_> = (0..4_400).step_by(397).map(|at| (Direction::Out, at)).collect();
    places.extend((0..4_400).step_by(397).map(|at| (Direction::Back, at)));
    places.extend((4_400..400_000).step_by(33_331).map(|at| (Direction::Out, at)));
    places.extend((4_400..150_000).step_by(24_989).map(|at| (Direction::Back, at)));
    places
}

#[test]
fn a_wire_that_cuts_never_makes_half_a_stream_whole() {
    let (homes, out, back) = (homes(), noise(400_000, 5), noise(150_000, 6));
    let mut lost = 0;
    for (direction, at) in places() {
        let codes = check(&homes, &out, &back, Fault::Cut(direction, at));
        lost += usize::from(codes.iter().all(|code| *code != 0));
    }
    assert_eq!(lost, places().len(), "no cut was late enough for one of the two to have everything");
}

#[test]
fn a_wire_that_flips_a_bit_never_makes_a_stream_other_than_it_was() {
    let (homes, out, back) = (homes(), noise(400_000, 7), noise(150_000, 8));
    for (direction, at) in places() {
        let codes = check(&homes, &out, &back, Fault::Flip(direction, at));
        assert!(codes.iter().all(|code| *code != 0), "{direction:?} at {at}: {codes:?}");
    }
}

#[test]
fn segments_of_one_byte_are_enough() {
    let codes = check(&homes(), b"some bytes", b"and back", Fault::OneByOne);
    assert_eq!(codes, [0, 0]);
}
