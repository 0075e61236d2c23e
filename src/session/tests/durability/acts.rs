//! Acts of both sides and of the network in any order: numbers stay in order, and each is answered.

use proptest::prelude::*;

use super::*;

/// Act of a side, or of the network.
#[derive(Clone, Debug)]
enum Act {
    Resume(usize),
    Text(usize),
    Skip(usize),
    Keep(usize),
    Ack(usize),
    Carry(usize),
}

fn any_act() -> impl Strategy<Value = Act> {
    let side = 0..2_usize;
    prop_oneof![
        1 => side.clone().prop_map(Act::Resume),
        4 => side.clone().prop_map(Act::Text),
        1 => side.clone().prop_map(Act::Skip),
        3 => side.clone().prop_map(Act::Keep),
        3 => side.clone().prop_map(Act::Ack),
        6 => side.prop_map(Act::Carry),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whoever_says_resume_when_each_hears_in_its_own_numbers_what_the_other_has_said(
        acts in proptest::collection::vec(any_act(), 0..80),
    ) {
        let (one, other) = durable();
        let mut sides = [one, other];
        let (mut sent, mut resumed) = ([Vec::new(), Vec::new()], [None, None]);
        let mut next = [1_u64; 2];
        let (mut acked, mut heard_acked) = ([Vec::new(), Vec::new()], [0, 0]);
        let everything = [Act::Resume(0), Act::Resume(1), Act::Carry(0), Act::Carry(1), Act::Ack(0), Act::Ack(1),
            Act::Keep(0), Act::Keep(1), Act::Carry(0), Act::Carry(1), Act::Carry(0), Act::Carry(1)];
        for act in acts.into_iter().chain(everything) {
            match act {
                Act::Resume(at) if resumed[at].is_none() => {
                    sides[at].resumes(resume(at, next[at], next[at]));
                    resumed[at] = Some(next[at]);
                }
                Act::Text(at) if resumed[at].is_some() => {
                    sides[at].numbered(next[at], "x");
                    sent[at].push(pair(at, next[at]));
                    next[at] += 1;
                }
                Act::Text(at) => {
                    let seq = sides[at].send("x");
                    sent[at].push(Count::Connection(seq));
                }
                Act::Skip(at) if resumed[at].is_some() => {
                    sides[at].skips(next[at]);
                    sent[at].push(pair(at, next[at]));
                    next[at] += 1;
                }
                Act::Keep(at) => {
                    let last = acked[at].iter().rev().find_map(|count| match count {
                        Count::Pair(number) => Some(*number),
                        Count::Connection(_) => None,
                    });
                    if let Some(last) = last {
                        sides[at].keeps(last);
                    }
                }
                Act::Ack(at) => {
                    let counts: Vec<Count> = sides[at].events.iter().filter_map(|event| match event {
                        Event::Message { count, .. } => Some(*count),
                        Event::Skipped(number) => Some(Count::Pair(*number)),
                        _ => None,
                    }).collect();
                    prop_assert_eq!(&counts[..], &sent[1 - at][..counts.len()]);
                    if let Some(last) = counts.last() {
                        sides[at].acks(*last);
                        acked[at] = counts;
                    }
                }
                Act::Carry(at) => {
                    let [one, other] = &mut sides;
                    if at == 0 { pass(one, other, WHOLE) } else { pass(other, one, WHOLE) }
                }
                Act::Resume(_) | Act::Skip(_) => {}
            }
            for at in [0, 1] {
                prop_assert!(sides[at].session.is_established() && !sides[at].session.is_ending());
                // Nothing is called acknowledged that was not, and it never goes back.
                let places = sides[at].events.iter().filter_map(|event| match event {
                    Event::Acked { upto } => sent[at].iter().position(|count| count == upto),
                    _ => None,
                });
                let heard = places.max().map_or(0, |place| place + 1);
                prop_assert!(heard <= acked[1 - at].len() && heard >= heard_acked[at]);
                heard_acked[at] = heard;
            }
        }
        for at in [0, 1] {
            prop_assert_eq!(heard_acked[at], sent[at].len());
            prop_assert!(!sides[at].session.awaits_ack());
        }
    }

    #[test]
    fn any_records_of_a_peer_are_taken_or_end_the_session(
        bodies in proptest::collection::vec((prop_oneof![Just(2_u8), Just(3), Just(4), Just(11), Just(12)],
            proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 72)), 0..40),
        resumes in any::<bool>(),
    ) {
        let (mut one, mut other) = durable();
        if resumes {
            other.resumes(resume(1, 1, 1));
        }
        for (kind, mut body) in bodies {
            match kind {
                3 | 11 | 12 => body = [&[0; 7][..], &body[..1]].concat(),
                // Numbers that are near each other, as a sender's are.
                4 => { body[16..24].copy_from_slice(&1_u64.to_be_bytes()); body[24..31].fill(0); }
                _ => body[..7].fill(0),
            }
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            let plain = [&[kind][..], &length, &body].concat();
            let Ok(record) = Record::read(&plain) else { continue };
            let record = sealed(&mut one.session, &record);
            other.handle_bytes(&record);
            let count = other.events.iter().rev().find_map(|event| match event {
                Event::Message { count, .. } => Some(*count),
                Event::Skipped(number) => Some(Count::Pair(*number)),
                _ => None,
            });
            if let Some(count) = count {
                if let Count::Pair(number) = count {
                    other.keeps(number);
                }
                other.acks(count);
            }
        }
        other.session.close(ByeReason::Leaving);
        other.drain();
        let closed = other.events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
        prop_assert_eq!(closed, 1);
    }
}
