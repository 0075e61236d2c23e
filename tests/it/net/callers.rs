//! Limits on callers: by source, unproven, and in all.

use rsachat::limits::CALLS_BURST;
use rsachat::net::{LimitExceeded, NetEvent, ReadInterest, SourceLimiter};

use crate::support::all_of;
use crate::support::net::Harness;

#[test]
fn a_source_that_calls_too_often_is_closed_told_once_and_others_come_in() {
    let mut harness = Harness::with(SourceLimiter::limited());
    let mut crowd: Vec<_> = (0..60).map(|_| harness.call_from("127.0.0.7")).collect();
    let (mut accepted, mut refusals) = (0, 0);
    let _other = harness.call_from("127.0.0.8");
    loop {
        match harness.next() {
            NetEvent::Accepted { from, .. } if from.ip().to_string() == "127.0.0.8" => break,
            NetEvent::Accepted { .. } => accepted += 1,
            NetEvent::Refused { from, why, callers } => {
                assert_eq!(from.ip().to_string(), "127.0.0.7");
                assert_eq!((why, callers), (LimitExceeded::CallRate, 1));
                refusals += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((CALLS_BURST..60).contains(&accepted), "{accepted} accepted");
    assert_eq!(refusals, 1);
    assert_eq!(all_of(crowd.pop().unwrap()), b"", "the last caller finds its connection closed");
}

#[test]
fn a_proven_link_no_longer_counts() {
    let mut harness = Harness::with(SourceLimiter::limited());
    // Of a hundred and twenty-eight, thirty-two are kept for sources of chosen peers.
    let (mut peers, mut links) = (Vec::new(), Vec::new());
    for n in 0..96 {
        peers.push(harness.call_from(&format!("127.0.1.{}", n / 4 + 1)));
        links.push(harness.accepted().0);
    }
    harness.net.mark_authenticated(links[5]);
    harness.net.mark_authenticated(links[5]);
    peers.push(harness.call_from("127.0.2.2"));
    links.push(harness.accepted().0);
    harness.net.abort(links[5]);
    harness.net.abort(links[6]);
    peers.push(harness.call_from("127.0.2.3"));
    links.push(harness.accepted().0);
    assert_eq!(harness.net.links(), 96);
    // A source with most of them loses one that we wait for.
    peers.push(harness.call_from("127.0.2.4"));
    let gone = harness.next();
    assert!(matches!(gone, NetEvent::Evicted { conn } if links[..96].contains(&conn)), "{gone:?}");
    links.push(harness.accepted().0);
    // None makes room that waits for us.
    for link in links {
        harness.net.set_reading(link, ReadInterest::Off);
    }
    peers.push(harness.call_from("127.0.2.5"));
    assert!(matches!(harness.next(), NetEvent::Refused { why: LimitExceeded::Unauthenticated, .. }));
}

#[test]
fn no_more_links_than_the_ceiling() {
    let mut harness = Harness::new();
    harness.net.set_max_links(1);
    let (_peer, link) = harness.caller();
    let turned_away = harness.call_from("127.0.0.1");
    assert!(matches!(harness.next(), NetEvent::Refused { why: LimitExceeded::Links, .. }));
    assert_eq!(all_of(turned_away), b"");
    harness.net.abort(link);
    harness.caller();
}
