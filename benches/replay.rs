//! The figures of scripts: a thousand typed lines between three actors, every line checked, and the whole
//! `scripts/` folder. Each stands beside its aim and beside a peer of the same run: the same program doing
//! nothing but starting, so that what is left is the conversation. Nothing is asserted.

mod report;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use report::{Better, Report};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rounds of which the median is taken.
const ROUNDS: usize = 5;
/// Lines of the long conversation.
const LINES: usize = 1_000;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = folder.path().join("thousand.chat");
    fs::write(&script, thousand(top)?)?;
    // The transcript of a run expects every row of it.
    let output = replay(&script, &[])?;
    fs::write(&script, output)?;
    let empty = folder.path().join("empty.chat");
    fs::write(&empty, "@skip nothing is played\n")?;

    let (mut long, mut start, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        start.push(timed(&empty)?);
        long.push(timed(&script)?);
        all.push(timed(&top.join("scripts"))?);
    }
    let mut report = Report::default();
    let mut table = String::from("figure                                   median      worst       aim\n");
    row(&mut table, "start of the program alone", &mut start, &mut report, "-")?;
    row(&mut table, "1,000 lines of three, all checked", &mut long, &mut report, "100 ms")?;
    row(&mut table, "the folder scripts/", &mut all, &mut report, "700 ms")?;
    report.write("replay")?;
    std::io::stdout().write_all(table.as_bytes())?;
    Ok(())
}

fn row(
    table: &mut String,
    what: &str,
    times: &mut [Duration],
    report: &mut Report,
    aim: &str,
) -> Outcome<()> {
    times.sort();
    let median = times.get(times.len() / 2).ok_or("no rounds")?;
    let worst = times.last().ok_or("no rounds")?;
    report.add(what, ms(*median), "ms", Better::Lower);
    writeln!(table, "{what:<40} {:>7.1} ms {:>7.1} ms   {aim}", ms(*median), ms(*worst))?;
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn timed(script: &Path) -> Outcome<Duration> {
    let began = Instant::now();
    replay(script, &["--quiet"])?;
    Ok(began.elapsed())
}

fn replay(script: &Path, args: &[&str]) -> Outcome<Vec<u8>> {
    let output = Command::new(env!("CARGO_BIN_EXE_rsachat")).arg("replay").arg(script).args(args).output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

/// Three actors with keys, and a thousand lines.
fn thousand(top: &Path) -> Outcome<String> {
    let mut script = String::from("@actors alice bob carol\n");
    for (number, who) in (1..).zip(["alice", "bob", "carol"]) {
        let key = fs::read_to_string(top.join(format!("tests/keys/test-{number}.pem")))?;
        writeln!(script, "@file {who}/identity.pem <<END\n{}\nEND", key.trim_end())?;
    }
    script.push_str("alice> :listen 0\n");
    for who in ["bob", "carol"] {
        writeln!(script, "{who}> :connect 127.0.0.1:${{alice.port}}")?;
    }
    for number in 0..LINES {
        match number % 3 {
            0 => writeln!(script, "alice> :all line {number} 안녕")?,
            1 => writeln!(script, "bob> line {number} 안녕")?,
            _ => writeln!(script, "carol> line {number} 안녕")?,
        }
    }
    Ok(script)
}
