//! Programs that the bench starts, and what the kernel counts about them. It knows nothing of the wire.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Longest wait for one line of output.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program; each line of its output is stamped the moment it is read. Ended when dropped.
pub(crate) struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<(Instant, String)>,
}

#[allow(dead_code, reason = "not every bench asks for everything")]
impl Program {
    /// A prompt of this package's binary, with its standard input kept open.
    pub(crate) fn prompt(home: &Path, arguments: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rsachat"));
        command.arg("--home").arg(home).args(arguments);
        Self::start(&mut command)
    }

    /// Any program, its errors unheard.
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdin = child.stdin.take().ok_or("no pipe to the program")?;
        let stdout = child.stdout.take().ok_or("no pipe from the program")?;
        let (stamped, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if stamped.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, lines })
    }

    /// Types one line.
    pub(crate) fn type_line(&mut self, line: &str) -> Outcome<()> {
        Ok(self.stdin.write_all(format!("{line}\n").as_bytes())?)
    }

    /// The next line that contains `wanted`, and when it came.
    pub(crate) fn line_with(&self, wanted: &str) -> Outcome<(Instant, String)> {
        self.line_within(wanted, PATIENCE)
    }

    /// The same, where it may take longer.
    pub(crate) fn line_within(&self, wanted: &str, patience: Duration) -> Outcome<(Instant, String)> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (at, line) =
                self.lines.recv_timeout(left).map_err(|_| format!("no line with {wanted:?} came"))?;
            if line.contains(wanted) {
                return Ok((at, line));
            }
        }
    }

    /// The address that a prompt says it listens on.
    pub(crate) fn address(&self) -> Outcome<SocketAddr> {
        let (_, line) = self.line_with("listening on ")?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }

    /// Waits for its end, once it was told to.
    pub(crate) fn ends(&mut self) -> Outcome<()> {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }

    /// User and system time so far, in clock ticks (proc(5), fields 14 and 15 of `stat`).
    pub(crate) fn ticks(&self) -> Outcome<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?;
        let times: Vec<u64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(times.iter().sum())
    }

    /// Resident memory in KiB (proc(5), `VmRSS`).
    pub(crate) fn resident_kib(&self) -> Outcome<f64> {
        memory_kib(self.child.id(), "VmRSS:")
    }

    /// The most resident memory that it had, in KiB (proc(5), `VmHWM`), and what its children had
    /// besides for themselves: they map the files of the same program (`RssFile`), which stay.
    pub(crate) fn peak_kib(&self) -> Outcome<f64> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let mut peak = memory_kib(id, "VmHWM:")?;
        for child in children.split_whitespace() {
            let child = child.parse()?;
            peak += memory_kib(child, "VmHWM:")? - memory_kib(child, "RssFile:")?;
        }
        Ok(peak)
    }
}

fn memory_kib(process: u32, which: &str) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).ok_or("no such memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
