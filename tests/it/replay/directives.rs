//! Directives, each of which does what the document says.

use super::fixture::{after_keys, closes, connected, replay, two};

/// Plays what a transcript types and orders, behind these lines; it must close, and show the rest.
fn check(before: &str, transcript: &str) {
    let is_shown =
        |row: &&str| row.split_once('|').is_some_and(|(who, _)| who.chars().all(char::is_alphabetic));
    let script: Vec<&str> = transcript.lines().filter(|row| !is_shown(row)).collect();
    let played = after_keys(&closes(&format!("@lenient\n{before}{}\n", script.join("\n"))));
    let shown: Vec<&str> = played.lines().filter(|row| !is_joining(row)).collect();
    assert_eq!(shown, transcript.lines().collect::<Vec<_>>(), "\n{played}");
}

/// The rows of `connected` that every such transcript begins with.
fn is_joining(row: &str) -> bool {
    ["alice> :listen 0", "bob> :connect 127.0.0.1:${alice.port}", "alice| * listening on [::]:${alice.port}"]
        .contains(&row)
        || row.contains(" joined, ")
        || row.contains("* connecting to ")
        || row == "alice| * you are now talking to bob (new key, not verified)"
}

#[test]
fn together_types_everything_before_anything_is_delivered() {
    check(
        &connected(),
        "@together\nalice> one\nbob> two\nalice> three\n@end\n\
         bob| alice: one\nbob| alice: three\nalice| bob: two",
    );
}

#[test]
fn tick_moves_the_clock_and_timers_fire_in_their_order() {
    check(
        &connected(),
        "@hold alice bob\n@tick 58s 1000ms\n@tick 2\n\
         bob| ! lost alice: nothing heard for 60 s; calling again (:close alice stops that)\n\
         alice| ! lost bob: connection cut",
    );
}

#[test]
fn kill_and_start_end_and_begin_a_process_with_its_home_or_a_new_one() {
    check(
        &connected(),
        "@kill bob\nbob|* killed\nalice| ! lost bob: connection cut\n@start bob\n\
         bob| * calling alice again, as before rsachat ended (:close alice stops that)\n\
         bob> :close alice\nbob| * no longer calling alice\nbob> :status\n\
         bob| plain text goes to nobody\nbob| you are bob, SHA256:54CP7ChxEsbzktWRmMkPZTRREp3B4c4QCslAXsVOYlM\nbob| nobody is connected\n\
         bob| messages are forgotten at the end of the session\n\
         @kill bob rst\nbob|* killed\n@start bob fresh\nbob> :showkey\nbob| ! no key yet; :keygen generates one",
    );
    let reset = replay(&format!("@lenient\n{}@kill bob rst\n", connected()), &[]).passes();
    assert!(reset.contains("alice| ! lost bob: connection cut (connection reset by peer)"), "{reset}");
}

#[test]
fn cut_ends_the_connection_at_that_byte_for_both_and_corrupt_flips_one_bit_of_it() {
    for transcript in [
        "@cut bob after 20\nbob> this will never arrive whole\nbob| ! lost alice: connection cut; calling again (:close alice stops that)\n\
         bob| * alice has not chosen you yet: your lines are kept here only\n\
         alice| ! lost bob in the middle of a message\n\
         alice> hello?\nalice| ! bob is not connected; nothing was sent; :peers shows where to call\n\
         alice| * :to bob keeps your lines until bob has them",
        "@cut alice bob after 0\nalice| ! lost bob: connection cut\nbob| ! lost alice: connection cut; calling again (:close alice stops that)",
        "@corrupt bob alice byte 100\nbob> damaged\nalice| ! lost bob: a record failed authentication; link closed\n\
         bob| ! lost alice: connection cut; calling again (:close alice stops that)\nbob| * alice has not chosen you yet: your lines are kept here only",
    ] {
        check(&connected(), transcript);
    }
}

#[test]
fn hold_keeps_bytes_on_the_way_from_that_byte_on_until_release_and_a_goodbye_behind_them() {
    for transcript in [
        "@hold bob\nbob> later\nalice> now\nbob| alice: now\n@release bob\nalice| bob: later",
        "@hold bob alice\nbob> last words\nbob> :quit\n@release bob alice\nalice| bob: last words\n\
         bob| * conversation with alice closed\nbob|* exited 0\nalice| * bob left\n@tick 2s",
        // A record of a short text has 274 bytes, a receipt comes back.
        "@hold bob after 274\nbob> one\nalice| bob: one\nbob> two\nbob> :close\n\
         @release bob\nalice| bob: two\nbob| * conversation with alice closed\nalice| * bob left",
        "@hold bob alice after 100\nbob> half of this is held\n@tick 1s\n\
         bob| * alice has not chosen you yet: your lines are kept here only\n\
         @release bob alice\nalice| bob: half of this is held",
        "@hold bob alice after 100\n@release bob alice\nbob> nothing is held\nalice| bob: nothing is held",
    ] {
        check(&connected(), transcript);
    }
}

#[test]
fn set_var_file_and_include_give_names_their_values() {
    let script = format!(
        "@lenient\n{}@set greeting 안녕\n@file poem <<END\n첫째\nsecond\nEND\n@file long fill 2KiB\n\
         alice> ${{greeting}}\nalice> ${{poem}}\nalice> ${{long}}\n",
        connected()
    );
    let transcript = closes(&script);
    for row in [
        "bob| alice: 안녕\n",
        "alice> 첫째$u{a}second\n",
        "bob| alice: 첫째\nbob| alice: second\n",
        "alice> ${long}\nbob| alice: ${long}\n",
    ] {
        assert!(transcript.contains(row), "{row} in\n{transcript}");
    }
    let script = script.replace("@set greeting 안녕\n", "@set greeting hi\n");
    let given = replay(&script, &["--var", "greeting=salut"]).passes();
    assert!(given.contains("bob| alice: salut\n"), "{given}");
}

#[test]
fn included_lines_stand_in_the_transcript() {
    let written = super::fixture::Written::new("@lenient\n@include cast.chat\nalice> :showkey\n");
    written.put("cast.chat", "@actors alice bob\n");
    let played = written.replay(&["story.chat"]).passes();
    let told = "@exact\n@actors alice bob\nalice> :showkey\nalice| ! no key yet; :keygen generates one\n";
    assert_eq!(played, told);
    written.put("cast.chat", "@include cast.chat\n");
    let deep = written.replay(&["story.chat"]);
    assert_eq!(deep.code, 2);
    assert!(deep.err.contains("a file includes itself: cast.chat includes cast.chat"), "{}", deep.err);
    for number in 0..10 {
        written.put(&format!("{number}.inc"), &format!("@include {}.inc\n", number + 1));
    }
    written.put("cast.chat", "@include 0.inc\n");
    let deep = written.replay(&["story.chat"]);
    assert_eq!(deep.code, 2);
    assert!(deep.err.contains("files include each other more than 8 deep"), "{}", deep.err);
}

#[test]
fn skip_runs_nothing_and_halt_runs_no_more() {
    assert_eq!(replay("@skip not today\nhi\n| never\n", &[]).passes(), "@skip not today\nhi\n| never\n");
    let halted = replay("@lenient\n:showkey\n@halt\nhi\n| never\n", &[]).passes();
    assert_eq!(halted, "@exact\n> :showkey\n| ! no key yet; :keygen generates one\n@halt\n");
}

#[test]
fn seed_decides_every_key_and_the_command_line_wins() {
    let one = |seed: &str| replay(&format!("@seed {seed}\n:keygen 2048\n"), &[]).passes();
    assert_eq!(one("1"), one("1"));
    assert_ne!(one("1"), one("2"));
    let won = replay("@seed 1\n:keygen 2048\n", &["--seed", "2"]).passes();
    assert_eq!(won, one("2"));
}

#[test]
fn open_checks_who_is_expected_something_and_exact_checks_all() {
    let told = "alice> hi\nalice|! nothing\n";
    assert_eq!(replay(&format!("{}{told}", connected()), &[]).code, 0);
    assert_eq!(replay(&format!("{}@exact\n{told}", connected()), &[]).code, 1);
    assert_eq!(replay(&format!("{}{told}", connected()), &["--exact"]).code, 1);
}

#[test]
fn limits_by_source_count_by_the_virtual_clock_when_asked_for() {
    let mut script = format!("@lenient\n{}alice> :listen 0\n@set limits on\n", two());
    for _ in 0..6 {
        script.push_str("bob> :connect 127.0.0.1:${alice.port}\nbob> :close\n");
    }
    let played = replay(&script, &[]).passes();
    assert!(played.contains("! turned away bob: this address calls more than 20 times a second"), "{played}");
    assert_eq!(played, replay(&script, &[]).passes());
    assert!(!replay(&script.replace("@set limits on\n", ""), &[]).passes().contains("turned away"));
}

#[test]
fn patterns_capture_and_match() {
    let script = format!(
        "{}alice> :showkey\nalice| fingerprint ${{key:fp}}\nalice| $**\nbob> :trust alice ${{key}}\nbob|~ .*(?<who>alice) is marked verified\n\
         bob> ${{who}}\nalice| bob: ${{who}}\nbob> $$*\nalice| bob: $*\nbob> :quit\nbob|* exited ${{code:num}}\nbob| $**\n",
        connected()
    );
    let played = replay(&script, &[]);
    assert_eq!(played.code, 1, "events stand in their order: {}", played.err);
    let script =
        script.replace("bob|* exited ${code:num}\nbob| $**\n", "bob| $**\nbob|* exited ${code:num}\n");
    closes(&script);
}

#[test]
fn nothing_outside_loopback_is_reached() {
    check(
        &two(),
        "alice> :listen 192.0.2.1:0\n\
         alice| ! cannot listen on 192.0.2.1:0: a replay listens on loopback addresses only\n\
         alice> :connect 192.0.2.1:80\n\
         alice| ! cannot reach 192.0.2.1:80: a replay reaches loopback addresses only\n\
         alice> :connect example.org\n\
         alice| ! cannot reach example.org:8000: a replay reaches loopback addresses only\n\
         alice> :connect localhost:9\n\
         alice| ! cannot reach localhost:9: 127.0.0.1:9: connection refused",
    );
}

#[test]
fn a_key_of_a_replay_is_marked_and_not_used_outside() {
    let home = crate::support::Home::of("somebody");
    let marked = format!(
        "TEST KEY, made by a replay: never use it to talk\n{}",
        std::fs::read_to_string(home.file("identity.pem")).unwrap()
    );
    std::fs::write(home.file("identity.pem"), marked).unwrap();
    let output = home.command(&["key", "show"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("it is a test key, which anyone can regenerate"), "{err}");
    // `codes` sees that a replay marks them so. It can use its own.
    let script = "@actors alice\nalice> :keygen 2048\n@kill alice\n@start alice\nalice> :showkey\n";
    assert!(replay(script, &[]).passes().contains("alice| fingerprint SHA256:"));
}

#[test]
fn what_files_must_be_is_told_with_the_first_place_where_they_are_not() {
    let story = |checks: &str| {
        let files = "@file a/one <<E\nfirst\nsecond 12\nE\n@file a/two <<E\nfirst\nsecond 13\nE\n";
        replay(&format!("@actors a\n{files}a> :status\n{checks}"), &[])
    };
    story("@expect-file a/one <<E\n$*\nsecond ${n:num}\nE\na> ${n}\na| ! $*\n").passes();
    story("@absent a/three\n@same a/one a/one\n").passes();
    for (check, said) in [
        ("@absent a/one", "a/one is there"),
        ("@same a/one a/two", "a/one and a/two differ"),
        ("@same a/one a/two", "byte 14 of 16 and 16 is the first that differs"),
        ("@same a/one a/three", "a/three is not there"),
        ("@same a/one a", "cannot read a: it is not a file of the run"),
        ("@expect-file a/one <<E\nfirst\nE", "a/one differs in line 2"),
        ("@expect-file a/one <<E\nfirst\nsecond 13\nE", "= want: second 13\n  = got: second 12"),
        ("@expect-file a/one <<E\nfirst\nsecond 12\nE2\nE", "= want: E2\n  = got: (the end of the file)"),
    ] {
        let played = story(&format!("{check}\n"));
        assert!(
            played.code == 1 && played.err.replace("   =", "  =").contains(said),
            "{check}: {}",
            played.err
        );
    }
    for check in ["@absent ../one", "@same /etc/passwd a/one", "@expect-file a/../b <<E\nE"] {
        let played = story(&format!("{check}\n"));
        assert!(played.code == 2 && played.err.contains("is not a valid path"), "{check}: {}", played.err);
    }
}

#[test]
fn the_clock_begins_when_the_script_says_and_an_included_file_gets_its_values() {
    let told = replay("@at 2026-11-26 23:59\n@actors a\na> :nick b\n@tick 2m\n", &[]).passes();
    assert!(told.starts_with("@exact\n@at 2026-11-26 23:59\n"), "{told}");
    for (wrong, said) in [
        ("@at noon\nhi\n", "write @at DATE [TIME]"),
        ("hi\n@at 2026-11-26\n", "this belongs before the first step"),
        ("@actors a b\n@live b\n@at 2026-11-26\na> hi\n", "this is for a closed world"),
        ("@include\n", "the name of a file is missing"),
        ("@include x=1\n", "write @include FILE [NAME=VALUE…]"),
    ] {
        let played = replay(wrong, &[]);
        assert!(played.code == 2 && played.err.contains(said), "{wrong}: {}", played.err);
    }
    let written = super::fixture::Written::new("@actors a\n@include my part.inc who=a word=$5\n");
    written.put("my part.inc", "${who}> :$${word} ${word}\n${who}| ! $*\n");
    assert!(written.replay(&["story.chat"]).passes().contains("a> :$${word} $5\n"));
    written.put("my part.inc", "${who}> hi\n");
    let played = written.replay(&["story.chat"]);
    assert!(played.code == 2 && played.err.contains("my part.inc does not use ${word}"), "{}", played.err);
}
