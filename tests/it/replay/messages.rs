//! Diagnostics of scripts, each as a snapshot.

use super::fixture::{Played, Written, connected, replay};
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
    check("no-room", "@actors alice bob\n@file alice/a <<E\nE\n@file alice/a/b <<E\nE\nalice> hi\n", &[]);
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
    check("no-time", "@actors here there\n@live there\n@timeout 0s\nhere> hi\n", &[]);
    check("no-quiet", "@actors here there\n@live there\n@quiet 0\nhere> hi\n", &[]);
    check("no-time-option", "hi\n", &["--timeout", "0s"]);
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
fn mistakes_about_what_an_actor_sees_are_told_with_what_to_write() {
    let words = "\
@actors alice bob
@width bab 40
@width 19
@width alice 1001
@width alice wide
@width
alice> hi
@width 40
";
    check("width-words", words, &[]);
    let whom = "\
@actors alice bob carol
@live carol
@width bob 40
@width bob 60
@width carol 60
@width 40
@width 40
@width alice 40
@spawn alice cat
";
    check("width-whom", whom, &["--check"]);
    let front_ends = "\
@actors alice bob carol dave
@plain
@plain alice alice
@json allice
";
    check("front-end-words", front_ends, &[]);
    let whom = "\
@actors alice bob carol dave erin
@live carol
@plain alice bob carol
@json dave alice
@plain alice
@json bob carol
@width dave 40
@width alice 40
@width 60
alice> hi
@say dave hi
dave> {\"command\":\"listen\",\"arguments\":[\"127.0.0.1\"]}
alice> :connect 127.0.0.1:${dave.port}
dave> {\"command\":\"listen\",\"arguments\":[\"127.0.0.1:0\"]}
alice> :connect 127.0.0.1:${dave.port2}
@spawn bob cat
";
    check("front-end-whom", whom, &["--check"]);
    check("front-end-late", "@actors alice\nalice> hi\n@plain alice\n", &[]);
}

#[test]
fn a_live_expectation_that_never_comes_says_how_long_it_waited() {
    let script = "@actors here peer\n@live peer\n@timeout 50ms\nhere> :showkey\nhere| something else\n";
    check("timeout", script, &[]);
}

#[test]
fn what_looks_like_a_line_of_a_script_is_a_mistake_with_the_line_that_is_meant() {
    let rows = "\
@actors alice bob
alice＞ 안녕
＠tick 5s
 alice> hi
bob > hi
bob: hi
bob｜ alice: hi
alice>\u{a0}hi
alice>\thi
alice|hi
alice|~hi.*
alice|！ hi
＃ 끝
";
    check("lookalikes", rows, &[]);
    check("lookalikes-one-actor", ":showkey\n：listen 0\n > hi\nbob ＞ hi\n＃ 끝\n", &[]);
    check("decomposed", "@actors 민지 bob\n\u{1106}\u{1175}\u{11ab}\u{110c}\u{1175}> hi\n", &[]);
    check("carriage-return", "@actors alice\ralice> hi\r", &[]);
}

#[test]
fn a_regular_expression_is_marked_where_the_library_stops_and_where_the_row_does() {
    check("regex-star", ":showkey\n|~ * no key\n", &[]);
    check("regex-group", ":showkey\n|~ ! (no|any key( yet\n", &[]);
    check("regex-stops", ":showkey\n|~ ! no (key|name) yet; .*nothing\n", &[]);
    check("regex-value", "@set key no\n:showkey\n|~ ! ${key} (?<what>\\w+) here.*\n", &[]);
    check("regex-no-value", ":showkey\n|~ ! ${key}.*\n", &[]);
    let played = replay("@set what key\n:showkey\n|~ ! no ${what} yet.*\n", &[]);
    played.passes();
}

#[test]
fn a_long_row_is_shown_around_the_place_where_it_differs() {
    let (long, other) = ("가".repeat(300), "가".repeat(299));
    check("long", &format!("{}alice> {long}\nbob| alice: {other}나\n", connected()), &[]);
}

#[test]
fn a_row_is_told_from_an_event_and_from_an_absent_row() {
    check("event-as-row", ":quit\n| exited 0\n", &[]);
    check("row-as-event", ":showkey\n|* ! no key yet; :keygen generates one\n", &[]);
    check("absent-as-row", &format!("{}alice> hi\nalice| ! bob left\n", connected()), &[]);
}

#[test]
fn consequences_are_not_told_before_their_cause() {
    check("no-end", "@together\nhi\n| hi\n@tick 1s\n| ho\n", &[]);
    let written = Written::new("@include one.inc\n");
    written.put("one.inc", "@include two.inc\n");
    written.put("two.inc", "hi\n@include ./one.inc\n");
    let Played { code, err, .. } = written.replay(&["story.chat"]);
    assert_snapshot("replay-include-itself", &format!("{err}exit {code}\n"));
}

#[test]
fn files_in_another_encoding_are_named_with_the_command_that_mends_them() {
    let written = Written::new("");
    for (name, bytes, said) in [
        ("u.chat", &b"\xff\xfeh\0i\0"[..], "iconv -f UTF-16 -t UTF-8 u.chat > NEW"),
        ("민지's.chat", b"> \xb9\xce\xc1\xf6\n", "iconv -f CP949 -t UTF-8 '민지'\\''s.chat' > NEW"),
    ] {
        std::fs::write(written.folder().join(name), bytes).unwrap();
        let Played { code, err, .. } = written.replay(&[name]);
        assert!(code == 2 && err.contains(said), "{code} {err}");
    }
}

#[test]
fn nothing_of_a_strangers_script_reaches_the_terminal_as_it_is() {
    let bad = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}";
    let written = Written::new("");
    for script in [
        format!("# {bad}\n:showkey\n| {bad}\n"),
        format!("# {bad}\n:showkey\n{bad}| x\n"),
        format!("@{bad}\n"),
        format!("@actors a b\n{bad}> hi\n{bad}\n"),
        format!("@set x {bad}\n> ${{x}} {bad}\n|~ {bad}(\n"),
        format!("@set x {bad}\n> ${{x}} {bad}\n|~ {bad}${{x}}\n"),
        format!("@include {bad}\n@file {bad} <<{bad}\n"),
        format!("@skip {bad}\n"),
        format!("> hi\n|! {bad}\n> ${{{bad}}}\n"),
    ] {
        let name = format!("s{bad}.chat");
        written.put(&name, &script);
        for args in
            [&[][..], &["--check"], &["--format=tap"], &["--format=json"], &["--keep-going", "--exact"]]
        {
            let Played { out, err, .. } = written.replay(&[&[name.as_str()], args].concat());
            let is_hostile = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
            assert_eq!(
                out.chars().chain(err.chars()).find(is_hostile),
                None,
                "{script:?} {args:?}\n{out}{err}"
            );
        }
    }
}

#[test]
fn a_row_that_did_not_come_is_explained_by_what_happened_beside_it() {
    let talk = format!("@lenient\n{}", connected());
    check("others-showed", &format!("{talk}alice> hi\nbob| alice: hi\nalice| alice: hi\n"), &[]);
    check("killed-before", &format!("{talk}@kill bob\nalice> hi\nbob| alice: hi\n"), &[]);
    check("left-before", &format!("{talk}bob> :quit\n\nalice> hi\nbob| alice: hi\n"), &[]);
    check("held", &format!("{talk}@hold alice bob\nalice> hi\nbob| alice: hi\n"), &[]);
    check("step-before", &format!("{talk}alice> hi\nalice> ho\nbob| alice: hi\n"), &[]);
    check("step-after", &format!("{talk}alice> hi\nbob| alice: hi\nbob| alice: ho\n\nalice> ho\n"), &[]);
}
