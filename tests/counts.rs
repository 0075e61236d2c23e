//! What things cost, in counts that do not depend on the machine: bytes on the wire, instructions, calls of
//! the system, memory. Each may differ from the number here by its tolerance: a lower count belongs here as
//! much as a higher one has its reason. Where valgrind or a tracer is missing, those that need it are
//! listed as ignored, by name. Times are in `benches/`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stdout, reason = "this is the runner of its tests")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use rsachat::crypto::{Identity, Seed};
use rsachat::session::{Event, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::{MonoMs, UnixMs};
use rsachat::wire::{Durability, FileTransfer, Letters, Lifetime, Purpose};

use support::hostile_peer::HostilePeer;
use support::{Home, PATIENCE, Process, RSACHAT, caller, callgrind, read};

/// Bytes of a handshake from the caller and from the listener, both with keys of 2,048 bits: a preface,
/// two messages and a `Confirm` each.
const HANDSHAKE_BYTES: [usize; 2] = [2_093, 2_013];
/// Bytes of a short message, and of its receipt: a frame of 256 bytes of plaintext each.
const MESSAGE_BYTES: [usize; 2] = [274, 274];
/// Instructions of both sides of a handshake in a test build.
const HANDSHAKE_INSTRUCTIONS: usize = 83_000_000;
/// Calls of the system for one line, from Enter to its receipt, of both prompts together, which both keep
/// it: those of [`CALLS`]. How often threads wait, and which commits become one, depends on the machine.
const LINE_CALLS: usize = 24;
const CALLS: &str = "fdatasync,getrandom,recvfrom,write,writev";
/// Resident memory that one more peer takes of a prompt, in KiB, in a test build.
const PEER_KIB: usize = 32;

/// Lines that are typed, one after another, before counting and while counting.
const LINES: [usize; 2] = [10, 50];

fn main() -> ExitCode {
    if callgrind::watched().is_some() {
        let (mut one, mut other) = (Side::new(Role::Initiator), Side::new(Role::Responder));
        callgrind::counted_operation(|| _ = exchange(&mut one, &mut other));
        return ExitCode::SUCCESS;
    }
    let traces = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let tests = vec![
        Trial::test("bytes_of_a_handshake_and_of_a_message", bytes),
        Trial::test("instructions_of_a_handshake", instructions).with_ignored_flag(!callgrind::is_there()),
        Trial::test("calls_of_the_system_of_a_line", calls).with_ignored_flag(!traces),
        Trial::test("memory_of_a_peer", memory),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Fails unless a count is the expected one or differs by so many of a hundred at most.
fn compare(what: &str, counted: usize, expected: usize, percent: usize) -> Result<(), Failed> {
    if counted.abs_diff(expected) * 100 <= expected * percent {
        return Ok(());
    }
    Err(format!("{what}: {counted}, where {expected} (± {percent} %) is expected").into())
}

/// One side of a connection in memory.
struct Side {
    session: Session,
    identity: Identity,
}

impl Side {
    fn new(role: Role) -> Self {
        let key = if role == Role::Initiator { "test-1.pem" } else { "test-2.pem" };
        let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
        let own = SessionConfig {
            key: identity.public().clone(),
            name: "민지".to_owned(),
            purpose: Purpose::Chat,
            lifetime: Lifetime::Lasting,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying: RekeyThresholds::default(),
        };
        Self { session: Session::new(role, own, Seed::new([7; 32]), MonoMs(0)), identity }
    }

    /// What the session wants sent; every message is acknowledged.
    fn sent(&mut self) -> Vec<u8> {
        caller::sent(&mut self.session, &self.identity, |session, event| {
            if let Event::Message { count, .. } = event {
                session.ack(count);
            }
        })
    }
}

/// Passes on what either side has to send, until neither has. Returns the bytes that each has sent.
fn exchange(one: &mut Side, other: &mut Side) -> [usize; 2] {
    let mut bytes = [0; 2];
    loop {
        let from_one = one.sent();
        other.session.handle_bytes(MonoMs(0), &from_one);
        let from_other = other.sent();
        one.session.handle_bytes(MonoMs(0), &from_other);
        bytes[0] += from_one.len();
        bytes[1] += from_other.len();
        if from_one.is_empty() && from_other.is_empty() {
            return bytes;
        }
    }
}

fn bytes() -> Result<(), Failed> {
    let (mut one, mut other) = (Side::new(Role::Initiator), Side::new(Role::Responder));
    let handshake = exchange(&mut one, &mut other);
    one.session.send("안녕", UnixMs(0)).unwrap();
    let message = exchange(&mut one, &mut other);
    for (what, counted, expected) in
        [("of a handshake", handshake, HANDSHAKE_BYTES), ("of a message", message, MESSAGE_BYTES)]
    {
        for (side, (counted, expected)) in
            ["caller", "listener"].iter().zip(counted.into_iter().zip(expected))
        {
            compare(&format!("bytes {what}, from the {side}"), counted, expected, 0)?;
        }
    }
    Ok(())
}

fn instructions() -> Result<(), Failed> {
    let counted = *callgrind::instructions("handshake")?.first().ok_or("nothing was counted")?;
    compare("instructions of a handshake", usize::try_from(counted)?, HANDSHAKE_INSTRUCTIONS, 25)
}

/// The prompt of a home, under a tracer that writes its calls of the system into a file.
fn traced(home: &Home, trace: &Path, args: &[&str]) -> Process {
    let mut command = Command::new("strace");
    command.args(["--follow-forks", "--quiet=all", "--trace", CALLS, "--output"]).arg(trace).arg(RSACHAT);
    command.arg("--home").arg(home.path()).env("RSACHAT_CONFIG", "none").args(args);
    home.start_on(command, Stdio::piped())
}

fn calls() -> Result<(), Failed> {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    for (home, name, other) in [(&minji, "준호", &junho), (&junho, "민지", &minji)] {
        home.private("peers", format!("{name} {} verified\n", other.fingerprint()));
    }
    let count = |lines: usize| -> Result<usize, Failed> {
        let folder = tempfile::tempdir()?;
        let traces = ["one", "other"].map(|name| folder.path().join(name));
        let listener = traced(&junho, &traces[0], &["--name", "준호", "--listen", "127.0.0.1:0"]);
        let (mut listener, at) = listener.and_where();
        let mut caller = traced(&minji, &traces[1], &["--name", "민지", "--connect", &at]);
        caller.sees("준호 joined");
        for number in 0..lines {
            caller.types(&format!("line {number} of {lines}"));
            listener.sees(&format!("line {number} of {lines}"));
        }
        for prompt in [&mut caller, &mut listener] {
            prompt.types(":quit");
            prompt.ends_within(PATIENCE);
        }
        let calls = |trace: &Path| {
            Ok::<_, Failed>(
                std::fs::read_to_string(trace)?.lines().filter(|row| !row.contains(" resumed>")).count(),
            )
        };
        Ok(calls(&traces[0])? + calls(&traces[1])?)
    };
    let [few, many] = [count(LINES[0])?, count(LINES[1])?];
    compare("calls of the system of a line", many.saturating_sub(few) / (LINES[1] - LINES[0]), LINE_CALLS, 40)
}

fn memory() -> Result<(), Failed> {
    let (listener, at) = Process::listening("준호");
    let resident = || listener.memory_kib("VmRSS:");
    // A source of its own for each, since one source calls only so often.
    let join = |keys: &[&str], from: usize| -> Vec<HostilePeer> {
        let joins = |(source, key): (usize, &&str)| {
            let identity = Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap();
            let name = key.trim_end_matches(".pem");
            HostilePeer::calls_with(&at, &identity, name, Purpose::Chat, from + source * 256)
        };
        keys.iter().enumerate().map(joins).collect()
    };
    let _first = join(&["test-1.pem", "test-3.pem"], 0);
    listener.sees("test-3 joined");
    let before = resident();
    let keys = [
        "alice-2048.pem",
        "alice-3072.pem",
        "alice-4096.pem",
        "bob-2048.pem",
        "bob-3072.pem",
        "bob-4096.pem",
    ];
    let _others = join(&keys, 1 << 12);
    listener.sees("bob-4096 joined");
    compare("memory of a peer in KiB", resident().saturating_sub(before) / keys.len(), PEER_KIB, 100)
}
