//! `--record FILE`: an interactive session as a script of all who took part. What a peer said
//! becomes what it types, what it did becomes a directive or a command, and what differs from one
//! machine to the next becomes a wildcard: so the script plays again without any of them.

pub(crate) mod notices;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::describe;
use super::error::{AppError, code};
use crate::chat::command::{Command, ParsedLine, parse_line};
use crate::chat::{Chat, ExitRequest, Protocol, TrustLevel};
use crate::limits::MESSAGE_BYTES;
use crate::peers::address::{Family, ListenAt};
use crate::script::render::CaptureNames;
use crate::session::EXIT;

/// A session on its way into a file.
pub(crate) struct Recorder {
    path: PathBuf,
    file: File,
    /// Our own label.
    me: String,
    /// Who took part, by its label in the script: the name that it came with, where that was free.
    peers: BTreeMap<String, RecordedPeer>,
    /// The labels of peers, by what they are called now.
    labels: BTreeMap<String, String>,
    /// The name that we give to new peers.
    nick: String,
    /// The script without its first lines, which name everybody.
    body: String,
    /// Bytes of the body that are in the file.
    written: usize,
    /// Callers of the raw wire that gave no key.
    keyless: BTreeSet<String>,
    listening: Listening,
    /// The wire of the last place that we began to wait at.
    awaiting: Protocol,
    broken: Option<io::Error>,
}

/// Where peers reach us on either wire, as it stands in the script.
#[derive(Default)]
struct Listening {
    native: Option<String>,
    raw: Option<String>,
}

impl Listening {
    fn on(&mut self, wire: Protocol) -> &mut Option<String> {
        match wire {
            Protocol::Native => &mut self.native,
            Protocol::Oaep(_) => &mut self.raw,
        }
    }
}

/// Somebody who took part.
#[derive(Clone, Debug)]
struct RecordedPeer {
    /// What it calls us.
    knows_us_as: String,
    /// Whether it runs, and whether it waits for calls.
    started: Started,
    listens: Listens,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Started {
    #[default]
    Yes,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Listens {
    #[default]
    No,
    Yes,
}

impl Recorder {
    /// Begins a recording in a new file that only its owner can read.
    pub(crate) fn start(path: &Path, me: &str) -> Result<Self, AppError> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            let what = format!("cannot record in {}: {}", path.display(), describe(&error));
            AppError::new(code::MACHINE, what).hint("name a file that does not exist yet")
        })?;
        let mut recorder = Self {
            path: path.to_owned(),
            file,
            me: me.to_owned(),
            peers: BTreeMap::new(),
            labels: BTreeMap::new(),
            nick: me.to_owned(),
            keyless: BTreeSet::new(),
            body: String::new(),
            written: 0,
            listening: Listening::default(),
            awaiting: Protocol::Native,
            broken: None,
        };
        recorder.rewrite();
        Ok(recorder)
    }

    /// The file, as it is to be named.
    pub(crate) fn file_name(&self) -> String {
        self.path.display().to_string()
    }

    /// A line was typed by us, before anything is done about it.
    pub(crate) fn typed(&mut self, line: &str, chat: &Chat) {
        match parse_line(line) {
            // It stands in the script once somebody has answered.
            Ok(ParsedLine::Command(Command::Connect { .. })) => {}
            Ok(ParsedLine::Command(Command::Listen { at, family, wire, .. })) => {
                self.awaiting = wire;
                self.listens(line, &at, family);
            }
            Ok(ParsedLine::Command(Command::Keygen { .. })) => {
                self.ours(line);
                self.expect("$**");
            }
            Ok(ParsedLine::Text(text)) => self.says(line, &text, chat),
            _ => self.ours(line),
        }
    }

    /// A text is for whoever is addressed, and is seen there.
    fn says(&mut self, line: &str, text: &str, chat: &Chat) {
        let Some((name, trust_level)) = chat.view().addressed else { return self.ours(line) };
        if self.keyless.contains(&name) {
            // It was refused here; in the script that peer has a key, and would be sent it.
            let typed = CaptureNames::default().typed(line);
            return self.line(&format!("# not sent: {}> {typed}", self.me));
        }
        self.ours(line);
        // The raw wire's goodbye is no message there.
        if (trust_level == TrustLevel::Unauthenticated && text == EXIT) || text.len() > MESSAGE_BYTES {
            return;
        }
        let label = self.label(&name).to_owned();
        let Some(us) = self.peers.get(&label).map(|peer| peer.knows_us_as.clone()) else { return };
        for row in text.lines() {
            self.row(&label, &CaptureNames::default().pattern(&format!("{us}: {row}")));
        }
    }

    /// We wait for callers. In a script everybody is on one machine: an address of another network
    /// becomes the loopback's.
    fn listens(&mut self, line: &str, at: &ListenAt, family: Family) {
        let host = match (at.host.as_deref(), family) {
            (Some(host), _) if host.contains(':') => "[::1]",
            (None, Family::V6) => "[::1]",
            _ => "127.0.0.1",
        };
        let here = |word: &str| word.parse::<ListenAt>().as_ref() == Ok(at) && at.host.is_some();
        let words = line
            .split_whitespace()
            .map(|word| if here(word) { format!("{host}:{}", at.port) } else { word.to_owned() });
        let words: Vec<String> = words.collect();
        self.ours(&words.join(" "));
        self.expect("$**");
        let port = if at.port == 0 { format!("${{{}.port}}", self.me) } else { at.port.to_string() };
        *self.listening.on(self.awaiting) = Some(format!("{host}:{port}"));
    }

    /// The end of the input, Ctrl-D or a signal ends the session: in the script that is typed.
    pub(crate) fn leaves(&mut self, farewell: ExitRequest, chat: &Chat) {
        if !chat.is_leaving() {
            if let ExitRequest::Signal(number) = farewell {
                self.line(&format!("# ended by signal {number}"));
            }
            self.ours(":quit");
        }
    }

    /// Everything has been said: who leaves is seen to be gone.
    pub(crate) fn over(&mut self) {
        self.line(&format!("{}|* exited 0", self.me));
    }

    /// Writes what was recorded since the last time. A recording that cannot be written ends, once.
    pub(crate) fn flush(&mut self) -> Option<String> {
        if self.broken.is_none() {
            let new = self.body.get(self.written..).unwrap_or_default();
            match self.file.write_all(new.as_bytes()) {
                Ok(()) => self.written = self.body.len(),
                Err(error) => self.broken = Some(error),
            }
        }
        let error = self.broken.as_ref()?;
        Some(format!("recording in {} has ended: {}", self.path.display(), describe(error)))
    }

    /// Somebody is there: by our call, or by its own. On the raw wire each gives the other a key in
    /// the script, also where one of them did not: what waits for an answer of a program that is
    /// not ours would wait for ever.
    fn joined(&mut self, name: &str, wire: Protocol, chat: &Chat) {
        let known = self.labels.contains_key(name);
        let label = &self.enters(name);
        let us = if wire == Protocol::Native { self.nick.clone() } else { raw_name_at(label).to_owned() };
        let new = RecordedPeer { knows_us_as: us, started: Started::Yes, listens: Listens::No };
        let mut peer = self.peers.get(label).cloned().unwrap_or(new);
        if peer.started == Started::Ended {
            self.line(&format!("@start {label}"));
        }
        if !known && label != name {
            self.line(&format!("{label}> :nick {name}"));
        }
        let listens = peer.started == Started::Yes && peer.listens == Listens::Yes;
        let (dialled, port) = (chat.has_dialled(name), port_of(label));
        let (wired, joins) = match wire {
            Protocol::Native => ("", "joined, $*"),
            Protocol::Oaep(_) => (" --wire oaep", "is at $*"),
        };
        if dialled {
            if !listens {
                self.line(&format!("{label}> :listen 127.0.0.1:{port}{wired}"));
            }
            self.ours(&format!(":connect 127.0.0.1:{port}{wired}"));
        } else {
            let at = self.listening.on(wire).clone().unwrap_or_default();
            self.line(&format!("{label}> :connect {at}{wired}"));
        }
        self.expect("$**");
        self.expect(&format!("* {name} {joins}"));
        peer.started = Started::Yes;
        peer.listens = if dialled || listens { Listens::Yes } else { Listens::No };
        self.peers.insert(label.clone(), peer);
        if !known {
            self.rewrite();
        }
    }

    fn ended(&mut self, label: &str) {
        if let Some(peer) = self.peers.get_mut(label) {
            peer.started = Started::Ended;
        }
    }

    /// The label of somebody who is called so now.
    fn label<'a>(&'a self, name: &'a str) -> &'a str {
        self.labels.get(name).map_or(name, String::as_str)
    }

    /// The label of who joins under this name: a new one, unless it took part already. Its name may
    /// have been ours, or that of somebody who is called otherwise now.
    fn enters(&mut self, name: &str) -> String {
        if let Some(label) = self.labels.get(name) {
            return label.clone();
        }
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let is_free = |label: &String| *label != self.me && !self.peers.contains_key(label);
        let label = std::iter::once(name.to_owned()).chain(numbered).find(is_free);
        let label = label.unwrap_or_else(|| name.to_owned());
        self.labels.insert(name.to_owned(), label.clone());
        label
    }

    fn ours(&mut self, line: &str) {
        let typed = CaptureNames::default().typed(line);
        self.line(&format!("{}> {typed}", self.me));
    }

    /// We are shown this. Before anything was typed there is nothing that it could follow from.
    fn expect(&mut self, pattern: &str) {
        if self.body.is_empty() {
            return;
        }
        let me = self.me.clone();
        self.row(&me, pattern);
    }

    fn row(&mut self, who: &str, pattern: &str) {
        self.line(&format!("{who}| {pattern}"));
    }

    fn line(&mut self, line: &str) {
        self.body.push_str(line);
        self.body.push('\n');
    }

    /// Writes the file anew: somebody joined whom its first lines do not name.
    fn rewrite(&mut self) {
        let mut head =
            String::from("# recorded by rsachat; what was said stands here in plain text\n@actors ");
        head.push_str(&self.me);
        for name in self.peers.keys() {
            head.push(' ');
            head.push_str(name);
        }
        head.push_str("\n\n");
        let put = || -> io::Result<File> {
            let mut file = File::options().write(true).truncate(true).open(&self.path)?;
            file.write_all(head.as_bytes())?;
            Ok(file)
        };
        match put() {
            Ok(file) => {
                self.file = file;
                self.written = 0;
            }
            Err(error) => self.broken = Some(error),
        }
    }
}

/// What we are called by a peer of the raw wire: nobody has a name of their own there, and the
/// first number that is not the peer's own name is free.
fn raw_name_at(peer: &str) -> &'static str {
    if peer == "raw-1" { "raw-2" } else { "raw-1" }
}

/// The port that a peer waits at in the script: the same for one name, and no other's.
fn port_of(name: &str) -> u16 {
    let sum = name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
    20_000 + sum % 10_000
}
