//! `docs/TESTING.md`: its bot passes its test, and every output that it shows is the one that comes.

use crate::scripts_doc::{blocks_of, command_lines, messages};
use crate::support::read;

const PAGE: &str = "docs/TESTING.md";

#[test]
fn the_bot_passes_its_test_and_every_command_line_prints_what_stands_below_it() {
    let blocks = blocks_of(PAGE);
    let bot = blocks.iter().find(|block| block.file() == Some("adder.py")).unwrap();
    assert!(bot.text.lines().count() <= 20, "it is about twenty lines");
    assert!(command_lines(&blocks) > 2, "the page has lost its command lines");
}

#[test]
fn what_a_failure_shows_is_what_comes() {
    assert_eq!(messages(&blocks_of(PAGE)), 1);
}

#[test]
fn the_call_from_rust_is_the_one_that_our_own_scripts_are_run_by() {
    let page = read(PAGE);
    assert!(page.contains(&format!("```rust\n{}```\n", read("tests/scripts.rs"))));
    let (_, target) = page.split_once("```toml\n").unwrap();
    assert!(read("Cargo.toml").contains(target.split_once("```").unwrap().0));
}
