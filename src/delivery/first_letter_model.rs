//! Model of two people who have never met, an invitation, and a relay that is not believed:
//! whatever it does with first letters and those behind them, nothing is shown twice or out of
//! order; and once it behaves, everything that was typed is shown.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a broken law is a panic")]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Exposure, FirstLetterWriter, Inbound, Ledger, LetterDue, LetterEvent, LetterRefusal, Pairs};
use crate::crypto::{Bundle, Fingerprint, Identity, Inbox, Seed, first_letter_key, open_first_letter};
use crate::time::UnixMs;
use crate::wire::{FirstLetterBody, Token};

const HOUR: u64 = 60 * 60 * 1_000;
/// Side that has the invitation, and side that has made it.
const ALICE: usize = 0;
const BOB: usize = 1;

static KEYS: LazyLock<[Identity; 2]> = LazyLock::new(|| {
    [include_str!("../../tests/keys/alice-2048.pem"), include_str!("../../tests/keys/bob-2048.pem")]
        .map(|pem| Identity::from_pem(pem, None).unwrap())
});

#[derive(Clone, Copy, Debug)]
enum Action {
    Type(usize),
    Write(usize, Fate),
    Read(usize),
    /// The relay leaves a letter where it was once more.
    Repeat(usize),
    /// It drops one.
    Drop(usize),
    /// It changes a byte of one.
    Flip(usize),
    /// It gives the oldest bundle that it has.
    OldBundle,
    Kill(usize),
    Sleep(u64),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Taken,
    /// The relay says that it has the letter, and has not.
    Lost,
    /// It has it, and says nothing.
    Unheard,
    Refused,
}

struct Node {
    own: Fingerprint,
    peer: Fingerprint,
    ledger: Ledger,
    disk: Pairs,
    seen: Vec<String>,
    typed: Vec<String>,
}

struct World {
    nodes: [Node; 2],
    relay: Vec<(Inbox, u64, Vec<u8>)>,
    bundles: Vec<Vec<u8>>,
    bundle: Option<Bundle>,
    last: u64,
    now: UnixMs,
    seeds: u64,
}

impl Node {
    fn commit(&mut self) {
        let next = self.ledger.next_number(self.peer);
        for one in self.ledger.take_changes() {
            self.disk.entry(one.peer).or_default().apply(one.change);
        }
        self.ledger.committed(self.peer, next - 1);
    }

    fn take(&mut self, events: Vec<LetterEvent>) {
        self.commit();
        for event in events {
            if let LetterEvent::Text { seq, text, .. } = event {
                self.seen.push(String::from_utf8(text.to_vec()).unwrap());
                let Some(Inbound { epoch, .. }) = self.ledger.inbound(self.peer) else { continue };
                self.ledger.shown(self.peer, epoch, seq);
            }
        }
        self.commit();
    }
}

impl World {
    fn new() -> Self {
        let [alice, bob] = [0, 1].map(|side| KEYS[side].public().fingerprint());
        let node = |own, peer, seed| Node {
            own,
            peer,
            ledger: Ledger::new(Pairs::new(), Seed::new([seed; 32])),
            disk: Pairs::new(),
            seen: Vec::new(),
            typed: Vec::new(),
        };
        let now = UnixMs(1_780_000_000_000);
        let (nodes, relay, bundles) = ([node(alice, bob, 1), node(bob, alice, 2)], Vec::new(), Vec::new());
        let mut world = Self { nodes, relay, bundles, bundle: None, last: 0, now, seeds: 0 };
        world.renew_bundle();
        let number = world.bundle.as_ref().unwrap().number;
        let alice = &mut world.nodes[ALICE];
        alice.ledger.hold_invitation(bob, Token::new([7; 16]), Self::inbox(), number);
        alice.commit();
        world
    }

    fn inbox() -> Inbox {
        Inbox::random(&Seed::new([9; 32]))
    }

    fn seed(&mut self) -> Seed {
        self.seeds += 1;
        Seed::new([0; 32]).derive(&self.seeds.to_string())
    }

    /// Bob gives another bundle if it is time, and alice reads the newest that she takes.
    fn renew_bundle(&mut self) {
        let seed = self.seed();
        let bob = &mut self.nodes[BOB];
        if bob.ledger.bundle(bob.own, self.now).is_none() {
            bob.ledger.renew_bundle(bob.own, &seed, self.now);
            bob.commit();
            let bundle = bob.ledger.bundle(bob.own, self.now).unwrap();
            self.bundles.push(Bundle::sign(&KEYS[BOB], bundle.number, &bundle.offered()));
        }
        let newest = self.bundles.last().unwrap();
        self.bundle = Bundle::read(newest, &self.nodes[BOB].own, self.now.0).ok();
    }

    fn leave(&mut self, inbox: Inbox, bytes: Vec<u8>) {
        self.last += 1;
        self.relay.push((inbox, self.last, bytes));
    }

    fn write(&mut self, side: usize, fate: Fate) {
        let (seed, now) = (self.seed(), self.now);
        let node = &mut self.nodes[side];
        let peer = node.peer;
        let letter = if side == ALICE && node.ledger.is_first_letter_due(peer, now) {
            let writer = FirstLetterWriter { key: KEYS[ALICE].public(), name: "alice" };
            let Some(bundle) = &self.bundle else { return };
            let Some(draft) = node.ledger.first_letter(peer, writer, bundle, &seed, now) else { return };
            let (bytes, pair) = bundle.seal(&KEYS[ALICE], &draft.content, &seed.derive("seal"));
            node.ledger.take_first_letter(peer, draft, (bytes, &pair))
        } else if node.ledger.letter_due(peer, now) == LetterDue::Now {
            node.ledger.next_letter(peer, &seed, now)
        } else {
            None
        };
        node.commit();
        let Some(letter) = letter else { return };
        match fate {
            Fate::Taken | Fate::Lost => {
                let _ = node.ledger.letter_left(peer, now);
            }
            Fate::Unheard | Fate::Refused => {
                node.ledger.letter_refused(peer, LetterRefusal::Unreachable, now);
            }
        }
        node.commit();
        if matches!(fate, Fate::Taken | Fate::Unheard) {
            self.leave(letter.inbox, letter.bytes);
        }
    }

    fn read(&mut self, side: usize) {
        let now = self.now;
        // A letter may open an inbox of which nothing was known.
        for (inbox, number, bytes) in self.relay.clone().iter().chain(&self.relay.clone()) {
            let node = &mut self.nodes[side];
            if *inbox == Self::inbox() {
                if side == BOB && *number > node.ledger.first_letters_read(node.own, inbox) {
                    read_first(node, bytes, now);
                    node.ledger.note_first_letter_read(node.own, inbox, *number, |_| true);
                    node.commit();
                }
            } else if let Some(read) = node.ledger.read_letter(inbox, *number, bytes, Exposure::None, now) {
                node.take(read.events);
            }
        }
    }

    fn act(&mut self, action: Action) {
        let of = |place: usize, relay: &Vec<_>| (!relay.is_empty()).then(|| place % relay.len());
        match action {
            Action::Type(side) => {
                let node = &mut self.nodes[side];
                let text = format!("{side}: {}", node.typed.len());
                node.ledger.enqueue(node.peer, &text, self.now, None).unwrap();
                node.typed.push(text);
                node.commit();
            }
            Action::Write(side, fate) => self.write(side, fate),
            Action::Read(side) => self.read(side),
            Action::Repeat(place) => {
                if let Some(at) = of(place, &self.relay) {
                    let (inbox, _, bytes) = self.relay[at].clone();
                    self.leave(inbox, bytes);
                }
            }
            Action::Drop(place) => {
                if let Some(at) = of(place, &self.relay) {
                    self.relay.remove(at);
                }
            }
            Action::Flip(place) => {
                if let Some(at) = of(place, &self.relay) {
                    let bytes = &mut self.relay[at].2;
                    let byte = place % bytes.len();
                    bytes[byte] ^= 1;
                }
            }
            Action::OldBundle => {
                self.renew_bundle();
                self.bundle = Bundle::read(&self.bundles[0], &self.nodes[BOB].own, self.now.0).ok();
            }
            Action::Kill(side) => {
                let seed = self.seed();
                let node = &mut self.nodes[side];
                node.ledger = Ledger::new(node.disk.clone(), seed);
            }
            Action::Sleep(hours) => {
                self.now = UnixMs(self.now.0 + hours * HOUR);
                self.renew_bundle();
            }
        }
        for (side, other) in [(ALICE, BOB), (BOB, ALICE)] {
            assert!(self.nodes[other].typed.starts_with(&self.nodes[side].seen), "{action:?}");
        }
    }
}

fn read_first(node: &mut Node, bytes: &[u8], now: UnixMs) {
    let key = first_letter_key(bytes).and_then(|id| node.ledger.bundle_key(node.own, id, now)).cloned();
    let Some(key) = key else { return };
    let Ok(opened) = open_first_letter(&KEYS[BOB], &key.key, bytes) else { return };
    let body = FirstLetterBody::read(&opened.content).unwrap();
    assert_eq!((body.token.as_bytes(), opened.writer.fingerprint()), (&[7; 16], node.peer));
    let exposure = (Exposure::None, now);
    let read = node.ledger.read_first_letter(node.peer, &opened.pair, &key, &body.letter, exposure);
    node.take(read.unwrap_or_default());
}

fn play(actions: &[Action]) {
    let mut world = World::new();
    for action in actions {
        world.act(*action);
    }
    world.act(Action::Type(ALICE));
    for _ in 0..8 {
        world.act(Action::Sleep(25));
        for action in [Action::Write(ALICE, Fate::Taken), Action::Read(BOB), Action::Write(BOB, Fate::Taken)]
        {
            world.act(action);
        }
        world.act(Action::Read(ALICE));
    }
    for (side, other) in [(ALICE, BOB), (BOB, ALICE)] {
        assert_eq!(world.nodes[side].seen, world.nodes[other].typed);
        assert!(world.nodes[side].ledger.has_delivered_all(world.nodes[side].peer));
    }
    assert_eq!(world.nodes[ALICE].ledger.unanswered().count(), 0);
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let side = 0_usize..2;
    let fate = prop_oneof![Just(Fate::Taken), Just(Fate::Lost), Just(Fate::Unheard), Just(Fate::Refused)];
    let action = prop_oneof![
        3 => side.clone().prop_map(Action::Type),
        4 => (side.clone(), fate).prop_map(|(side, fate)| Action::Write(side, fate)),
        3 => side.clone().prop_map(Action::Read),
        2 => any::<usize>().prop_map(Action::Repeat),
        1 => any::<usize>().prop_map(Action::Drop),
        1 => any::<usize>().prop_map(Action::Flip),
        1 => Just(Action::OldBundle),
        1 => side.prop_map(Action::Kill),
        2 => (1_u64..120).prop_map(Action::Sleep),
    ];
    proptest::collection::vec(action, 0..30)
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 24 };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

#[test]
fn a_first_letter_that_comes_again_behind_later_ones_brings_no_old_secret_back() {
    play(&[
        Action::Type(ALICE),
        Action::Write(ALICE, Fate::Lost),
        Action::Sleep(25),
        Action::Write(ALICE, Fate::Taken),
        Action::Read(BOB),
        Action::Sleep(25),
        Action::Type(ALICE),
        Action::Write(ALICE, Fate::Taken),
        Action::Read(BOB),
        Action::Repeat(0),
        Action::Read(BOB),
        Action::Type(BOB),
        Action::Write(BOB, Fate::Taken),
        Action::Read(ALICE),
    ]);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_typed_before_anybody_has_met_is_shown_once_and_in_order(actions in actions()) {
        play(&actions);
    }
}
