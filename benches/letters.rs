//! The figures of letters, measured: two prompts that are never connected, by a relay of three nodes on loopback whose
//! streams have three copies, beside a program on nats-py in interleaved rounds of the same run. `cargo bench --bench
//! letters` prints the table; with `-- --letters N` there are N letters instead of 1,000, and ten times as many lines.
//! Where a program is missing, that is said. Nothing is asserted.

#[path = "letters/client.rs"]
mod client;
#[path = "figures/process.rs"]
mod process;
mod report;
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it is that of the tests, which need more of it"
)]
#[path = "../tests/relay/site.rs"]
mod site;
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::pedantic, reason = "it is that of the tests")]
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "letters/watcher.rs"]
mod watcher;

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use client::Client;
use process::Program;
use report::{Better, Report};
use site::{Cluster, Site, Tls};
use support::Home;
use watcher::Watcher;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Letters that wait, where `--letters` says nothing.
const LETTERS: usize = 1_000;
/// Rounds in which they are left, in each of which both programs have their turn.
const ROUNDS: usize = 4;
/// Lines whose way is timed one by one.
const LINES: usize = 200;
/// Leaders that die.
const DEATHS: usize = 5;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time without a letter after which none is expected.
const QUIET: Duration = Duration::from_millis(500);
/// Time between two looks at what nothing tells.
const LOOK: Duration = Duration::from_millis(2);

fn main() -> Outcome<()> {
    let mut table = Table { out: io::stdout(), report: Report::default() };
    if !Command::new(site::program()).arg("--version").output().is_ok_and(|out| out.status.success()) {
        return Ok(writeln!(table.out, "letters: not run: nats-server is not installed")?);
    }
    let count = std::env::args().skip_while(|argument| argument != "--letters").nth(1);
    let count = count.map_or(Ok(LETTERS), |count| count.parse())?;
    let site = Site::new();
    let mut cluster = Cluster::start(&site);
    let mut other = Client::start(&site, &cluster.addresses)?;
    let [alice, bob] = ["alice", "bob"].map(|name| Person::new(&site, name, &cluster.addresses));
    let [alice, bob] = [alice?, bob?];
    acquainted(&alice, &bob)?;
    let mut here = alice.starts(&[])?;
    here.type_line(":to bob")?;
    here.line_with("plain text now goes to bob")?;
    let mut relay = Relay { watcher: Watcher::new(&site, first(&cluster)?)?, site: &site };
    if other.is_none() {
        writeln!(table.out, "a program on nats-py: not run: python3 has no modules nats and nkeys")?;
    }
    letters(&mut here, &mut relay, &cluster, &mut other, count / ROUNDS, &mut table)?;
    let there = backlog(&bob, &mut other, count / ROUNDS * ROUNDS, &mut table)?;
    emptied(&mut here)?;
    drop(there);
    relay.rests()?;
    let there = at_once(&mut here, &bob, &mut relay, count * 10, &mut table)?;
    emptied(&mut here)?;
    one_by_one(&mut here, &there, &mut table)?;
    drop(relay);
    deaths(&mut here, &there, &mut cluster, &mut other, &mut table)?;
    Ok(table.report.write("letters")?)
}

struct Table {
    out: io::Stdout,
    report: Report,
}

impl Table {
    fn row(&mut self, figure: &str, value: f64, unit: &str, better: Better) -> Outcome<()> {
        self.report.add(figure, value, unit, better);
        Ok(writeln!(self.out, "{figure:<64} {value:>9.2} {unit}")?)
    }
}

/// A person with a relay.
struct Person {
    home: Home,
    name: &'static str,
    config: PathBuf,
}

impl Person {
    fn new(site: &Site, name: &'static str, addresses: &[String]) -> Outcome<Self> {
        let config = site.path(&format!("{name}.toml"));
        let urls: Vec<_> = addresses.iter().map(|at| format!("\"nats://{at}\"")).collect();
        let key = site.key(name);
        fs::write(&config, format!("relay = [{}]\nrelay-key = \"{}\"\n", urls.join(", "), key.display()))?;
        let key = if name == "alice" { "test-1.pem" } else { "test-2.pem" };
        Ok(Self { home: Home::with_key(name, key), name, config })
    }

    fn starts(&self, more: &[&str]) -> Outcome<Program> {
        let config = self.config.display().to_string();
        let args = [&["--config", &config, "--plain", "--name", self.name], more].concat();
        Program::prompt(self.home.path(), &args)
    }
}

/// Both have met over a session, and can write to each other.
fn acquainted(alice: &Person, bob: &Person) -> Outcome<()> {
    let mut there = bob.starts(&["--listen", "127.0.0.1:0"])?;
    let at = there.address()?.to_string();
    let mut here = alice.starts(&["--connect", &at])?;
    there.line_with("alice joined")?;
    there.type_line(":to alice")?;
    here.type_line(":to bob")?;
    for (program, name) in [(&mut here, "bob"), (&mut there, "alice")] {
        let row = format!("letters can be left for {name}");
        until("they have each other's keys", || {
            Ok(answer(program, ":relay")?.iter().any(|said| said.contains(&row)))
        })?;
    }
    for program in [&mut here, &mut there] {
        program.type_line(":quit")?;
        program.ends()?;
    }
    Ok(())
}

/// What a prompt prints until it has dealt with a command.
fn answer(program: &mut Program, command: &str) -> Outcome<Vec<String>> {
    program.type_line(command)?;
    program.type_line(":help quit")?;
    let mut said = Vec::new();
    loop {
        let (_, line) = program.line_within("", PATIENCE)?;
        if line.contains("say goodbye to everybody and leave") {
            return Ok(said);
        }
        said.push(line);
    }
}

/// Asks again until it is so.
fn until(what: &str, mut so: impl FnMut() -> Outcome<bool>) -> Outcome<Instant> {
    let end = Instant::now() + PATIENCE;
    while !so()? {
        if Instant::now() > end {
            return Err(format!("in vain: {what}").into());
        }
        thread::sleep(LOOK);
    }
    Ok(Instant::now())
}

/// The other has all that was written.
fn emptied(program: &mut Program) -> Outcome<Instant> {
    let nothing = "no messages are waiting";
    until("nothing waits", || Ok(answer(program, ":outbox")?.iter().any(|said| said.contains(nothing))))
}

fn first<'a>(cluster: &'a Cluster<'_>) -> Outcome<&'a site::Node> {
    Ok(cluster.nodes().next().ok_or("no node")?)
}

/// The relay as its operator sees it.
struct Relay<'a> {
    watcher: Watcher,
    site: &'a Site,
}

impl Relay<'_> {
    /// Waits for the next letter that is left; its size.
    fn letter(&mut self) -> Outcome<usize> {
        Ok(self.watcher.letter_within(PATIENCE)?.ok_or("no letter is left")?.bytes)
    }

    /// Waits until no more letters are left. How many were, and when the last.
    fn rests(&mut self) -> Outcome<(u32, Instant)> {
        let (mut count, mut last) = (0, Instant::now());
        while let Some(left) = self.watcher.letter_within(QUIET)? {
            (count, last) = (count + 1, left.at);
        }
        Ok((count, last))
    }

    /// Messages on the disks of the relay.
    fn messages(&self, cluster: &Cluster<'_>) -> Outcome<u64> {
        let info = self.site.ask(first(cluster)?, Tls::Without, "$JS.API.STREAM.INFO.RC", "");
        let count = info.as_ref().and_then(|info| info.get("state")?.get("messages")?.as_u64());
        Ok(count.ok_or("no state of the stream")?)
    }
}

/// Letters of one line each: a line is typed when the letter of the line before it has gone, so that the program
/// always has one to write, and never two for one letter.
fn letters(
    here: &mut Program,
    relay: &mut Relay<'_>,
    cluster: &Cluster<'_>,
    other: &mut Option<Client>,
    count: usize,
    table: &mut Table,
) -> Outcome<()> {
    let (mut ours, mut theirs, mut size) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        relay.rests()?;
        let wanted = relay.messages(cluster)? + u64::try_from(count)?;
        let begun = Instant::now();
        for number in 1..=count {
            here.type_line(&format!("letter {}", round * count + number))?;
            size = relay.letter()?;
        }
        let end = until("the relay has all letters", || Ok(relay.messages(cluster)? >= wanted))?;
        ours.push(rate(count, end.saturating_duration_since(begun))?);
        if let Some(other) = other {
            theirs.push(rate(count, other.publishes(count, size)?)?);
        }
    }
    let figure = format!("letters of one line a second, {ROUNDS} times {count}, {size} bytes each");
    table.row(&figure, median(&ours), "/s", Better::Higher)?;
    if other.is_some() {
        table.row("  the same by nats-py, one after the other", median(&theirs), "/s", Better::Higher)?;
    }
    Ok(())
}

/// Letters that have waited are read by a program that starts.
fn backlog(bob: &Person, other: &mut Option<Client>, count: usize, table: &mut Table) -> Outcome<Program> {
    let begun = Instant::now();
    let there = bob.starts(&[])?;
    there.line_within(&format!("letter {count}"), PATIENCE)?;
    let took = begun.elapsed().as_secs_f64();
    table.row(
        &format!("{count} letters wait, from the start to the last shown"),
        took,
        "s",
        Better::Lower,
    )?;
    if let Some(other) = other {
        let theirs = other.reads()?.as_secs_f64();
        table.row("  all of them by nats-py, one after the other", theirs, "s", Better::Lower)?;
    }
    Ok(there)
}

/// Many lines in one go while the other is away, and then read.
fn at_once(
    here: &mut Program,
    bob: &Person,
    relay: &mut Relay<'_>,
    count: usize,
    table: &mut Table,
) -> Outcome<Program> {
    let lines: Vec<_> = (1..=count).map(|number| format!("line {number} of many")).collect();
    let last = lines.last().ok_or("no lines")?.clone();
    let begun = Instant::now();
    here.type_line(&lines.join("\n"))?;
    let (mut letters, mut end) = (0, begun);
    until("all lines are at the relay", || {
        let (more, at) = relay.rests()?;
        if more > 0 {
            (letters, end) = (letters + more, at);
        }
        let at_relay = |row: &String| row.contains("at the relay") && row.contains(&last);
        Ok(answer(here, ":outbox")?.iter().any(at_relay))
    })?;
    let took = end.saturating_duration_since(begun);
    table.row(&format!("lines a second, {count} in one go"), rate(count, took)?, "/s", Better::Higher)?;
    table.row("  letters in which they go", f64::from(letters), "", Better::Lower)?;
    table.row("  letters a second", f64::from(letters) / took.as_secs_f64(), "/s", Better::Higher)?;
    let begun = Instant::now();
    let there = bob.starts(&[])?;
    there.line_within(&last, PATIENCE)?;
    let took = begun.elapsed().as_secs_f64();
    table.row(&format!("{count} lines wait, from the start to the last shown"), took, "s", Better::Lower)?;
    Ok(there)
}

/// From Enter to shown, both at their prompts.
fn one_by_one(here: &mut Program, there: &Program, table: &mut Table) -> Outcome<()> {
    let mut ways = Vec::new();
    for number in 1..=LINES {
        ways.push(way(here, there, &format!("timed line {number}."))?.as_secs_f64() * 1_000.0);
    }
    ways.sort_by(f64::total_cmp);
    let p99 = ways.get(ways.len() * 99 / 100).copied().unwrap_or(f64::NAN);
    table.row(
        &format!("Enter to shown by the relay, median of {LINES}"),
        median(&ways),
        "ms",
        Better::Lower,
    )?;
    table.row("  the same, p99", p99, "ms", Better::Lower)
}

fn way(here: &mut Program, there: &Program, line: &str) -> Outcome<Duration> {
    let typed = Instant::now();
    here.type_line(line)?;
    let (shown, _) = there.line_within(line, PATIENCE)?;
    Ok(shown.saturating_duration_since(typed))
}

/// The leader dies; a line is typed at that moment.
fn deaths(
    here: &mut Program,
    there: &Program,
    cluster: &mut Cluster<'_>,
    other: &mut Option<Client>,
    table: &mut Table,
) -> Outcome<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 1..=DEATHS {
        let leader = cluster.leader();
        cluster.kill(leader);
        if let Some(other) = other {
            other.begins_next()?;
        }
        ours.push(way(here, there, &format!("line of death {number}."))?.as_secs_f64());
        if let Some(other) = other {
            theirs.push(other.took()?.as_secs_f64());
        }
        cluster.start_again(leader);
        for again in 1..=3 {
            way(here, there, &format!("line {again} after death {number}."))?;
        }
    }
    let figure = "from the leader's death to the next line shown, median of";
    table.row(&format!("{figure} {DEATHS}"), median(&ours), "s", Better::Lower)?;
    table.row("  the longest", longest(&ours), "s", Better::Lower)?;
    if other.is_some() {
        let figure = "  until nats-py has left one, trying twice a second, median";
        table.row(figure, median(&theirs), "s", Better::Lower)?;
        table.row("  the longest", longest(&theirs), "s", Better::Lower)?;
    }
    Ok(())
}

fn rate(count: usize, took: Duration) -> Outcome<f64> {
    Ok(f64::from(u32::try_from(count)?) / took.as_secs_f64())
}

fn longest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
