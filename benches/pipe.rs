//! The figures of `send` and `pipe`, measured: a stream over loopback beside the programs that people use for
//! one, in interleaved rounds of the same run, and what else was promised. `cargo bench --bench pipe` prints the
//! whole table. Nothing is asserted; what misses its aim is said to, and so is a peer that is not installed.

#[path = "pipe/peers.rs"]
mod peers;
mod report;
#[path = "pipe/run.rs"]
mod run;

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::Stdio;
use std::time::Instant;

use peers::{Bench, Peer};
use report::{Better, Report};
use run::{Guard, History, rsachat};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of the stream.
const STREAM_BYTES: u64 = 1 << 30;
const STREAM_MIB: u32 = 1 << 10;
/// Rounds, in each of which every program has its turn.
const ROUNDS: usize = 5;
/// Starts whose first byte is timed.
const STARTS: usize = 21;
/// Lines of `send`.
const LINES: u32 = 100_000;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let bench = Bench::prepare(folder.path(), STREAM_BYTES)?;
    let (mut out, mut report) = (io::stdout(), Report::default());
    stream(&bench, &mut out, &mut report)?;
    first_byte(&bench, &mut out, &mut report)?;
    lines(&bench, &mut out, &mut report)?;
    Ok(report.write("pipe")?)
}

/// A row of the table: a program and the seconds that each round took.
struct Row {
    peer: Peer,
    seconds: Vec<f64>,
    memory: History,
    fault: Option<String>,
}

fn stream(bench: &Bench, out: &mut impl io::Write, report: &mut Report) -> Outcome<()> {
    let mut rows: Vec<_> = Peer::ALL
        .into_iter()
        .map(|peer| Row { peer, seconds: Vec::new(), memory: History::default(), fault: peer.missing() })
        .collect();
    for _ in 0..ROUNDS {
        for row in rows.iter_mut().filter(|row| row.fault.is_none()) {
            match bench.stream(row.peer) {
                Ok(ran) => {
                    row.seconds.push(ran.took.as_secs_f64());
                    row.memory = row.memory.max(ran.memory);
                }
                Err(error) => row.fault = Some(error.to_string()),
            }
        }
    }
    writeln!(
        out,
        "A file of {STREAM_MIB} MiB through loopback to the null device, {ROUNDS} interleaved rounds\n"
    )?;
    writeln!(
        out,
        "{:<26} {:>9} {:>15} {:>9}   rsachat is faster by",
        "program", "median", "spread", "MiB/s"
    )?;
    let ours = rows.iter().find(|row| row.peer == Peer::Rsachat).map(|row| median(&row.seconds));
    let ours = ours.ok_or("rsachat did not run")?;
    for row in &rows {
        let name = row.peer.name();
        if let Some(fault) = &row.fault {
            writeln!(out, "{name:<26} {fault}")?;
            continue;
        }
        let (least, most) = spread(&row.seconds);
        let middle = median(&row.seconds);
        let rate = f64::from(STREAM_MIB) / middle;
        let factor = middle / ours;
        if row.peer == Peer::Rsachat {
            report.add("stream of 1 GiB", rate, "MiB/s", Better::Higher);
        } else {
            report.add(&format!("rsachat is faster than {name} by"), factor, "times", Better::Higher);
        }
        writeln!(out, "{name:<26} {middle:>7.3} s {least:>7.3}–{most:.3} s {rate:>9.0}   {factor:.2}")?;
    }
    let encrypted = rows.iter().filter(|row| row.fault.is_none() && row.peer.is_encrypted());
    let fastest = encrypted.map(|row| median(&row.seconds)).fold(f64::INFINITY, f64::min);
    let plain = rows.iter().find(|row| row.peer == Peer::Nc && row.fault.is_none());
    verdict(out, "the fastest encrypted peer", fastest / ours, 2.3, 1.5)?;
    if let Some(plain) = plain {
        verdict(out, "plain nc", median(&plain.seconds) / ours, 1.4, 1.0)?;
    }
    let memory = rows.iter().find(|row| row.peer == Peer::Rsachat).map(|row| row.memory);
    let History { sender_kib, receiver_kib } = memory.unwrap_or_default();
    report.add("memory of the sender", f64::from(u32::try_from(sender_kib)?), "KiB", Better::Lower);
    report.add("memory of the receiver", f64::from(u32::try_from(receiver_kib)?), "KiB", Better::Lower);
    let aim = said(sender_kib.max(receiver_kib) <= 24 * 1024, "at most 24 MiB");
    writeln!(out, "rsachat's memory: sender {sender_kib} KiB, receiver {receiver_kib} KiB; {aim}\n")?;
    Ok(())
}

fn verdict(out: &mut impl io::Write, beside: &str, factor: f64, aim: f64, least: f64) -> Outcome<()> {
    let reached = said(factor >= aim, &format!("{aim} x"));
    Ok(writeln!(out, "beside {beside}: {factor:.2} x; {reached}, at least {least} x is needed")?)
}

fn said(reached: bool, aim: &str) -> String {
    format!("the aim of {aim} is {}", if reached { "reached" } else { "MISSED" })
}

/// From the start of a sender, whose key exists, to its first byte at the other side.
fn first_byte(bench: &Bench, out: &mut impl io::Write, report: &mut Report) -> Outcome<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let (mut receiver, at) =
            rsachat::listening(&bench.homes[1], &["pipe", "--recv-only"], Stdio::piped())?;
        let begun = Instant::now();
        let mut sender = Guard(
            rsachat::command(&bench.homes[0])
                .args(["pipe", "--accept-new", "--connect", &at])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
        );
        let mut input = sender.0.stdin.take().ok_or("no input")?;
        input.write_all(b"x")?;
        let mut byte = [0];
        receiver.0.stdout.as_mut().ok_or("no output")?.read_exact(&mut byte)?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        drop(input);
        sender.0.wait()?;
        receiver.0.wait()?;
    }
    let (least, most) = spread(&times);
    let middle = median(&times);
    report.add("first byte after the start, median", middle, "ms", Better::Lower);
    report.add("first byte after the start, worst", most, "ms", Better::Lower);
    let aim = said(middle <= 15.0 && most <= 30.0, "15 ms, at worst 30 ms,");
    Ok(writeln!(
        out,
        "First byte after the start: median {middle:.1} ms, {least:.1}–{most:.1} ms of {STARTS}; {aim}"
    )?)
}

/// Short lines through `send`, until every one is receipted.
fn lines(bench: &Bench, out: &mut impl io::Write, report: &mut Report) -> Outcome<()> {
    let path = bench.folder.join("lines");
    std::fs::write(&path, (0..LINES).fold(String::new(), |lines, n| lines + &n.to_string() + "\n"))?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let count = LINES.to_string();
        let (mut receiver, at) =
            rsachat::listening(&bench.homes[1], &["recv", "--count", &count], Stdio::null())?;
        let begun = Instant::now();
        let status = rsachat::command(&bench.homes[0])
            .args(["send", &at, "--accept-new"])
            .stdin(File::open(&path)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        rates.push(f64::from(LINES) / begun.elapsed().as_secs_f64());
        if !status.success() || !receiver.0.wait()?.success() {
            return Err("send or recv did not end well".into());
        }
    }
    let (least, most) = spread(&rates);
    let middle = median(&rates);
    report.add("lines of send, all receipted", middle, "a second", Better::Higher);
    let aim = said(middle >= 50_000.0, "50,000 a second");
    Ok(writeln!(
        out,
        "send, {LINES} lines, all receipted: median {middle:.0} a second, {least:.0}–{most:.0}; {aim}"
    )?)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)))
}
