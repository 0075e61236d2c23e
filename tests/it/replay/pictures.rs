//! Pictures of a replay, moving and still, and what is kept out of them.

use std::io::Read as _;

use super::fixture::{Written, connected};

/// A short talk, with Hangul, an emoji, a day without a word and a line that is too long for a
/// screen.
fn talk() -> String {
    let long = "가나다 ".repeat(60);
    format!(
        "{}alice> 안녕 <bob> & co\nbob> 비밀은 tok_xyz\n@tick 1d\n@draft bob not \nbob> yet 👋\nalice> {long}\nbob> :quit\n",
        connected()
    )
}

fn drawn(written: &Written, args: &[&str]) -> String {
    let played = written.replay(&[&["story.chat", "--quiet"], args].concat());
    assert_eq!((played.code, played.err.as_str()), (0, ""));
    std::fs::read_to_string(written.folder().join(args[1])).unwrap()
}

/// Texts of the visible rows of a picture.
fn rows(svg: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(svg);
    let (mut rows, mut text) = (Vec::new(), None::<String>);
    loop {
        use quick_xml::events::Event;
        match reader.read_event().expect("well-formed XML") {
            Event::Start(tag) if tag.name().as_ref() == b"text" => text = Some(String::new()),
            Event::Text(part) => {
                if let Some(text) = &mut text {
                    text.push_str(&part.xml10_content().unwrap());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some(text) = &mut text {
                    let name = String::from_utf8(reference.to_vec()).unwrap();
                    text.push_str(&quick_xml::escape::unescape(&format!("&{name};")).unwrap());
                }
            }
            Event::End(tag) if tag.name().as_ref() == b"text" => rows.extend(text.take()),
            Event::Eof => return rows,
            _ => {}
        }
    }
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
    for row in ["! no such", "00:00   ! no such", "00:00 problem: no such", r#"{\"time"#] {
        assert!(cast.contains(&format!("[33m{row}")), "{row} in\n{cast}");
    }
    let spaced = story.replace("@plain hana", "@plain   hana").replace("@json bot", "@json\tbot");
    written.put("story.chat", &spaced);
    assert_eq!(written.replay(&["--fmt", "story.chat"]).code, 0);
    assert_eq!(written.text(), story);
}

#[test]
fn a_still_picture_shows_the_last_rows_of_every_actor_beside_each_other() {
    let written = Written::new(&talk());
    let still = rows(&drawn(&written, &["--svg", "x.svg", "--still"]));
    assert_eq!(still[..2], ["alice", "bob"]);
    for row in ["bob> 비밀은 tok_xyz", "bob> not yet 👋", "* bob left", "exited 0"] {
        assert!(still.iter().any(|shown| shown == row), "{row} in {still:?}");
    }
    let moving = rows(&drawn(&written, &["--svg", "x.svg"]));
    for row in ["alice> 안녕 <b", "alice> 안녕 <bob> & co", "bob> not ", "bob> not yet 👋"] {
        assert!(moving.iter().any(|shown| shown == row), "{row}");
    }
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
    for row in rows(&drawn(&written, &["--svg", "x.svg", "--still"])) {
        assert!(shown.contains(row.trim_end()), "{row} in\n{shown}");
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
fn pictures_are_of_one_script_and_say_where_they_cannot_be_written() {
    let written = Written::new(":showkey\n");
    written.put("other.chat", ":showkey\n");
    for (args, code, said) in [
        (&["story.chat", "other.chat", "--svg", "x.svg"][..], 2, "--svg and --cast draw one script"),
        (&["story.chat", "--redact", "x"], 2, "--redact is for --svg and --cast"),
        (&["story.chat", "--svg", "x.svg", "--redact", "("], 2, "unclosed group"),
        (&["story.chat", "--svg", "x.svg", "--redact", "x*"], 2, "it matches the empty text"),
        (&["story.chat", "--svg", "none/x.svg"], 3, "cannot write none/x.svg: no such file or directory"),
        (&["story.chat", "--update", "--svg", "x.svg"], 2, "--update"),
    ] {
        let played = written.replay(args);
        assert!(played.code == code && played.err.contains(said), "{args:?} {} {}", played.code, played.err);
    }
}

#[test]
fn the_picture_of_the_readme_is_the_one_that_comes() {
    let script = crate::support::root("scripts/hello.chat");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("hello.svg");
    let mut command = super::fixture::command(&script);
    let status = command.args(["--quiet", "--svg"]).arg(&file).status().unwrap();
    assert!(status.success());
    let mut kept = String::new();
    std::fs::File::open(crate::support::root("docs/hello.svg")).unwrap().read_to_string(&mut kept).unwrap();
    let hint = "rsachat replay scripts/hello.chat --quiet --svg docs/hello.svg makes it anew";
    assert!(std::fs::read_to_string(file).unwrap() == kept, "{hint}");
}
