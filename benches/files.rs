//! The figures of files between prompts, measured: a file over loopback beside `pipe` into a file and beside the
//! programs that people use for one, in interleaved rounds of the same run, and what else was promised. `cargo bench
//! --bench files` prints the table, and writes up to 9 GiB beside the build; with `-- --gib N` the file that is
//! resumed has N GiB instead of four, and the others half of one. Nothing is asserted; what misses its aim is said to.

#[path = "files/others.rs"]
mod others;
#[path = "figures/process.rs"]
mod process;
mod report;
#[allow(dead_code, reason = "streams need more of it")]
#[path = "pipe/run.rs"]
mod run;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use others::Other;
use process::Program;
use report::{Better, Report};
use run::rsachat;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Rounds, in each of which every program has its turn.
const ROUNDS: usize = 3;
/// Files of one byte in a folder.
const FILES: u32 = 100_000;
/// Size of a file of holes.
const SPARSE: u64 = 1 << 40;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(10);
/// Time between two looks at a file.
const LOOK: Duration = Duration::from_millis(1);

/// Sizes of the run.
struct Sizes {
    file: u64,
    resumed: u64,
}

fn main() -> Outcome<()> {
    // Beside the build: a folder for what is temporary may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let gib = std::env::args().skip_while(|argument| argument != "--gib").nth(1);
    let sizes = match gib {
        Some(gib) => Sizes { file: GIB / 2, resumed: gib.parse::<u64>()? * GIB },
        None => Sizes { file: GIB, resumed: 4 * GIB },
    };
    let (mut out, mut report) = (io::stdout(), Report::default());
    let mut pair = Pair::meet(folder.path())?;
    throughput(&mut pair, folder.path(), sizes.file, &mut out, &mut report)?;
    let mut table = Table { out: &mut out, report: &mut report };
    beside_a_chat(&mut pair, folder.path(), &mut table)?;
    memory(&pair, "files of 1 GiB", &mut table)?;
    many(&mut pair, folder.path(), &mut table)?;
    memory(&pair, "a folder", &mut table)?;
    sparse(&mut pair, folder.path(), &mut table)?;
    resumed(&mut pair, folder.path(), sizes.resumed, &mut table)?;
    Ok(report.write("files")?)
}

struct Table<'a> {
    out: &'a mut io::Stdout,
    report: &'a mut Report,
}

impl Table<'_> {
    /// A figure that is to be at most so much.
    fn row(&mut self, figure: &str, value: f64, unit: &str, aim: f64) -> Outcome<()> {
        self.report.add(figure, value, unit, Better::Lower);
        let verdict = if value <= aim { "reached" } else { "MISSED" };
        Ok(writeln!(self.out, "{figure:<58} {value:>9.2} {unit:<4} the aim of {aim} {unit} is {verdict}")?)
    }
}

/// Two prompts that have chosen each other, the receiver as the caller.
struct Pair {
    sender: Program,
    receiver: Program,
    at: String,
    homes: [PathBuf; 2],
    offers: u32,
}

impl Pair {
    fn meet(folder: &Path) -> Outcome<Self> {
        let homes = ["sender", "receiver"].map(|name| folder.join(name));
        for home in &homes {
            let made = rsachat::command(home).args(["key", "new"]).stdout(Stdio::null()).status()?;
            if !made.success() {
                return Err("no key was made".into());
            }
        }
        let [ours, theirs] = &homes;
        let mut sender =
            Program::prompt(ours, &["--name", "sender", "--listen", "127.0.0.1:0", "--anybody"])?;
        let at = sender.address()?.to_string();
        let receiver = Program::prompt(theirs, &["--name", "receiver", "--connect", &at])?;
        sender.line_with("receiver joined")?;
        receiver.line_with("sender joined")?;
        sender.type_line(":to receiver")?;
        sender.line_with("plain text now goes to")?;
        Ok(Self { sender, receiver, at, homes, offers: 0 })
    }

    /// Offers what is at a path, and waits until it is.
    fn offers(&mut self, path: &Path) -> Outcome<Duration> {
        self.offers += 1;
        let begun = Instant::now();
        self.sender.type_line(&format!(":send {} --to receiver", path.display()))?;
        self.receiver.line_within(&format!("(:accept {}", self.offers), PATIENCE)?;
        Ok(begun.elapsed())
    }

    /// Accepts the last offer.
    fn accepts(&mut self, rest: &str) -> Outcome<()> {
        self.receiver.type_line(&format!(":accept {} {rest}", self.offers))
    }

    /// From the line that accepts it until the sender knows that it is filed.
    fn takes(&mut self, name: &str, rest: &str) -> Outcome<Duration> {
        let begun = Instant::now();
        self.accepts(rest)?;
        self.sender.line_within(&format!("has {name}"), PATIENCE)?;
        Ok(begun.elapsed())
    }
}

/// One file, beside `pipe` and others.
fn throughput(
    pair: &mut Pair,
    folder: &Path,
    size: u64,
    out: &mut io::Stdout,
    report: &mut Report,
) -> Outcome<()> {
    let (stream, to) = (folder.join("stream"), folder.join("to"));
    fs::create_dir(&to)?;
    io::copy(&mut File::open("/dev/urandom")?.take(size), &mut File::create(&stream)?)?;
    let others = Other::ALL.map(|other| (other, other.missing()));
    let (mut ours, mut pipes) = (Vec::new(), Vec::new());
    let mut theirs = others.each_ref().map(|_| Vec::new());
    for _ in 0..ROUNDS {
        pair.offers(&stream)?;
        ours.push(pair.takes("stream", &to.display().to_string())?.as_secs_f64());
        fs::remove_file(to.join("stream"))?;
        pipes.push(piped(&pair.homes, &stream, &to.join("stream"))?.as_secs_f64());
        fs::remove_file(to.join("stream"))?;
        for ((other, _), seconds) in
            others.iter().zip(&mut theirs).filter(|((_, missing), _)| missing.is_none())
        {
            seconds.push(other.copies(folder, &stream, &to.join("stream"))?.as_secs_f64());
            fs::remove_file(to.join("stream"))?;
        }
    }
    fs::remove_file(&stream)?;
    let mib = f64::from(u32::try_from(size / MIB)?);
    writeln!(out, "A file of {mib} MiB through loopback onto a disk, {ROUNDS} interleaved rounds\n")?;
    let ours = median(&ours);
    report.add("file between prompts", mib / ours, "MiB/s", Better::Higher);
    writeln!(out, "{:<26} {ours:>7.2} s {:>7.0} MiB/s", "rsachat :send", mib / ours)?;
    let pipe = median(&pipes);
    let share = pipe / ours;
    report.add("file between prompts, of pipe into a file", share, "times", Better::Higher);
    let verdict = if share >= 0.8 { "reached" } else { "MISSED" };
    writeln!(out, "{:<26} {pipe:>7.2} s {:>7.0} MiB/s", "rsachat pipe > file, sync", mib / pipe)?;
    for ((other, missing), seconds) in others.iter().zip(&theirs) {
        let name = other.name();
        if let Some(missing) = missing {
            writeln!(out, "{name:<26} {missing}")?;
            continue;
        }
        let theirs = median(seconds);
        report.add(&format!("files are faster than {name} by"), theirs / ours, "times", Better::Higher);
        writeln!(out, "{name:<26} {theirs:>7.2} s {:>7.0} MiB/s", mib / theirs)?;
    }
    Ok(writeln!(out, "{share:.2} of pipe; the aim of 0.8 is {verdict}\n")?)
}

/// The same by `pipe`, into a file that is on disk in the end.
fn piped(homes: &[PathBuf; 2], from: &Path, to: &Path) -> Outcome<Duration> {
    let [ours, theirs] = homes.each_ref().map(|home| home.with_extension("pipe"));
    for home in [&ours, &theirs] {
        if !home.exists() {
            rsachat::command(home).args(["key", "new"]).stdout(Stdio::null()).status()?;
        }
    }
    let output = File::create(to)?;
    let synced = output.try_clone()?;
    let (mut receiver, at) = rsachat::listening(&theirs, &["pipe", "--recv-only"], output.into())?;
    let begun = Instant::now();
    let sent = rsachat::command(&ours)
        .args(["pipe", "--accept-new", "--connect", &at])
        .stdin(File::open(from)?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !sent.success() || !receiver.0.wait()?.success() {
        return Err("pipe did not end well".into());
    }
    synced.sync_all()?;
    Ok(begun.elapsed())
}

/// Lines that are typed while a file goes the same way.
fn beside_a_chat(pair: &mut Pair, folder: &Path, table: &mut Table<'_>) -> Outcome<()> {
    let (stream, to) = (folder.join("beside"), folder.join("to"));
    io::copy(&mut File::open("/dev/urandom")?.take(GIB), &mut File::create(&stream)?)?;
    pair.offers(&stream)?;
    pair.accepts(&to.display().to_string())?;
    pair.sender.line_with("takes beside")?;
    let mut ways = Vec::new();
    while !to.join("beside").exists() {
        let line = format!("line {} beside a file", ways.len());
        let typed = Instant::now();
        pair.sender.type_line(&line)?;
        let (shown, _) = pair.receiver.line_with(&line)?;
        ways.push(shown.saturating_duration_since(typed).as_secs_f64() * 1_000.0);
        thread::sleep(Duration::from_millis(5));
    }
    pair.sender.line_within("has beside", PATIENCE)?;
    fs::remove_file(&stream)?;
    fs::remove_file(to.join("beside"))?;
    ways.sort_by(f64::total_cmp);
    let p99 = ways.get(ways.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    let count = ways.len();
    table.row(&format!("Enter to shown beside a file of 1 GiB, p99 of {count}"), p99, "ms", 25.0)?;
    table.row(&format!("  the same, median of {count}"), median(&ways), "ms", 25.0)
}

/// The most memory of each side so far, its broker included.
fn memory(pair: &Pair, of: &str, table: &mut Table<'_>) -> Outcome<()> {
    for (side, program) in [("sender", &pair.sender), ("receiver", &pair.receiver)] {
        let peak = program.peak_kib()? / 1_024.0;
        table.row(&format!("memory of the {side} of {of}, broker included"), peak, "MiB", 24.0)?;
    }
    Ok(())
}

/// A folder of files of one byte.
fn many(pair: &mut Pair, folder: &Path, table: &mut Table<'_>) -> Outcome<()> {
    let many = folder.join("many");
    for number in 0..FILES {
        let inner = many.join(format!("{}", number / 1_000));
        if number % 1_000 == 0 {
            fs::create_dir_all(&inner)?;
        }
        fs::write(inner.join(format!("{number}.txt")), "x")?;
    }
    let offered = pair.offers(&many)?;
    let taken = pair.takes("many", &folder.join("to").display().to_string())?;
    table.row(
        &format!("{FILES} files of one byte, from :accept to filed"),
        taken.as_secs_f64(),
        "s",
        60.0,
    )?;
    table.row("  from :send until they are offered", offered.as_secs_f64(), "s", 60.0)?;
    fs::remove_dir_all(&many)?;
    Ok(fs::remove_dir_all(folder.join("to/many"))?)
}

/// A file of holes.
fn sparse(pair: &mut Pair, folder: &Path, table: &mut Table<'_>) -> Outcome<()> {
    let image = folder.join("disk.img");
    File::create(&image)?.set_len(SPARSE)?;
    pair.offers(&image)?;
    let to = format!("{} --anyway", folder.join("to").display());
    let taken = pair.takes("disk.img", &to)?;
    fs::remove_file(folder.join("to/disk.img"))?;
    table.row("a sparse file of 1 TiB, from :accept to filed", taken.as_secs_f64(), "s", 5.0)
}

/// A file whose receiver is killed at half.
fn resumed(pair: &mut Pair, folder: &Path, size: u64, table: &mut Table<'_>) -> Outcome<()> {
    let (movie, to) = (folder.join("movie.mkv"), folder.join("to"));
    io::copy(&mut File::open("/dev/urandom")?.take(size), &mut File::create(&movie)?)?;
    pair.offers(&movie)?;
    pair.accepts(&to.display().to_string())?;
    let part = || -> Outcome<u64> {
        for entry in fs::read_dir(&to)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(".part") {
                return Ok(entry.metadata()?.len());
            }
        }
        Ok(0)
    };
    let begun = Instant::now();
    while part()? < size / 2 {
        if begun.elapsed() > PATIENCE {
            return Err("the transfer does not begin".into());
        }
        thread::sleep(LOOK);
    }
    pair.receiver = Program::prompt(&pair.homes[1], &["--name", "receiver", "--connect", &pair.at])?;
    let (joined, _) = pair.receiver.line_with("sender joined")?;
    // What was not synchronised is dropped, and then the part grows again.
    let mut least = part()?;
    let grown = loop {
        let now = part()?;
        if now > least || to.join("movie.mkv").exists() {
            break Instant::now();
        }
        least = least.min(now);
        thread::sleep(LOOK);
    };
    pair.sender.line_within("has movie.mkv", PATIENCE)?;
    let gib = size / GIB;
    let took = grown.saturating_duration_since(joined).as_secs_f64();
    let kept = 100 * least / size;
    table.row(&format!("resume of {gib} GiB killed at half, to the first byte"), took, "s", 1.0)?;
    writeln!(table.out, "  {kept} % of it was kept")?;
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
