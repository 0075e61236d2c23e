//! Letters between prompts by way of real nodes: people who are never on together.

use std::fs;
use std::path::PathBuf;
use std::slice;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::hostile::{Conduct, HostileRelay};
use crate::site::{Cluster, Site};
use crate::support::{self, Home, PATIENCE, eventually};

/// A person with a relay.
pub(crate) struct Person {
    pub(crate) home: Home,
    pub(crate) config: PathBuf,
}

impl Person {
    /// One who logs in as this user, at each of these addresses in turn.
    pub(crate) fn new(site: &Site, user: &str, addresses: &[String]) -> Self {
        let config = site.path(&format!("{user}.toml"));
        let urls: Vec<_> = addresses.iter().map(|at| format!("\"nats://{at}\"")).collect();
        let key = site.key(user);
        let text = format!("relay = [{}]\nrelay-key = \"{}\"\n", urls.join(", "), key.display());
        fs::write(&config, text).unwrap();
        let key = if user == "alice" { "test-1.pem" } else { "test-2.pem" };
        Self { home: Home::with_key(user, key), config }
    }

    pub(crate) fn starts(&self, more: &[&str]) -> support::Process {
        self.starts_in("--plain", more)
    }

    /// Starts its prompt with a face.
    fn starts_in(&self, face: &str, more: &[&str]) -> support::Process {
        let mut args = vec!["--config", self.config.to_str().unwrap(), face];
        args.extend(more);
        self.home.start(&args)
    }
}

/// Both have met over a session, and can write to each other.
pub(crate) fn acquainted(alice: &Person, bob: &Person) {
    let mut there = bob.starts(&["--listen", "127.0.0.1:0"]);
    let at = there.listens_at();
    let mut here = alice.starts(&["--connect", &at]);
    there.sees("alice joined");
    there.types(":to alice");
    here.types(":to bob");
    for (process, name) in [(&mut here, "bob"), (&mut there, "alice")] {
        let row = format!("letters can be left for {name}");
        eventually("both have each other's keys", PATIENCE, || {
            process.types(":relay");
            process.has_seen(&row)
        });
    }
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    there.types(":quit");
    assert_eq!(there.ends(), 0);
}

/// Waits until a line has left for the relay.
pub(crate) fn is_at_relay(process: &mut support::Process, line: &str) {
    eventually("a line is at the relay", PATIENCE, || {
        process.types(":outbox");
        process.output().lines().any(|row| row.contains("state at the relay") && row.contains(line))
    });
}

pub(crate) fn never_on_together() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let at = [node.at.clone()];
    let (alice, bob) = (Person::new(&site, "alice", &at), Person::new(&site, "bob", &at));
    acquainted(&alice, &bob);
    let mut here = alice.starts(&[]);
    here.types(":to bob");
    here.sees(
        "plain text now goes to bob, who is away; it goes by the relay, or once you are both connected",
    );
    for number in 1..=20 {
        here.types(&format!("line {number} of alice"));
    }
    here.sees("queued; bob gets it by the relay, or when you are both connected (:outbox)");
    is_at_relay(&mut here, "line 20 of alice");
    here.types(":quit");
    here.ends();
    let mut there = bob.starts(&[]);
    there.sees("line 20 of alice");
    let said = there.output();
    let said: Vec<_> = said.lines().filter_map(|row| Some(row.split_once(" alice says: ")?.1)).collect();
    let wanted: Vec<_> = (1..=20).map(|number| format!("line {number} of alice")).collect();
    assert_eq!(said, wanted, "{}", there.output());
    there.types(":to alice");
    there.types("thanks");
    is_at_relay(&mut there, "thanks");
    there.types(":quit");
    there.ends();
    let mut here = alice.starts(&[]);
    here.sees("thanks");
    here.types(":outbox");
    here.sees("no messages are waiting");
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    Ok(())
}

/// A person at a prompt, over all of its processes.
pub(crate) struct Side<'a> {
    person: &'a Person,
    pub(crate) process: support::Process,
    /// What earlier processes have told.
    pub(crate) earlier: Vec<Value>,
}

impl<'a> Side<'a> {
    pub(crate) fn start(person: &'a Person) -> Self {
        Self::of(person, person.starts_in("--json", &[]))
    }

    pub(crate) fn of(person: &'a Person, process: support::Process) -> Self {
        Self { person, process, earlier: Vec::new() }
    }

    pub(crate) fn orders(&mut self, order: &Value) {
        self.process.types(&order.to_string());
    }

    pub(crate) fn says(&mut self, to: &str, text: &str) {
        self.orders(&json!({ "say": text, "to": to }));
    }

    /// Types a line, and waits until a letter with it has left.
    pub(crate) fn writes(&mut self, to: &str, text: &str) {
        self.says(to, text);
        self.waits_for_state(text, "at the relay");
    }

    /// Waits until a text that waits has a state.
    pub(crate) fn waits_for_state(&mut self, text: &str, state: &str) {
        eventually(&format!("{text:?} is {state}"), 2 * PATIENCE, || self.state_of(text) == state);
    }

    /// The state of a text now; nothing for one that does not wait.
    pub(crate) fn state_of(&mut self, text: &str) -> String {
        let answers = |side: &Self| {
            let is_answer = |event: &&Value| {
                let message = event["message"].as_str().unwrap_or_default();
                event["event"] == "table" || message == "no messages are waiting"
            };
            side.told().iter().filter(is_answer).cloned().collect::<Vec<_>>()
        };
        let before = answers(self).len();
        self.orders(&json!({ "command": "outbox" }));
        let mut found = Vec::new();
        eventually("an outbox is shown", PATIENCE, || {
            found = answers(self);
            found.len() > before
        });
        let table = found.pop().unwrap();
        let place = |heading: &str| {
            table["columns"].as_array().unwrap().iter().position(|column| column == heading).unwrap()
        };
        let mut rows = table["rows"].as_array().into_iter().flatten();
        let row = rows.find(|row| row[place("text")] == text);
        row.map(|row| row[place("state")].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    /// Waits for an event with this text in its message.
    pub(crate) fn is_told(&self, text: &str) {
        self.process.sees_within(text, 2 * PATIENCE);
    }

    fn kill(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        assert_eq!(self.process.ends(), 128 + 9);
        self.start_again();
    }

    pub(crate) fn start_again(&mut self) {
        self.earlier = self.told();
        self.process = self.person.starts_in("--json", &[]);
    }

    pub(crate) fn quits(&mut self) -> i32 {
        self.orders(&json!({ "command": "quit" }));
        self.process.ends()
    }

    /// Events of all processes.
    pub(crate) fn told(&self) -> Vec<Value> {
        let output = self.process.output();
        // The last row may be torn.
        let rows = output.split_inclusive('\n').filter(|row| row.ends_with('\n'));
        let events = rows.map(|row| serde_json::from_str(row).unwrap_or_else(|_| panic!("{row}")));
        self.earlier.iter().cloned().chain(events).collect()
    }

    /// Texts that were shown, each with whether it was marked as perhaps shown before.
    pub(crate) fn shown(&self) -> Vec<(String, bool)> {
        let told = self.told();
        let messages = told.iter().filter(|event| event["event"] == "message");
        messages.map(|one| (one["text"].as_str().unwrap().to_owned(), one["again"] == true)).collect()
    }

    /// Waits until something is shown.
    fn has_shown_some(&self) {
        eventually("something is shown", 2 * PATIENCE, || !self.shown().is_empty());
    }

    /// Waits until the last of these is shown, and checks that exactly these were before it, in order, and
    /// none of them twice but marked.
    #[track_caller]
    pub(crate) fn has_shown(&self, texts: &[String]) {
        let last = texts.last().unwrap();
        eventually(&format!("{last:?} is shown"), 2 * PATIENCE, || {
            self.shown().iter().any(|(text, _)| text == last)
        });
        let (mut first, mut unmarked): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for (text, is_marked) in self.shown() {
            if !first.contains(&text) {
                first.push(text.clone());
            }
            if !is_marked {
                assert!(!unmarked.contains(&text), "{text} was shown twice");
                unmarked.push(text);
            }
        }
        assert_eq!(first, texts);
    }
}

const NOT_TAKEN: &str = "the relay has not taken a letter to bob, which stays in the outbox: ";

pub(crate) fn lines(of: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{of} {number}")).collect()
}

pub(crate) fn killed() -> Result<(), Failed> {
    let site = Site::new();
    let mut cluster = Cluster::start(&site);
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, &cluster.addresses));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    // Bob is away. The leader dies in the middle.
    let mut here = Side::start(alice);
    let (of_alice, of_bob) = (lines("alice", 100), lines("bob", 100));
    for text in &of_alice[..50] {
        here.writes("bob", text);
    }
    let leader = cluster.leader();
    cluster.kill(leader);
    for text in &of_alice[50..] {
        here.writes("bob", text);
    }
    here.quits();
    // Bob's program dies as it reads.
    let mut there = Side::start(bob);
    there.has_shown_some();
    there.kill();
    there.has_shown(&of_alice);
    cluster.start_again(leader);
    for text in &of_bob[..50] {
        there.writes("alice", text);
    }
    let leader = cluster.leader();
    cluster.kill(leader);
    for text in &of_bob[50..] {
        there.writes("alice", text);
    }
    there.quits();
    here.start_again();
    here.has_shown_some();
    here.kill();
    here.has_shown(&of_bob);
    // Each knows what the other has.
    eventually("bob has all of alice", PATIENCE, || here.state_of("alice 100").is_empty());
    there.start_again();
    eventually("alice has all of bob", PATIENCE, || there.state_of("bob 100").is_empty());
    assert_eq!((here.quits(), there.quits()), (0, 0));
    here.has_shown(&of_bob);
    there.has_shown(&of_alice);
    Ok(())
}

pub(crate) fn without_quorum() -> Result<(), Failed> {
    let site = Site::new();
    let mut cluster = Cluster::start(&site);
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, &cluster.addresses));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    let mut here = Side::start(alice);
    here.writes("bob", "alice 1");
    let dead = [cluster.leader(), (cluster.leader() + 1) % 3];
    for place in dead {
        cluster.kill(place);
    }
    here.says("bob", "alice 2");
    here.is_told(NOT_TAKEN);
    assert_ne!(here.state_of("alice 2"), "at the relay");
    // Neither does a program that begins then take it for left.
    here.quits();
    here.start_again();
    here.says("bob", "alice 3");
    here.is_told(NOT_TAKEN);
    for text in ["alice 2", "alice 3"] {
        assert_ne!(here.state_of(text), "at the relay");
    }
    for place in dead {
        cluster.start_again(place);
    }
    here.waits_for_state("alice 3", "at the relay");
    here.quits();
    let there = Side::start(bob);
    there.has_shown(&lines("alice", 3));
    Ok(())
}

pub(crate) fn full() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let at = [node.at.clone()];
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, &at));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    site.limit_inboxes(&node, 1);
    let mut here = Side::start(alice);
    // One letter for each of the two inboxes that bob reads.
    here.writes("bob", "alice 1");
    here.writes("bob", "alice 2");
    here.says("bob", "alice 3");
    here.is_told(NOT_TAKEN);
    assert_ne!(here.state_of("alice 3"), "at the relay");
    site.limit_inboxes(&node, 1_000);
    here.waits_for_state("alice 3", "at the relay");
    here.quits();
    let there = Side::start(bob);
    there.has_shown(&lines("alice", 3));
    Ok(())
}

pub(crate) fn hostile() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let relay = HostileRelay::before(&node.at);
    let alice = Person::new(&site, "alice", slice::from_ref(&node.at));
    let bob = Person::new(&site, "bob", slice::from_ref(&relay.at));
    acquainted(&alice, &bob);
    let (mut here, there) = (Side::start(&alice), Side::start(&bob));
    let mut said = Vec::new();
    let say = |here: &mut Side<'_>, said: &mut Vec<String>| {
        let text = format!("alice {}", said.len() + 1);
        here.says("bob", &text);
        said.push(text);
    };
    let conducts = [
        Conduct::Flip,
        Conduct::Repeat,
        Conduct::Old,
        Conduct::Reflect,
        Conduct::Swap,
        Conduct::Withhold,
        Conduct::Flip,
    ];
    say(&mut here, &mut said);
    there.has_shown(&said);
    for conduct in conducts {
        let before = relay.set(conduct);
        for deeds in 1..=3 {
            say(&mut here, &mut said);
            eventually(&format!("{conduct:?}"), PATIENCE, || relay.deeds() >= before + deeds);
        }
        let shown: Vec<_> = there.shown().into_iter().map(|(text, _)| text).collect();
        assert_eq!(shown, said[..shown.len()], "{conduct:?}");
        relay.set(Conduct::Honest);
        say(&mut here, &mut said);
        there.has_shown(&said);
    }
    eventually("alice knows", PATIENCE, || here.state_of(said.last().unwrap()).is_empty());
    Ok(())
}

pub(crate) fn unwanted() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, slice::from_ref(&node.at)));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    let (mut here, mut there) = (Side::start(alice), Side::start(bob));
    here.says("bob", "alice 1");
    there.has_shown(&lines("alice", 1));
    // Letters of somebody who is blocked stay where they are, also over a start.
    there.orders(&json!({ "command": "block", "arguments": ["alice"] }));
    there.is_told("alice is blocked");
    here.writes("bob", "alice 2");
    there.quits();
    there.start_again();
    there.is_told("connected to the relay");
    here.writes("bob", "alice 3");
    there.has_shown(&lines("alice", 1));
    there.orders(&json!({ "command": "unblock", "arguments": ["alice"] }));
    there.has_shown(&lines("alice", 3));
    eventually("alice knows", PATIENCE, || here.state_of("alice 3").is_empty());
    // Who is forgotten is a stranger: what he leaves is not read.
    there.orders(&json!({ "command": "forget", "arguments": ["alice"] }));
    there.is_told("forgotten");
    there.orders(&json!({ "command": "relay" }));
    here.writes("bob", "alice 4");
    there.quits();
    there.start_again();
    there.is_told("connected to the relay");
    there.orders(&json!({ "command": "relay" }));
    there.is_told("\"table\"");
    there.quits();
    there.has_shown(&lines("alice", 3));
    assert!(!there.process.has_seen("letters can be left for"), "{}", there.process.output());
    // What cannot be taken back holds up no farewell.
    here.orders(&json!({ "command": "outbox", "arguments": ["drop", "bob"] }));
    here.is_told("it cannot be taken back");
    here.orders(&json!({ "command": "forget", "arguments": ["bob"] }));
    here.is_told("forgotten");
    assert_eq!(here.state_of("alice 4"), "");
    Ok(())
}
