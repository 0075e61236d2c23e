//! Peer written from the specification, `docs/peers/native_peer.py`.

use super::{LONG, Python};
use crate::support::{Home, Process};

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
