//! `rsachat pipe` between real processes: what goes in comes out, and the exit codes tell the
//! truth.

mod ends;
mod refusals;
mod streams;
mod wires;

use std::process::Stdio;

use crate::support::{Home, Output, Process};

fn start(home: &Home, args: &[&str], input: impl Into<Stdio>, output: Output) -> Process {
    home.start_into(home.command(&[&["pipe"], args].concat()), input, output)
}

/// Somebody who waits for the other side, and where.
fn listening(home: &Home, args: &[&str], input: impl Into<Stdio>, output: Output) -> (Process, String) {
    start(home, &[&["--listen", "127.0.0.1:0"], args].concat(), input, output).and_where()
}

/// Options, input and output of one side.
type Side<'a> = (&'a [&'a str], Stdio, Output);

/// Two pipes that take whoever comes: one that calls and one that listens.
fn pair(calls: Side<'_>, listens: Side<'_>) -> (Process, Process) {
    let args = [&["--accept-new"], listens.0].concat();
    let (listens, at) = listening(&Home::of("준호"), &args, listens.1, listens.2);
    let args = [&["--connect", &at, "--accept-new"], calls.0].concat();
    (start(&Home::of("민지"), &args, calls.1, calls.2), listens)
}

/// An output that nobody reads.
fn nowhere() -> Output {
    Output::Into(Stdio::null())
}

/// Bytes that no rule of a text fits, the same for the same seed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        // xorshift64 (Marsaglia, 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}
