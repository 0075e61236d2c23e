//! Files at a terminal: numbers of offers, and the progress of what is on its way.

use std::fs;

use rsachat::wire::{CancelReason, Position, Record, TransferId, TransferRecord};
use vt100::Screen;

use super::pty::{Pty, Setup, has, row_of_cursor};
use super::support::hostile_peer::HostilePeer;

#[test]
fn tab_completes_the_number_of_an_offer_where_the_command_makes_sense_for_it() {
    let mut alice = Pty::start(&Setup::WIDE);
    let mut bob = alice.call_as_bob();
    alice.sees_join("bob");
    alice.press(":to bob\r");
    alice.sees("plain text now goes to bob");
    let folder = tempfile::tempdir().unwrap();
    for name in ["영화.mkv", "notes.txt", "own.txt"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    bob.types(&format!(":send {0}/영화.mkv {0}/notes.txt", folder.path().display()));
    alice.sees("bob offers notes.txt");
    alice.press(&format!(":send {}/own.txt\r", folder.path().display()));
    alice.sees("offered own.txt");
    let mut attached = Pty::attached(&alice.home);
    for prompt in [&mut alice, &mut attached] {
        prompt.clear();
        prompt.press(":accept \t");
        prompt.wait("both offers", |screen| {
            has(screen, "1  영화.mkv from bob")
                && has(screen, "2  notes.txt from bob")
                && !has(screen, "own.txt")
        });
        prompt.press("\x15:cancel \t");
        prompt.wait("the only one", |screen| row_of_cursor(screen).trim_end().ends_with("> :cancel 3"));
        prompt.press("\x15:files \t");
        prompt.wait("all three", |screen| has(screen, "3  own.txt to bob"));
        prompt.press("\x15");
    }
}

/// Receiver of a file who says when how much of it is written.
struct Eve {
    peer: HostilePeer,
    id: TransferId,
}

impl Eve {
    /// Accepts 96,000 bytes under a Korean name, which alice offers, at another prompt of hers if
    /// there is one.
    fn accepts_from(alice: &mut Pty, offering: Option<&mut Pty>) -> Self {
        let at = format!("127.0.0.1:{}", alice.last_port());
        let mut peer = HostilePeer::calls_taking_files(&at, "test-3.pem", "eve");
        alice.sees("eve");
        let film = alice.home().join("영화.mkv");
        fs::write(&film, vec![7; 96_000]).unwrap();
        let offering = offering.unwrap_or(alice);
        offering.press(":to eve\r");
        offering.sees("plain text now goes to eve");
        offering.press(&format!(":send {}\r", film.display()));
        let id = loop {
            if let Record::Transfer(TransferRecord::Offer(offer)) = peer.receives() {
                break offer.id;
            }
        };
        peer.sends(&Record::Transfer(TransferRecord::Accept { id, at: Position::START }));
        Self { peer, id }
    }

    /// Has so many thousand bytes, of 96.
    fn has(&mut self, thousands: u64) {
        let at = Position { entry: 0, offset: thousands * 1_000 };
        while self.receives_content() < at.offset {}
        self.peer.sends(&Record::Transfer(TransferRecord::Have { id: self.id, at }));
    }

    /// End of the next content.
    fn receives_content(&mut self) -> u64 {
        loop {
            if let Record::Transfer(TransferRecord::Chunk { at, bytes, .. }) = self.peer.receives() {
                return at.offset + bytes.len() as u64;
            }
        }
    }

    fn cancels(&mut self) {
        let reason = CancelReason::User;
        self.peer.sends(&Record::Transfer(TransferRecord::Cancel { id: self.id, reason }));
    }
}

/// Whether the row of the film stands once, right above the line being typed, and has this in it.
fn row_stands(screen: &Screen, share: &str, typed: &str) -> bool {
    let rows: Vec<String> = screen.rows(0, u16::MAX).collect();
    let is_row = |row: &String| row.starts_with("영화.mkv  ");
    let line = rows.iter().rposition(|row| row.contains("eve?")).unwrap_or(0);
    let above = line.checked_sub(1).and_then(|above| rows.get(above));
    rows.iter().filter(|row| is_row(row)).count() == 1
        && above.is_some_and(|row| is_row(row) && row.contains(share))
        && rows.get(line..).unwrap_or_default().concat().trim_end().ends_with(typed)
}

#[test]
fn the_progress_of_a_file_stands_once_above_the_line_and_goes_with_its_end() {
    let narrow = Setup { cols: 30, ..Setup::SMALL };
    for setup in [Setup::WIDE, Setup::SMALL, narrow] {
        let mut alice = Pty::start(&setup);
        let mut eve = Eve::accepts_from(&mut alice, None);
        eve.has(32);
        let third = if setup.cols < 40 { "33 %" } else { "33 %  31/93 KiB" };
        alice.wait("a third", |screen| row_stands(screen, third, ">"));
        alice.press("반쯤 쓴");
        alice.wait("the line", |screen| row_stands(screen, third, "반쯤 쓴"));
        eve.peer.says("a message");
        alice.wait("the message", |screen| has(screen, "a message") && row_stands(screen, third, "반쯤 쓴"));
        eve.has(64);
        alice.wait("two thirds", |screen| row_stands(screen, "66 %", "반쯤 쓴"));
        alice.press(" 줄\r");
        alice.wait("the line as said", |screen| has(screen, "반쯤 쓴 줄") && row_stands(screen, "66 %", ">"));
        alice.press("not this");
        alice.wait("a line", |screen| row_stands(screen, "66 %", "not this"));
        alice.press("\x03");
        alice.wait("the line left", |screen| has(screen, "not this") && row_stands(screen, "66 %", ">"));
        alice.press(":c\t");
        alice.wait("the list", |screen| has(screen, ":cancel") && row_stands(screen, "66 %", "> :c"));
        alice.press("ancel\x0c");
        alice.wait("a cleared screen", |screen| {
            screen.cursor_position().0 >= 1 && row_stands(screen, "66 %", ":cancel  N") == has(screen, "N")
        });
        alice.press("\x15");
        alice.wait("an empty line", |screen| row_stands(screen, "66 %", ">"));
        alice.press(&"긴 줄 ".repeat(60));
        alice.wait("a line with no room above it or with it", |screen| row_of_cursor(screen).contains("긴"));
        alice.press("\x15");
        alice.wait("an empty line", |screen| row_stands(screen, "66 %", ">"));
        alice.resize(setup.cols + 10, setup.rows);
        alice.wait("a wider screen", |screen| row_stands(screen, "66 %", ">"));
        alice.resize(setup.cols - 2, setup.rows);
        alice.wait("a narrower one", |screen| row_stands(screen, "66 %", ">"));
        alice.press(":verify nobody\r");
        alice.sees("nobody");
        alice.wait("the command, and the row", |screen| {
            has(screen, ":verify nobody") && row_stands(screen, "66 %", ">")
        });
        eve.cancels();
        alice.wait("the end", |screen| {
            has(screen, "! eve cancelled 영화.mkv") && !screen.contents().contains("66 %")
        });
        alice.press("그 뒤\r");
        alice.sees("그 뒤");
    }
}

#[test]
fn only_the_addressed_peer_has_a_progress_row_and_every_prompt_of_the_home_its_own() {
    let mut alice = Pty::start(&Setup::WIDE);
    let mut attached = Pty::attached(&alice.home);
    let mut eve = Eve::accepts_from(&mut alice, Some(&mut attached));
    eve.has(32);
    attached.wait("a third", |screen| row_stands(screen, "33 %  31/93 KiB", ">"));
    let _bob = alice.call_as_bob();
    alice.sees_join("bob");
    alice.press(":to bob\r");
    alice.wait("bob", |screen| row_of_cursor(screen).contains("to bob?"));
    eve.has(64);
    attached.wait("two thirds", |screen| row_stands(screen, "66 %  62/93 KiB", ">"));
    alice.press(":to eve\r");
    alice.wait("two thirds", |screen| row_stands(screen, "66 %  62/93 KiB", ">"));
    alice.press(":to bob\r");
    alice.wait("no row", |screen| row_of_cursor(screen).contains("to bob?") && !has(screen, "66 %"));
    drop(eve);
    attached.wait("no row", |screen| has(screen, "lost eve") && !has(screen, "66 %"));
}

#[test]
fn who_wants_no_cursor_movement_has_no_progress_row() {
    for setup in [Setup { args: &["--plain"], ..Setup::WIDE }, Setup { term: "dumb", ..Setup::WIDE }] {
        let mut alice = Pty::start(&setup);
        let mut eve = Eve::accepts_from(&mut alice, None);
        eve.has(32);
        eve.peer.says("I have a third");
        alice.sees("I have a third");
        alice.press(":files\r");
        alice.wait("what is sent", |screen| ["state sent", "KiB  sent"].iter().any(|sent| has(screen, sent)));
        eve.cancels();
        alice.sees("eve cancelled 영화.mkv");
        assert!(!alice.bytes().contains("/93 KiB"), "{}", alice.bytes());
    }
}
