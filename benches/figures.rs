//! The figures that the design promises, measured: `cargo bench` prints them as a table, each beside its aim
//! and beside a peer measured in the same run. Nothing is asserted; what misses its aim is said to. With
//! `cargo bench --bench figures -- --joins 5000` only the joins are measured, of so many peers, with `--store`
//! only the store of messages, with `--delivery` only what two prompts keep for each other.

#[path = "figures/caller.rs"]
mod caller;
#[path = "figures/delivery.rs"]
mod delivery;
#[path = "figures/joins.rs"]
mod joins;
#[path = "figures/process.rs"]
mod process;
mod report;
#[path = "figures/store.rs"]
mod store;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use caller::Side;
use delivery::Keeping;
use process::Program;
use report::{Better, Report};
use rsachat::crypto::{Identity, RsaJob};
use rsachat::session::Role;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Messages whose way is timed.
const MESSAGES: u32 = 1_000;
/// Starts of the program that are timed.
const STARTS: u32 = 41;
/// Peers of the idle listener: at first, and in the end.
const PEERS: [u8; 2] = [10, 30];
/// Peers with keys of their own that join one `recv`, where `--joins` says nothing.
const JOINS: usize = 400;
/// Time for which an idle listener is watched.
const IDLE: Duration = Duration::from_secs(2);
/// Time for memory and processor to come to rest before they are read.
const REST: Duration = Duration::from_millis(500);
/// Handshakes whose processor time is taken together.
const HANDSHAKES: u32 = 100;
/// Flooding callers, each with a loopback address of its own.
const FLOODERS: u8 = 64;
/// Shortest time between two calls of one flooder: as often as the listener admits one source.
const CALL_EVERY: Duration = Duration::from_millis(1_000 / rsachat::limits::CALLS_EACH_SECOND);
/// The conversation under the flood: exchanges, the pause between two, and the longest time for all.
const EXCHANGES: u32 = 400;
const EXCHANGE_PAUSE: Duration = Duration::from_millis(10);
const FLOOD: Duration = Duration::from_secs(15);

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut table = Table::default();
    if let Some(count) = std::env::args().skip_while(|argument| argument != "--joins").nth(1) {
        joins::joins(&mut table, folder.path(), count.parse()?)?;
        return table.finish();
    }
    let homes = ["one", "other"].map(|name| folder.path().join(name));
    for home in &homes {
        let made =
            Command::new(env!("CARGO_BIN_EXE_rsachat")).args(["key", "new", "--home"]).arg(home).output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into());
        }
    }
    let [one, other] = &homes;
    let identities = (identity(one)?, identity(other)?);
    if std::env::args().any(|argument| argument == "--store") {
        store::store(&mut table, folder.path(), &identities.0)?;
        return table.finish();
    }
    if std::env::args().any(|argument| argument == "--delivery") {
        kept(&mut table, folder.path())?;
        return table.finish();
    }

    kept(&mut table, folder.path())?;
    start_to_prompt(&mut table, one)?;
    idle(&mut table, one)?;
    joins::joins(&mut table, folder.path(), JOINS)?;
    store::store(&mut table, folder.path(), &identities.0)?;
    handshake(&mut table, &identities.0, &identities.1)?;
    flood(&mut table, one, other, &identities)?;
    table.finish()
}

/// What durable delivery costs, beside the same without it.
fn kept(table: &mut Table, folder: &Path) -> Outcome<()> {
    let plain = delivery::acquainted(folder, Keeping::Nothing)?;
    let homes = delivery::acquainted(folder, Keeping::Store)?;
    enter_to_shown(table, &homes, &plain)?;
    delivery::delivery(table, &homes, &plain)
}

/// A line typed at one prompt until it stands in the output of the other: where both keep it, and, turn by
/// turn with that, where neither does.
fn enter_to_shown(table: &mut Table, homes: &[PathBuf; 2], plain: &[PathBuf; 2]) -> Outcome<()> {
    let (_, listener, mut caller) = conversation(&homes[0], &homes[1])?;
    let (_, plain_listener, mut plain_caller) = conversation(&plain[0], &plain[1])?;
    let mut echo = Echo::start()?;
    let (mut ways, mut plain_ways, mut echoes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..MESSAGES {
        let line = format!("message {number:04} of a conversation");
        for (ways, listener, caller) in
            [(&mut ways, &listener, &mut caller), (&mut plain_ways, &plain_listener, &mut plain_caller)]
        {
            let typed = Instant::now();
            caller.type_line(&line)?;
            let (shown, _) = listener.line_with(&line)?;
            ways.push(shown.saturating_duration_since(typed));
        }
        echoes.push(echo.round(line.as_bytes())?);
    }
    for (share, aim) in [(50, 2.0), (99, 10.0)] {
        let [way, plain, echo] =
            [&mut ways, &mut plain_ways, &mut echoes].map(|times| ms(percentile(times, share)));
        table.row(
            &format!("Enter to shown at the peer, kept, p{share} of {MESSAGES}"),
            Aim::AtMost(aim, "ms"),
            way,
            Peer::Ratio(way / echo, &format!("plain TCP echo, {echo:.3} ms")),
        );
        table.row(
            "  to the same without the store",
            Aim::AtMost(2.0, "times"),
            way / plain,
            Peer::Note(&format!("without the store {plain:.2} ms")),
        );
    }
    Ok(())
}

/// From the spawning of the program to the first line of an answer.
fn start_to_prompt(table: &mut Table, home: &Path) -> Outcome<()> {
    let (mut starts, mut nothings) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut program = Program::prompt(home, &[])?;
        program.type_line(":status")?;
        let (answered, _) = program.line_with("")?;
        starts.push(answered.saturating_duration_since(begun));
        let begun = Instant::now();
        Command::new("true").output()?;
        nothings.push(begun.elapsed());
    }
    for share in [50, 100] {
        let (start, nothing) = (ms(percentile(&mut starts, share)), ms(percentile(&mut nothings, share)));
        let which = if share == 50 { "median" } else { "slowest" };
        table.row(
            &format!("Start to prompt, key exists, {which} of {STARTS}"),
            Aim::AtMost(30.0, "ms"),
            start,
            Peer::Ratio(start / nothing, &format!("`true`, {nothing:.2} ms")),
        );
    }
    Ok(())
}

/// What peers cost who say nothing.
fn idle(table: &mut Table, home: &Path) -> Outcome<()> {
    let [first, all] = PEERS;
    let identities = make_identities(all.into())?;
    let cat = Program::start(&mut Command::new("cat"))?;
    let listener = Program::prompt(home, &["--name", "listener", "--listen", "127.0.0.1:0", "--anybody"])?;
    let address = listener.address()?;
    let mut open = Vec::new();
    let mut join = |numbers: std::ops::Range<u8>| -> Outcome<()> {
        for number in numbers {
            let identity = identities.get(usize::from(number)).ok_or("too few keys")?;
            let side = Side::new(Role::Initiator, identity, &format!("peer-{number}"))?;
            open.push(side.join(Ipv4Addr::new(127, 0, 2, number + 1), address)?);
        }
        thread::sleep(REST);
        Ok(())
    };
    join(0..first)?;
    let before = listener.ticks()?;
    thread::sleep(IDLE);
    let ticks = u32::try_from(listener.ticks()? - before)?;
    let (resident, nothing) = (listener.resident_kib()?, cat.resident_kib()?);
    join(first..all)?;
    let each = (listener.resident_kib()? - resident) / f64::from(all - first);

    table.row(
        &format!("Idle, {first} peers, {} s: CPU", IDLE.as_secs()),
        Aim::AtMost(0.0, "ticks"),
        f64::from(ticks),
        Peer::Note(&format!("`cat`, {} ticks in all", cat.ticks()?)),
    );
    table.row(
        &format!("Idle, {first} peers: resident"),
        Aim::AtMost(16.0, "MiB"),
        resident / 1_024.0,
        Peer::Ratio(resident / nothing, &format!("`cat`, {:.1} MiB", nothing / 1_024.0)),
    );
    table.row(
        &format!("Each further peer up to {all}: resident"),
        Aim::AtMost(64.0, "KiB"),
        each,
        Peer::Note("`cat` has no peers"),
    );
    Ok(())
}

/// The processor time of both sides of a handshake, beside the two RSA openings that no such handshake with
/// these keys can do without.
fn handshake(table: &mut Table, one: &Identity, other: &Identity) -> Outcome<()> {
    caller::meet(one, other)?;
    let begun = processor_ms()?;
    for _ in 0..HANDSHAKES {
        caller::meet(one, other)?;
    }
    let whole = (processor_ms()? - begun) / f64::from(HANDSHAKES);

    let ciphertext = rsachat::crypto::encapsulate(one.public(), &caller::fresh_seed()?).ciphertext;
    let begun = processor_ms()?;
    for _ in 0..2 * HANDSHAKES {
        std::hint::black_box(RsaJob::Decapsulate { ciphertext: ciphertext.clone() }.run(one));
    }
    let openings = (processor_ms()? - begun) / f64::from(HANDSHAKES);
    table.row(
        &format!("Handshake, {} bits, both sides: CPU", one.public().bits()),
        Aim::AtMost(5.0, "ms"),
        whole,
        Peer::Ratio(whole / openings, &format!("two RSA openings, {openings:.2} ms")),
    );
    Ok(())
}

/// An exchange between two prompts while one of them is flooded with wrong third messages.
fn flood(table: &mut Table, one: &Path, other: &Path, keys: &(Identity, Identity)) -> Outcome<()> {
    let (address, mut listener, mut caller) = conversation(one, other)?;
    let mut echo = Echo::start()?;
    let mut quiet = exchanges(&mut listener, &mut caller, &mut echo, Duration::from_secs(5))?;

    let (over, sent, failed) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let begun = Instant::now();
    let flooded = thread::scope(|scope| {
        for number in 1..=FLOODERS {
            let (over, sent, failed) = (&over, &sent, &failed);
            scope.spawn(move || {
                let from = Ipv4Addr::new(127, 0, 1, number);
                while !over.load(Ordering::Relaxed) && begun.elapsed() < FLOOD {
                    let next = Instant::now() + CALL_EVERY;
                    let call = caller::send_wrong_proof(keys.1.public(), keys.0.public(), from, address);
                    let count = if call.is_ok() { sent } else { failed };
                    count.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            });
        }
        thread::sleep(REST);
        let flooded = exchanges(&mut listener, &mut caller, &mut echo, FLOOD);
        over.store(true, Ordering::Relaxed);
        flooded
    });
    let mut flooded = flooded?;
    let rate = f64::from(sent.into_inner()) / begun.elapsed().as_secs_f64();
    let failed = failed.into_inner();

    let measured = ms(percentile(&mut flooded.0, 99));
    let count = flooded.0.len();
    let calm = ms(percentile(&mut quiet.0, 99));
    let plain = ms(percentile(&mut flooded.1, 99));
    table.row(
        &format!("Echo under {FLOODERS} flooders, p99 of {count}"),
        Aim::AtMost(25.0, "ms"),
        measured,
        Peer::Ratio(measured / plain, &format!("plain TCP echo in the same flood, {plain:.2} ms")),
    );
    table.row(
        &format!("  the same without flood, p99 of {}", quiet.0.len()),
        Aim::None("ms"),
        calm,
        Peer::Ratio(measured / calm, "flood to calm"),
    );
    table.row(
        "  wrong third messages sent",
        Aim::None("a second"),
        rate,
        Peer::Note(&format!("{failed} calls cut before")),
    );
    Ok(())
}

/// Times of exchanges, and of plain echoes between them.
type Times = (Vec<Duration>, Vec<Duration>);

/// Typed at the caller, shown at the listener, typed back there, shown at the caller.
fn exchanges(
    listener: &mut Program,
    caller: &mut Program,
    echo: &mut Echo,
    longest: Duration,
) -> Outcome<Times> {
    let begun = Instant::now();
    let mut times = Times::default();
    for number in 0..EXCHANGES {
        if begun.elapsed() > longest {
            break;
        }
        let line = format!("echo {number:04} of a conversation");
        let typed = Instant::now();
        caller.type_line(&line)?;
        listener.line_with(&line)?;
        listener.type_line(&line)?;
        let (shown, _) = caller.line_with(&line)?;
        times.0.push(shown.saturating_duration_since(typed));
        times.1.push(echo.round(line.as_bytes())?);
        thread::sleep(EXCHANGE_PAUSE);
    }
    Ok(times)
}

/// Two prompts that have met: where one listens, that one, and the one that called.
fn conversation(one: &Path, other: &Path) -> Outcome<(SocketAddr, Program, Program)> {
    let listener = Program::prompt(one, &["--name", "listener", "--listen", "127.0.0.1:0", "--anybody"])?;
    let address = listener.address()?;
    let caller = Program::prompt(other, &["--name", "caller", "--connect", &address.to_string()])?;
    listener.line_with(" joined")?;
    caller.line_with(" joined")?;
    Ok((address, listener, caller))
}

/// A plain TCP connection whose other end sends everything back.
struct Echo(TcpStream);

impl Echo {
    fn start() -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut far, _) = listener.accept()?;
        for end in [&stream, &far] {
            end.set_nodelay(true)?;
        }
        thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(count @ 1..) = far.read(&mut bytes) {
                if far.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                    return;
                }
            }
        });
        Ok(Self(stream))
    }

    fn round(&mut self, bytes: &[u8]) -> Outcome<Duration> {
        let begun = Instant::now();
        self.0.write_all(bytes)?;
        self.0.read_exact(&mut vec![0; bytes.len()])?;
        Ok(begun.elapsed())
    }
}

fn identity(home: &Path) -> Outcome<Identity> {
    Ok(Identity::from_pem(&std::fs::read_to_string(home.join("identity.pem"))?, None)?)
}

/// Keys of callers, of the smallest size since only their number matters.
fn make_identities(count: usize) -> Outcome<Vec<Identity>> {
    let make = |_: usize| {
        let mut rng = caller::fresh_seed()?.rng("key");
        Ok(Identity::generate(rsachat::limits::KEY_BITS_MIN, &mut rng)?)
    };
    (0..count).map(make).collect()
}

/// Time this thread has had on a processor, in milliseconds (`schedstat`, first field, in nanoseconds).
fn processor_ms() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = stat.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e6)
}

fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * share / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What a figure should be, in its unit.
#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64, &'static str),
    AtLeast(f64, &'static str),
    None(&'static str),
}

/// What was measured beside it.
#[derive(Clone, Copy)]
enum Peer<'a> {
    Ratio(f64, &'a str),
    Note(&'a str),
}

/// Rows of text in five columns, and the same figures for other programs.
#[derive(Default)]
struct Table {
    rows: Vec<[String; 5]>,
    report: Report,
}

impl Table {
    fn row(&mut self, what: &str, aim: Aim, measured: f64, peer: Peer<'_>) {
        let (Aim::AtMost(_, unit) | Aim::AtLeast(_, unit) | Aim::None(unit)) = aim;
        let better = if matches!(aim, Aim::AtLeast(..)) { Better::Higher } else { Better::Lower };
        let what_of = self.rows.iter().rev().map(|[what, ..]| what).find(|what| !what.starts_with(' '));
        let figure = if what.starts_with(' ') {
            format!("{}, {}", what_of.map_or("", |what| what), what.trim_start())
        } else {
            what.to_owned()
        };
        self.report.add(&figure, measured, unit, better);
        let (aim, verdict) = match aim {
            Aim::AtMost(most, unit) => (
                format!("≤ {} {unit}", (most * 100.0).round() / 100.0),
                if measured <= most { "met" } else { "MISSED" },
            ),
            Aim::AtLeast(least, unit) => {
                (format!("≥ {least} {unit}"), if measured >= least { "met" } else { "MISSED" })
            }
            Aim::None(_) => ("–".to_owned(), "–"),
        };
        let peer = match peer {
            Peer::Ratio(ratio, of) => format!("{ratio:.2} × {of}"),
            Peer::Note(note) => format!("– {note}"),
        };
        self.rows.push([what.to_owned(), aim, format!("{measured:.2} {unit}"), verdict.to_owned(), peer]);
    }

    /// Prints the table, and writes the figures beside it.
    fn finish(&self) -> Outcome<()> {
        self.report.write("figures")?;
        Ok(io::stdout().write_all(self.text()?.as_bytes())?)
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let head = ["figure", "aim", "measured", "", "ratio to a peer in the same run"].map(str::to_owned);
        for [what, aim, measured, verdict, peer] in std::iter::once(&head).chain(&self.rows) {
            writeln!(text, "{what:<48} {aim:>12} {measured:>18} {verdict:<7} {peer}")?;
        }
        Ok(text)
    }
}
