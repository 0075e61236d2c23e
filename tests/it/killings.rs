//! Durable delivery between two real prompts, either of which is killed again and again, over a
//! wire that is cut: what each has accepted the other shows, in order, and nothing twice without a
//! mark.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

use crate::support::watch::Watched;
use crate::support::{Home, PATIENCE, Process};

/// Lines that each side has to accept.
const LINES: usize = 500;
const KILLS: usize = 30;
const CUTS: usize = 10;
/// Lines of each side between two faults.
const BATCH: usize = LINES / (KILLS + CUTS);
/// Bytes of the record of a short text.
const RECORD: u64 = 274;

/// Reproducible choices.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A wire for one connection, which stops at a byte of the caller's.
struct Wire {
    at: String,
    state: Arc<Watched<WireState>>,
}

#[derive(Default)]
struct WireState {
    passed: u64,
    limit: Option<u64>,
    ends: Vec<TcpStream>,
}

impl Wire {
    fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Watched::new(WireState::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let (mut caller, _) = listener.accept().unwrap();
            let mut listening = TcpStream::connect(target).unwrap();
            let ends = [&caller, &listening].map(|end| end.try_clone().unwrap());
            let (mut from, mut back) = (listening.try_clone().unwrap(), caller.try_clone().unwrap());
            shared.change(|state| state.ends.extend(ends));
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let mut buffer = [0; 1024];
            while let count @ 1.. = caller.read(&mut buffer).unwrap_or(0) {
                let room = shared.look(|state| state.limit.map_or(u64::MAX, |limit| limit - state.passed));
                let taken = count.min(usize::try_from(room).unwrap_or(usize::MAX));
                if listening.write_all(&buffer[..taken]).is_err() {
                    break;
                }
                shared.change(|state| state.passed += taken as u64);
                if taken < count {
                    // It is cut by who waits for this.
                    return;
                }
            }
            let _ = listening.shutdown(Shutdown::Both);
        });
        Self { at, state }
    }

    /// Waits until so many bytes more have come from the caller; no more pass.
    fn stop_after(&self, bytes: u64) {
        self.state.change(|state| state.limit = Some(state.passed + bytes));
    }

    fn has_stopped(&self, sides: [&Side; 2]) {
        let is_there = |state: &WireState| state.limit.is_some_and(|limit| state.passed >= limit);
        let told = || sides.map(|side| side.process.output()).join("\n");
        assert!(self.state.wait(PATIENCE / 4, is_there), "too few bytes came: {}", told());
    }

    fn cut(&self) {
        self.state.change(|state| {
            for end in state.ends.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }
}

/// One side: its process, and what its earlier processes have told.
struct Side {
    name: &'static str,
    args: &'static [&'static str],
    process: Process,
    earlier: Vec<Value>,
    typed: usize,
}

impl Side {
    fn start(name: &'static str, args: &'static [&'static str]) -> Self {
        Self { name, args, process: Home::of(name).start(args), earlier: Vec::new(), typed: 0 }
    }

    fn orders(&mut self, order: &Value) {
        self.process.types(&order.to_string());
    }

    /// Types a batch. Lines that were typed and not accepted when the program died are not said.
    fn says(&mut self, to: &str, count: usize) {
        for _ in 0..count {
            self.typed += 1;
            let text = format!("{} {}", self.name, self.typed);
            self.orders(&json!({ "say": text, "to": to }));
        }
    }

    fn rows_with(&self, text: &str) -> usize {
        self.process.output().lines().filter(|row| row.contains(text)).count()
    }

    fn kill(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        assert_eq!(self.process.ends(), 128 + 9);
        self.earlier = self.told();
        self.process = self.process.home.clone().start(self.args);
    }

    /// Events of all processes of this side.
    fn told(&self) -> Vec<Value> {
        let output = self.process.output();
        // The last row may be torn.
        let rows = output.split_inclusive('\n').filter(|row| row.ends_with('\n'));
        let events = rows.map(|row| serde_json::from_str(row).unwrap_or_else(|_| panic!("{row}")));
        self.earlier.iter().cloned().chain(events).collect()
    }

    /// Texts that this side has accepted.
    fn accepted(&self) -> Vec<String> {
        let told = self.told();
        let sent = told.iter().filter(|event| event["event"] == "sent");
        sent.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Texts that this side has shown, each with whether it was marked.
    fn shown(&self) -> Vec<(String, bool)> {
        let told = self.told();
        let messages = told.iter().filter(|event| event["event"] == "message");
        messages.map(|one| (one["text"].as_str().unwrap().to_owned(), one["again"] == true)).collect()
    }
}

const CONNECTED: &str = r#""event":"connected""#;
const AWAY: &str = r#""presence":"away""#;

/// Connects the two over a new wire.
fn connect(caller: &mut Side, listener: &Side) -> Wire {
    let wire = Wire::to(listener.process.listens_at());
    let before = [&*caller, listener].map(|side| side.rows_with(CONNECTED));
    caller.orders(&json!({ "command": "connect", "arguments": [wire.at] }));
    for (side, before) in [&*caller, listener].into_iter().zip(before) {
        side.process.sees_times(CONNECTED, before + 1, PATIENCE);
    }
    wire
}

/// What was accepted was shown, in order, and once but for what is marked.
fn check(from: &Side, to: &Side) {
    let (accepted, shown) = (from.accepted(), to.shown());
    let number = |text: &str| text.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap();
    let (mut first, mut unmarked) = (Vec::new(), Vec::new());
    for (text, is_marked) in &shown {
        if !first.contains(text) {
            first.push(text.clone());
        }
        if !is_marked {
            assert!(!unmarked.contains(text), "{} saw {text} twice", to.name);
            unmarked.push(text.clone());
        }
    }
    assert!(first.is_sorted_by_key(|text| number(text)), "{} saw {first:?}", to.name);
    let missing: Vec<_> = accepted.iter().filter(|text| !first.contains(text)).collect();
    assert!(missing.is_empty(), "{} never saw {missing:?}", to.name);
    assert!(accepted.len() >= LINES);
}

#[test]
fn thirty_kills_and_ten_cuts_lose_no_line_of_a_thousand_and_show_none_twice_unmarked() {
    let mut chance = Chance(14);
    let mut minji = Side::start("민지", &["--json", "--listen", "127.0.0.1:0"]);
    let mut junho = Side::start("준호", &["--json"]);
    let mut wire = connect(&mut junho, &minji);
    for command in ["to", "verify", "trust"] {
        minji.orders(&json!({ "id": command, "command": command, "arguments": ["준호"] }));
        minji.process.sees(&format!(r#""id":"{command}","event":"reply","ok":true"#));
    }
    let (mut kills, mut cuts) = (KILLS, CUTS);
    while kills + cuts > 0 {
        let away = [&minji, &junho].map(|side| side.rows_with(AWAY));
        wire.stop_after(chance.below(BATCH as u64 * RECORD));
        minji.says("준호", BATCH);
        junho.says("민지", BATCH);
        wire.has_stopped([&minji, &junho]);
        let (mut minji_lives, mut junho_lives) = (true, true);
        if chance.below((kills + cuts) as u64) < kills as u64 {
            kills -= 1;
            let (victim, lives) = match chance.below(2) {
                0 => (&mut minji, &mut minji_lives),
                _ => (&mut junho, &mut junho_lives),
            };
            victim.kill();
            *lives = false;
        } else {
            cuts -= 1;
        }
        wire.cut();
        for (side, lives, before) in [(&minji, minji_lives, away[0]), (&junho, junho_lives, away[1])] {
            if lives {
                side.process.sees_times(AWAY, before + 1, PATIENCE);
            }
        }
        wire = connect(&mut junho, &minji);
    }
    let mut last = Vec::new();
    for (side, other) in [(&mut minji, "준호"), (&mut junho, "민지")] {
        // What was typed when a program died may not have been accepted.
        let missing = LINES.saturating_sub(side.accepted().len()) + 1;
        side.says(other, missing);
        last.push(format!("{} {}", side.name, side.typed));
    }
    junho.process.sees(&format!(r#""text":"{}""#, last[0]));
    minji.process.sees(&format!(r#""text":"{}""#, last[1]));
    check(&minji, &junho);
    check(&junho, &minji);
    for side in [&mut minji, &mut junho] {
        side.orders(&json!({ "command": "outbox" }));
        side.process.sees("no messages are waiting");
        assert_eq!(side.process.closes_input().ends(), 0);
    }
}
