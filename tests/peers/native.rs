//! Peer written from the specification, `docs/peers/native_peer.py`.

use rsachat::session::{Event, RekeyThresholds};
use rsachat::wire::{Count, Lifetime};

use super::{LONG, Python};
use crate::support::caller::Caller;
use crate::support::{Home, Process, root};

const PEER: &str = "native_peer.py";
const COUNT: usize = 200;

fn fingerprint_in(row: &str) -> &str {
    row.split([' ', ',']).find(|word| word.starts_with("SHA256:")).unwrap()
}

/// Both name the same keys, say and hear, and part in order.
fn talk(mut ours: Process, mut peer: Process) {
    let joined = ours.sees_within("파이 joined, new key", LONG);
    let own = peer.sees("own key");
    assert_eq!(fingerprint_in(&joined), fingerprint_in(&own));
    let connected = peer.sees("connected to 민지 ");
    assert_eq!(fingerprint_in(&connected), ours.home.fingerprint());
    let lines = |of: &str| -> Vec<_> { (1..=COUNT).map(|number| format!("{of} {number} 👋")).collect() };
    let (from_us, from_peer) = (lines("민지"), lines("파이"));
    ours.types(&from_us.join("\n"));
    peer.types(&from_peer.join("\n"));
    ours.types(&"긴".repeat(5_000));
    ours.sees_times(" 파이: ", COUNT, LONG);
    peer.sees_times("민지: ", COUNT + 1, LONG);
    assert_eq!(ours.said_by("파이"), from_peer);
    assert_eq!(peer.rows_after("민지: ")[..COUNT], from_us);
    assert_eq!(peer.rows_after("민지: ").last().unwrap(), &"긴".repeat(5_000));
    // The goodbye of each comes only after every receipt of the other.
    peer.closes_input();
    ours.sees("* 파이 left");
    assert!(!ours.has_seen("not received"));
    assert_eq!(peer.ends(), 0);
}

pub(crate) fn listens(python: &Python) {
    let (peer, at) = python.peer(PEER, &["listen", "127.0.0.1:0", "파이"]).and_where();
    talk(Home::of("민지").start(&["--connect", &at]), peer);
}

/// In the second mode it waits for the preface before it sends message 1.
pub(crate) fn calls(python: &Python) {
    for mode in ["connect", "patient"] {
        let ours = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--anybody"]);
        let peer = python.peer(PEER, &[mode, &ours.listens_at(), "파이"]);
        talk(ours, peer);
    }
}

/// A caller that re-keys, twice, among texts of both sides.
pub(crate) fn rekeys(python: &Python) {
    let ours = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--anybody"]);
    let peer = python.peer(PEER, &["connect", &ours.listens_at(), "파이"]);
    let (mut ours, mut peer) = (ours, peer);
    ours.sees_within("파이 joined", LONG);
    for round in 1..=2 {
        peer.types(&format!("전 {round}\n:rekey\n중 {round}"));
        ours.types(&format!("도 {round}"));
        peer.sees_within(&format!("re-keyed {round}"), LONG);
        peer.types(&format!("후 {round}"));
        ours.sees(&format!("파이: 후 {round}"));
        ours.types(&format!("네 {round}"));
        peer.sees(&format!("민지: 네 {round}"));
    }
    assert_eq!(ours.said_by("파이"), ["전 1", "중 1", "후 1", "전 2", "중 2", "후 2"]);
    peer.closes_input();
    ours.sees("* 파이 left");
    assert_eq!(peer.ends(), 0);
}

/// A listener, called by a session that re-keys after a few records.
pub(crate) fn is_rekeyed(python: &Python) {
    let (mut peer, at) = python.peer(PEER, &["listen", "127.0.0.1:0", "파이"]).and_where();
    let thresholds = RekeyThresholds { bytes: 4_096, ..RekeyThresholds::default() };
    let mut minji = Caller::with_thresholds(&at, "test-1.pem", "민지", Lifetime::Lasting, thresholds);
    assert!(minji.until(|event| matches!(event, Event::Established { .. })).is_some());
    for number in 1..=100 {
        minji.says(&format!("글 {number}"));
        let acked = Event::Acked { upto: Count::Connection(number) };
        assert!(minji.until(|event| *event == acked).is_some(), "{:?}", minji.events);
    }
    peer.sees_times("민지: 글", 100, LONG);
    peer.sees("re-keyed 5");
    minji.leaves();
    assert_eq!(peer.ends(), 0);
}

/// The vectors, taken by a program that has nothing else.
pub(crate) fn vectors(python: &Python) {
    let folder = root("tests/vectors");
    let mut check = python.peer("check_vectors.py", &[folder.to_str().unwrap()]);
    assert_eq!(check.ends_within(LONG), 0, "{}", check.complaints());
    for bits in ["2048", "3072"] {
        check.sees(&format!("handshake-{bits} holds"));
    }
}
