//! What durable delivery costs between two prompts that keep each other's lines: from Enter to shown, many
//! lines at once, and lines that wait for a peer who is away.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::Program;
use crate::{Aim, Outcome, Peer, Table, identity, ms, percentile};

/// Lines that are sent at once.
const LINES: u32 = 20_000;
/// Times that they are; the best counts, since what else the machine does only takes away.
const RATES: usize = 3;
/// Lines that wait for a peer who is away.
const WAITING: u32 = 10_000;
/// Starts with so many lines waiting that are timed.
const STARTS: usize = 11;

/// Whether the programs of two homes have a store of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Store,
    /// There is something else in its place, so that lines count for the connection only.
    Nothing,
}

/// Two homes, each with the other in its book: a listener and a caller.
pub(crate) fn acquainted(folder: &Path, keeping: Keeping) -> Outcome<[PathBuf; 2]> {
    let prefix = if keeping == Keeping::Store { "kept" } else { "plain" };
    let homes = ["listener", "caller"].map(|name| folder.join(format!("{prefix}-{name}")));
    for home in &homes {
        run(home, &["key", "new"], None)?;
        if keeping == Keeping::Nothing {
            fs::create_dir(home.join("store.redb"))?;
        }
    }
    let [listener, caller] = &homes;
    for (home, name, other) in [(listener, "caller", caller), (caller, "listener", listener)] {
        let fingerprint = identity(other)?.public().fingerprint();
        fs::write(home.join("peers"), format!("{name} {fingerprint} verified\n"))?;
        fs::set_permissions(home.join("peers"), Permissions::from_mode(0o600))?;
    }
    Ok(homes)
}

/// Lines sent and receipted, and lines that wait; `plain` are homes without a store.
pub(crate) fn delivery(table: &mut Table, homes: &[PathBuf; 2], plain: &[PathBuf; 2]) -> Outcome<()> {
    let [listener, caller] = homes;
    let (mut kept, mut without) = (0.0_f64, 0.0_f64);
    for _ in 0..RATES {
        kept = kept.max(rate(listener, caller)?);
        without = without.max(rate(&plain[0], &plain[1])?);
    }
    table.row(
        &format!("Durable lines receipted, of {LINES} at once, best of {RATES}"),
        Aim::AtLeast(5_000.0, "a second"),
        kept,
        Peer::Ratio(kept / without, &format!("without the store, {without:.0} a second")),
    );
    let lines = caller.join("lines");
    fs::write(&lines, format!(":to listener\n{}", numbered(WAITING)))?;
    run(caller, &["--name", "caller"], Some(&lines))?;
    let (mut starts, mut reading) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut program = Program::prompt(caller, &["--name", "caller"])?;
        program.type_line(":status")?;
        let (answered, _) = program.line_with("")?;
        starts.push(answered.saturating_duration_since(begun));
        let begun = Instant::now();
        drop(fs::read(caller.join("store.redb"))?);
        reading.push(begun.elapsed());
    }
    let (start, file) = (ms(percentile(&mut starts, 50)), ms(percentile(&mut reading, 50)));
    table.row(
        &format!("Start to prompt, {WAITING} lines wait, median of {STARTS}"),
        Aim::AtMost(300.0, "ms"),
        start,
        Peer::Ratio(start / file, &format!("reading its file, {file:.2} ms")),
    );
    let (program, address) = listening(listener)?;
    let begun = Instant::now();
    let _caller = Program::prompt(caller, &["--name", "caller", "--connect", &address])?;
    let (shown, _) = program.line_with(&format!("line {WAITING} "))?;
    let whole = shown.saturating_duration_since(begun);
    let whole = whole.as_secs_f64();
    table.row(
        &format!("{WAITING} waiting lines, from the start to the last shown"),
        Aim::AtMost(3.0, "s"),
        whole,
        Peer::Note("its start and its handshake included"),
    );
    Ok(())
}

fn listening(home: &Path) -> Outcome<(Program, String)> {
    let program = Program::prompt(home, &["--name", "listener", "--listen", "127.0.0.1:0", "--anybody"])?;
    let address = program.address()?.to_string();
    Ok((program, address))
}

fn numbered(count: u32) -> String {
    (1..=count).fold(String::new(), |lines, number| lines + &format!("line {number} of a file\n"))
}

/// Lines a second, from the start of the program that sends them to its end, when all are receipted.
fn rate(listener: &Path, caller: &Path) -> Outcome<f64> {
    let (_program, address) = listening(listener)?;
    let lines = caller.join("lines");
    fs::write(&lines, numbered(LINES))?;
    let took = run(caller, &["--name", "caller", "--connect", &address], Some(&lines))?;
    Ok(f64::from(LINES) / took.as_secs_f64())
}

/// Runs the program to its end; lines that wait for a peer who is away are code 6.
fn run(home: &Path, arguments: &[&str], input: Option<&Path>) -> Outcome<Duration> {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsachat"));
    command.arg("--home").arg(home).args(arguments).env("RSACHAT_CONFIG", "none");
    match input {
        Some(file) => command.stdin(File::open(file)?),
        None => command.stdin(Stdio::null()),
    };
    let output = command.output()?;
    match output.status.code() {
        Some(0 | 6) => Ok(begun.elapsed()),
        code => {
            let said = String::from_utf8_lossy(&output.stdout);
            let last = said.lines().last().unwrap_or_default();
            let complaint = String::from_utf8_lossy(&output.stderr);
            Err(format!("{arguments:?} ended with {code:?}: {last} {complaint}").into())
        }
    }
}
