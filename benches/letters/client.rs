//! A program on nats-py that does at the same relay what letters need of it.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Program;
use crate::site::Site;
use crate::{Outcome, PATIENCE};

/// Where it leaves its messages: no inbox of a person.
const SUBJECT: &str = "rc.in.bench";
/// The same, while leaders die.
const OTHER: &str = "rc.in.other";

/// The program, connected.
pub(crate) struct Client(Program);

impl Client {
    /// Starts it; `None` where its libraries are missing.
    pub(crate) fn start(site: &Site, addresses: &[String]) -> Outcome<Option<Self>> {
        let mut check = Command::new("python3");
        check.args(["-c", "import nats, nkeys"]).stderr(Stdio::null());
        if !check.status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/letters/client.py"));
        command.arg(site.key("alice")).arg(format!("_INBOX_{}", site.nkey("alice").public()));
        command.args(addresses.iter().map(|at| format!("nats://{at}")));
        let program = Program::start(&mut command)?;
        program.line_with("ready")?;
        Ok(Some(Self(program)))
    }

    /// Leaves messages one after the other.
    pub(crate) fn publishes(&mut self, count: usize, bytes: usize) -> Outcome<Duration> {
        self.0.type_line(&format!("publish {SUBJECT} {count} {bytes}"))?;
        self.took()
    }

    /// Reads all that it has left.
    pub(crate) fn reads(&mut self) -> Outcome<Duration> {
        self.0.type_line(&format!("read {SUBJECT}"))?;
        self.took()
    }

    /// Begins to leave one message, until it is acknowledged.
    pub(crate) fn begins_next(&mut self) -> Outcome<()> {
        self.0.type_line(&format!("next {OTHER}"))
    }

    /// What it took for the last order.
    pub(crate) fn took(&mut self) -> Outcome<Duration> {
        let (_, line) = self.0.line_within("took ", PATIENCE)?;
        Ok(Duration::from_secs_f64(line.trim_start_matches("took ").parse()?))
    }
}
