//! Readers of what people and programs write: lines of the prompt, orders in JSON, events of the
//! owner of a home, command lines and settings.

use std::path::Path;

use super::Choices;
use crate::chat::command::{ParsedLine, command_of, parse_line};
use crate::chat::{Input, Notice};
use crate::cli::tree;
use crate::config::{Layer, file};
use crate::events::{OutputEvent, face_order, json_request, to_notice};
use crate::text::shell::quoted;

/// Most bytes of a character of an event as it is shown, behind a name in each row.
const ESCAPE_BYTES: usize = 100;
/// More than the words that a notice has of its own.
const WORDS_OF_A_NOTICE: usize = 4_096;
/// Most words of a command line.
const WORDS: usize = 24;

pub fn requests(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(5) {
        0 => prompt(&String::from_utf8_lossy(choices.rest()).replace('\n', " ")),
        1 => orders(choices.rest()),
        2 => events(choices.rest()),
        3 => command_line(&mut choices),
        _ => settings(&String::from_utf8_lossy(choices.rest())),
    }
}

/// A text that is no command is sent as it stands.
fn prompt(line: &str) {
    match parse_line(line) {
        Ok(ParsedLine::Text(text)) => {
            let is_doubled = ["::", "@@", "＠＠"].iter().any(|signs| line.starts_with(signs));
            // Only before a command.
            let is_colon = line.starts_with("：：") && !text.starts_with("：：");
            let sign = line.chars().next().map_or(0, char::len_utf8);
            let is_invitation = line.strip_prefix("::") == Some(&*text);
            let written = match (is_doubled || is_colon, is_invitation) {
                (true, true) => &line[2 * sign..],
                (true, false) => &line[sign..],
                (false, _) => line,
            };
            assert_eq!(text.trim(), written.trim(), "{line:?}");
        }
        Ok(ParsedLine::TextTo { name, text }) => {
            assert!(line.contains(&name) && line.contains(text.trim()), "{line:?}");
        }
        Ok(ParsedLine::Command(_) | ParsedLine::Nothing | ParsedLine::Invitation(_)) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let mut words = line.split(' ').map(str::to_owned);
    let name = words.next().unwrap_or_default();
    let _ = command_of(&name, &words.collect::<Vec<_>>());
}

fn orders(line: &[u8]) {
    let (id, request) = json_request::read(line);
    match &request {
        Ok(request) => {
            // What is understood is an object of JSON.
            let object: serde_json::Value = serde_json::from_slice(line).unwrap();
            assert!(object.is_object());
            assert_eq!(id.is_some(), object.get("id").is_some_and(|id| !id.is_null()));
            match request.input() {
                Input::Text(text) => assert_eq!(object["say"], text),
                Input::TextTo { name, text } | Input::TextUntil { name, text, .. } => {
                    assert_eq!((&object["to"], &object["say"]), (&name.into(), &text.into()));
                }
                Input::Ask { text, timeout_ms, .. } => assert!(object["ask"] == text && timeout_ms > 0),
                _ => assert!(object["command"].is_string()),
            }
        }
        Err(why) => assert!(!why.is_empty()),
    }
    if face_order::read(line).is_some() {
        assert!(request.is_err(), "one line is two orders");
    }
    let event = OutputEvent::Notice { message: String::from_utf8_lossy(line).into_owned() };
    let written = event.to_json(0, id.as_ref());
    assert_eq!(written.matches('\n').count(), 1);
    let read: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(read["message"], String::from_utf8_lossy(line).as_ref());
}

/// Events of the owner, of which none can end a prompt at its socket.
fn events(line: &[u8]) {
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(line) else { return };
    let notice = to_notice::notice(&event);
    let rows: usize = notice.iter().flat_map(Notice::rows).map(|row| row.len()).sum();
    assert!(rows <= ESCAPE_BYTES * line.len() + WORDS_OF_A_NOTICE, "{notice:?}");
    let _ = (to_notice::own(&event), to_notice::returned(&event), to_notice::export(&event));
    let _ = (to_notice::view(&event), to_notice::names(&event));
}

fn command_line(choices: &mut Choices<'_>) {
    let mut words = vec!["rsachat".to_owned()];
    while words.len() < WORDS && !choices.is_empty() {
        words.push(choices.word());
    }
    let pasted: Vec<_> = words.iter().map(|word| quoted(word)).collect();
    assert_eq!(shell_words::split(&pasted.join(" ")).as_ref(), Ok(&words));
    if let Err(error) = tree().try_get_matches_from(&words) {
        assert!(!error.render().to_string().is_empty());
    }
}

/// Settings that are shown are a file with the same settings.
fn settings(text: &str) {
    let home = Some(Path::new("/home/minji"));
    match file::parse(text, home) {
        Ok(read) => {
            let written = file_of(&read.layer);
            let again = file::parse(&written, home).unwrap_or_else(|errors| panic!("{errors:?}\n{written}"));
            assert_eq!(file_of(&again.layer), written);
        }
        Err(errors) => assert!(!errors.is_empty()),
    }
}

fn file_of(layer: &Layer) -> String {
    let rows = file::KEYS.iter().filter_map(|key| Some(format!("{} = {}\n", key.name, (key.value)(layer)?)));
    rows.collect()
}
