//! Tests of the model: random acts, and those that once broke a law.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::act::{self, Act, Caller, acts};
use super::played;
use crate::chat::{Info, Notice};

/// The same cases in every run, unless `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for others.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 48 };
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(11),
        given @ RngSeed::Fixed(_) => given,
    };
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_laws_hold_whatever_a_person_peers_and_another_process_do(acts in acts()) {
        played(acts);
    }
}

fn call(key: usize, claim: &'static str) -> Act {
    Act::Call(Caller { key, claim, is_slow: false })
}

#[test]
fn who_is_blocked_elsewhere_is_closed_by_whatever_made_the_chat_read_the_book() {
    let elsewhere = |change| Act::Elsewhere { change, key: 1, name: "bob" };
    let [meet, block] = [act::MEET, act::BLOCK].map(elsewhere);
    // Names are listed in their order: the second is of the second peer.
    let [verify, trust] = ["verify", "trust"].map(|word| Act::Command { word, name: 1 });
    for acts in [
        [call(1, "bob"), call(2, "민지"), verify, meet, block, trust],
        [call(1, "bob"), verify, meet, block, call(2, "민지"), Act::Begin],
    ] {
        assert_eq!(played(acts).chat.present(), ["민지"], "{acts:?}");
    }
}

#[test]
fn a_peer_is_shown_under_the_name_that_the_book_gave_it() {
    let known = Act::Elsewhere { change: act::MEET, key: 2, name: "민지" };
    let world = played([call(1, "bob"), known, Act::Rename { name: 1, new: "민지" }]);
    assert_eq!(world.chat.present(), ["민지~2"]);
}

#[test]
fn a_peer_of_the_book_is_not_shown_under_a_name_that_looks_like_one_which_is_shown() {
    let known = Act::Elsewhere { change: act::MEET, key: 2, name: "bob" };
    let world = played([call(1, "b\u{43e}b"), known, call(2, "bob")]);
    assert_eq!(world.chat.present(), ["b\u{43e}b", "bob~2"]);
}

#[test]
fn a_peer_that_the_book_names_with_a_number_has_another_one_where_that_is_shown_for_somebody_else() {
    let world = played([
        call(2, "Bob"),
        call(1, "b\u{43e}b"),
        Act::Connect { host: "two.example", answer: Some(Caller { key: 3, claim: "Bob", is_slow: false }) },
        Act::Elsewhere { change: act::MEET, key: 2, name: "b\u{43e}b" },
        Act::Poll,
    ]);
    assert_eq!(world.chat.present(), ["b\u{43e}b~4", "b\u{43e}b~2", "Bob~3"]);
}

#[test]
fn the_name_of_a_forgotten_peer_means_nobody_who_claims_it() {
    let command = |word| Act::Command { word, name: act::BOB };
    let world = played([call(1, "bob"), command("forget"), call(2, "bob"), command("to")]);
    assert_eq!((world.chat.present(), world.chat.view().addressed), (vec!["bob~2".to_owned()], None));
}

#[test]
fn a_block_holds_in_memory_though_one_before_it_was_written_meanwhile() {
    let command = |word, name| Act::Command { word, name };
    let store = |fails| Act::Store { fails };
    // Names are listed in their order: bob, 민지.
    let [bob, minji] = [2, 1];
    let world = played([
        call(1, "bob"),
        call(2, "민지"),
        command("verify", minji),
        store(true),
        command("block", bob),
        // It is tried again before each change.
        Act::Disk { waits: true },
        command("trust", minji),
        command("block", minji),
        store(false),
        Act::DiskOnce,
        store(true),
        Act::Disk { waits: false },
        call(2, "민지"),
    ]);
    assert_eq!(world.chat.present(), [""; 0]);
}

#[test]
fn a_name_that_is_being_written_is_given_to_no_newcomer() {
    let bob = 1;
    let world = played([
        call(1, "bob"),
        Act::Disk { waits: true },
        call(2, "민지"),
        // The key is judged; its second judgement waits.
        Act::DiskOnce,
        Act::Rename { name: bob, new: "민지" },
        Act::Disk { waits: false },
    ]);
    assert_eq!(world.chat.present(), ["민지", "민지~2"]);
}

#[test]
fn who_is_dialled_again_while_connected_is_addressed_though_another_is_being_dialled() {
    let connect = |host, answer| Act::Connect { host, answer };
    let bob = Caller { key: 1, claim: "bob", is_slow: false };
    let world = played([
        connect("one.example", Some(bob)),
        connect("two.example", None),
        connect("one.example", None),
        Act::Begin,
    ]);
    assert_eq!(world.chat.view().addressed.map(|one| one.name), Some("bob".to_owned()));
}

#[test]
fn a_peer_whose_block_is_not_on_disk_keeps_the_name_that_was_shown() {
    let elsewhere = Act::Elsewhere { change: act::MEET, key: 2, name: "b\u{43e}b" };
    let block = Act::Command { word: "block", name: 2 };
    let fails = Act::Store { fails: true };
    let world = played([call(1, "bob"), call(2, "민지"), fails, block, elsewhere, Act::Poll]);
    assert_eq!(world.chat.present(), ["b\u{43e}b~3"]);
    let shown = world.notices.iter().filter(|notice| matches!(notice, Notice::Info(Info::Named { .. })));
    assert_eq!(shown.count(), 1, "only the other is shown under another name");
}
