//! Files at a terminal: numbers of offers.

use std::fs;

use super::pty::{Pty, Setup, has, row_of_cursor};

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
