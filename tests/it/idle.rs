//! Idle, stalled and lost connections by the clock of the conversation core, which needs no waiting.

use rsachat::chat::{Chat, Effect, Input, OwnKey};
use rsachat::crypto::{Identity, Seed};
use rsachat::ids::{ConnId, DialId};
use rsachat::limits::{DEAD_AFTER_MS, PING_AFTER_MS, REDIAL_MOST_MS, SHORT_IDLE_MS};
use rsachat::peers::book::{Book, ChangedBook};
use rsachat::peers::name::Name;
use rsachat::session::{Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::{MonoMs, Now, UnixMs};
use rsachat::wire::{Durability, FileTransfer, Letters, Lifetime, Purpose};

use crate::support::read;

const CONN: ConnId = ConnId(1);

/// A chat, one caller or listener, and the wire between them.
struct Pair {
    chat: Chat,
    caller: Session,
    keys: [Identity; 2],
    book: Book,
    now: u64,
    /// Time for which the machine was suspended.
    suspended: u64,
    /// Calls of the chat that nobody has answered.
    calls: Vec<DialId>,
    /// Whether the kernel takes what the chat sends.
    takes: bool,
    /// Rows that the chat has shown.
    rows: Vec<String>,
    closed: bool,
}

impl Pair {
    /// A caller that has joined at the moment 0.
    fn joined(lifetime: Lifetime) -> Self {
        let mut pair = Self::new(Role::Initiator, lifetime);
        pair.input(Input::Line(":listen 127.0.0.1:0"));
        pair.pass();
        assert!(pair.caller.is_established());
        pair
    }

    /// A listener that the chat has called.
    fn called() -> Self {
        let mut pair = Self::new(Role::Responder, Lifetime::Lasting);
        pair.chat.call_lost_peers();
        pair.input(Input::Line(":connect 127.0.0.1:8000"));
        let (dial, to) = (pair.calls.pop().unwrap(), "127.0.0.1:8000".parse().ok());
        pair.input(Input::Connected { dial, conn: CONN, to, seed: Seed::new([1; 32]) });
        pair.pass();
        assert!(pair.caller.is_established());
        pair
    }

    fn new(role: Role, lifetime: Lifetime) -> Self {
        let keys = ["test-1.pem", "test-2.pem"]
            .map(|key| Identity::from_pem(&read(&format!("tests/keys/{key}")), None).unwrap());
        let own = OwnKey { public: keys[0].public().clone(), file: String::new() };
        let chat = Chat::new(Name::parse("minji").unwrap(), Some(own), Book::new(), 8);
        let name = "junho".to_owned();
        let (key, purpose, rekeying) = (keys[1].public().clone(), Purpose::Chat, RekeyThresholds::default());
        let config = SessionConfig {
            key,
            name,
            purpose,
            lifetime,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying,
        };
        let caller = Session::new(role, config, Seed::new([2; 32]), MonoMs(0));
        let (book, calls, rows) = (Book::new(), Vec::new(), Vec::new());
        Self { chat, caller, keys, book, now: 0, suspended: 0, calls, takes: true, rows, closed: false }
    }

    /// Hands an input to the chat, and performs what follows from it.
    fn input(&mut self, input: Input<'_>) {
        let now = Now { mono: MonoMs(self.now), unix: UnixMs(self.now + self.suspended) };
        self.chat.handle(now, input);
        while let Some(effect) = self.chat.poll_effect() {
            let result = match effect {
                Effect::Show(notice, receipt) => {
                    self.rows.extend(notice.rows());
                    let Some(due) = receipt else { continue };
                    Input::Shown(due)
                }
                Effect::ShowTo(_, notice) => {
                    self.rows.extend(notice.rows());
                    continue;
                }
                Effect::Listen { listener, .. } => {
                    let from: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
                    self.chat.handle(now, Input::Listening { listener, at: from.into(), dial: Vec::new() });
                    Input::Accepted { conn: CONN, listener, from, seed: Seed::new([1; 32]) }
                }
                Effect::Transmit { bytes, .. } if self.takes => {
                    self.caller.handle_bytes(MonoMs(self.now), &bytes);
                    continue;
                }
                Effect::Transmit { conn, .. } => Input::WriteBlocked { conn },
                Effect::Job { conn, job, .. } => Input::JobDone { conn, result: job.run(&self.keys[0]) },
                Effect::ReadBook { conn } => Input::Book { conn, book: Ok(None) },
                Effect::ChangeBook(changes) => {
                    let outcome = self.book.apply_all(&changes);
                    Input::Changed(Ok(ChangedBook { book: self.book.clone(), outcome }))
                }
                Effect::Connect { dial, .. } => {
                    self.calls.push(dial);
                    continue;
                }
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

#[test]
fn who_was_lost_is_called_after_a_time_that_doubles_up_to_a_minute_and_shown_once_in_ten() {
    let mut pair = Pair::called();
    pair.input(Input::Ended { conn: CONN, error: None });
    let shown = |pair: &Pair, what: &str| pair.rows.iter().filter(|row| row.contains(what)).count();
    assert_eq!(shown(&pair, "lost junho: connection cut; calling again (:close junho stops that)"), 1);
    for call in 0..20 {
        let whole = (1_000 << call).min(REDIAL_MOST_MS);
        let MonoMs(due) = pair.chat.poll_timeout().expect("the next call is due");
        assert!((whole / 2..=whole * 3 / 2).contains(&(due - pair.now)), "{call}: {due} after {}", pair.now);
        pair.now = due;
        pair.input(Input::Tick);
        let (dial, why) = (pair.calls.pop().expect("junho is called"), "connection refused".to_owned());
        pair.input(Input::Unreachable { dial, why });
    }
    assert!(pair.now > 600_000);
    assert_eq!((shown(&pair, "still calling junho"), shown(&pair, "! ")), (1, 2));
    // Nobody asked for these calls, so that Ctrl-C is not about them.
    pair.input(Input::Cancel);
    assert_eq!((shown(&pair, "to leave, type :quit"), shown(&pair, "cancelled")), (1, 0));
    pair.input(Input::Line(":close junho"));
    assert_eq!((shown(&pair, "no longer calling junho"), pair.chat.poll_timeout()), (1, None));
}

#[test]
fn a_machine_that_wakes_up_calls_at_once_whom_it_has_lost() {
    for wakes in [Input::Tick, Input::Continued] {
        let mut pair = Pair::called();
        pair.input(Input::Ended { conn: CONN, error: None });
        pair.now += 10;
        pair.input(Input::Tick);
        assert_eq!(pair.calls, [], "not yet");
        pair.suspended = if matches!(wakes, Input::Tick) { 3_600_000 } else { 0 };
        pair.input(wakes);
        pair.input(Input::Tick);
        assert_eq!(pair.calls.len(), 1);
    }
}
