//! `--update`, `--check` and `--fmt`: what is rewritten, and what is left as it stands.

use super::fixture::{Written, command, replay, run};

fn updated(script: &str) -> String {
    let written = Written::new(script);
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!(played.code, 0, "{}", played.err);
    let text = written.text();
    let again = written.replay(&["story.chat"]);
    assert_eq!(again.code, 0, "{}\n{text}", again.err);
    text
}

#[test]
fn what_matched_stays_with_its_patterns_comments_and_blank_lines() {
    let script =
        "# a story\n\n:showkey\n# before\n| ! no key $*\n# after\n\n:keygne\n| $**\nhi\n|~ .*nobody.*\n";
    assert_eq!(updated(script), script);
}

#[test]
fn what_differs_becomes_what_was_shown_and_all_else_stays() {
    for (script, expected) in [
        (
            ":showkey\n# why\n| wrong\n\n:keygne\n",
            ":showkey\n# why\n| ! no key yet; :keygen generates one\n\n:keygne\n| ! no such command :keygne (did you mean :keygen?)\n",
        ),
        // Who is expected nothing is not filled in.
        (
            "@actors a b\n\na> :status\na| plain text goes to nobody\na| you are a$*\na| extra\na| nobody $*\nb> :peers\n",
            "@actors a b\n\na> :status\na| plain text goes to nobody\na| you are a$*\na| nobody $*\nb> :peers\n",
        ),
        (
            "@actors a b\na> :status\na| nobody $*\n",
            "@actors a b\na> :status\na| plain text goes to nobody\na| you are a, without a key yet\na| nobody $*\n",
        ),
        // Lines that have changed places are taken along with their patterns.
        (
            ":status\n| you are ${me}, $*\n| plain ${what} goes to nobody\n| nobody is $*\n",
            ":status\n| plain ${what} goes to nobody\n| you are ${me}, $*\n| nobody is $*\n",
        ),
        // So has one that is also like a row which any rows stand for.
        (
            ":help keys\n| $**\n| - a line that begins with a command of vi (:w, ${x} once for each command\n\
             | - a line that begins like a command of other programs (/msg …): once for each command\n\
             | - an invitation (rsachat://…): Enter connects, and :: before it sends it as text\n\
             | - a pasted block of more than 5 lines: send, edit or drop\n",
            ":help keys\n| $**\n| - a line that begins like a command of other programs (/msg …): once for each command\n\
             | - a line that begins with a command of vi (:w, ${x} once for each command\n\
             | - an invitation (rsachat://…): Enter connects, and :: before it sends it as text\n\
             | - a pasted block of more than 5 lines: send, edit or drop\n",
        ),
    ] {
        assert_eq!(updated(script), expected);
    }
}

#[test]
fn a_new_row_takes_over_the_captures_and_patterns_of_the_line_that_it_replaces() {
    for (script, expected) in [
        (
            ":status\n| $**\n| you were ${me}, without $*\n| $**\n",
            ":status\n| $**\n| you are ${me}, without $*\n| $**\n",
        ),
        (
            ":keygne ${x}\n| no such command :${word:num} $*\n",
            ":keygne ${x}\n| ! no such command :${word} $*\n",
        ),
        (
            "> :listen 0\n| * generating a ${bits:fp}-bit key; Ctrl-C cancels\n| $**\n| * listening to [::]:${port:port}\n> :status ${bits}\n",
            "> :listen 0\n| * generating a ${bits:num}-bit key; Ctrl-C cancels\n| $**\n| * listening on [::]:${port:port}\n> :status ${bits}\n",
        ),
        // A wildcard beside what differs would weaken the line.
        (":status\n| $**\n| nobody was seen$*\n", ":status\n| $**\n| nobody is connected\n"),
    ] {
        let lenient = |text: &str| format!("@lenient\n{}", text.replace("${x}", "x"));
        let written = Written::new(&lenient(script));
        let played = written.replay(&["story.chat", "--update"]);
        assert_eq!(played.code, 0, "{script}{}", played.err);
        assert_eq!(written.text(), lenient(expected));
        assert_eq!(written.replay(&["story.chat"]).code, 0);
    }
}

#[test]
fn rows_of_a_screen_in_words_and_of_events_keep_their_captures_too() {
    let script = |width: &str, plain: &str, json: &str| {
        format!(
            "@seed 7\n@actors alice bob hana bot\n@width bob 40\n@plain hana\n@json bot\nalice> :listen 0\n\
             bob> :connect 127.0.0.1:${{alice.port}}\nbob| $**\nhana> :connect 127.0.0.1:${{alice.port}}\nhana| $**\n\
             bot> {{\"command\":\"connect\",\"arguments\":[\"127.0.0.1:${{alice.port}}\"]}}\nbot| $**\n\
             bot| {{\"time\":\"$*\",\"event\":\"connected\",\"name\":\"alice\",\"fingerprint\":\"${{key:fp}}\"$*\nbot| $**\n\
             alice> @bob 이 줄은 마흔 칸보다 넓어서 두 줄이 됩니다\n{width}alice> @hana 안녕 하나\n{plain}\
             alice> @bot hi\n{json}"
        )
    };
    let stale = script(
        "bob| 00:00 ${who}: 이 줄은 서른 칸보다 넓어서\nbob|              두 줄이 됩니다\n",
        "hana| 00:00 ${who} says: 잘 가 하나\n",
        "bot| {\"time\":\"${now}\",\"event\":\"message\",\"from\":\"${who}\",\"fingerprint\":\"${key}\",$*\"text\":\"ho\",$*\n",
    );
    assert_eq!(
        updated(&stale),
        script(
            "bob| 00:00 ${who}: 이 줄은 마흔 칸보다 넓어서\nbob|              두 줄이 됩니다\n",
            "hana| 00:00 ${who} says: 안녕 하나\n",
            "bot| {\"time\":\"${now}\",\"event\":\"message\",\"from\":\"${who}\",\"fingerprint\":\"${key}\",$*\"text\":\"hi\",$*\n",
        )
    );
}

#[test]
fn what_nothing_takes_the_place_of_is_not_dropped() {
    for script in [
        // Any rows would hide that it is gone.
        ":status\n| $**\n| tea is ready\n| $**\n",
        // A name that is used.
        ":peers\n| nobody is known yet\n| by ${whom}\n:status ${whom}\n",
        // Nothing was shown.
        "@actors a b\na> :quit\nb| a left\n",
        ":status\n|~ (?<x>tea).*\n| $**\n",
    ] {
        let written = Written::new(script);
        let played = written.replay(&["story.chat", "--update"]);
        assert_eq!(played.code, 1, "{script}");
        assert!(played.err.contains("still differs where --update cannot change it"), "{}", played.err);
        assert_eq!(written.text(), script);
    }
}

#[test]
fn nothing_changes_behind_a_step_that_was_not_played() {
    let script = "@actors a b\na> :quit\na|* exited 1\na> :status\na| wrong\nb> :status\nb| wrong\n@halt\nb> :peers\nb| wrong\n";
    let written = Written::new(script);
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!(played.code, 1);
    assert_eq!(written.text(), script.replace("exited 1", "exited 0"));
    assert!(
        played
            .err
            .contains("fix story.chat:4 by hand: it was not played, and nothing after it was changed\n"),
        "{}",
        played.err
    );
    for script in ["@skip today\n:status\n| wrong\n", ":status\n| $**\n@halt\n:status\n| wrong\n"] {
        let written = Written::new(script);
        assert_eq!(written.replay(&["story.chat", "--update"]).code, 0);
        assert_eq!(written.text(), script);
    }
}

#[test]
fn a_file_that_passes_is_not_written_and_one_that_differs_keeps_every_other_byte() {
    use std::os::unix::fs::MetadataExt as _;
    let written = Written::new("# why  \r\n\r\n\r\n:status\r\n| $**\r\n:peers\r\n| nobody is known yet");
    let before = std::fs::metadata(written.story()).unwrap();
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!((played.code, played.out.as_str(), played.err.as_str()), (0, "", ""));
    let after = std::fs::metadata(written.story()).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    written.put("story.chat", "# why  \r\n\r\n\r\n:status\r\n| $**\r\n:peers\r\n| wrong");
    assert_eq!(written.replay(&["story.chat", "--update"]).out, "updated: story.chat: 1 line\n");
    assert_eq!(written.text(), "# why  \r\n\r\n\r\n:status\r\n| $**\r\n:peers\r\n| nobody is known yet\r\n");
}

#[test]
fn rows_are_filled_in_where_everybody_is_checked() {
    let written = Written::new("@actors a b\na> :showkey\n# and\nb> :peers\nb| $**\n");
    assert_eq!(written.replay(&["story.chat", "--update", "--exact"]).code, 0);
    let filled =
        "@actors a b\na> :showkey\na| ! no key yet; :keygen generates one\n# and\nb> :peers\nb| $**\n";
    assert_eq!(written.text(), filled);
}

#[test]
fn a_dry_run_prints_what_would_change_and_writes_nothing() {
    let written = Written::new("# why\n:showkey\n| wrong\n");
    let mut command = command("story.chat");
    command.current_dir(written.folder()).args(["--update", "--dry-run"]).env("CI", "true");
    let played = run(command, b"");
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    let diff = "--- story.chat\n+++ story.chat\n@@ -1,3 +1,3 @@\n # why\n :showkey\n-| wrong\n+| ! no key yet; :keygen generates one\n";
    assert_eq!(played.out, diff);
    assert_eq!(written.text(), "# why\n:showkey\n| wrong\n");
    assert!(
        replay(":status\n| $**\n| wrong\n", &["--update", "--dry-run"])
            .out
            .contains("-| wrong\n+| nobody is connected\n")
    );
}

#[test]
fn what_an_included_file_plays_is_not_written_into_the_file_that_includes_it() {
    let written = Written::new(
        "@actors a b\n@include part.inc\na| plain text goes to nobody\na| you are a, without a key yet\na| wrong\nb> :showkey\nb| wrong\n",
    );
    written.put("part.inc", "a> :peers\na> :status\n");
    assert_eq!(written.replay(&["story.chat", "--update"]).code, 0);
    let expected = "@actors a b\n@include part.inc\na| plain text goes to nobody\na| you are a, without a key yet\na| nobody is connected\nb> :showkey\nb| ! no key yet; :keygen generates one\n";
    assert_eq!(written.text(), expected);
    assert_eq!(written.replay(&["story.chat"]).code, 0);
    written.put("part.inc", "a> :peers\na| other\na> :status\n");
    let other = written.replay(&["story.chat", "--update"]);
    assert_eq!((other.code, written.text().as_str()), (1, expected));
    assert!(other.err.contains(" --> part.inc:2:4\n") && !other.err.contains("accepts"), "{}", other.err);
}

#[test]
fn what_cannot_be_accepted_stays_a_difference_and_is_told() {
    let cases = [("hi\n|! ! not sent$*\n:showkey\n| wrong\n", "hi\n|! ! not sent$*\n")];
    for (script, kept) in cases {
        let written = Written::new(script);
        // Another file is brought up to date all the same.
        written.put("tea.chat", ":showkey\n| wrong\n");
        let played = written.replay(&["story.chat", "tea.chat", "--update"]);
        assert_eq!(
            (played.code, played.out.as_str()),
            (1, "updated: story.chat: 1 line\nupdated: tea.chat: 1 line\n"),
            "{}",
            played.err
        );
        let told = "rsachat: error: story.chat still differs where --update cannot change it\nrsachat: hint: fix by hand what is reported above; everything else is up to date\n";
        assert!(played.err.contains(told), "{}", played.err);
        let text = written.text();
        assert!(
            text.starts_with(kept) && text.ends_with("| ! no key yet; :keygen generates one\n"),
            "{text}"
        );
        assert_eq!(written.replay(&["story.chat"]).code, 1);
    }
}

#[test]
fn it_is_refused_for_standard_input_and_in_ci() {
    let refused = replay("hi\n", &["--update"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("standard input cannot be rewritten"), "{}", refused.err);
    let written = Written::new("hi\n| wrong\n");
    let mut command = command(written.story());
    command.arg("--update").env("CI", "true");
    let refused = run(command, b"");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("CI is set"), "{}", refused.err);
    assert_eq!(written.text(), "hi\n| wrong\n");
}

#[test]
fn the_mode_of_a_file_stays_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let written = Written::new("hi\n| wrong\n");
    let path = written.story();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("story.chat", written.folder().join("link.chat")).unwrap();
    assert_eq!(written.replay(&["link.chat", "--update"]).code, 0);
    assert_eq!(crate::support::mode(&path), 0o640);
    assert!(std::fs::symlink_metadata(written.folder().join("link.chat")).unwrap().is_symlink());
    assert!(written.text().contains("| ! not sent"));
}

#[test]
fn a_check_opens_nothing_and_finds_every_mistake() {
    let script = "@actors a b\na> :listen 0\nb> :connect 127.0.0.1:${c.port}\n|x\n@kil a\n";
    let played = replay(script, &["--check"]);
    assert_eq!((played.code, played.out.as_str()), (2, ""));
    assert_eq!(played.err.matches("error: ").count(), 2, "{}", played.err);
    let fine = replay("@actors a b\na> :listen 0\nb> :connect 127.0.0.1:${a.port}\nb| never\n", &["--check"]);
    assert_eq!((fine.code, fine.out.as_str(), fine.err.as_str()), (0, "", ""));
    // With room for one descriptor more than the three that it was given, only a check gets
    // through.
    for (option, code) in [("--check", 0), ("--quiet", 3)] {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", r#"ulimit -n 4; exec "$0" replay - "$1""#, crate::support::RSACHAT, option]);
        let played = run(command, b"hi\n");
        assert_eq!(played.code, code, "{option}: {}", played.err);
        let why = "rsachat: error: cannot open what the sockets of a run need: too many open files\n";
        assert_eq!(played.err, if code == 0 { "" } else { why });
    }
}

#[test]
fn a_port_that_no_listen_gives_is_a_mistake_before_anything_is_played() {
    for (listens, used, code) in [
        ("a> :listen 0", "a.port9", 2),
        ("a> :listen 0", "a.port2", 2),
        ("a> :listen 8000", "a.port", 2),
        ("a> :listener", "a.port", 2),
        ("b> :listen 0", "a.port", 2),
        ("a> :listen 0", "a.port", 0),
        ("a> :listen 127.0.0.1:0 --wire oaep", "a.port", 0),
        ("a> :listen 127.0.0.1:0\na> :listen [::1]:0", "a.port2", 0),
        ("@set at 0\na> :listen ${at}", "a.port", 0),
    ] {
        let script = format!("@actors a b\n{listens}\nb> :connect 127.0.0.1:${{{used}}}\n");
        let checked = replay(&script, &["--check"]);
        assert_eq!(checked.code, code, "{script}{}", checked.err);
        if code == 2 {
            assert!(
                checked.err.starts_with(&format!("error: no value for ${{{used}}} yet")),
                "{}",
                checked.err
            );
            let played = replay(&script, &[]);
            assert_eq!((played.code, played.out.as_str()), (2, ""), "{script}");
        }
    }
}

#[test]
fn what_an_update_accepts_is_no_error() {
    let written = Written::new(":showkey\n| wrong\n:status\n| wrong too\n");
    let played = written.replay(&["story.chat", "--update"]);
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    assert_eq!(played.out, "updated: story.chat: 4 lines\n");
}

#[test]
fn the_canonical_form_keeps_what_is_typed_and_expected() {
    let script =
        "@actors   a   b\r\n\n\n# why  \na>   three blanks \nb| $$5 \n\n\n@file  x  <<END\n  kept \nEND\n\n";
    let formatted = replay(script, &["--fmt"]).passes();
    let expected =
        "@actors a b\n\n# why\na>   three blanks$u{20}\nb| $$5$u{20}\n\n@file x <<END\n  kept \nEND\n";
    assert_eq!(formatted, expected);
    assert_eq!(replay(&formatted, &["--fmt"]).passes(), formatted);
}

#[test]
fn the_canonical_form_says_what_the_script_says_and_no_editor_can_break_it() {
    for (line, canonical) in [
        ("@set x  a  b  ", "@set x  a  b $u{20}"),
        ("@set x 5$ ", "@set x 5$$$u{20}"),
        ("@draft a  two  blanks  ", "@draft a  two  blanks $u{20}"),
        ("@say a :no  command ", "@say a :no  command$u{20}"),
        ("a> ", "a>"),
        ("a>  ", "a> $u{20}"),
        ("(a)> ", "(a)>$u{20}"),
        ("a| ", "a|"),
        ("a|  ", "a| $u{20}"),
        ("a|! x ", "a|! x$u{20}"),
        ("a|~ x ", "a|~ x\\x20"),
        ("a|~ x\\ ", "a|~ x\\ "),
        ("a| ${x} ", "a| ${x}$u{20}"),
        ("@tick   1m   30s ", "@tick 1m 30s"),
    ] {
        let script = |line: &str| format!("@actors a\n@set x 1\na> hi\n{line}\n");
        let formatted = replay(&script(line), &["--fmt"]).passes();
        assert_eq!(formatted, script(canonical), "{line:?}");
        assert_eq!(replay(&formatted, &["--fmt"]).passes(), formatted);
        // Both are played alike.
        let [one, other] =
            [script(line), formatted].map(|script| replay(&script, &["--format=json", "--keep-going"]));
        let rows = |played: super::fixture::Played| {
            let rows = played.out.lines().filter(|row| !row.contains("\"differs\"")).map(str::to_owned);
            (played.code, rows.collect::<Vec<_>>())
        };
        assert_eq!(rows(one), rows(other), "{line:?}");
    }
}

#[test]
fn a_check_of_the_form_names_what_is_in_another_and_changes_nothing() {
    let written = Written::new("@actors   a\na> hi\n");
    let before = written.text();
    let played = written.replay(&["story.chat", "--fmt", "--check"]);
    assert_eq!((played.code, played.out.as_str()), (1, ""));
    let hint = "rsachat: hint: rsachat replay --fmt story.chat\n";
    assert_eq!(played.err, format!("rsachat: error: story.chat is not in its canonical form\n{hint}"));
    assert_eq!(written.text(), before);
    assert_eq!(written.replay(&["story.chat", "--fmt"]).code, 0);
    let played = written.replay(&["story.chat", "--fmt", "--check"]);
    assert_eq!((played.code, played.err.as_str()), (0, ""));
}
