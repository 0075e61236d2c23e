//! Mailbox against a model of a relay: what is written, with what is lost, late, refused or wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::limits::RELAY_BUNDLES;
use crate::limits::RELAY_PUBLISHES;

const INBOX: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Model of a relay: one stream, and what a client has said.
#[derive(Default)]
struct Model {
    letters: BTreeMap<u64, (String, Vec<u8>)>,
    /// Letters up to this number can be read; the others are on their way to the node that answers.
    readable: u64,
    /// Requests that were not answered, as reply, subject and content.
    requests: Vec<(String, String, Vec<u8>)>,
    sids: BTreeMap<String, String>,
    pings: usize,
}

impl Model {
    fn leave(&mut self, inbox: &str, letter: &[u8]) {
        let number = self.letters.last_key_value().map_or(0, |(last, _)| *last) + 1;
        self.letters.insert(number, (format!("rc.in.{inbox}"), letter.to_vec()));
    }

    /// Takes what a client says.
    fn hear(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8(rest[..end].to_vec()).unwrap();
            rest = &rest[end + 2..];
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["PING"] => self.pings += 1,
                ["SUB", subject, sid] => _ = self.sids.insert(subject.to_owned(), sid.to_owned()),
                ["UNSUB", sid] => self.sids.retain(|_, of| of != sid),
                ["PUB", subject, reply, size] | ["HPUB", subject, reply, _, size] => {
                    let size: usize = size.parse().unwrap();
                    let content = rest[..size].to_vec();
                    rest = &rest[size + 2..];
                    self.requests.push((reply.to_owned(), subject.to_owned(), content));
                }
                _ => {}
            }
        }
    }

    /// Answer to a request for a letter.
    fn answer(&self, reply: &str, content: &[u8]) -> Vec<u8> {
        let ask: serde_json::Value = serde_json::from_slice(content).unwrap();
        let (from, subject) = (ask["seq"].as_u64().unwrap(), ask["next_by_subj"].as_str().unwrap());
        let found = self.letters.range(from..=self.readable.max(from)).find(|(_, (at, _))| at == subject);
        match found.filter(|(number, _)| **number <= self.readable) {
            None => hmsg(reply, "NATS/1.0 404 Message Not Found\r\n\r\n", b""),
            Some((number, (_, letter))) => {
                // A writer's own fields stand first.
                let fields = format!(
                    "NATS/1.0\r\nNats-Sequence: 1\r\nNats-Subject: rc.in.x\r\n\
                     Nats-Subject: {subject}\r\nNats-Sequence: {number}\r\n\r\n"
                );
                hmsg(reply, &fields, letter)
            }
        }
    }

    fn answer_all(&mut self) -> Vec<u8> {
        let requests = std::mem::take(&mut self.requests);
        requests.iter().flat_map(|(reply, _, content)| self.answer(reply, content)).collect()
    }
}

fn hmsg(subject: &str, headers: &str, payload: &[u8]) -> Vec<u8> {
    let total = headers.len() + payload.len();
    let mut bytes = format!("HMSG {subject} 1 {} {total}\r\n{headers}", headers.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn msg(subject: &str, sid: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("MSG {subject} {sid} {}\r\n", payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Mailbox and model, with the clock of both.
struct World {
    mailbox: Mailbox,
    model: Model,
    now: MonoMs,
    events: Vec<MailboxEvent>,
}

impl World {
    /// A session that is ready.
    fn ready() -> Self {
        let (mailbox, model) = (Mailbox::default(), Model::default());
        let mut world = Self { mailbox, model, now: MonoMs(1_000), events: Vec::new() };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.mailbox.connect(self.now);
        self.says(b"INFO {\"version\":\"2.9.10\",\"nonce\":\"x\",\"jetstream\":true}\r\n");
        assert_eq!(self.mailbox.take_info().unwrap().nonce.as_deref(), Some("x"));
        self.mailbox.log_in(self.now, None, "me");
        self.says(b"PONG\r\n");
        self.says(b"PONG\r\n");
        assert_eq!(self.events.pop(), Some(MailboxEvent::Ready));
    }

    #[track_caller]
    fn says(&mut self, bytes: &[u8]) {
        self.mailbox.receive(self.now, bytes).unwrap();
        self.settle();
    }

    fn settle(&mut self) {
        self.model.hear(&self.mailbox.take_bytes());
        self.events.extend(std::iter::from_fn(|| self.mailbox.poll_event()));
    }

    /// Lets time pass up to the next moment that matters.
    #[track_caller]
    fn next(&mut self) {
        self.now = self.mailbox.poll_timeout().unwrap().max(self.now);
        self.mailbox.tick(self.now).unwrap();
        self.settle();
    }

    /// Says that it is there, and answers requests until there are none.
    fn answer(&mut self) {
        self.says(b"PONG\r\n");
        while !self.model.requests.is_empty() {
            let answers = self.model.answer_all();
            self.says(&answers);
        }
    }

    fn publish(&mut self, ticket: u64) -> String {
        let (inbox, id, letter) = (INBOX.to_owned(), "id".to_owned(), b"letter".to_vec());
        self.mailbox.publish(self.now, &Publish { ticket, inbox, id, letter });
        self.settle();
        self.model.requests.pop().map(|(reply, ..)| reply).unwrap_or_default()
    }

    fn numbers(&mut self) -> Vec<u64> {
        let events = std::mem::take(&mut self.events);
        let number = |event| match event {
            MailboxEvent::Letter { number, .. } => number,
            event => panic!("{event:?}"),
        };
        events.into_iter().map(number).collect()
    }
}

#[test]
fn an_inbox_is_read_from_its_number_on_in_order_without_those_of_others() {
    let mut world = World::ready();
    for inbox in [INBOX, OTHER, INBOX, INBOX, OTHER] {
        world.model.leave(inbox, b"letter");
    }
    world.model.readable = 5;
    world.mailbox.watch(world.now, INBOX, 1, None);
    world.settle();
    world.answer();
    assert_eq!(world.numbers(), [3, 4]);
    world.mailbox.watch(world.now, OTHER, 0, None);
    world.settle();
    world.answer();
    assert_eq!(world.numbers(), [2, 5]);
}

#[test]
fn an_inbox_is_read_once_nothing_more_is_in_the_one_before_it() {
    let mut world = World::ready();
    for inbox in [INBOX, INBOX, OTHER, OTHER] {
        world.model.leave(inbox, b"letter");
    }
    world.model.readable = 4;
    world.mailbox.watch(world.now, INBOX, 0, None);
    world.mailbox.watch(world.now, OTHER, 0, Some(INBOX.to_owned()));
    world.settle();
    world.answer();
    assert_eq!(world.numbers(), [1, 2, 3, 4]);
    // Nor while one is known to be on its way to the node that answers, nor in a new session.
    for inbox in [INBOX, OTHER] {
        world.model.leave(inbox, b"letter");
        let subject = format!("rc.in.{inbox}");
        let sid = world.model.sids[&subject].clone();
        world.says(&msg(&subject, &sid, b"letter"));
    }
    world.answer();
    assert!(world.numbers().is_empty());
    world.model = Model { sids: BTreeMap::new(), requests: Vec::new(), ..world.model };
    world.mailbox.disconnect(world.now);
    world.model.readable = 6;
    world.connect();
    world.answer();
    assert_eq!(world.numbers(), [5, 6]);
    // One that is read no more holds nothing up.
    world.model.leave(OTHER, b"letter");
    world.model.readable = 7;
    for inbox in [INBOX, OTHER] {
        let subject = format!("rc.in.{inbox}");
        let sid = world.model.sids[&subject].clone();
        world.says(&msg(&subject, &sid, b"letter"));
    }
    world.mailbox.unwatch(INBOX);
    world.next();
    world.answer();
    assert_eq!(world.numbers(), [7]);
}

#[test]
fn what_a_subscription_delivers_is_read_once_the_node_that_answers_has_it() {
    let mut world = World::ready();
    world.mailbox.watch(world.now, INBOX, 0, None);
    world.settle();
    world.answer();
    world.model.leave(INBOX, b"letter");
    let (subject, sid) = (format!("rc.in.{INBOX}"), world.model.sids[&format!("rc.in.{INBOX}")].clone());
    let began = world.now;
    world.says(&msg(&subject, &sid, b"letter"));
    for _ in 0..3 {
        world.answer();
        assert!(world.numbers().is_empty());
        world.next();
    }
    world.model.readable = 1;
    world.answer();
    assert_eq!(world.numbers(), [1]);
    assert!(world.now.since(began) < 1_000);
    // What is never there, since the stream has refused it, is not looked for without end.
    world.says(&msg(&subject, &sid, b"refused"));
    let (mut looks, began) = (0, world.now);
    while world.now.since(began) < 20_000 {
        world.answer();
        world.next();
        looks += 1;
    }
    assert!(looks <= 2 * LIVE_LOOKS_MS.len(), "{looks}");
}

#[test]
fn letters_that_nobody_takes_are_left_at_the_relay() {
    let mut world = World::ready();
    for _ in 0..3 * RELAY_LETTERS_AHEAD {
        world.model.leave(INBOX, b"letter");
    }
    world.model.readable = u64::MAX;
    world.mailbox.watch(world.now, INBOX, 0, None);
    world.settle();
    world.answer();
    assert_eq!(world.numbers().len(), RELAY_LETTERS_AHEAD);
    world.mailbox.letter_taken(world.now);
    world.settle();
    world.answer();
    assert_eq!(world.numbers(), [RELAY_LETTERS_AHEAD as u64 + 1]);
}

#[test]
fn a_letter_is_acknowledged_by_the_stream_alone_and_every_refusal_is_told() {
    let mut world = World::ready();
    let mut check = |answer: &dyn Fn(&str) -> Vec<u8>, expected: Result<(), PublishRefusal>| {
        let reply = world.publish(7);
        world.says(&answer(&reply));
        let event = match expected {
            Ok(()) => MailboxEvent::Published { ticket: 7 },
            Err(why) => MailboxEvent::Refused { ticket: 7, why },
        };
        assert_eq!(world.events, [event]);
        world.events.clear();
    };
    let json = |text: &'static str| move |reply: &str| msg(reply, "1", text.as_bytes());
    check(&json(r#"{"stream":"RC","seq":3}"#), Ok(()));
    check(&json(r#"{"stream":"RC","seq":3,"duplicate":true}"#), Ok(()));
    let no_stream = PublishRefusal::Refused("what answers is no stream".to_owned());
    for text in ["", "{}", r#"{"stream":"RC"}"#, r#"{"stream":"XX","seq":3}"#] {
        check(&json(text), Err(no_stream.clone()));
    }
    check(
        &json(
            r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages per subject exceeded"}}"#,
        ),
        Err(PublishRefusal::InboxFull),
    );
    check(
        &json(r#"{"error":{"err_code":10077,"description":"maximum bytes exceeded"}}"#),
        Err(PublishRefusal::RelayFull("maximum bytes exceeded".to_owned())),
    );
    check(
        &json(r#"{"error":{"err_code":10023,"description":"insufficient resources"}}"#),
        Err(PublishRefusal::Refused("insufficient resources".to_owned())),
    );
    check(&|reply| hmsg(reply, "NATS/1.0 503\r\n\r\n", b""), Err(PublishRefusal::NoLeader));
    let refused = format!("Permissions Violation for Publish to \"rc.in.{INBOX}\"");
    check(&|_| format!("-ERR '{refused}'\r\n").into_bytes(), Err(PublishRefusal::Refused(refused.clone())));
    // Of any other operation a log-in needs the permission.
    let error = "Permissions Violation for Subscription to \"rc.in.x\"";
    let ended = world.mailbox.receive(world.now, format!("-ERR '{error}'\r\n").as_bytes());
    assert_eq!(ended, Err(MailboxError::Refused(error.to_owned())));
}

#[test]
fn letters_without_an_answer_are_told_when_their_time_has_passed_or_the_connection_is_lost() {
    let refused = |ticket, why| MailboxEvent::Refused { ticket, why };
    let mut world = World::ready();
    let late = world.publish(1);
    world.next();
    assert_eq!(world.events, [refused(1, PublishRefusal::NoAnswer)]);
    world.events.clear();
    world.says(&msg(&late, "1", br#"{"stream":"RC","seq":1}"#));
    assert_eq!(world.events, [], "it is told once");
    world.publish(2);
    world.mailbox.disconnect(world.now);
    world.publish(3);
    let both = [refused(2, PublishRefusal::NoAnswer), refused(3, PublishRefusal::NotConnected)];
    assert_eq!(world.events, both);
    world.events.clear();
    world.connect();
    for ticket in 0..=RELAY_PUBLISHES as u64 {
        world.publish(ticket);
    }
    assert_eq!(world.events, [refused(RELAY_PUBLISHES as u64, PublishRefusal::Busy)]);
}

#[test]
fn a_relay_that_says_nothing_is_asked_and_then_given_up() {
    let mut world = World::ready();
    let pings = world.model.pings;
    world.next();
    assert_eq!(world.model.pings, pings + 1);
    world.says(b"PONG\r\n");
    world.next();
    assert_eq!(world.model.pings, pings + 2);
    world.now = world.mailbox.poll_timeout().unwrap();
    assert_eq!(world.mailbox.tick(world.now), Err(MailboxError::Silent));
    // So is one that says nothing at first.
    world.mailbox.connect(world.now);
    world.now = world.mailbox.poll_timeout().unwrap();
    assert_eq!(world.mailbox.tick(world.now), Err(MailboxError::Silent));
}

#[test]
fn a_log_in_that_is_refused_and_an_answer_that_no_stream_gives_end_the_session() {
    let mut mailbox = Mailbox::default();
    mailbox.connect(MonoMs(0));
    mailbox.receive(MonoMs(0), b"INFO {}\r\n").unwrap();
    mailbox.log_in(MonoMs(0), None, "me");
    let refused = mailbox.receive(MonoMs(0), b"-ERR 'Authorization Violation'\r\n");
    assert_eq!(refused, Err(MailboxError::Refused("Authorization Violation".to_owned())));
    for fields in [
        format!("Nats-Subject: rc.in.{OTHER}\r\nNats-Sequence: 9"),
        format!("Nats-Subject: rc.in.{INBOX}\r\nNats-Sequence: 5"),
        format!("Nats-Subject: rc.in.{INBOX}"),
    ] {
        let mut world = World::ready();
        world.mailbox.watch(world.now, INBOX, 5, None);
        world.settle();
        let (reply, ..) = world.model.requests.pop().unwrap();
        let answer = hmsg(&reply, &format!("NATS/1.0\r\n{fields}\r\n\r\n"), b"letter");
        assert_eq!(world.mailbox.receive(world.now, &answer), Err(MailboxError::Answer), "{fields}");
    }
}

proptest! {
    #[test]
    fn every_letter_comes_once_and_in_order_however_a_connection_is_lost_or_a_node_is_behind(
        steps in prop::collection::vec(0_u8..8, 0..80),
    ) {
        let mut world = World::ready();
        world.mailbox.watch(world.now, INBOX, 0, None);
        world.mailbox.watch(world.now, OTHER, 0, Some(INBOX.to_owned()));
        world.settle();
        for step in steps {
            match step {
                0 | 1 => world.model.leave(INBOX, b"letter"),
                2 => world.model.leave(OTHER, b"letter"),
                3 => world.model.readable = world.model.letters.len() as u64,
                4 => {
                    let sid = world.model.sids[&format!("rc.in.{INBOX}")].clone();
                    world.says(&msg(&format!("rc.in.{INBOX}"), &sid, b"letter"));
                }
                5 => world.answer(),
                6 => {
                    world.says(b"PONG\r\n");
                    world.next();
                }
                _ => {
                    world.model = Model { sids: BTreeMap::new(), requests: Vec::new(), ..world.model };
                    world.mailbox.disconnect(world.now);
                    let heard = world.events.len();
                    world.connect();
                    prop_assert_eq!(world.events.len(), heard);
                }
            }
        }
        world.model.readable = world.model.letters.len() as u64;
        let until = world.now + 2 * RELAY_LOOK_MS;
        while world.now < until {
            world.answer();
            world.next();
        }
        for inbox in [INBOX, OTHER] {
            let subject = format!("rc.in.{inbox}");
            let of = |(_, (at, _)): &(&u64, &(String, Vec<u8>))| *at == subject;
            let left: Vec<_> = world.model.letters.iter().filter(of).map(|(number, _)| *number).collect();
            let read = world.events.iter().filter_map(|event| match event {
                MailboxEvent::Letter { inbox: at, number, .. } => (at == inbox).then_some(*number),
                event => panic!("{event:?}"),
            });
            prop_assert_eq!(read.collect::<Vec<_>>(), left);
        }
    }
}

fn bundles(world: &mut World) -> Vec<Vec<u8>> {
    match world.events.pop() {
        Some(MailboxEvent::Bundles { bundles, .. }) => bundles,
        event => panic!("{event:?}"),
    }
}

#[test]
fn bundles_of_one_name_are_read_up_to_the_bound_and_what_a_relay_fails_to_give_is_left_out() {
    let mut world = World::ready();
    let subject = format!("rc.key.{INBOX}");
    for number in 1..=3 {
        world.model.letters.insert(number, (subject.clone(), vec![u8::try_from(number).unwrap()]));
    }
    world.model.readable = 3;
    world.mailbox.read_bundles(world.now, INBOX);
    world.settle();
    world.answer();
    assert_eq!(bundles(&mut world), [[1], [2], [3]]);
    // A relay that has more than it should have.
    for number in 1..=100 {
        world.model.letters.insert(number, (subject.clone(), b"bundle".to_vec()));
    }
    world.model.readable = 100;
    world.mailbox.read_bundles(world.now, INBOX);
    world.settle();
    world.answer();
    assert_eq!(bundles(&mut world).len(), RELAY_BUNDLES);
    // One that says nothing, one that is lost, and none.
    world.mailbox.read_bundles(world.now, INBOX);
    world.settle();
    world.now = world.now + RELAY_ANSWER_MS;
    world.mailbox.tick(world.now).unwrap();
    world.settle();
    assert!(bundles(&mut world).is_empty());
    world.mailbox.read_bundles(world.now, INBOX);
    world.mailbox.disconnect(world.now);
    world.settle();
    assert!(bundles(&mut world).is_empty());
    world.mailbox.read_bundles(world.now, INBOX);
    world.settle();
    assert!(bundles(&mut world).is_empty());
}
