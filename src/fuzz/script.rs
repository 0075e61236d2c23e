//! Scripts: what is written of a script or of a conversation is read again and means the same.

use std::collections::BTreeSet;

use super::Choices;
use crate::app::recorder::{LineOutcome, Recorder};
use crate::chat::{
    AddressedView, Arrival, Chat, ExitRequest, Info, KeyStatus, Message, Notice, Presence, TrustLevel,
};
use crate::crypto::Fingerprint;
use crate::peers::book::Book;
use crate::peers::name::Name;
use crate::replay::reporter::draw;
use crate::script::diagnostic::check;
use crate::script::markdown::{blocks, trim};
use crate::script::matcher::ShownRow;
use crate::script::render::{Substitutions, input, shown};
use crate::script::{Bindings, LineKind, Loader, Parser, Script, SourceFile, canonical, usage};
use crate::text::redaction::Redactions;
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::wire::Lifetime;

/// Most bytes of a script.
const BYTES: usize = 8_192;
/// Most acts of a recording.
const ACTS: usize = 40;

pub fn script(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(4) {
        0 => written(&text(choices.rest())),
        1 => typed(&text(choices.rest())),
        2 => page(&text(choices.rest())),
        _ => recorded(&mut choices),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES)]).into_owned()
}

fn read(text: &str) -> Result<Script, (Vec<SourceFile>, Vec<crate::script::Diagnostic>)> {
    let mut files = |name: &str, _: &str| match name {
        "other.chat" => Ok(SourceFile { name: name.to_owned(), text: "alice> from another\n".to_owned() }),
        _ => Err("there is no such file".to_owned()),
    };
    let loader: &mut Loader<'_> = &mut files;
    Parser::new(loader).parse(&SourceFile { name: "fuzz.chat".to_owned(), text: text.to_owned() })
}

/// A script in its canonical form is that script.
fn written(text: &str) {
    let script = match read(text) {
        Ok(script) => script,
        Err((sources, mistakes)) => {
            assert!(!mistakes.is_empty());
            for mistake in &mistakes {
                assert!(!draw(mistake, &sources).is_empty());
            }
            return;
        }
    };
    for mistake in check(&script, &[]) {
        assert!(!draw(&mistake, &script.sources).is_empty());
    }
    let _ = usage::check(&script);
    let formatted = canonical(&script);
    let again = read(&formatted).unwrap_or_else(|(sources, mistakes)| {
        panic!("{}\n{formatted:?}", draw(&mistakes[0], &sources));
    });
    assert_eq!(canonical(&again), formatted, "twice is once");
    assert_eq!(meaning(&again), meaning(&script), "{formatted:?}");
}

/// What the lines of a script say, without their places. A blank at the end of an expression is
/// written as `\x20`, which matches the same.
fn meaning(script: &Script) -> Vec<String> {
    let lines = script.lines.iter().filter(|line| !matches!(line.kind, LineKind::Blank | LineKind::Comment));
    lines
        .map(|line| match &line.kind {
            LineKind::Input { actor, template } => format!("{actor} types {template:?}"),
            LineKind::Expect { actor, expectation, block } => {
                format!("{actor} {block:?} {expectation:?}").replace(r"\\x20", " ")
            }
            kind => format!("{kind:?}"),
        })
        .collect()
}

/// A typed text and a shown row, written into a script, are that text and that row.
fn typed(text: &str) {
    // No line has one.
    let text = text.replace('\0', "");
    let (bindings, substitutions) = (Bindings::default(), Substitutions::default());
    let typed = input("alice", &text, &substitutions);
    let shown = shown("alice", &ShownRow::row(0, text.clone()), &substitutions);
    let script = format!("@actors alice bob\n{typed}\n{shown}\n");
    assert_eq!(script.lines().count(), 3, "{script:?}");
    let script = read(&script).unwrap_or_else(|(sources, mistakes)| {
        panic!("{}\n{script:?}", draw(&mistakes[0], &sources));
    });
    for line in &script.lines {
        match &line.kind {
            LineKind::Input { template, .. } => assert_eq!(bindings.expand(template).as_ref(), Ok(&text)),
            LineKind::Expect { expectation, .. } => {
                let row = SafeText::line(&text);
                assert!(bindings.matched(expectation, row.as_str()).is_some(), "{:?}", line.text);
            }
            _ => {}
        }
    }
}

/// Blocks of a page keep their rows and their places.
fn page(text: &str) {
    for block in blocks(text) {
        let alone = block.alone(text);
        assert!(alone.lines().count() <= text.lines().count());
        if let Ok(mut script) = read(&alone) {
            trim(&mut script);
        }
    }
}

/// A recording is a script, whatever was said.
fn recorded(choices: &mut Choices<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("talk.chat");
    let own = Name::claimed(choices.piece());
    let chat = Chat::new(own.clone(), None, Book::new(), 64);
    let mut recorder = Recorder::start(&path, own.as_str(), Redactions::default()).unwrap();
    // Of namesakes all but the first have a number.
    let mut names = vec![own.clone()];
    for _ in 0..3 {
        let name = Name::claimed(choices.piece())
            .first_free(|name| names.iter().any(|other| other.looks_like(name)));
        names.push(name);
    }
    let names: Vec<String> = names[1..].iter().map(Name::to_string).collect();
    let mut present = BTreeSet::new();
    recorder.typed(":listen 127.0.0.1:0", None, LineOutcome::Accepted);
    for _ in 0..ACTS {
        if choices.is_empty() {
            break;
        }
        let name = choices.one_of(&names);
        match choices.below(8) {
            0 => {
                recorder.shown(&joined(&name), &chat);
                present.insert(name);
            }
            1 if present.remove(&name) => {
                recorder.shown(&Notice::Info(Info::Left { name, fingerprint: None }), &chat);
            }
            2 => recorder.typed(&line(choices), Some(addressed(name)), LineOutcome::Accepted),
            3 => recorder.typed(&line(choices), None, LineOutcome::Refused),
            4 => recorder.shown(&Notice::Answer(vec![line(choices)]), &chat),
            _ => recorder.shown(&Notice::Message(message(name, choices)), &chat),
        }
    }
    recorder.exit_requested(ExitRequest::EndOfInput, &chat);
    recorder.finished(0, &chat);
    assert_eq!(recorder.flush(), None);
    let text = std::fs::read_to_string(&path).unwrap();
    let script = read(&text).unwrap_or_else(|(sources, mistakes)| {
        panic!("{}\n{text}", draw(&mistakes[0], &sources));
    });
    assert_eq!(meaning(&read(&canonical(&script)).unwrap_or_default()), meaning(&script));
}

/// A line that an editor hands over.
fn line(choices: &mut Choices<'_>) -> String {
    choices.word().replace(['\n', '\r'], "")
}

fn joined(name: &str) -> Notice {
    Notice::Info(Info::Joined {
        name: name.to_owned(),
        fingerprint: Fingerprint::of(name.as_bytes()),
        status: KeyStatus::New,
        trust_level: TrustLevel::Unverified,
    })
}

fn addressed(name: String) -> AddressedView {
    AddressedView { name, trust_level: Some(TrustLevel::Unverified), presence: Presence::Here }
}

fn message(name: String, choices: &mut Choices<'_>) -> Message {
    let text = choices.piece();
    Message {
        fingerprint: Some(Fingerprint::of(name.as_bytes())),
        name,
        to: Vec::new(),
        trust_level: TrustLevel::Unverified,
        lifetime: choices.one_of(&[Lifetime::Lasting, Lifetime::Short]),
        arrived: UnixMs(0),
        sent: UnixMs(0),
        arrival: Arrival::Prompt,
        text: text.to_vec(),
        rows: SafeText::rows_from_bytes(text),
        number: 1,
    }
}
