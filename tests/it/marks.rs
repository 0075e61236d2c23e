//! Byte order marks: one of UTF-8 is skipped, and one of UTF-16 named, in every text that a person or
//! a foreign program writes.

use std::fs;
use std::process::Stdio;

use crate::support::{Home, Process, file_with};

const MARK: &str = "\u{feff}";

/// A home in which book, key and passphrase have a mark each, and the settings and a script beside
/// them; the text that comes after it is given to `write`.
fn marked(write: impl Fn(&str) -> Vec<u8>) -> Home {
    let home = Home::of("민지");
    let peer = Home::of("준호").fingerprint();
    home.private("secret", "열려라 참깨\n");
    home.answer(&["key", "passphrase", "--new-passphrase-file", home.file("secret").to_str().unwrap()]);
    for (file, text) in [
        ("secret", "열려라 참깨\n".to_owned()),
        ("identity.pem", fs::read_to_string(home.file("identity.pem")).unwrap()),
        ("peers", format!("Jun {peer} verified\n")),
        ("config.toml", "name = \"minji\"\n".to_owned()),
        ("story.chat", "@include more.inc\n:showkey\n| ! no key yet$*\n".to_owned()),
        ("more.inc", "# more\n".to_owned()),
    ] {
        home.private(file, write(&text));
    }
    home
}

/// What the program says at a home of these files, with the code it ended with.
fn tells(home: &Home, args: &[&str]) -> (Option<i32>, String) {
    let path = |file: &str| home.file(file).to_str().unwrap().to_owned();
    let args: Vec<_> = args.iter().map(|arg| arg.strip_prefix('@').map_or((*arg).to_owned(), path)).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let output = home.command(&args).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

const READERS: [(&[&str], &str); 4] = [
    (&["key", "show", "--passphrase-file", "@secret"], "fingerprint SHA256:"),
    (&["peers", "list"], "Jun SHA256:"),
    (&["--config", "@config.toml", "config", "check"], "is valid, with 1 setting"),
    (&["replay", "@story.chat"], "| ! no key yet"),
];

#[test]
fn a_mark_before_a_file_is_no_part_of_it() {
    let home = marked(|text| [MARK, text].concat().into_bytes());
    for (args, expected) in READERS {
        let (code, said) = tells(&home, args);
        assert!(code == Some(0) && said.contains(expected), "{args:?}: {code:?} {said}");
    }
}

#[test]
fn a_file_in_utf_16_is_named_as_that() {
    let utf16 =
        |text: &str| [MARK, text].concat().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let home = marked(utf16);
    for (args, _) in READERS {
        let (code, said) = tells(&home, args);
        assert!(code != Some(0) && said.contains("UTF-16 text; save "), "{args:?}: {code:?} {said}");
    }
    // With a passphrase that can be read, the key itself.
    home.private("secret", "열려라 참깨\n");
    assert!(tells(&home, READERS[0].0).1.contains("identity.pem is UTF-16 text"));
}

#[test]
fn a_mark_before_what_is_typed_sent_or_ordered_is_no_part_of_it() {
    let (mut junho, at) = Process::listening("준호");
    let input = file_with(format!("{MARK}@준호 하나\n둘\n").as_bytes());
    let mut minji = Home::of("민지").start_with_input(&["--connect", &at], input);
    assert_eq!(minji.ends(), 0, "{}", minji.output());
    assert_eq!(junho.hears("민지", 2), ["하나", "둘"]);

    let orders = format!("{MARK}{}\n{}\n", r#"{"id":1,"say":"셋"}"#, r#"{"command":"quit"}"#);
    let args = ["--json", "--connect", &at];
    let mut bot = Home::of("하나").start_with_input(&args, file_with(orders.as_bytes()));
    bot.ends();
    assert!(bot.has_seen(r#""id":1"#), "{}", bot.output());
    assert_eq!(junho.hears("하나", 1), ["셋"]);

    let home = Home::of("보라");
    let args = ["send", &at, "--accept-new", "--name", "보라"];
    let mut sends = home.run(&args, file_with(format!("{MARK}넷\n").as_bytes()));
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());
    junho.sees(": 넷");
    assert!(!junho.has_seen(MARK) && !junho.has_seen("feff"), "{}", junho.output());
    junho.closes_input();
}
