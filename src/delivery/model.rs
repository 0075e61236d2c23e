//! Model of two homes and the connection between them: whatever happens to either, what was
//! accepted is shown, in order, and never twice without a mark. After every step, what a side calls
//! delivered is on the other's disk, and what has left its own disk is there or was seen.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a broken law is a panic")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    Content, Epoch, Exposure, Inbound, InboxRow, Ledger, MessageState, Pairs, Reception, Resume, ResumeNews,
    Withdrawal, WithdrawalOutcome,
};
use crate::crypto::{Fingerprint, Seed};
use crate::fuzz::Choices;
use crate::time::UnixMs;
use crate::wire::PairNumber;

/// Most messages that are on their way at once.
const WINDOW: u64 = 4;

#[derive(Clone, Copy, Debug)]
enum Action {
    Type(usize),
    Connect,
    Deliver(usize),
    /// The receiver is killed once the record is on its disk, before it is shown.
    DeliverAndKill(usize),
    /// The receiver has nobody to show it to yet.
    DeliverUnseen(usize),
    /// Somebody looks at what has come.
    Look(usize),
    Cut,
    Kill(usize),
    Drop(usize, u8),
    Backup(usize),
    Restore(usize),
}

#[derive(Clone, Debug)]
enum Record {
    Resume(Resume),
    Text(u64, String),
    Skip(u64),
    Kept(u64),
    Receipt(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Display {
    Runs,
    Dies,
    Waits,
}

/// Mark of what is shown: it may have been shown before a kill.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Again,
}

/// One side's half of the connection.
#[derive(Default)]
struct Half {
    outgoing: VecDeque<Record>,
    sent: u64,
    /// The count of ours that the peer has agreed to: what it says of another is about one before.
    agreed: Option<Epoch>,
    /// The peer's count.
    theirs: Option<Epoch>,
}

struct Node {
    peer: Fingerprint,
    ledger: Ledger,
    disk: Pairs,
    backup: Option<Pairs>,
    starts: u8,
    half: Option<Half>,
    /// What this side's person saw of the other: the text, and whether it was marked.
    seen: Vec<(String, bool)>,
    /// What was taken back while the other may have had it, and whether it is known to have it.
    open: BTreeMap<u64, String>,
    settled: Vec<(String, WithdrawalOutcome)>,
    /// Whether this side was told that its home is older than what the other has.
    is_older: bool,
    /// Whether it has heard from the other since either home was restored.
    knowledge: Knowledge,
}

/// Age of what a side knows about the other's disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    Current,
    /// Of a disk that was restored since.
    Outdated,
}

struct World {
    nodes: [Node; 2],
    /// Texts that were accepted, in their order, by side.
    accepted: [Vec<String>; 2],
    /// Texts that may never arrive: taken back, or in no backup.
    excused: BTreeSet<String>,
    restored: bool,
    typed: u32,
}

impl Node {
    fn new(own: u8, peer: u8) -> Self {
        let (ledger, peer) = (Ledger::new(Pairs::new(), Seed::new([own + 100; 32])), key(peer));
        let (seen, disk) = (Vec::new(), Pairs::new());
        let (open, settled) = (BTreeMap::new(), Vec::new());
        Self {
            peer,
            ledger,
            disk,
            backup: None,
            starts: 0,
            half: None,
            seen,
            open,
            settled,
            is_older: false,
            knowledge: Knowledge::Current,
        }
    }

    /// Whether a text of the other is on this disk, or was seen: a kill takes neither away.
    fn has(&self, text: &str) -> bool {
        let mut rows = self.disk.values().flat_map(|pair| pair.inbox.values());
        rows.any(|row| *row.text == *text.as_bytes()) || self.seen.iter().any(|(seen, _)| seen == text)
    }

    /// Whether a text of this side is on its disk.
    fn holds(&self, text: &str) -> bool {
        let mut rows = self.disk.values().flat_map(|pair| pair.outbox.values());
        rows.any(|row| matches!(&row.content, Content::Text(own) if **own == *text))
    }

    fn commit(&mut self) {
        for one in self.ledger.take_changes() {
            self.disk.entry(one.peer).or_default().apply(one.change);
        }
        for one in self.ledger.take_settled() {
            let text = self.open.remove(&one.seq);
            self.settled.extend(text.map(|text| (text, one.outcome)));
        }
    }

    /// Starts again from the disk: what was not shown is shown, marked where somebody may have seen
    /// it.
    fn start(&mut self, own: u8) {
        self.starts += 1;
        let seed = Seed::new([own, self.starts].repeat(16).try_into().expect("32 bytes"));
        self.ledger = Ledger::new(self.disk.clone(), seed);
        self.half = None;
        self.show_unseen(Mark::Again);
    }

    /// Shows what was not shown, once it is on disk that somebody may see it. That it was is
    /// written with the next commit: what dies before shows it again.
    fn show_unseen(&mut self, mark: Mark) {
        let Some(Inbound { epoch, .. }) = self.ledger.inbound(self.peer) else { return };
        let unseen: Vec<_> =
            self.ledger.unshown().map(|(_, seq, row)| (seq, text_of(&row.text), row.exposure)).collect();
        for (seq, ..) in &unseen {
            let number = PairNumber { epoch, seq: *seq };
            self.ledger.set_exposure(self.peer, number, Exposure::Shown);
        }
        self.commit();
        for (seq, text, exposure) in unseen {
            self.seen.push((text, mark == Mark::Again && exposure == Exposure::Shown));
            self.ledger.shown(self.peer, epoch, seq);
        }
    }

    fn look(&mut self) {
        self.show_unseen(Mark::None);
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        if self.half.as_ref().is_some_and(|half| half.theirs.is_some())
            && let Some(inbound) = self.ledger.inbound(self.peer)
        {
            self.send(Record::Receipt(inbound.shown));
        }
    }

    fn pump(&mut self) {
        let Some(half) = self.half.as_mut().filter(|half| half.agreed.is_some()) else { return };
        let mut records = Vec::new();
        let window = self.ledger.resume(self.peer).oldest + WINDOW;
        while let Some((seq, row)) = self.ledger.next_to_send(self.peer, half.sent)
            && seq < window
        {
            records.push(match &row.content {
                Content::Text(text) => Record::Text(seq, text.to_string()),
                Content::Skip => Record::Skip(seq),
            });
            half.sent = seq;
        }
        self.ledger.mark_sent(self.peer, half.sent);
        self.commit();
        if let Some(half) = &mut self.half {
            half.outgoing.extend(records);
        }
    }

    fn is_agreed(&self) -> bool {
        self.half.as_ref().is_some_and(|half| half.agreed.is_some())
    }

    fn send(&mut self, record: Record) {
        if let Some(half) = &mut self.half {
            half.outgoing.push_back(record);
        }
    }

    fn confirm(&mut self) {
        let next = self.ledger.next_number(self.peer);
        self.commit();
        self.ledger.committed(self.peer, next - 1);
    }

    /// Begins what is said at the beginning.
    fn connect(&mut self) {
        self.half = Some(Half::default());
        let resume = self.ledger.resume(self.peer);
        self.confirm();
        self.send(Record::Resume(resume));
    }

    fn handle(&mut self, record: Record, display: Display) {
        match record {
            Record::Resume(resume) => {
                let news = self.ledger.handle_resume(self.peer, &resume, UnixMs(0));
                let is_restored = news.contains(&ResumeNews::Restored);
                self.is_older |= is_restored;
                self.knowledge = Knowledge::Current;
                self.confirm();
                let own = self.ledger.resume(self.peer);
                let Some(half) = &mut self.half else { return };
                let is_another = half.theirs.is_some_and(|epoch| epoch != resume.epoch);
                half.theirs = Some(resume.epoch);
                let is_first = half.agreed.is_none();
                half.agreed =
                    (!is_restored && (is_first || resume.your_epoch == own.epoch)).then_some(own.epoch);
                if is_first {
                    half.sent = own.oldest - 1;
                }
                if is_restored || is_another {
                    self.send(Record::Resume(own));
                }
                if let Some(inbound) = self.ledger.inbound(self.peer) {
                    self.send(Record::Kept(inbound.last));
                    self.send(Record::Receipt(inbound.shown));
                }
            }
            Record::Text(seq, text) => {
                let exposure = if display == Display::Waits { Exposure::None } else { Exposure::Shown };
                let row = InboxRow { typed: UnixMs(0), text: text.as_bytes().into(), exposure };
                let reception = self.ledger.receive(self.peer, seq, row);
                assert_ne!(reception, Reception::OutOfOrder, "{seq} {text}");
                self.commit();
                self.send(Record::Kept(seq));
                if reception == Reception::New && display == Display::Runs {
                    self.look();
                }
            }
            Record::Skip(seq) => {
                assert_ne!(self.ledger.receive_skip(self.peer, seq), Reception::OutOfOrder);
                self.commit();
                self.acknowledge();
            }
            // Of a count that is not agreed to yet.
            Record::Kept(_) | Record::Receipt(_) if !self.is_agreed() => {}
            Record::Kept(upto) => {
                self.ledger.handle_kept(self.peer, upto);
            }
            Record::Receipt(upto) => {
                self.ledger.handle_receipt(self.peer, upto);
            }
        }
    }
}

impl World {
    fn new() -> Self {
        let nodes = [Node::new(0, 1), Node::new(1, 0)];
        Self { nodes, accepted: Default::default(), excused: BTreeSet::new(), restored: false, typed: 0 }
    }

    fn cut(&mut self) {
        for node in &mut self.nodes {
            node.half = None;
        }
    }

    fn connect(&mut self) {
        if self.nodes[0].half.is_none() {
            for node in &mut self.nodes {
                node.connect();
            }
        }
    }

    /// Hands the oldest record of a side to the other. Returns whether there was one.
    fn deliver(&mut self, from: usize, display: Display) -> bool {
        let Some(record) = self.nodes[from].half.as_mut().and_then(|half| half.outgoing.pop_front()) else {
            return false;
        };
        if let Record::Receipt(upto) = &record
            && self.nodes[1 - from].is_agreed()
        {
            self.check_receipt(1 - from, *upto);
        }
        self.nodes[1 - from].handle(record, display);
        if display == Display::Dies {
            self.cut();
            self.nodes[1 - from].start(u8::try_from(1 - from).unwrap());
        }
        for node in &mut self.nodes {
            node.pump();
        }
        self.check_delivered();
        true
    }

    /// What a side calls delivered is on the other's disk, also what it will call so after a kill;
    /// nothing else has left its own.
    fn check_delivered(&self) {
        for at in [0, 1] {
            let (node, other) = (&self.nodes[at], &self.nodes[1 - at]);
            if node.knowledge == Knowledge::Current {
                let killed = Ledger::new(node.disk.clone(), Seed::new([0; 32]));
                let waiting = node.ledger.waiting(node.peer).chain(killed.waiting(node.peer));
                for message in waiting.filter(|message| message.state == MessageState::Delivered) {
                    assert!(other.has(&message.text), "{message:?} is called delivered");
                }
            }
            for text in self.accepted[at].iter().filter(|text| !self.excused.contains(*text)) {
                assert!(node.holds(text) || other.has(text), "{text} has left the disk of its sender");
            }
        }
    }

    /// What is called received was seen.
    fn check_receipt(&self, at: usize, upto: u64) {
        let (node, other) = (&self.nodes[at], &self.nodes[1 - at]);
        for message in node.ledger.waiting(node.peer).filter(|message| message.seq <= upto) {
            assert!(other.seen.iter().any(|(text, _)| **text == *message.text), "{message:?}");
        }
    }

    fn act(&mut self, action: Action) {
        self.perform(action);
        self.check_delivered();
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Type(at) => {
                self.typed += 1;
                let text = format!("{} of {at}", self.typed);
                let node = &mut self.nodes[at];
                node.ledger.enqueue(node.peer, &text, UnixMs(0), None).unwrap();
                node.confirm();
                node.pump();
                self.accepted[at].push(text);
            }
            Action::Connect => self.connect(),
            Action::Deliver(from) => {
                self.deliver(from, Display::Runs);
            }
            Action::DeliverAndKill(from) => {
                self.deliver(from, Display::Dies);
            }
            Action::DeliverUnseen(from) => {
                self.deliver(from, Display::Waits);
            }
            Action::Look(at) => self.nodes[at].look(),
            Action::Cut => self.cut(),
            Action::Kill(at) => {
                self.cut();
                self.nodes[at].start(u8::try_from(at).unwrap());
            }
            Action::Drop(at, which) => {
                let node = &mut self.nodes[at];
                let waiting: Vec<_> = node.ledger.waiting(node.peer).collect();
                let Some(message) = waiting.get(usize::from(which) % waiting.len().max(1)) else { return };
                let agreed = node.half.as_ref().filter(|half| half.agreed.is_some());
                let gone_out = agreed.map(|half| half.sent.max(node.ledger.first_to_send(node.peer) - 1));
                let text = message.text.to_string();
                match node.ledger.take_back(node.peer, &[message.seq], gone_out)[..] {
                    [(_, Err(_))] => return,
                    [(seq, Ok(Withdrawal::Open))] => drop(node.open.insert(seq, text.clone())),
                    [(_, Ok(Withdrawal::NeverSent | Withdrawal::InTime))] => {
                        node.settled.push((text.clone(), WithdrawalOutcome::InTime));
                    }
                    _ => panic!("it waited"),
                }
                node.commit();
                self.excused.insert(text);
            }
            Action::Backup(at) => self.nodes[at].backup = Some(self.nodes[at].disk.clone()),
            Action::Restore(at) => {
                let Some(backup) = self.nodes[at].backup.clone() else { return };
                self.cut();
                self.restored = true;
                // What only this disk had is gone with it: lines of its own, and lines of the other
                // that it had received.
                self.excused.extend(self.accepted[at].iter().cloned());
                for node in &mut self.nodes {
                    node.knowledge = Knowledge::Outdated;
                }
                self.nodes[at].disk = backup;
                self.nodes[at].start(u8::try_from(at).unwrap());
            }
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        self.cut();
        self.nodes.iter_mut().for_each(Node::look);
        self.connect();
        for _ in 0..10_000 {
            let moved = self.deliver(0, Display::Runs) | self.deliver(1, Display::Runs);
            if !moved {
                return self.nodes.iter_mut().for_each(Node::commit);
            }
        }
        panic!("it never comes to rest");
    }

    fn check(&self) {
        for at in [0, 1] {
            let seen = &self.nodes[1 - at].seen;
            let mut first = BTreeMap::new();
            for (place, (text, is_marked)) in seen.iter().enumerate() {
                let before = first.insert(text, place);
                assert!(before.is_none() || *is_marked || self.restored, "{text} twice: {seen:?}");
                if let Some(before) = before {
                    first.insert(text, before);
                }
            }
            // What was taken back may come after all from a backup, and later than it was typed.
            let is_sure = |text: &&String| !self.restored || !self.excused.contains(*text);
            let sure = self.accepted[at].iter().filter(is_sure);
            let shown: Vec<_> = sure.filter_map(|text| first.get(text)).collect();
            assert!(shown.is_sorted(), "out of order: {seen:?}");
            for text in &self.accepted[at] {
                assert!(first.contains_key(text) || self.excused.contains(text), "{text} is lost: {seen:?}");
            }
            let node = &self.nodes[at];
            assert_eq!(node.ledger.waiting_count(node.peer), 0, "something still waits");
            if self.restored {
                continue;
            }
            assert!(!node.is_older, "nothing was restored");
            assert!(node.open.is_empty(), "what became of {:?}?", node.open);
            for (text, outcome) in &node.settled {
                assert_eq!(
                    first.contains_key(text),
                    *outcome == WithdrawalOutcome::TooLate,
                    "{text}: {seen:?}"
                );
            }
        }
    }
}

fn key(number: u8) -> Fingerprint {
    Fingerprint::from_bytes([number; 32])
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Most acts of one input.
const ACTIONS: usize = 120;

pub(crate) fn play_any(data: &[u8]) {
    let mut choices = Choices::new(data);
    let chosen = || (!choices.is_empty()).then(|| Action::chosen(&mut choices));
    play(&std::iter::from_fn(chosen).take(ACTIONS).collect::<Vec<_>>());
}

impl Action {
    /// The action that a fuzzer has chosen.
    fn chosen(choices: &mut Choices<'_>) -> Self {
        let at = choices.below(2);
        match choices.below(16) {
            0 | 1 => Self::Type(at),
            2 => Self::Connect,
            3..=7 => Self::Deliver(at),
            8 => Self::DeliverAndKill(at),
            9 => Self::DeliverUnseen(at),
            10 => Self::Look(at),
            11 => Self::Cut,
            12 => Self::Kill(at),
            13 => Self::Drop(at, choices.byte()),
            14 => Self::Backup(at),
            _ => Self::Restore(at),
        }
    }
}

fn play(actions: &[Action]) {
    let mut world = World::new();
    for action in actions {
        world.act(*action);
    }
    world.settle();
    world.check();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn actions(with_backups: bool) -> impl Strategy<Value = Vec<Action>> {
        let side = || 0..2_usize;
        let mut all = vec![
            (6, side().prop_map(Action::Type).boxed()),
            (3, Just(Action::Connect).boxed()),
            (12, side().prop_map(Action::Deliver).boxed()),
            (1, side().prop_map(Action::DeliverAndKill).boxed()),
            (3, side().prop_map(Action::DeliverUnseen).boxed()),
            (2, side().prop_map(Action::Look).boxed()),
            (1, Just(Action::Cut).boxed()),
            (1, side().prop_map(Action::Kill).boxed()),
            (1, (side(), any::<u8>()).prop_map(|(at, which)| Action::Drop(at, which)).boxed()),
        ];
        if with_backups {
            all.push((1, side().prop_map(Action::Backup).boxed()));
            all.push((1, side().prop_map(Action::Restore).boxed()));
        }
        proptest::collection::vec(proptest::strategy::Union::new_weighted(all), 0..80)
    }

    /// As many cases as `PROPTEST_CASES` asks for, or these.
    fn config() -> ProptestConfig {
        let default = ProptestConfig::default();
        let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 500 };
        ProptestConfig { cases, failure_persistence: None, ..default }
    }

    #[test]
    fn a_text_is_not_taken_for_another_of_its_number_that_both_homes_lost() {
        play(&[
            Action::Backup(0),
            Action::Connect,
            Action::Type(1),
            Action::Deliver(0),
            Action::Deliver(1),
            Action::Deliver(0),
            Action::DeliverUnseen(1),
            Action::Deliver(1),
            Action::Deliver(1),
            Action::Backup(1),
            Action::Deliver(0),
            Action::Deliver(0),
            Action::Deliver(0),
            Action::Restore(0),
            Action::Connect,
            Action::DeliverUnseen(1),
            Action::Deliver(0),
            Action::Deliver(1),
            Action::Deliver(1),
            Action::Type(1),
            Action::Deliver(1),
            Action::Restore(1),
            Action::Type(1),
            Action::Type(0),
            Action::Type(0),
        ]);
    }

    #[test]
    fn what_was_shown_before_a_home_was_restored_is_acknowledged_to_one_that_forgot_it() {
        play(&[
            Action::Connect,
            Action::Deliver(1),
            Action::Deliver(0),
            Action::Deliver(1),
            Action::Deliver(1),
            Action::Type(0),
            Action::Backup(0),
            Action::Look(1),
            Action::DeliverUnseen(1),
            Action::Type(1),
            Action::Deliver(1),
            Action::Connect,
            Action::DeliverUnseen(0),
            Action::Type(0),
            Action::Deliver(0),
            Action::Backup(1),
            Action::Type(0),
            Action::Type(0),
            Action::DeliverUnseen(0),
            Action::DeliverUnseen(0),
            Action::Deliver(0),
            Action::Restore(0),
            Action::Connect,
            Action::Type(0),
            Action::DeliverUnseen(1),
            Action::Restore(1),
        ]);
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn nothing_that_was_accepted_is_lost_or_doubled(actions in actions(false)) {
            play(&actions);
        }

        #[test]
        fn a_restored_home_swallows_no_line(actions in actions(true)) {
            play(&actions);
        }
    }
}
