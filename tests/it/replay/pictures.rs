//! Pictures of a replay, moving and still, and what is kept out of them.

use std::io::Read as _;

use super::fixture::{Written, connected};
use crate::support::picture::Picture;

/// A short talk, with Hangul, an emoji, midnight and a line that is too long for a
/// screen.
fn talk() -> String {
    let long = "가나다 ".repeat(60);
    format!(
        "@at 2000-01-01 23:59\n{}alice> 안녕 <bob> & co\nbob> 비밀은 tok_xyz\n@tick 2m\n@draft bob not \nbob> yet 👋\nalice> {long}\nbob> :quit\n",
        connected()
    )
}

fn drawn(written: &Written, args: &[&str]) -> String {
    let played = written.replay(&[&["story.chat", "--quiet"], args].concat());
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    std::fs::read_to_string(written.folder().join(args[1])).unwrap()
}

fn still(written: &Written, more: &[&str]) -> Picture {
    Picture::parse(&drawn(written, &[&["--svg", "x.svg", "--still"], more].concat()))
}

fn moving(written: &Written) -> Picture {
    Picture::parse(&drawn(written, &["--svg", "x.svg"]))
}

#[test]
fn the_same_script_gives_the_same_picture_byte_for_byte() {
    let written = Written::new(&talk());
    for args in [&["--svg", "x.svg"][..], &["--svg", "x.svg", "--still"], &["--cast", "x.cast"]] {
        assert_eq!(drawn(&written, args), drawn(&written, args), "{args:?}");
    }
}

#[test]
fn a_warning_has_its_colour_whatever_the_front_end_of_its_actor_is() {
    let story = "@seed 7\n@lenient\n@actors alice bob hana bot\n@width bob 60\n@plain hana\n@json bot\n\
        alice> :helo\nbob> :helo\nhana> :helo\nbot> helo\n";
    let written = Written::new(story);
    let cast = drawn(&written, &["--cast", "x.cast"]);
    for row in ["00:00     ! no such", "00:00   ! no such", "00:00 problem: no such", r#"{\"time"#] {
        assert!(cast.contains(&format!("[31m{row}")), "{row} in\n{cast}");
    }
    let spaced = story.replace("@plain hana", "@plain   hana").replace("@json bot", "@json\tbot");
    written.put("story.chat", &spaced);
    assert_eq!(written.replay(&["--fmt", "story.chat"]).code, 0);
    assert_eq!(written.text(), story);
}

#[test]
fn a_screen_has_the_times_the_names_in_their_colours_and_the_prompt_of_a_terminal() {
    let written = Written::new(&talk());
    let still = still(&written, &[]);
    assert_eq!(still.titles, ["alice", "bob"]);
    let screen = still.screen("bob");
    let (_, below) = screen.split_once('\n').expect("rows below the first prompt");
    insta::assert_snapshot!(below, @r"
    23:59   * connecting to 127.0.0.1:40001; Ctrl-C cancels
    23:59     * alice? new: SHA256:3dyQ2c7dCjTgpQ65B77RTdMEUiFxGRVmIJh0Fi4USwE
    23:59 alice: 안녕 <bob> & co
    23:59   bob: 비밀은 tok_xyz
    --- Sunday, 2 January 2000 ---
    00:01   bob: not yet 👋
    00:01 alice: 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다 가나다
                 가나다 가나다 가나다 가나다 가나다 가나다
    bob to alice? > :quit
    00:01     * conversation with alice closed
    exited 0
    ");
    let his = || still.rows.iter().filter(|row| row.screen == 1);
    let row = |text: &str| his().find(|row| row.text().contains(text)).expect("a row");
    let own = row("  bob: not yet 👋");
    assert_eq!((own.look_of("00:01"), own.look_of("bob")), (Some("t"), Some("b")), "one's own name is bold");
    let hers = row("alice: 안녕 <bob>").look_of("alice").expect("her name");
    assert!(hers.starts_with('#'), "{hers}: the colour of her key");
    assert_eq!(row("conversation with alice closed").spans[0].look, "d", "dim");
    assert_eq!(row("--- Sunday").spans[0].look, "d");
}

#[test]
fn a_line_is_typed_at_the_prompt_and_becomes_its_message() {
    let written = Written::new(&talk());
    let moving = moving(&written);
    for row in [
        "alice to bob? > 안녕 <b",
        "23:59 alice: 안녕 <bob> & co",
        "bob to alice? > not",
        "bob to alice? > not yet 👋",
        "00:01   bob: not yet 👋",
    ] {
        assert!(moving.shows(row), "{row}");
    }
}

#[test]
fn the_prompt_changes_its_signs_and_a_line_that_was_not_sent_comes_back() {
    let refused = "! bob is not connected; nothing was sent; :peers shows where to call";
    let hint = "* :to bob keeps your lines until bob has them";
    let script = format!("{}bob> :quit\nalice> hello?\nalice| {refused}\nalice| {hint}\n", connected());
    let written = Written::new(&script);
    let screen = still(&written, &[]).screen("alice");
    let end: Vec<_> = screen.lines().rev().take(4).collect();
    let is_typed = |row: &str| row.starts_with("alice to bob? away") && row.ends_with("> hello?");
    assert!(is_typed(end[0]) && is_typed(end[3]), "{screen}");
    assert_eq!(end[1..3], [hint, refused].map(|row| format!("00:00     {row}")), "{screen}");
}

#[test]
fn what_waits_for_somebody_away_stands_as_a_message_in_the_place_of_its_line() {
    let written = Written::new(&format!("{}alice> :quit\nbob> 우산 두고 갔어\n", connected()));
    let screen = still(&written, &[]).screen("bob");
    let end: Vec<_> = screen.lines().rev().skip(1).take(2).collect();
    assert!(screen.lines().last().is_some_and(|row| row.contains("+1")), "{screen}");
    assert_eq!(screen.matches("우산").count(), 1, "{screen}");
    assert_eq!(end[1], "00:00 bob → alice: 우산 두고 갔어");
    assert!(end[0].starts_with("00:00     * queued; alice gets it"), "{screen}");
}

#[test]
fn an_asciicast_leaves_the_rows_of_the_still_picture_on_a_terminal() {
    let written = Written::new(&talk());
    let cast = drawn(&written, &["--cast", "x.cast"]);
    let mut lines = cast.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let header = lines.next().unwrap();
    let size = |key: &str| u16::try_from(header[key].as_u64().unwrap()).unwrap().try_into().unwrap();
    assert_eq!(header["version"], 2);
    let mut terminal = vt100::Parser::new(size("height"), size("width"), 0);
    let mut before = 0.0;
    for event in lines {
        let at = event[0].as_f64().unwrap();
        assert!(at >= before && at - before <= 2.7, "{before} {at}: nobody looks at nothing for long");
        before = at;
        assert_eq!(event[1], "o");
        terminal.process(event[2].as_str().unwrap().as_bytes());
    }
    let shown = terminal.screen().contents();
    for row in still(&written, &[]).rows {
        assert!(shown.contains(&row.text()), "{} in\n{shown}", row.text());
    }
}

#[test]
fn what_is_to_be_redacted_is_in_no_picture_not_even_while_it_is_typed() {
    let written = Written::new(&talk());
    for args in [["--svg", "x.svg"], ["--cast", "x.cast"]] {
        let whole = drawn(&written, &args);
        assert!(whole.contains("tok_xyz"));
        let redacted = drawn(&written, &[&args[..], &["--redact", "tok_[a-z]+=TOKEN"]].concat());
        assert!(redacted.contains("[TOKEN]") && !redacted.contains("tok_"), "{redacted}");
        assert!(redacted.contains("2 places redacted"));
    }
}

#[test]
fn a_screen_has_24_rows_at_most_and_two_of_three_stand_beside_each_other_on_a_page() {
    let lines = (0..30).map(|number| format!("carol> :helo{number}")).collect::<Vec<_>>().join("\n");
    let written =
        Written::new(&format!("@seed 7\n@lenient\n@actors alice bob carol\nalice> :hi\nbob> :hi\n{lines}\n"));
    let svg = drawn(&written, &["--svg", "x.svg", "--still"]);
    assert!(svg.contains("viewBox=\"0 0 896 988\""), "{svg}");
    let screen = Picture::parse(&svg).screen("carol");
    assert_eq!(screen.lines().count(), 24, "{screen}");
    assert!(screen.contains(":helo29") && !screen.contains(":helo9"), "{screen}");
}

#[test]
fn a_redacted_text_is_in_no_picture_where_rows_or_a_code_show_it() {
    let long = "열한 글자가 되도록 ".repeat(4);
    let written = Written::new(&format!("{}alice> {long}code 1234 5678\nbob> :verify alice\n", connected()));
    let whole = drawn(&written, &["--svg", "x.svg", "--still"]);
    assert!(whole.contains("<path") && whole.contains("5678"), "{whole}");
    let rules = ["--redact", r"code [\d ]+=CODE", "--redact", r"SHA256:\S+=KEY"];
    let redacted = drawn(&written, &[&["--svg", "x.svg"], &rules[..]].concat());
    for text in ["1234", "5678", "SHA256", "<path"] {
        assert!(!redacted.contains(text), "{text} in\n{redacted}");
    }
    assert!(redacted.contains("[CODE]") && redacted.contains("[KEY]"), "{redacted}");
}

#[test]
fn pictures_are_of_one_script_and_say_where_they_cannot_be_written() {
    let written = Written::new(":showkey\n");
    written.put("other.chat", ":showkey\n");
    for (args, code, said) in [
        (&["story.chat", "other.chat", "--svg", "x.svg"][..], 2, "--svg and --cast draw one script"),
        (&["story.chat", "--redact", "x"], 2, "--redact is for --svg and --cast"),
        (&["story.chat", "--svg", "x.svg", "--redact", "("], 2, "unclosed group"),
        (&["story.chat", "--svg", "x.svg", "--redact", "x*"], 2, "it matches empty text"),
        (&["story.chat", "--svg", "none/x.svg"], 3, "cannot write none/x.svg: no such file or directory"),
        (&["story.chat", "--update", "--svg", "x.svg"], 2, "--update"),
    ] {
        let played = written.replay(args);
        assert!(played.code == code && played.err.contains(said), "{args:?} {} {}", played.code, played.err);
    }
}

#[test]
fn the_picture_of_the_readme_is_the_one_that_comes() {
    let script = crate::support::root("scripts/front-page.chat");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("front-page.svg");
    let mut command = super::fixture::command(&script);
    let status = command.args(["--quiet", "--svg"]).arg(&file).status().unwrap();
    assert!(status.success());
    let mut kept = String::new();
    std::fs::File::open(crate::support::root("docs/front-page.svg"))
        .unwrap()
        .read_to_string(&mut kept)
        .unwrap();
    let hint = "rsachat replay scripts/front-page.chat --quiet --svg docs/front-page.svg makes it anew";
    assert!(std::fs::read_to_string(file).unwrap() == kept, "{hint}");
}
