//! Tests of numbers that count for the pair (`docs/PROTOCOL.md`, section 5.7).

mod acts;

use super::*;
use crate::wire::{Chain, Epoch};

/// The counts of both sides, by index.
const EPOCHS: [Epoch; 2] = [Epoch([0xa0; 16]), Epoch([0xb0; 16])];

/// A side's first `Resume`: nothing is known of the other.
fn resume(index: usize, oldest: u64, next: u64) -> Resume {
    let (epoch, your_epoch) = (EPOCHS[index], Epoch::NONE);
    Resume { epoch, oldest, next, your_epoch, last: 0, chain: Chain::START }
}

/// A `Resume` that has the other's messages up to `last`.
fn resume_with(index: usize, next: u64, last: u64) -> Resume {
    Resume { your_epoch: EPOCHS[1 - index], last, ..resume(index, next, next) }
}

fn number(index: usize, seq: u64) -> PairNumber {
    PairNumber { epoch: EPOCHS[index], seq }
}

fn pair(index: usize, seq: u64) -> Count {
    Count::Pair(number(index, seq))
}

fn durable() -> (Side, Side) {
    let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, index)| {
        let durability = Durability::Pair;
        Side::configured(role, index, SessionConfig { durability, ..Side::config(index) })
    });
    carry(&mut one, &mut other, usize::MAX);
    assert!(one.session.is_durable() && other.session.is_durable());
    (one, other)
}

impl Side {
    fn resumes(&mut self, resume: Resume) {
        self.session.resume(MonoMs(0), &resume).unwrap();
        self.drain();
    }

    fn numbered(&mut self, seq: u64, text: &str) {
        self.session.send_numbered(seq, text, UnixMs(seq)).unwrap();
        self.drain();
    }

    fn skips(&mut self, seq: u64) {
        self.session.skip(seq).unwrap();
        self.drain();
    }

    fn acks(&mut self, upto: Count) {
        self.session.ack(upto);
        self.drain();
    }

    fn keeps(&mut self, upto: PairNumber) {
        self.session.kept(upto);
        self.drain();
    }

    /// Events since the last call.
    fn news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

fn message(count: Count, sent: u64, text: &str) -> Event {
    Event::Message { count, sent: UnixMs(sent), text: text.as_bytes().to_vec() }
}

const WHOLE: usize = usize::MAX;

/// Both sides, of which each has told the other nothing but its first `Resume`.
fn resumed() -> (Side, Side) {
    let (mut one, mut other) = durable();
    one.resumes(resume(0, 1, 1));
    other.resumes(resume(1, 1, 1));
    carry(&mut one, &mut other, WHOLE);
    one.news();
    other.news();
    (one, other)
}

#[test]
fn messages_count_for_the_pair_where_both_sides_can_on_a_lasting_conversation_only() {
    let can = |durability: [Durability; 2], purpose, lifetime| {
        let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, index)| {
            let durability = durability[index];
            Side::configured(
                role,
                index,
                SessionConfig { purpose, lifetime, durability, ..Side::config(index) },
            )
        });
        carry(&mut one, &mut other, WHOLE);
        assert!(one.session.is_established() && other.session.is_established());
        assert_eq!(one.session.is_durable(), other.session.is_durable());
        if !one.session.is_durable() {
            let refused = one.session.resume(MonoMs(0), &resume(0, 1, 1));
            assert_eq!(refused, Err(SendError::NotDurable));
        }
        one.session.is_durable()
    };
    let both = [Durability::Pair; 2];
    assert!(can(both, Purpose::Chat, Lifetime::Lasting));
    assert!(!can(both, Purpose::Chat, Lifetime::Short));
    assert!(!can(both, Purpose::Pipe, Lifetime::Lasting));
    for durability in [[Durability::Pair, Durability::Connection], [Durability::Connection, Durability::Pair]]
    {
        assert!(!can(durability, Purpose::Chat, Lifetime::Lasting));
    }
}

#[test]
fn a_short_lived_connection_is_the_callers_to_name() {
    let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, index)| {
        let lifetime = if index == 0 { Lifetime::Lasting } else { Lifetime::Short };
        let durability = Durability::Pair;
        Side::configured(role, index, SessionConfig { lifetime, durability, ..Side::config(index) })
    });
    carry(&mut one, &mut other, WHOLE);
    assert!(one.session.is_durable() && other.session.is_durable());
}

#[test]
fn lines_that_waited_go_out_with_their_numbers_are_kept_and_then_acknowledged() {
    for (sender, receiver) in [(0, 1), (1, 0)] {
        for receiver_first in [true, false] {
            let (one, other) = durable();
            let mut sides = [one, other];
            let order = if receiver_first { [receiver, sender] } else { [sender, receiver] };
            for index in order {
                sides[index].resumes(if index == sender {
                    resume(sender, 40, 42)
                } else {
                    resume(receiver, 1, 1)
                });
            }
            let [one, other] = &mut sides;
            carry(one, other, 7);
            let told = if sender == 0 { resume(0, 40, 42) } else { resume(1, 40, 42) };
            assert!(sides[receiver].news().contains(&Event::Resumed(told)));
            sides[sender].news();
            sides[sender].numbered(40, "first");
            sides[sender].numbered(41, "second");
            sides[sender].skips(42);
            let [one, other] = &mut sides;
            carry(one, other, WHOLE);
            let wanted = [
                message(pair(sender, 40), 40, "first"),
                message(pair(sender, 41), 41, "second"),
                Event::Skipped(number(sender, 42)),
            ];
            assert_eq!(sides[receiver].news(), wanted);
            assert!(sides[receiver].session.awaits_ack());
            sides[receiver].keeps(number(sender, 42));
            sides[receiver].acks(pair(sender, 41));
            sides[receiver].acks(pair(sender, 42));
            assert!(!sides[receiver].session.awaits_ack());
            let [one, other] = &mut sides;
            carry(one, other, WHOLE);
            let wanted = [
                Event::Kept { upto: number(sender, 42) },
                Event::Acked { upto: pair(sender, 41) },
                Event::Acked { upto: pair(sender, 42) },
            ];
            assert_eq!(sides[sender].news(), wanted);
        }
    }
}

#[test]
fn what_was_received_on_connections_before_is_told_as_soon_as_both_have_said_resume() {
    let (mut one, mut other) = durable();
    one.resumes(resume(0, 40, 44));
    other.resumes(resume_with(1, 7, 43));
    carry(&mut one, &mut other, WHOLE);
    other.acks(pair(0, 42));
    carry(&mut one, &mut other, WHOLE);
    let news = one.news();
    let wanted = [
        Event::Resumed(resume_with(1, 7, 43)),
        Event::Kept { upto: number(0, 43) },
        Event::Acked { upto: pair(0, 42) },
    ];
    assert_eq!(news[news.len() - 3..], wanted);
}

#[test]
fn a_peer_that_has_not_chosen_us_declines_and_its_receipts_count_for_the_connection() {
    let (mut one, mut other) = durable();
    one.news();
    one.resumes(resume(0, 40, 42));
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), [Event::ResumeDeclined]);
    one.numbered(40, "first");
    one.numbered(41, "second");
    other.send("for the connection");
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), [message(Count::Connection(1), 5, "for the connection")]);
    other.acks(pair(0, 41));
    one.acks(Count::Connection(1));
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), [Event::Acked { upto: pair(0, 41) }]);
    assert_eq!(other.events.last(), Some(&Event::Acked { upto: Count::Connection(1) }));
}

#[test]
fn a_resume_in_the_middle_changes_the_count_of_either_direction_by_the_stream_alone() {
    let (mut one, mut other) = durable();
    one.news();
    // The caller keeps lines for the other, who has not chosen it and talks all the same.
    one.resumes(resume(0, 1, 1));
    carry(&mut one, &mut other, WHOLE);
    other.news();
    other.send("a");
    other.send("b");
    one.numbered(1, "first");
    one.numbered(2, "second");
    carry(&mut one, &mut other, 100);
    assert_eq!(one.news().len(), 3);
    assert_eq!(other.news().len(), 2);
    // In flight both ways while the other chooses: texts, and one of two receipts.
    other.acks(pair(0, 1));
    other.send("c");
    one.numbered(3, "third");
    other.resumes(resume_with(1, 1, 2));
    assert_eq!(other.session.send("d", UnixMs(0)), Err(SendError::WrongCount));
    other.numbered(1, "d");
    carry(&mut one, &mut other, 100);
    let wanted = [
        Event::Acked { upto: pair(0, 1) },
        message(Count::Connection(3), 5, "c"),
        Event::Resumed(resume_with(1, 1, 2)),
        Event::Kept { upto: number(0, 2) },
        Event::Acked { upto: pair(0, 1) },
        message(pair(1, 1), 1, "d"),
    ];
    assert_eq!(one.news(), wanted);
    assert_eq!(other.news(), [message(pair(0, 3), 3, "third")]);
    // It answers for the pair from its Kept on; the caller only once a, b and c are acknowledged.
    other.keeps(number(0, 3));
    other.acks(pair(0, 3));
    one.keeps(number(1, 1));
    one.acks(Count::Connection(2));
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), [Event::Kept { upto: number(0, 3) }, Event::Acked { upto: pair(0, 3) }]);
    assert_eq!(other.news(), [Event::Acked { upto: Count::Connection(2) }]);
    one.acks(pair(1, 1));
    carry(&mut one, &mut other, WHOLE);
    // One receipt, of the last ordinal, and then in the numbers of the pair.
    let wanted = [
        Event::Acked { upto: pair(1, 1) },
        Event::Kept { upto: number(1, 1) },
        Event::Acked { upto: pair(1, 1) },
    ];
    assert_eq!(other.news(), wanted);
    assert!(one.session.is_established() && other.session.is_established());
}

#[test]
fn a_peer_that_acknowledges_by_receipts_alone_is_understood_where_nothing_was_sent_before_its_resume() {
    for we_first in [true, false] {
        let (mut one, mut other) = durable();
        let theirs = sealed(&mut other.session, &Record::Resume(resume(1, 1, 1)));
        if we_first {
            one.resumes(resume(0, 40, 41));
            one.handle_bytes(&theirs);
        } else {
            one.handle_bytes(&theirs);
            one.resumes(resume(0, 40, 41));
        }
        one.numbered(40, "first");
        let receipt = sealed(&mut other.session, &Record::Receipt { upto: 40 });
        one.handle_bytes(&receipt);
        assert_eq!(one.events.last(), Some(&Event::Acked { upto: pair(0, 40) }));
    }
    // Where something was sent before, ordinals are meant until a Kept has come.
    let (mut one, mut other) = durable();
    one.resumes(resume(0, 40, 41));
    one.numbered(40, "first");
    let answers = [Record::Resume(resume(1, 1, 1)), Record::Receipt { upto: 1 }];
    for record in answers {
        let record = sealed(&mut other.session, &record);
        one.handle_bytes(&record);
    }
    assert_eq!(one.events.last(), Some(&Event::Acked { upto: pair(0, 40) }));
}

#[test]
fn a_restored_home_begins_another_count_and_answers_for_the_one_before_are_not_taken_for_it() {
    let (mut one, mut other) = durable();
    one.news();
    // One's home is older than what the other has: 29 numbers against 43.
    one.resumes(resume(0, 1, 30));
    other.resumes(resume_with(1, 1, 43));
    pass(&mut one, &mut other, WHOLE);
    // What the other says of the count before is no more than one can know of, and under way.
    let before = std::mem::take(&mut other.sent);
    let next = Resume { epoch: Epoch([0xcc; 16]), ..resume(0, 1, 3) };
    one.resumes(next);
    one.handle_bytes(&before);
    assert_eq!(one.news(), [Event::Resumed(resume_with(1, 1, 43))]);
    one.drain();
    pass(&mut one, &mut other, WHOLE);
    assert_eq!(other.events.last(), Some(&Event::Resumed(next)));
    // Until the other names it, nothing is said of it.
    other.keeps(PairNumber { epoch: next.epoch, seq: 2 });
    other.keeps(number(0, 29));
    other.acks(pair(0, 29));
    assert!(!other.session.awaits_ack());
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), []);
    let answer = Resume { your_epoch: next.epoch, last: 0, ..resume(1, 1, 1) };
    other.resumes(answer);
    one.numbered(1, "again");
    carry(&mut one, &mut other, WHOLE);
    let upto = PairNumber { epoch: next.epoch, seq: 2 };
    assert_eq!(one.news(), [Event::Resumed(answer), Event::Kept { upto }]);
    let again = PairNumber { epoch: next.epoch, seq: 1 };
    other.acks(Count::Pair(again));
    carry(&mut one, &mut other, WHOLE);
    assert_eq!(one.news(), [Event::Acked { upto: Count::Pair(again) }]);
}

#[test]
fn no_answer_is_more_than_one_of_each_kind_and_kept_comes_before_receipt_and_both_before_bye() {
    let (mut one, mut other) = resumed();
    other.session.write_blocked();
    for seq in 1..=500 {
        one.numbered(seq, "x");
        pass(&mut one, &mut other, WHOLE);
        other.keeps(number(0, seq));
        other.acks(pair(0, seq));
    }
    assert!(other.sent.is_empty());
    other.session.close(ByeReason::Leaving);
    other.drain();
    pass(&mut other, &mut one, WHOLE);
    let wanted = [
        Event::Kept { upto: number(0, 500) },
        Event::Acked { upto: pair(0, 500) },
        Event::Closed(CloseReason::Bye(ByeReason::Leaving)),
    ];
    assert_eq!(one.news(), wanted);
}

#[test]
fn the_end_waits_for_the_receipts_in_either_count_and_not_for_what_nobody_will_see() {
    let closed = Event::Closed(CloseReason::Bye(ByeReason::Leaving));
    for leaves in [Session::ack as fn(&mut Session, Count), Session::forgo] {
        let (mut one, mut other) = resumed();
        one.numbered(1, "first");
        one.skips(2);
        one.session.close(ByeReason::Leaving);
        one.drain();
        pass(&mut one, &mut other, WHOLE);
        leaves(&mut other.session, pair(0, 1));
        other.drain();
        assert!(other.session.is_ending() && !other.events.contains(&closed));
        leaves(&mut other.session, pair(0, 2));
        other.drain();
        assert_eq!(other.events.last(), Some(&closed));
    }
    // Of a count before, the peer sends everything again: nothing is waited for.
    let (mut one, mut other) = resumed();
    one.numbered(1, "first");
    one.resumes(Resume { epoch: Epoch([0xcc; 16]), ..resume(0, 1, 2) });
    one.session.close(ByeReason::Leaving);
    one.drain();
    pass(&mut one, &mut other, WHOLE);
    assert_eq!(other.events.last(), Some(&closed));
}

#[test]
fn a_number_that_the_owner_refuses_ends_the_session_as_a_violation() {
    let (mut one, mut other) = resumed();
    one.numbered(7, "too far");
    pass(&mut one, &mut other, WHOLE);
    assert_eq!(other.news(), [message(pair(0, 7), 7, "too far")]);
    other.session.forgo(pair(0, 7));
    other.session.violate();
    other.drain();
    assert_eq!(other.news(), [Event::Closed(CloseReason::ProtocolViolation)]);
}

#[test]
fn what_breaks_the_rules_of_numbers_ends_the_session() {
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    let other_count = Resume { epoch: Epoch([0xcc; 16]), ..resume(0, 1, 1) };
    let first = Record::Resume(resume(0, 1, 1));
    let all_counts = (0..=limits::RESUMES).map(|at| {
        Record::Resume(Resume { epoch: Epoch([u8::try_from(at).unwrap() + 1; 16]), ..other_count })
    });
    let text = Record::Text { seq: 1, time_ms: 0, text: b"x".to_vec() };
    // The peer's records, of which the last is too much; whether we have said Resume, and sent a
    // text for the connection before it.
    for (records, resumes, says) in [
        (vec![Record::Skip { seq: 1 }], true, false),
        (vec![Record::Kept { upto: 0 }], true, false),
        (vec![first.clone(), Record::Kept { upto: 0 }], false, false),
        (vec![first.clone(), Record::Kept { upto: 0 }], true, true),
        (vec![first.clone(), Record::Kept { upto: 2 }], true, false),
        (vec![first.clone(), Record::Receipt { upto: 2 }], true, false),
        (vec![first.clone(), first.clone()], true, false),
        (vec![first.clone(), text.clone(), first.clone()], true, false),
        (all_counts.collect(), true, false),
    ] {
        let (mut one, mut other) = durable();
        if says {
            other.send("for the connection");
        }
        if resumes {
            other.resumes(resume(1, 1, 2));
        }
        let shown = format!("{records:?}");
        let count = records.len();
        for (at, record) in records.into_iter().enumerate() {
            assert!(!other.events.contains(&violation) || at + 1 == count, "{shown}");
            other.session.ack(pair(0, 1));
            let record = sealed(&mut one.session, &record);
            other.handle_bytes(&record);
        }
        other.acks(pair(0, 1));
        assert_eq!(other.events.last(), Some(&violation), "{shown}");
    }
    // Without the bit of both sides, of either role.
    for record in [first, Record::Kept { upto: 0 }, Record::Skip { seq: 1 }] {
        for role in [0, 1] {
            let (one, other) = established();
            let mut sides = [one, other];
            let record = sealed(&mut sides[role].session, &record);
            sides[1 - role].handle_bytes(&record);
            assert_eq!(sides[1 - role].events.last(), Some(&violation));
        }
    }
}

#[test]
fn what_repeats_itself_is_idle_unless_our_own_resume_has_asked_for_it() {
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    let text = Record::Text { seq: 1, time_ms: 0, text: b"x".to_vec() };
    for record in [Record::Kept { upto: 1 }, Record::Receipt { upto: 1 }, Record::Skip { seq: 1 }, text] {
        let (mut one, mut other) = resumed();
        other.numbered(1, "ours");
        for _ in 0..limits::IDLE_RECORDS {
            let record = sealed(&mut one.session, &record);
            other.handle_bytes(&record);
        }
        assert!(other.session.is_established() && !other.session.is_ending(), "{record:?}");
        for _ in 0..3 {
            let record = sealed(&mut one.session, &record);
            other.handle_bytes(&record);
        }
        other.acks(pair(0, 1));
        assert_eq!(other.events.last(), Some(&violation), "{record:?}");
    }
    // Whoever has not chosen the peer gets its lines, and all of them once more when it does.
    let (mut one, mut other) = durable();
    one.resumes(resume(0, 1, 101));
    let sends = |one: &mut Side| (1..=100).for_each(|seq| one.numbered(seq, "x"));
    sends(&mut one);
    pass(&mut one, &mut other, WHOLE);
    other.resumes(resume_with(1, 1, 0));
    sends(&mut one);
    pass(&mut one, &mut other, WHOLE);
    assert!(other.session.is_established() && !other.session.is_ending());
    other.acks(pair(0, 100));
    assert!(!other.session.awaits_ack());
}

#[test]
fn what_comes_once_more_and_was_shown_is_waited_for_by_nobody() {
    let (mut one, mut other) = resumed();
    one.numbered(1, "x");
    pass(&mut one, &mut other, WHOLE);
    assert!(other.session.awaits_ack());
    other.acks(pair(0, 1));
    assert!(!other.session.awaits_ack());
    one.numbered(1, "x");
    pass(&mut one, &mut other, WHOLE);
    assert!(!other.session.awaits_ack());
}

#[test]
fn a_second_resume_keeps_what_was_said_of_its_count_and_one_of_another_count_begins_anew() {
    let (mut one, mut other) = resumed();
    let say = |one: &mut Side, other: &mut Side, record: Record| {
        let record = sealed(&mut other.session, &record);
        one.handle_bytes(&record);
        one.news()
    };
    for seq in [1, 2, 3] {
        one.numbered(seq, "x");
    }
    pass(&mut one, &mut other, WHOLE);
    other.keeps(number(0, 3));
    other.acks(pair(0, 2));
    pass(&mut other, &mut one, WHOLE);
    assert_eq!(one.news(), [Event::Kept { upto: number(0, 3) }, Event::Acked { upto: pair(0, 2) }]);

    // The same count: what was shown stays so, what was not is still waited for, and more can come.
    let again = resume_with(0, 6, 0);
    one.resumes(again);
    assert_eq!(one.session.resume(MonoMs(0), &again), Err(SendError::WrongCount), "it says nothing new");
    pass(&mut one, &mut other, WHOLE);
    assert!(other.session.awaits_ack());
    assert_eq!(say(&mut one, &mut other, Record::Kept { upto: 3 }), []);
    assert_eq!(say(&mut one, &mut other, Record::Receipt { upto: 2 }), []);
    let more = Event::Kept { upto: number(0, 5) };
    assert_eq!(say(&mut one, &mut other, Record::Kept { upto: 5 }), [more]);

    // Another count: until the peer names it, what it says is of the one before.
    let next = Resume { epoch: Epoch([0xcc; 16]), ..resume_with(0, 3, 0) };
    one.resumes(next);
    assert_eq!(say(&mut one, &mut other, Record::Receipt { upto: 1 }), []);
    assert_eq!(say(&mut one, &mut other, Record::Kept { upto: 1 }), []);
    pass(&mut one, &mut other, WHOLE);
    let answer = Resume { your_epoch: next.epoch, ..resume(1, 1, 1) };
    other.resumes(answer);
    pass(&mut other, &mut one, WHOLE);
    let upto = PairNumber { epoch: next.epoch, seq: 1 };
    one.news();
    assert_eq!(say(&mut one, &mut other, Record::Kept { upto: 1 }), [Event::Kept { upto }]);
    let acked = Event::Acked { upto: Count::Pair(upto) };
    assert_eq!(say(&mut one, &mut other, Record::Receipt { upto: 1 }), [acked]);
}

#[test]
fn a_count_that_is_named_over_and_over_is_named_a_few_times_only() {
    let (mut one, mut other) = resumed();
    let naming = |at| Resume { your_epoch: Epoch([u8::try_from(at).unwrap(); 16]), ..resume(0, 1, 1) };
    // The first is out already.
    for at in 1..limits::RESUMES {
        one.resumes(naming(at));
    }
    let too_many = naming(limits::RESUMES);
    assert_eq!(one.session.resume(MonoMs(0), &too_many), Err(SendError::WrongCount));
    pass(&mut one, &mut other, WHOLE);
    assert!(other.session.is_established() && !other.session.is_ending());
    let record = sealed(&mut one.session, &Record::Resume(too_many));
    other.handle_bytes(&record);
    assert_eq!(other.events.last(), Some(&Event::Closed(CloseReason::ProtocolViolation)));
}
