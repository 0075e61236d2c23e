//! Idle and stalled connections by the clock of the conversation core, which needs no waiting.

use rsachat::chat::{Chat, Effect, Input, OwnKey};
use rsachat::crypto::{Identity, Seed};
use rsachat::ids::ConnId;
use rsachat::limits::{DEAD_AFTER_MS, PING_AFTER_MS, SHORT_IDLE_MS};
use rsachat::peers::book::Book;
use rsachat::peers::name::Name;
use rsachat::session::{Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::{MonoMs, Now, UnixMs};
use rsachat::wire::{Durability, Lifetime, Purpose};

use crate::support::read;

const CONN: ConnId = ConnId(1);

/// A chat that listens, one caller, and the wire between them.
struct Pair {
    chat: Chat,
    caller: Session,
    keys: [Identity; 2],
    now: u64,
    /// Whether the kernel takes what the chat sends.
    takes: bool,
    /// Rows that the chat has shown.
    rows: Vec<String>,
    closed: bool,
}

impl Pair {
    /// A caller that has joined at the moment 0.
    fn joined(lifetime: Lifetime) -> Self {
        let keys = ["test-1.pem", "test-2.pem"]
            .map(|key| Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap());
        let own = OwnKey { public: keys[0].public().clone(), file: String::new() };
        let chat = Chat::new(Name::parse("minji").unwrap(), Some(own), Book::new(), 8);
        let name = "junho".to_owned();
        let (key, purpose, rekeying) = (keys[1].public().clone(), Purpose::Chat, RekeyThresholds::default());
        let config =
            SessionConfig { key, name, purpose, lifetime, durability: Durability::Connection, rekeying };
        let caller = Session::new(Role::Initiator, config, Seed::new([2; 32]), MonoMs(0));
        let mut pair = Self { chat, caller, keys, now: 0, takes: true, rows: Vec::new(), closed: false };
        pair.input(Input::Line(":listen 127.0.0.1:0"));
        pair.pass();
        assert!(pair.caller.is_established());
        pair
    }

    /// Hands an input to the chat, and performs what follows from it.
    fn input(&mut self, input: Input<'_>) {
        let now = Now { mono: MonoMs(self.now), unix: UnixMs(self.now) };
        self.chat.handle(now, input);
        while let Some(effect) = self.chat.poll_effect() {
            let result = match effect {
                Effect::Show(notice, receipt) => {
                    self.rows.extend(notice.rows());
                    let Some(due) = receipt else { continue };
                    Input::Shown(due)
                }
                Effect::Listen { listener, .. } => {
                    let from: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
                    self.chat.handle(now, Input::Listening { listener, at: from.into() });
                    Input::Accepted { conn: CONN, listener, from, seed: Seed::new([1; 32]) }
                }
                Effect::Transmit { bytes, .. } if self.takes => {
                    self.caller.handle_bytes(MonoMs(self.now), &bytes);
                    continue;
                }
                Effect::Transmit { conn, .. } => Input::WriteBlocked { conn },
                Effect::Job { conn, job, .. } => Input::JobDone { conn, result: job.run(&self.keys[0]) },
                Effect::ReadBook { conn } => Input::Book { conn, book: Ok(None) },
                Effect::Close(_) => {
                    self.closed = true;
                    continue;
                }
                _ => continue,
            };
            self.chat.handle(now, result);
        }
    }

    /// Lets everything arrive.
    fn pass(&mut self) {
        while let Some(output) = self.caller.poll_output() {
            match output {
                Output::Transmit(bytes) => self.input(Input::Bytes { conn: CONN, bytes: &bytes }),
                Output::Job(job) => self.caller.handle_job(MonoMs(self.now), job.run(&self.keys[1])),
                Output::Event(Event::PeerKey(_)) => self.caller.accept_key(MonoMs(self.now)),
                Output::WantSeed | Output::Event(_) => {}
            }
        }
    }

    /// Goes from one deadline of the chat to the next, until it closes or this moment has come.
    /// The caller does what it does at each.
    fn run(&mut self, until: u64, mut at_each: impl FnMut(&mut Self)) -> Option<u64> {
        while !self.closed {
            match self.chat.poll_timeout() {
                Some(MonoMs(next)) if next <= until => self.now = next.max(self.now),
                _ => return None,
            }
            self.input(Input::Tick);
            at_each(self);
            self.pass();
        }
        Some(self.now)
    }
}

#[test]
fn a_short_lived_connection_without_a_message_for_a_minute_is_closed_though_it_answers_pings() {
    let mut pair = Pair::joined(Lifetime::Short);
    assert_eq!(pair.run(30_000, |_| {}), None);
    pair.now = 30_000;
    pair.caller.send("안녕", UnixMs(0)).unwrap();
    pair.pass();
    assert_eq!(pair.run(600_000, |_| {}), Some(30_000 + SHORT_IDLE_MS));
    let mut lasting = Pair::joined(Lifetime::Lasting);
    assert_eq!(lasting.run(600_000, |_| {}), None, "one that lasts stays");
    assert!(!lasting.closed && lasting.now > 500_000, "{}", lasting.now);
}

#[test]
fn a_peer_to_whom_nothing_can_be_written_is_closed_when_no_record_of_it_opens_for_a_minute() {
    let mut mute = Pair::joined(Lifetime::Lasting);
    mute.takes = false;
    assert_eq!(mute.run(600_000, |_| {}), Some(DEAD_AFTER_MS));
    assert!(mute.rows.iter().any(|row| row.starts_with("! lost junho")), "{:?}", mute.rows);
    // Bytes that are no whole record are no sign of life.
    let mut dripping = Pair::joined(Lifetime::Lasting);
    dripping.takes = false;
    let drip = |pair: &mut Pair| pair.input(Input::Bytes { conn: CONN, bytes: &[1] });
    assert_eq!(dripping.run(600_000, drip), Some(DEAD_AFTER_MS));
    // A record that opens is one, though what is owed for it cannot be written.
    let mut talking = Pair::joined(Lifetime::Lasting);
    talking.takes = false;
    let talk = |pair: &mut Pair| assert!(pair.caller.send("들려요?", UnixMs(0)).is_ok());
    assert_eq!(talking.run(600_000, talk), None);
    assert!(talking.now + PING_AFTER_MS > 590_000, "{}", talking.now);
}
