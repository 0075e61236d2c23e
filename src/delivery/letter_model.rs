//! Model of two homes and a relay between them that is not believed: whatever it does with letters,
//! and whatever happens to the homes, nothing wrong is shown; and once it behaves, every text that
//! was accepted is shown, in order, and never twice without a mark.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a broken law is a panic")]

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::{Exposure, Inbound, Ledger, LetterEvent, LetterRefusal, Pairs, ResumeNews};
use crate::crypto::{Fingerprint, Inbox, LetterPair, LetterSide, Seed};
use crate::fuzz::Choices;
use crate::limits::LETTER_AGAIN_MS;
use crate::time::UnixMs;
use crate::wire::PairNumber;

#[derive(Clone, Copy, Debug)]
enum Action {
    Type(usize),
    Write(usize, Fate),
    Read(usize, End),
    /// The two are connected, as far as this.
    Meet(Meeting),
    Kill(usize),
    TakeBack(usize, u8),
    Sleep(u8),
    Relay(Mischief, u8),
    Backup(usize),
    Restore(usize),
}

/// What becomes of a letter that leaves.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Taken,
    /// The relay says that it has it, and has not.
    Lost,
    Refused,
    Full,
    /// It has it, and says nothing: the connection was lost.
    Unheard,
    /// The writer is killed before it leaves.
    Killed,
    /// The writer is killed once it has left.
    KilledBehind,
}

/// How a reader ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Goes,
    Dies,
}

/// How far a session comes before it is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meeting {
    /// Both have said what they have.
    Resumes,
    /// One key for letters has come.
    KeyOf(usize),
    /// Both have, and no message.
    Keys,
    /// Everything.
    Messages,
}

/// What a relay does with letters that it has.
#[derive(Clone, Copy, Debug)]
enum Mischief {
    Drop,
    Repeat,
    Withhold,
    Release,
    Swap,
    Flip,
    /// Leaves it in an inbox of somebody else's.
    Move,
}

struct Node {
    peer: Fingerprint,
    ledger: Ledger,
    disk: Pairs,
    backup: Option<Pairs>,
    starts: u32,
    /// What this side's person saw of the other: the text, and whether it was marked.
    seen: Vec<(String, bool)>,
    news: Vec<ResumeNews>,
}

/// A letter at the relay.
#[derive(Clone)]
struct Left {
    inbox: Inbox,
    number: u64,
    bytes: Vec<u8>,
}

struct World {
    nodes: [Node; 2],
    relay: Vec<Left>,
    withheld: Vec<Left>,
    last: u64,
    now: UnixMs,
    meetings: u8,
    accepted: [Vec<String>; 2],
    excused: BTreeSet<String>,
    restored: bool,
    typed: u32,
    seeds: u64,
}

/// Moment at which every play begins: in 2026, as numbers of letters follow the clock.
const BEGINNING: UnixMs = UnixMs(1_780_000_000_000);

impl Node {
    fn new(own: u8, peer: u8) -> Self {
        let (ledger, peer) =
            (Ledger::new(Pairs::new(), Seed::new([own + 100; 32])), Fingerprint::from_bytes([peer; 32]));
        let (seen, news) = (Vec::new(), Vec::new());
        Self { peer, ledger, disk: Pairs::new(), backup: None, starts: 0, seen, news }
    }

    fn commit(&mut self) {
        let next = self.ledger.next_number(self.peer);
        for one in self.ledger.take_changes() {
            self.disk.entry(one.peer).or_default().apply(one.change);
        }
        self.ledger.committed(self.peer, next - 1);
    }

    fn start(&mut self, own: u8) {
        self.starts += 1;
        let mut seed = [own; 32];
        seed[..4].copy_from_slice(&self.starts.to_be_bytes());
        self.ledger = Ledger::new(self.disk.clone(), Seed::new(seed));
        self.show(true);
    }

    /// Shows what was not shown, once it is on disk that somebody may see it.
    fn show(&mut self, is_start: bool) {
        let Some(Inbound { epoch, .. }) = self.ledger.inbound(self.peer) else { return };
        let unseen: Vec<_> = self
            .ledger
            .unshown()
            .map(|(_, seq, row)| (seq, String::from_utf8(row.text.to_vec()).unwrap(), row.exposure))
            .collect();
        for (seq, ..) in &unseen {
            self.ledger.set_exposure(self.peer, PairNumber { epoch, seq: *seq }, Exposure::Shown);
        }
        self.commit();
        for (seq, text, exposure) in unseen {
            self.seen.push((text, is_start && exposure == Exposure::Shown));
            self.ledger.shown(self.peer, epoch, seq);
        }
    }
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            nodes: [Node::new(0, 1), Node::new(1, 0)],
            relay: Vec::new(),
            withheld: Vec::new(),
            last: 0,
            now: BEGINNING,
            meetings: 0,
            accepted: Default::default(),
            excused: BTreeSet::new(),
            restored: false,
            typed: 0,
            seeds: 0,
        };
        world.meet(Meeting::Keys);
        world
    }

    fn seed(&mut self) -> Seed {
        self.seeds += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seeds.to_be_bytes());
        Seed::new(seed)
    }

    fn leave(&mut self, inbox: Inbox, bytes: Vec<u8>) {
        self.last += 1;
        self.relay.push(Left { inbox, number: self.last, bytes });
    }

    /// Writes the letter that is due. Returns whether one was.
    fn write(&mut self, at: usize, fate: Fate) -> bool {
        let (seed, now) = (self.seed(), self.now);
        let node = &mut self.nodes[at];
        let Some(letter) = node.ledger.next_letter(node.peer, &seed, now) else { return false };
        node.commit();
        assert!(letter.bytes.len().is_multiple_of(2_048), "{}", letter.bytes.len());
        let (peer, own) = (node.peer, u8::try_from(at).unwrap());
        match fate {
            Fate::Taken | Fate::Unheard | Fate::KilledBehind => self.leave(letter.inbox, letter.bytes),
            Fate::Lost | Fate::Refused | Fate::Full | Fate::Killed => {}
        }
        let node = &mut self.nodes[at];
        match fate {
            Fate::Taken | Fate::Lost => _ = node.ledger.letter_left(peer, now),
            Fate::Refused | Fate::Unheard => {
                node.ledger.letter_refused(peer, LetterRefusal::Unreachable, now);
            }
            Fate::Full => node.ledger.letter_refused(peer, LetterRefusal::InboxFull, now),
            Fate::Killed | Fate::KilledBehind => node.start(own),
        }
        node.commit();
        true
    }

    /// Reads everything that is there. Returns whether there was something.
    fn read(&mut self, at: usize, end: End) -> bool {
        let mut has_read = false;
        while let Some(left) = self.next_to_read(at) {
            has_read = true;
            let (node, now) = (&mut self.nodes[at], self.now);
            let read = node.ledger.read_letter(&left.inbox, left.number, &left.bytes, Exposure::Shown, now);
            let events = read.map(|read| read.events).unwrap_or_default();
            node.news.extend(events.iter().filter_map(|event| match event {
                LetterEvent::News(news) => Some(*news),
                _ => None,
            }));
            node.commit();
            if end == End::Dies {
                node.start(u8::try_from(at).unwrap());
                break;
            }
            node.show(false);
        }
        self.nodes[at].commit();
        has_read
    }

    fn next_to_read(&self, at: usize) -> Option<Left> {
        self.nodes[at].ledger.inboxes().find_map(|watched| {
            let there = |left: &&Left| left.inbox == watched.inbox && left.number > watched.after;
            self.relay.iter().filter(there).min_by_key(|left| left.number).cloned()
        })
    }

    fn meet(&mut self, meeting: Meeting) {
        self.meetings += 1;
        let now = self.now;
        for node in &mut self.nodes {
            node.ledger.begin_connection(node.peer);
        }
        let mut due = [true, true];
        while due != [false, false] {
            for at in [0, 1] {
                let other = 1 - at;
                if std::mem::take(&mut due[at]) {
                    let (peer, to) = (self.nodes[at].peer, self.nodes[other].peer);
                    let resume = self.nodes[at].ledger.resume(peer);
                    self.nodes[at].commit();
                    let news = self.nodes[other].ledger.handle_resume(to, &resume, now);
                    due[other] |= news.contains(&ResumeNews::Restored);
                    self.nodes[other].news.extend(news);
                    self.nodes[other].commit();
                }
            }
        }
        if meeting == Meeting::Resumes {
            return;
        }
        let secret = [self.meetings; 32];
        let sides = [LetterSide::Initiator, LetterSide::Responder];
        for at in [0, 1] {
            let seed = self.seed();
            let pair = |at: usize| LetterPair::new(Zeroizing::new(secret), sides[at]);
            let node = &mut self.nodes[at];
            let offered = node.ledger.begin_letters(node.peer, &pair(at), &seed, now).unwrap();
            node.commit();
            if meeting != Meeting::KeyOf(1 - at) {
                let other = &mut self.nodes[1 - at];
                other.ledger.handle_letter_key(other.peer, &pair(1 - at), offered);
                other.commit();
            }
        }
        if meeting == Meeting::Messages {
            self.exchange(0);
            self.exchange(1);
        }
    }

    /// Carries everything of one side to the other, in a session.
    fn exchange(&mut self, at: usize) {
        let [one, other] = &mut self.nodes;
        let (from, to) = if at == 0 { (one, other) } else { (other, one) };
        let mut behind = from.ledger.first_to_send(from.peer) - 1;
        while let Some((seq, row)) = from.ledger.next_to_send(from.peer, behind) {
            let (typed, content) = (row.typed, row.content.clone());
            from.ledger.mark_sent(from.peer, seq);
            from.commit();
            match content {
                super::Content::Text(text) => {
                    let text = text.as_bytes().into();
                    let row = super::InboxRow { typed, text, exposure: Exposure::Shown };
                    to.ledger.receive(to.peer, seq, row);
                }
                super::Content::Skip => {
                    to.ledger.receive_skip(to.peer, seq);
                }
            }
            to.commit();
            to.show(false);
            from.ledger.handle_kept(from.peer, seq);
            behind = seq;
        }
        let shown = to.ledger.inbound(to.peer).map_or(0, |inbound| inbound.shown);
        from.ledger.handle_receipt(from.peer, shown);
        to.commit();
        from.commit();
    }

    fn act(&mut self, action: Action) {
        self.now.0 += 1_000;
        match action {
            Action::Type(at) => {
                self.typed += 1;
                // Some fill a letter.
                let text = format!("{} of {at}{}", self.typed, " ".repeat(self.typed as usize % 7 * 2_500));
                let node = &mut self.nodes[at];
                node.ledger.enqueue(node.peer, &text, self.now, None).unwrap();
                node.commit();
                self.accepted[at].push(text);
            }
            Action::Write(at, fate) => drop(self.write(at, fate)),
            Action::Read(at, end) => drop(self.read(at, end)),
            Action::Meet(meeting) => self.meet(meeting),
            Action::Kill(at) => self.nodes[at].start(u8::try_from(at).unwrap()),
            Action::TakeBack(at, which) => {
                let node = &mut self.nodes[at];
                let waiting: Vec<_> = node.ledger.waiting(node.peer).collect();
                let Some(message) = waiting.get(usize::from(which) % waiting.len().max(1)) else { return };
                let taken = node.ledger.take_back(node.peer, &[message.seq], None);
                if taken[0].1.is_ok() {
                    self.excused.insert(message.text.to_string());
                }
                node.commit();
            }
            Action::Sleep(hours) => self.now.0 += u64::from(hours) * 60 * 60 * 1_000,
            Action::Relay(mischief, which) => self.relay_does(mischief, usize::from(which)),
            Action::Backup(at) => self.nodes[at].backup = Some(self.nodes[at].disk.clone()),
            Action::Restore(at) => {
                let Some(backup) = self.nodes[at].backup.clone() else { return };
                self.restored = true;
                self.excused.extend(self.accepted[at].iter().cloned());
                self.nodes[at].disk = backup;
                self.nodes[at].start(u8::try_from(at).unwrap());
            }
        }
    }

    fn relay_does(&mut self, mischief: Mischief, which: usize) {
        let Some(at) = which.checked_rem(self.relay.len()) else { return };
        let Left { inbox, bytes, .. } = self.relay[at].clone();
        match mischief {
            Mischief::Drop => drop(self.relay.remove(at)),
            Mischief::Repeat => self.leave(inbox, bytes),
            Mischief::Withhold => {
                let left = self.relay.remove(at);
                self.withheld.push(left);
            }
            Mischief::Release => {
                for left in std::mem::take(&mut self.withheld) {
                    self.leave(left.inbox, left.bytes);
                }
            }
            Mischief::Swap => {
                let other = (at + 1) % self.relay.len();
                let swapped = std::mem::replace(&mut self.relay[other].bytes, bytes);
                self.relay[at].bytes = swapped;
            }
            Mischief::Flip => {
                let letter = &mut self.relay[at].bytes;
                let bit = which * 97 % letter.len();
                letter[bit] ^= 1;
            }
            Mischief::Move => {
                let other = self.relay[(at + 1) % self.relay.len()].inbox.clone();
                self.leave(other, bytes);
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        self.nodes.iter().all(|node| node.ledger.waiting_count(node.peer) == 0)
    }

    /// Lets the relay behave, for as many days as letters may need.
    fn settle(&mut self) {
        for node in &mut self.nodes {
            node.show(false);
            node.commit();
        }
        for day in 0..6 {
            for round in 0.. {
                self.now.0 += 1_000;
                let moved = [0, 1].map(|at| self.read(at, End::Goes) | self.write(at, Fate::Taken));
                if moved == [false, false] {
                    break;
                }
                assert!(round < 200, "it never comes to rest");
            }
            if self.is_at_rest() {
                return;
            }
            // Who has no key that may open, or another home than it had, needs a session.
            let needs_session =
                self.nodes.iter().any(|node| !node.ledger.can_write_letter(node.peer, self.now));
            if needs_session || day == 4 && self.restored {
                self.meet(Meeting::Messages);
            }
            self.now.0 += LETTER_AGAIN_MS;
        }
    }

    fn check(&self) {
        for at in [0, 1] {
            let seen = &self.nodes[1 - at].seen;
            let mut first = BTreeMap::new();
            for (place, (text, is_marked)) in seen.iter().enumerate() {
                assert!(self.accepted[at].contains(text), "nobody typed {text}");
                let before = first.insert(text, place);
                assert!(before.is_none() || *is_marked || self.restored, "{text} twice: {seen:?}");
                if let Some(before) = before {
                    first.insert(text, before);
                }
            }
            let is_sure = |text: &&String| !self.restored || !self.excused.contains(*text);
            let sure = self.accepted[at].iter().filter(is_sure);
            let shown: Vec<_> = sure.filter_map(|text| first.get(text)).collect();
            assert!(shown.is_sorted(), "out of order: {seen:?}");
            for text in &self.accepted[at] {
                assert!(first.contains_key(text) || self.excused.contains(text), "{text} is lost: {seen:?}");
            }
            let node = &self.nodes[at];
            assert_eq!(node.ledger.waiting_count(node.peer), 0, "something still waits");
            if !self.restored {
                assert_eq!(node.news, [], "nothing was restored");
            }
        }
    }
}

/// Most acts of one input.
const ACTIONS: usize = 80;

pub(crate) fn play_any(data: &[u8]) {
    let mut choices = Choices::new(data);
    let chosen = || (!choices.is_empty()).then(|| Action::chosen(&mut choices));
    play(&std::iter::from_fn(chosen).take(ACTIONS).collect::<Vec<_>>());
}

impl Action {
    /// The action that a fuzzer has chosen.
    fn chosen(choices: &mut Choices<'_>) -> Self {
        let at = choices.below(2);
        match choices.below(20) {
            0..=2 => Self::Type(at),
            3..=6 => Self::Write(at, choices.one_of(&FATES)),
            7..=10 => Self::Read(at, choices.one_of(&[End::Goes, End::Goes, End::Dies])),
            11 => Self::Meet(choices.one_of(&MEETINGS)),
            12 => Self::Kill(at),
            13 => Self::TakeBack(at, choices.byte()),
            14 => Self::Sleep(choices.byte()),
            15..=17 => Self::Relay(choices.one_of(&MISCHIEFS), choices.byte()),
            18 => Self::Backup(at),
            _ => Self::Restore(at),
        }
    }
}

const FATES: [Fate; 10] = [
    Fate::Taken,
    Fate::Taken,
    Fate::Taken,
    Fate::Taken,
    Fate::Lost,
    Fate::Refused,
    Fate::Full,
    Fate::Unheard,
    Fate::Killed,
    Fate::KilledBehind,
];
const MEETINGS: [Meeting; 5] =
    [Meeting::Resumes, Meeting::KeyOf(0), Meeting::KeyOf(1), Meeting::Keys, Meeting::Messages];
const MISCHIEFS: [Mischief; 7] = [
    Mischief::Drop,
    Mischief::Repeat,
    Mischief::Withhold,
    Mischief::Release,
    Mischief::Swap,
    Mischief::Flip,
    Mischief::Move,
];

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
    use proptest::sample::select;

    use super::*;

    fn actions(with_backups: bool) -> impl Strategy<Value = Vec<Action>> {
        let side = || 0..2_usize;
        let fate = select(FATES.to_vec());
        let end = select(vec![End::Goes, End::Goes, End::Goes, End::Dies]);
        let mut all = vec![
            (5, side().prop_map(Action::Type).boxed()),
            (8, (side(), fate).prop_map(|(at, fate)| Action::Write(at, fate)).boxed()),
            (6, (side(), end).prop_map(|(at, end)| Action::Read(at, end)).boxed()),
            (1, select(MEETINGS.to_vec()).prop_map(Action::Meet).boxed()),
            (1, side().prop_map(Action::Kill).boxed()),
            (1, (side(), any::<u8>()).prop_map(|(at, which)| Action::TakeBack(at, which)).boxed()),
            (1, any::<u8>().prop_map(Action::Sleep).boxed()),
            (
                5,
                (select(MISCHIEFS.to_vec()), any::<u8>())
                    .prop_map(|(mischief, which)| Action::Relay(mischief, which))
                    .boxed(),
            ),
        ];
        if with_backups {
            all.push((2, side().prop_map(Action::Backup).boxed()));
            all.push((2, side().prop_map(Action::Restore).boxed()));
        }
        proptest::collection::vec(proptest::strategy::Union::new_weighted(all), 0..60)
    }

    /// As many cases as `PROPTEST_CASES` asks for, or these.
    fn config() -> ProptestConfig {
        let default = ProptestConfig::default();
        let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 60 };
        ProptestConfig { cases, failure_persistence: None, ..default }
    }

    #[test]
    fn a_home_that_was_restored_behind_a_session_gets_what_it_lacks_and_both_come_to_rest() {
        play(&[
            Action::Type(1),
            Action::Write(1, Fate::Taken),
            Action::Type(1),
            Action::Meet(Meeting::KeyOf(1)),
            Action::Write(1, Fate::Taken),
            Action::Kill(0),
            Action::Backup(0),
            Action::Read(0, End::Dies),
            Action::Write(0, Fate::Taken),
            Action::Read(0, End::Goes),
            Action::Meet(Meeting::Resumes),
            Action::Sleep(96),
            Action::Read(1, End::Goes),
            Action::Restore(0),
            Action::Write(1, Fate::Unheard),
            Action::Type(1),
        ]);
    }

    #[test]
    fn a_text_that_is_taken_back_while_its_letter_may_be_there_is_no_sign_of_another_home() {
        play(&[
            Action::Type(0),
            Action::Write(0, Fate::Unheard),
            Action::Kill(0),
            Action::TakeBack(0, 0),
            Action::Sleep(96),
            Action::Write(1, Fate::Taken),
        ]);
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn nothing_that_was_accepted_is_lost_or_doubled_whatever_a_relay_does(actions in actions(false)) {
            play(&actions);
        }

        #[test]
        fn a_restored_home_swallows_no_line_of_a_letter(actions in actions(true)) {
            play(&actions);
        }
    }
}
