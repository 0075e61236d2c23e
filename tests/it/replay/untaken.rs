//! What nobody looks at fails: warnings, faults that never come about, names and scripts without a
//! use.

use super::fixture::{Written, closes, connected, key, replay};
use crate::support::assert_snapshot;

fn told(script: &str, args: &[&str], code: i32, message: &str) {
    let played = replay(script, args);
    assert_eq!(played.code, code, "{script}{}", played.err);
    assert!(played.err.starts_with(message), "{script}{}", played.err);
}

#[test]
fn a_warning_that_no_expectation_takes_is_a_difference_unless_the_script_is_lenient() {
    for line in [":conect x", ":to alcie", ":listen 127.0.0.1:80000"] {
        told(&format!("{line}\n"), &[], 1, "error: an unexpected warning\n");
        // One that something else must not appear takes no row.
        told(&format!("{line}\n|! * joined\n"), &[], 1, "error: an unexpected warning\n");
        for taken in ["| ! $*", "| $**", "|~ ! .*"] {
            assert_eq!(replay(&format!("{line}\n{taken}\n"), &[]).code, 0, "{line} {taken}");
        }
        closes(&format!("@lenient\n{line}\n"));
        told(&format!("@lenient\n{line}\n@open\n{line}\n"), &[], 1, "error: an unexpected warning\n");
        told(&format!("@lenient\n{line}\n"), &["--exact"], 1, "error: an unexpected line\n");
    }
    let written =
        Written::new(&format!("{}@cut bob after 0\nbob|! $*\nalice> hi\nalice| $**\n", connected()));
    let played = written.replay(&["story.chat", "--keep-going"]);
    assert_snapshot("replay-untaken", &format!("{}exit {}\n", played.err, played.code));
}

#[test]
fn a_warning_of_a_live_world_that_was_passed_over_is_a_difference() {
    let live = |lenient: &str| {
        format!(
            "@actors here peer\n{}@live peer\n{lenient}here> :conect x\nhere> :status\nhere| nobody is connected\n",
            key("here", 3)
        )
    };
    let played = replay(&live(""), &[]);
    assert_eq!(played.code, 1);
    assert!(played.err.starts_with("error: an unexpected warning\n  --> -:33:1\n"), "{}", played.err);
    assert_eq!(replay(&live("@lenient\n"), &[]).code, 0);
    assert_eq!(
        replay(&live("").replace(":conect x\n", ":conect x\nhere| ! no such command $*\n"), &[]).code,
        0
    );
}

#[test]
fn a_fault_that_never_takes_effect_is_a_difference() {
    for (fault, waits_for) in
        [("cut bob after", 100_000), ("corrupt alice bob byte", 90_000), ("hold bob after", 90_000)]
    {
        let script = format!("{}@{fault} {waits_for}\nalice> hi\n", connected());
        told(&script, &[], 1, "error: this never took effect\n");
        let played = replay(&script, &[]);
        assert!(played.err.contains(&format!("and it is about byte {waits_for}")), "{}", played.err);
        // What is behind a halt might have brought it about.
        assert_eq!(replay(&format!("{script}@halt\n"), &[]).code, 0);
    }
}

#[test]
fn names_and_scripts_without_a_use_are_mistakes() {
    told(":status\n", &["--var", "addr=x"], 2, "rsachat: error: --var addr=x: no script uses ${addr}\n");
    told("@set adr y\n> ${addr}\n| $**\n", &["--var", "addr=x"], 2, "error: nothing uses ${adr}\n");
    let near = replay("> ${addr}\n| $**\n", &["--var", "addrr=x"]);
    assert_eq!(near.code, 2);
    told("> ${x}\n| $**\n", &["--var", "x=hi"], 0, "");
    for (set, help) in [
        ("limit on", "`@set limits on` puts the limits by address on"),
        ("limits yes", "`@set limits on` puts the limits by address on"),
    ] {
        let played = replay(&format!("@set {set}\n:status\n"), &[]);
        assert_eq!(played.code, 2);
        assert!(played.err.contains(help), "{}", played.err);
    }
    // A transcript has values where its script has names.
    told("@set speed 5\n:status\n", &[], 0, "rsachat: warning: -:1: nothing uses ${speed}\n");
    for nothing in ["", "# a comment\n\n", "@actors alice bob\n"] {
        told(nothing, &[], 2, "error: nothing to play: no step\n");
        told(nothing, &["--check"], 2, "error: nothing to play: no step\n");
        assert_eq!(replay(nothing, &["--fmt"]).code, 0);
    }
}

#[test]
fn a_release_where_nothing_is_held_is_a_difference_and_one_of_a_hold_is_none() {
    let script = |faults: &str| format!("{}{faults}alice> hi\n", connected());
    for faults in ["@release bob alice\n", "@hold bob\n@release bob\n@release bob\n"] {
        told(&script(faults), &[], 1, "error: this never took effect\n");
    }
    for faults in ["@hold bob\n@release bob alice\n", "@hold bob alice after 5\n@release bob alice\n"] {
        replay(&script(faults), &["--keep-going"]).passes();
    }
}
