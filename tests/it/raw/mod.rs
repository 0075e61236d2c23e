//! Raw wire of the tutorial between real processes.

mod prompt;
mod send;

use rsachat::crypto::{OaepKeyPair, Seed, seal_oaep};

use crate::support::{Home, Process};

/// The home of Minji, whose raw key is alice's of 2,048 bits, or of somebody with bob's of 3,072.
pub(crate) fn home(name: &str) -> Home {
    Home::of(name).with_raw_key(if name == "민지" { "alice-2048.pem" } else { "bob-3072.pem" })
}

/// Minji at a prompt, waiting for callers.
pub(crate) fn listening(args: &[&str]) -> (Process, String) {
    home("민지")
        .start(&[&["--listen", "127.0.0.1:0", "--anybody", "--wire", "oaep"], args].concat())
        .and_where()
}

pub(crate) fn alice() -> OaepKeyPair {
    OaepKeyPair::from_pem(include_str!("../../keys/alice-2048.pem"), None).unwrap()
}

/// A text sealed to Minji.
pub(crate) fn block(text: &str, number: u8) -> Vec<u8> {
    seal_oaep(alice().public(), text.as_bytes(), &Seed::new([number; 32]))
}
