//! Diagnostics of scripts, each as a snapshot.

use super::fixture::{Played, Written, connected};
use crate::support::assert_snapshot;

fn check(name: &str, script: &str, args: &[&str]) {
    let written = Written::new(script);
    let Played { code, err, .. } = written.replay(&[&["story.chat"], args].concat());
    assert_snapshot(&format!("replay-{name}"), &format!("{err}exit {code}\n"));
}

#[test]
fn a_line_that_differs_is_drawn_at_its_column_in_characters() {
    check("differs", &format!("{}alice> 안녕, bob!\nbob| alice: 안영, bob!\n", connected()), &[]);
    check("differs-capture", "> :keygne ${x}\n| no ${x} here\n", &["--var", "x=5"]);
}

#[test]
fn a_line_that_did_not_come_or_came_unexpected_is_told_with_what_did() {
    check("no-line", &format!("{}alice> hi\nbob| alice: hi\nbob| alice: more\n", connected()), &[]);
    check("unexpected", "@exact\n:showkey\n", &[]);
    check("must-not", ":showkey\n|! ! no key$*\n", &[]);
}

#[test]
fn somebody_who_is_not_there_cannot_act() {
    check("not-there", "@actors alice bob\n@kill bob\nbob> hi\n", &[]);
    check("nobody-there", ":quit\nhi\n", &[]);
    check("no-room", "@actors alice bob\n@file alice/a <<E\nE\n@file alice/a/b <<E\nE\n", &[]);
    check("running-already", "@actors alice bob\n@start bob\n", &[]);
}

#[test]
fn mistakes_of_actors_are_told_with_the_nearest_name() {
    check("no-actor", "@actors alice bob\nalcie> hi\n", &[]);
    let long = "긴".repeat(62);
    let nameless = format!("@actors alice bob\nhello there\n> :listen 0\n| * listening\n{long}\n");
    check("needs-a-name", &nameless, &[]);
    check("undeclared", "alice> hi\n", &[]);
    check("bad-actor", "@actors alice all\n", &[]);
    check("actor-of-a-directive", "@actors alice bob\n@kill bab\n", &[]);
}

#[test]
fn mistakes_of_the_dollar_are_told_at_the_dollar() {
    check("no-value", "@actors a b\na> :connect 127.0.0.1:${b.port}\n", &[]);
    check("no-value-word", "값은 ${x}\n", &[]);
    check("not-closed", "it costs ${5\n", &[]);
    check("no-kind", "hi\n| ${x:thing}\n", &[]);
}

#[test]
fn mistakes_of_directives_are_told_with_what_to_write() {
    check("unknown-directive", "@actors alice\n@kil alice\n", &[]);
    check("usage", "@actors alice\n@cut alice after\n", &[]);
    check("no-duration", "@tick soon enough\n", &[]);
    check("closed-world", "@timeout 5s\n", &[]);
    check("unbalanced", "@together\nhi\n", &[]);
    check("end-alone", "hi\n@end\n", &[]);
    check("before-any-step", "| hi\n", &[]);
    check("after-a-directive", "hi\n@set x 1\n| hi\n", &[]);
    check("late", "hi\n@seed 5\n", &[]);
    check("bad-regex", "hi\n|~ (unclosed\n", &[]);
    check("no-end-of-file", "@file x <<END\nrow\n", &[]);
    check("no-include", "@include other.chat\n", &[]);
    check("live-screen", "@actors here there\n@live there\nhere> hi\nthere| hi\n", &[]);
}

#[test]
fn a_live_expectation_that_never_comes_says_how_long_it_waited() {
    let script = "@actors here peer\n@live peer\n@timeout 50ms\nhere> :showkey\nhere| something else\n";
    check("timeout", script, &[]);
}
