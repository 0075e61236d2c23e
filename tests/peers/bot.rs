//! Bot of the documents, behind `rsachat --json`, with people at real prompts.

use super::Python;
use crate::support::{Home, Process, RSACHAT, root};

/// It answers each of two people, closes where it is asked to, and ends in order.
pub(crate) fn answers(python: &Python) {
    let home = Home::of("bot");
    let mut command = python.command(&root("docs/peers/bot.py"));
    command.env("RSACHAT", RSACHAT).env("RSACHAT_CONFIG", "none").arg("--home").arg(home.path());
    command.args(["--name", "bot", "--listen", "127.0.0.1:0"]);
    let (mut bot, at) = home.start_on(command, std::process::Stdio::null()).and_where();
    let mut people = ["민지", "준호"].map(|name| Process::start(name, &["--connect", &at]));
    for (person, text) in people.iter_mut().zip(["안녕 \\u{1b}", "\"둘\" 👋"]) {
        person.sees("bot joined");
        person.types(text);
        person.sees(&format!("bot: {text}"));
    }
    let [minji, junho] = &mut people;
    minji.types("bye");
    minji.sees("* bot left");
    junho.types("아직 있어요");
    junho.sees("bot: 아직 있어요");
    bot.sees("connected: 준호");
    assert!(!junho.has_seen("bot left"), "{}", junho.output());
    // Not SIGINT: where the tests run in the background of a shell, that one may be ignored from
    // the start.
    bot.signal(rustix::process::Signal::TERM);
    assert_eq!(bot.ends(), 143);
    // Its program has lost its orders, and leaves like one whose input ends.
    junho.sees("* bot left");
}
