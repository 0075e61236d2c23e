//! Scripts that no person writes: hostile texts, which must close, and damaged ones, which must not
//! panic.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::ChaCha20Rng;
use rsachat::script::render::Substitutions;

use super::fixture::{closes, connected, key, replay};

/// Text as a hostile peer would choose it.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        "[ -~]{1,12}",
        "[가-힣]{1,4}",
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\nalice> :quit".to_owned()),
        Just("alice| x".to_owned()),
        Just("@kill alice".to_owned()),
        Just("$**".to_owned()),
        Just("${alice.port}".to_owned()),
        Just("$u{1b}".to_owned()),
        Just("\u{1b}[2J\u{7}".to_owned()),
        Just("\u{202e}\u{200b}\u{feff}\u{85}".to_owned()),
        Just("👨‍👩‍👧‍👦 e\u{301}\u{301}".to_owned()),
        Just("40001".to_owned()),
        any::<char>().prop_filter("NUL is no text of a line", |c| *c != '\0').prop_map(String::from),
    ];
    prop::collection::vec(parts, 1..5).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_the_transcript_plays_to_itself(
        texts in prop::collection::vec((hostile(), any::<bool>()), 1..8)
    ) {
        let mut script = format!("@lenient\n{}", connected());
        for (text, of_alice) in texts {
            let who = if of_alice { "alice" } else { "bob" };
            let colon = if text.starts_with(':') && !text.starts_with("::") { ":" } else { "" };
            let typed = Substitutions::default().template(&format!("{colon}{text}"));
            script.extend([who, "> ", &typed, "\n"]);
        }
        let transcript = closes(&script);
        prop_assert!(!transcript.contains("exited"), "{}", transcript);
    }
}

#[test]
fn two_hundred_damaged_scripts_never_panic_and_always_name_a_line() {
    // Keys are given, and whole, so that none has to be made.
    let keys = format!("@lenient\n@actors alice bob\n{}{}", key("alice", 1), key("bob", 2));
    let whole = format!(
        "# damaged\n@set x 5\n@file f <<END\nrow\nEND\n@together\nalice> ${{x}}\nbob> hi $u{{1b}}\n@end\n\
         alice| ! $*\nbob|~ .*\nalice> :showkey\nalice| fingerprint ${{y:fp}}\nalice|! ${{x}} $$5\nalice| $**\n\
         @tick 5s\n@exact\n@kill bob rst\nbob|* killed\n@start bob fresh\nalice> :listen 0\nalice| $**\n@open\n@lenient\n\
         bob> :status ${{alice.port}}\n@hold bob\n@release bob\nalice> ${{f}} {}\nalice| ! not sent$*\n",
        "가".repeat(40)
    );
    assert_eq!(replay(&format!("{keys}{whole}"), &[]).code, 0, "it is whole before it is damaged");
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let mut ends = [0; 4];
    for number in 0..200 {
        let mut bytes: Vec<char> = whole.chars().collect();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            match rng.random_range(0..4) {
                0 => drop(bytes.remove(at)),
                1 => bytes
                    .insert(at, ['$', '{', '}', '@', '>', '|', '\n', '\u{0}', '한'][rng.random_range(0..9)]),
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let last = bytes.len() - 1;
                    bytes.swap(at.min(last), number % (last + 1));
                }
            }
        }
        let script: String = [keys.clone(), bytes.into_iter().collect()].concat();
        let played = replay(&script, &["--keep-going"]);
        ends[usize::try_from(played.code).unwrap()] += 1;
        assert!(!played.err.contains("panicked"), "{script}\n{}", played.err);
        let place = played.err.lines().any(|row| row.trim_start().starts_with("--> -:"));
        assert_eq!(place, played.code != 0, "code {}\n{script}\n{}", played.code, played.err);
    }
    assert!(ends[0] > 0 && ends[1] > 5 && ends[2] > 50 && ends[..3].iter().sum::<i32>() > 190, "{ends:?}");
}

#[test]
fn the_same_script_gives_the_same_bytes_while_the_machine_is_busy() {
    // A thousand runs, as docs/SCRIPTS.md shows them, take a minute; here are as many as tell a
    // difference.
    let script = format!("{}@together\nalice> 하나\nbob> two\n@end\nbob> :quit\n", connected());
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let script = script.clone();
            std::thread::spawn(move || (0..20).map(|_| replay(&script, &[]).passes()).collect::<Vec<_>>())
        })
        .collect();
    let runs: Vec<String> = busy.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert!(runs.iter().all(|run| *run == runs[0]));
}
