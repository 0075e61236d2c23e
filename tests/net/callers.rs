//! Who may come in, and how many.

use rsachat::limits::CALLS_BURST;
use rsachat::net::{LimitExceeded, NetEvent, SourceLimiter};

use crate::stage::{Stage, drain};

#[test]
fn a_source_that_calls_too_often_is_closed_told_once_and_others_come_in() {
    let mut stage = Stage::with(SourceLimiter::limited());
    let mut crowd: Vec<_> = (0..60).map(|_| stage.call_from("127.0.0.7").unwrap()).collect();
    let (mut accepted, mut refusals) = (0, 0);
    let _other = stage.call_from("127.0.0.8").unwrap();
    loop {
        match stage.next() {
            NetEvent::Accepted { from, .. } if from.ip().to_string() == "127.0.0.8" => break,
            NetEvent::Accepted { .. } => accepted += 1,
            NetEvent::Refused { from, why, callers } => {
                assert_eq!(
                    (from.ip().to_string().as_str(), why, callers),
                    ("127.0.0.7", LimitExceeded::CallRate, 1)
                );
                refusals += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((CALLS_BURST..60).contains(&accepted), "{accepted} accepted");
    assert_eq!(refusals, 1);
    assert_eq!(drain(crowd.last_mut().unwrap()), b"", "the last caller finds its connection closed");
}

#[test]
fn a_proven_link_no_longer_counts() {
    let mut stage = Stage::with(SourceLimiter::limited());
    // Thirty-two sources with four calls each are all that may be unproven.
    let mut peers: Vec<_> =
        (0..128).map(|n| stage.call_from(&format!("127.0.1.{}", n / 4 + 1)).unwrap()).collect();
    let links: Vec<_> = peers.iter().map(|_| stage.accepted().0).collect();
    peers.push(stage.call_from("127.0.2.1").unwrap());
    assert!(matches!(stage.next(), NetEvent::Refused { why: LimitExceeded::Unauthenticated, .. }));
    stage.net.mark_authenticated(links[5]);
    stage.net.mark_authenticated(links[5]);
    peers.push(stage.call_from("127.0.2.2").unwrap());
    stage.accepted();
    stage.net.abort(links[5]);
    stage.net.abort(links[6]);
    peers.push(stage.call_from("127.0.2.3").unwrap());
    stage.accepted();
    assert_eq!(stage.net.links(), 128);
}

#[test]
fn no_more_links_than_the_ceiling() {
    let mut stage = Stage::new();
    stage.net.set_max_links(1);
    let (_peer, link) = stage.caller();
    let mut turned_away = stage.call_from("127.0.0.1").unwrap();
    assert!(matches!(stage.next(), NetEvent::Refused { why: LimitExceeded::Links, .. }));
    assert_eq!(drain(&mut turned_away), b"");
    stage.net.abort(link);
    stage.caller();
}
