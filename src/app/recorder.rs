//! Recorder of `--record FILE`: an interactive session becomes a script of all its actors. Messages
//! of a peer become lines that it types, its actions become directives or commands, and text that
//! differs from one machine to the next becomes a wildcard: so the script plays without any of the
//! peers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::{AppError, code, describe, naming_folder, shown};
use crate::chat::command::{Command, LogTarget, ParsedLine, parse_line};
use crate::chat::display::{RecordingClass, said_rows};
use crate::chat::{
    AddressedView, Chat, ExitRequest, Info, InvitationsInfo, KeyExchange, ListenOptions, Message, Notice,
    OaepInfo, Presence, Protocol, TrustLevel, Warning,
};
use crate::limits::{MESSAGE_BYTES, NAME_CHARS};
use crate::peers::address::Family;
use crate::peers::invitation::without_tokens;
use crate::peers::name::GIVEN;
use crate::peers::via::without_passwords;
use crate::script::render::Substitutions;
use crate::session::EXIT;
use crate::store::safe_file;
use crate::text::redaction::Redactions;
use crate::text::safe::SafeText;
use crate::wire::Lifetime;

/// Name that a peer on the raw wire has for us, who are its first.
const OAEP_NAME_OF_US: &str = "raw~1";

/// Recording of one session.
pub(crate) struct Recorder {
    pub(crate) path: PathBuf,
    file: File,
    /// Label of ourselves.
    own_label: String,
    /// Peers by their labels in the script: the names that they came with, where these were free.
    peers: BTreeMap<String, RecordedPeer>,
    /// Labels of peers, by their present names.
    labels: BTreeMap<String, String>,
    /// Names with a number for whose namesakes no actor stands, and the names in the script.
    renamed: BTreeMap<String, String>,
    /// Name that we give to new peers.
    nick: String,
    /// Lines that are not in the file yet.
    pending: String,
    /// Bytes of the first lines in the file, which name all actors, and of the body behind them.
    head_bytes: u64,
    body_bytes: u64,
    head: Head,
    redactions: Redactions,
    /// Address that we listen on, in the script, of our own wire and of the raw one.
    listening: [Option<String>; 2],
    /// Protocol of the latest listener.
    awaiting: Protocol,
    error: Option<io::Error>,
}

/// What became of a typed line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineOutcome {
    Accepted,
    Refused,
}

/// First lines of the file, which name all actors: to write them anew is to move the body behind
/// them, so that a large one waits until it has doubled, or for the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Head {
    /// As it should be; so many bytes of the body stood behind it when it was written.
    Current { behind: u64 },
    /// Without the latest actors.
    Outdated { behind: u64 },
}

/// Bytes of a recording whose first lines are written anew for every new actor.
const SMALL_BYTES: u64 = 64 * 1024;
/// Bytes of the body that are moved at once.
const MOVED_BYTES: u64 = 64 * 1024;

/// Peer that took part.
#[derive(Clone, Debug)]
struct RecordedPeer {
    /// Name that it has for us.
    name_of_us: String,
    running: bool,
    listening: bool,
}

impl Recorder {
    /// Begins a recording in a new file that only its owner can read.
    pub(crate) fn start(path: &Path, name: &str, redactions: Redactions) -> Result<Self, AppError> {
        let file = safe_file::create_new(path).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AlreadyExists => "name a file that does not exist yet",
                _ => "name another file with --record FILE",
            };
            let why = describe(&naming_folder(error, path));
            let what = format!("cannot record to {}: {why}", shown(path));
            AppError::new(code::MACHINE, what).hint(hint)
        })?;
        let mut recorder = Self {
            path: path.to_owned(),
            file,
            own_label: name.to_owned(),
            peers: BTreeMap::new(),
            labels: BTreeMap::new(),
            renamed: BTreeMap::new(),
            nick: name.to_owned(),
            redactions,
            pending: String::new(),
            head_bytes: 0,
            body_bytes: 0,
            head: Head::Current { behind: 0 },
            listening: [None, None],
            awaiting: Protocol::Native,
            error: None,
        };
        recorder.rewrite();
        Ok(recorder)
    }

    /// Records a line that we typed, with whom it was addressed to. One that was held is none yet.
    pub(crate) fn typed(&mut self, line: &str, addressed: Option<AddressedView>, outcome: LineOutcome) {
        match parse_line(line) {
            // Recorded once a peer has answered.
            Ok(
                ParsedLine::Command(Command::Connect(_) | Command::ConnectAgain) | ParsedLine::Invitation(_),
            ) => {}
            Ok(ParsedLine::Command(Command::Listen(options))) => self.listen(&options),
            Ok(ParsedLine::Command(Command::Keygen { .. })) => {
                self.input(line);
                self.expect("$**");
            }
            Ok(ParsedLine::Text(text)) => self.text(&text, addressed, outcome),
            Ok(ParsedLine::TextTo { name, .. }) if outcome == LineOutcome::Refused => {
                if self.is_running(&name) { self.refused(line) } else { self.input(line) }
            }
            Ok(ParsedLine::TextTo { name, text }) => {
                self.input(line);
                self.expect_text(&name, &text);
            }
            _ => self.input(line),
        }
    }

    /// Records a command of the command line or the settings, before it is carried out: one that
    /// connects once a peer has answered.
    pub(crate) fn started(&mut self, command: &Command) {
        match command {
            Command::Listen(options) => self.listen(options),
            Command::Log { to: LogTarget::File(file) } => self.input(&format!(":log {file}")),
            _ => {}
        }
    }

    /// Records a text, which the addressed peer is shown unless it was refused.
    fn text(&mut self, text: &str, addressed: Option<AddressedView>, outcome: LineOutcome) {
        let own_label = self.own_label.clone();
        let here = addressed.filter(|to| to.presence == Presence::Here);
        let Some(AddressedView { name, trust_level, .. }) = here else { return self.say(&own_label, text) };
        if outcome == LineOutcome::Refused {
            return self.refused(text);
        }
        self.say(&own_label, text);
        // `exit` on the raw wire ends the conversation there and is not shown.
        if trust_level != Some(TrustLevel::Unauthenticated) || text != EXIT {
            self.expect_text(&name, text);
        }
    }

    /// Records a text that was refused here, as a comment: in the script the peer would be sent it.
    fn refused(&mut self, text: &str) {
        let typed = Substitutions::default().template(text);
        self.line(&format!("# not sent: {}> {typed}", self.own_label));
    }

    /// Records that a peer is shown a text of ours.
    fn expect_text(&mut self, name: &str, text: &str) {
        let label = self.label(name).to_owned();
        let Some(us) = self.peers.get(&label).map(|peer| peer.name_of_us.clone()) else { return };
        if text.len() > MESSAGE_BYTES {
            return;
        }
        // Tabs count from the beginning of the text, as in the row that the peer is shown.
        for row in said_rows(&us, &SafeText::rows(text)) {
            let pattern = Substitutions::default().pattern(&row);
            self.line(&format!("{label}| {pattern}"));
        }
    }

    /// Records a text as typed, or exactly where a prompt would take it for a command or ask about
    /// it.
    fn say(&mut self, label: &str, text: &str) {
        let typed = Substitutions::default().template(text);
        let is_plain = parse_line(text) == Ok(ParsedLine::Text(text.to_owned()));
        let is_asked_about = text.starts_with(['/', ':']) || text.contains(": ");
        if is_plain && !is_asked_about {
            self.line(&format!("{label}> {typed}"));
        } else {
            self.line(&format!("@say {label} {typed}"));
        }
    }

    /// Records that we listen. In a script all actors are on one machine: an address of another
    /// network becomes one of the loopback.
    fn listen(&mut self, options: &ListenOptions) {
        let host = match (options.at.host.as_deref(), options.family) {
            (Some(host), _) if host.contains(':') => "[::1]",
            (None, Family::V6) => "[::1]",
            _ => "127.0.0.1",
        };
        let port = options.at.port;
        let at = if options.at.host.is_some() { format!("{host}:{port}") } else { port.to_string() };
        self.input(&format!(":listen {at}{}", options.flags()));
        self.expect("$**");
        let port = if port == 0 { format!("${{{}.port}}", self.own_label) } else { port.to_string() };
        self.awaiting = options.protocol;
        *self.listening_on(options.protocol) = Some(format!("{host}:{port}"));
    }

    /// Records a notice that was shown to us.
    pub(crate) fn shown(&mut self, notice: &Notice, chat: &Chat) {
        match notice {
            Notice::Message(message) => self.message(message),
            Notice::Own(_)
            | Notice::Answer(_)
            | Notice::Table(_)
            | Notice::Whole(_)
            | Notice::History { .. } => {
                self.expect("$**");
            }
            Notice::Counted(_) => {}
            Notice::Info(info) => {
                self.by_class(info.recording_class(), notice);
                self.info(info, notice, chat);
            }
            Notice::Warning(warning) => {
                if let Warning::ConnectionLost { name, .. } = warning {
                    let label = self.label(name).to_owned();
                    self.line(&format!("@kill {label}"));
                    self.ended(&label);
                    self.expect(&format!("! lost {name}$*"));
                }
                self.by_class(warning.recording_class(), notice);
            }
        }
    }

    fn message(&mut self, message: &Message) {
        // The text itself, where it is one: its rows are for a screen.
        let shown = |between| message.rows.iter().map(SafeText::as_str).collect::<Vec<_>>().join(between);
        let text = str::from_utf8(&message.text).map_or_else(|_| shown("\n"), str::to_owned);
        // No script has a short-lived connection, nor what was kept of one before it.
        let label = self.label(&message.name).to_owned();
        let is_there = self.is_running(&message.name);
        if message.lifetime == Lifetime::Short || !is_there {
            return self.line(&format!("# {}: {}", message.author(), shown(" / ")));
        }
        // Such a message cannot be typed at a prompt.
        if text.trim().is_empty() {
            return;
        }
        self.say(&label, &text);
        self.rows(&Notice::Message(message.clone()));
    }

    /// Records what information means besides its rows: actions of peers, new names, varying parts.
    fn info(&mut self, info: &Info, notice: &Notice, chat: &Chat) {
        match info {
            Info::Joined { name, .. } => self.joined(name, Protocol::Native, chat),
            Info::Oaep(OaepInfo::Joined { name, .. }) => {
                self.joined(name, Protocol::Oaep(KeyExchange::Mutual), chat);
            }
            Info::Left { name, .. } => {
                let label = self.label(name).to_owned();
                self.line(&format!("{label}> :quit"));
                self.ended(&label);
                self.rows(notice);
            }
            Info::Listening { .. } => {
                self.expect("* listening on $*");
                if self.awaiting != Protocol::Native {
                    // The banner of the raw wire.
                    self.expect("$**");
                }
            }
            Info::Safety { name, .. } => {
                self.expect(&format!("* safety number with {name}: $*"));
                self.expect("$**");
            }
            // A secret, and another in the script.
            Info::Invitations(InvitationsInfo::Made { .. }) => self.expect("$**"),
            Info::Named { old, name } => {
                if let Some(label) = self.labels.remove(old) {
                    self.labels.insert(name.clone(), label);
                }
            }
            Info::Nick { name } => self.nick.clone_from(name),
            _ => {}
        }
    }

    fn by_class(&mut self, class: RecordingClass<'_>, notice: &Notice) {
        match class {
            RecordingClass::Omitted | RecordingClass::Special => {}
            RecordingClass::Rows => self.rows(notice),
            RecordingClass::RowsAbout(name) if self.labels.contains_key(name) => self.rows(notice),
            RecordingClass::AnyRows | RecordingClass::RowsAbout(_) => self.expect("$**"),
        }
    }

    fn rows(&mut self, notice: &Notice) {
        for row in notice.rows() {
            self.expect(&Substitutions::default().pattern(&row));
        }
    }

    /// Records the end of the session by the end of input, Ctrl-D or a signal as a typed command.
    pub(crate) fn exit_requested(&mut self, request: ExitRequest, chat: &Chat) {
        if !chat.is_shutting_down() {
            if let ExitRequest::Signal(number) = request {
                self.line(&format!("# terminated by signal {number}"));
            }
            self.input(":quit");
        }
    }

    /// Records that the session has ended with a code. The script plays at the prompt of a person,
    /// whose code says nothing of lines that were refused.
    pub(crate) fn finished(&mut self, code: u8, chat: &Chat) {
        if let Head::Outdated { .. } = self.head {
            self.rewrite();
        }
        let of_person = if chat.has_queued() { code::QUEUED } else { 0 };
        if code != of_person {
            self.line(&format!("# exited with {code}; the prompt of a person exits with {of_person}"));
        }
        self.line(&format!("{}|* exited {of_person}", self.own_label));
        match self.redactions.count() {
            0 => {}
            count => self.line(&format!("# {count} places redacted")),
        }
    }

    /// Writes what was recorded since the last call. Returns why the recording has ended, if it
    /// cannot be written.
    pub(crate) fn flush(&mut self) -> Option<String> {
        self.write_pending();
        let error = self.error.as_ref()?;
        Some(format!("recording to {} has ended: {}", shown(&self.path), describe(error)))
    }

    /// Records that a peer is connected, by our call or by its own. On the raw wire each gives the
    /// other a key in the script, also where one of them did not: a wait for the answer of a
    /// foreign program would never end.
    fn joined(&mut self, name: &str, wire: Protocol, chat: &Chat) {
        let known = self.labels.contains_key(name);
        let label = &self.assign_label(name);
        let us = if wire == Protocol::Native { self.nick.clone() } else { OAEP_NAME_OF_US.to_owned() };
        let new = RecordedPeer { name_of_us: us, running: true, listening: false };
        let mut peer = self.peers.get(label).cloned().unwrap_or(new);
        if !peer.running {
            self.line(&format!("@start {label}"));
        }
        // A name with a number is given anew in the script, if the other that has it takes part.
        let claim = name.split(GIVEN).next().unwrap_or_default().to_owned();
        let is_given = claim != name && wire == Protocol::Native;
        if is_given && claim != self.own_label && !self.peers.contains_key(&claim) {
            self.renamed.insert(name.to_owned(), label.clone());
        } else if !known && *label != claim && wire == Protocol::Native {
            self.line(&format!("{label}> :nick {claim}"));
        }
        let listens = peer.running && peer.listening;
        let (dialled, port) = (chat.has_dialled(name), port_of(label));
        let (wired, joins) = match wire {
            Protocol::Native => ("", "joined, $*"),
            Protocol::Oaep(_) => (" --wire oaep", "is at $*"),
        };
        if dialled {
            if !listens {
                self.line(&format!("{label}> :listen 127.0.0.1:{port}{wired}"));
            }
            self.input(&format!(":connect 127.0.0.1:{port}{wired}"));
        } else {
            let at = self.listening_on(wire).clone().unwrap_or_default();
            self.line(&format!("{label}> :connect {at}{wired}"));
        }
        self.expect("$**");
        self.expect(&format!("* {name} {joins}"));
        peer.running = true;
        peer.listening = dialled || listens;
        self.peers.insert(label.clone(), peer);
        if !known {
            self.add_to_head();
        }
    }

    fn listening_on(&mut self, wire: Protocol) -> &mut Option<String> {
        let [native, raw] = &mut self.listening;
        if wire == Protocol::Native { native } else { raw }
    }

    fn ended(&mut self, label: &str) {
        if let Some(peer) = self.peers.get_mut(label) {
            peer.running = false;
        }
    }

    /// Whether the actor of a peer, by its present name, runs.
    fn is_running(&self, name: &str) -> bool {
        self.peers.get(self.label(name)).is_some_and(|peer| peer.running)
    }

    /// Label of a peer by its present name.
    fn label<'a>(&'a self, name: &'a str) -> &'a str {
        self.labels.get(name).map_or(name, String::as_str)
    }

    /// Label of a peer that joins under this name: a new one, unless it took part already. The name
    /// may be ours, or have been that of another peer.
    fn assign_label(&mut self, name: &str) -> String {
        if let Some(label) = self.labels.get(name) {
            return label.clone();
        }
        // No longer than a name: what is cut is before the number.
        let (stem, given) = name.split_once(GIVEN).unwrap_or((name, ""));
        let given = if given.is_empty() { String::new() } else { format!("-{given}") };
        let with = |suffix: &str| -> String {
            let room = NAME_CHARS.saturating_sub(suffix.chars().count());
            stem.chars().take(room).chain(suffix.chars()).collect()
        };
        let base = with(&given);
        let numbered = (2..).map(|number| with(&format!("{given}-{number}")));
        let is_free = |label: &String| *label != self.own_label && !self.peers.contains_key(label);
        let label = std::iter::once(base.clone()).chain(numbered).find(is_free);
        let label = label.unwrap_or_else(|| base.clone());
        self.labels.insert(name.to_owned(), label.clone());
        label
    }

    /// Records a line as typed by us.
    fn input(&mut self, line: &str) {
        let typed = Substitutions::default().template(line);
        self.line(&format!("{}> {typed}", self.own_label));
    }

    /// Records a row that we are shown. Before the first typed line nothing can be expected.
    fn expect(&mut self, pattern: &str) {
        if self.length() > 0 {
            self.line(&format!("{}| {pattern}", self.own_label));
        }
    }

    fn line(&mut self, line: &str) {
        let mut line = without_tokens(&without_passwords(line));
        for (name, label) in &self.renamed {
            line = line.replace(name.as_str(), label);
        }
        // Labels stay: the script would not play without them.
        let text = line.find(['>', '|']).map_or(0, |mark| mark + 1);
        let (label, text) = line.split_at(text);
        self.pending.push_str(label);
        self.pending.push_str(&self.redactions.apply(text));
        self.pending.push('\n');
    }

    /// Takes note of a new actor.
    fn add_to_head(&mut self) {
        let (Head::Current { behind } | Head::Outdated { behind }) = self.head;
        if self.length() > SMALL_BYTES && self.length() < 2 * behind {
            self.head = Head::Outdated { behind };
        } else {
            self.rewrite();
        }
    }

    /// Bytes of the script without its first lines.
    fn length(&self) -> u64 {
        self.body_bytes + self.pending.len() as u64
    }

    /// Writes the first lines anew, with all actors in them.
    fn rewrite(&mut self) {
        self.head = Head::Current { behind: self.length() };
        let labels: Vec<_> = std::iter::once(&self.own_label).chain(self.peers.keys()).cloned().collect();
        let head = format!(
            "# recorded by rsachat; everything said is here in plain text\n@actors {}\n\n",
            labels.join(" ")
        );
        let bytes = head.len() as u64;
        let moved = self.move_body(bytes).and_then(|()| self.file.write_all_at(head.as_bytes(), 0));
        match moved {
            Ok(()) => self.head_bytes = bytes,
            Err(error) => self.error = Some(error),
        }
    }

    /// Moves the body behind first lines of so many bytes, which are never fewer than before; from
    /// its end on, so that little of it is in memory.
    fn move_body(&self, head_bytes: u64) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut left = self.body_bytes;
        while left > 0 && head_bytes > self.head_bytes {
            let count = left.min(MOVED_BYTES);
            left -= count;
            buffer.resize(usize::try_from(count).unwrap_or_default(), 0);
            self.file.read_exact_at(&mut buffer, self.head_bytes + left)?;
            self.file.write_all_at(&buffer, head_bytes + left)?;
        }
        Ok(())
    }

    fn write_pending(&mut self) {
        if self.error.is_some() {
            return;
        }
        match self.file.write_all_at(self.pending.as_bytes(), self.head_bytes + self.body_bytes) {
            Ok(()) => {
                self.body_bytes += self.pending.len() as u64;
                self.pending.clear();
            }
            Err(error) => self.error = Some(error),
        }
    }
}

/// Port that a peer listens on in the script, derived from its name.
fn port_of(name: &str) -> u16 {
    let sum = name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
    20_000 + sum % 10_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Arrival;
    use crate::peers::book::Book;
    use crate::peers::name::Name;
    use crate::time::UnixMs;

    #[test]
    fn what_comes_of_somebody_who_is_not_there_is_a_comment_without_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.chat");
        let mut recorder = Recorder::start(&path, "alice", Redactions::default()).unwrap();
        let text = "one\r\ntwo\r\u{1b}[2J";
        for lifetime in [Lifetime::Lasting, Lifetime::Short] {
            recorder.message(&Message {
                name: "bob".to_owned(),
                to: Vec::new(),
                fingerprint: None,
                trust_level: TrustLevel::Unverified,
                lifetime,
                arrived: UnixMs(0),
                sent: UnixMs(0),
                arrival: Arrival::Again,
                text: text.into(),
                rows: SafeText::rows(text),
                number: 1,
            });
        }
        assert_eq!(recorder.flush(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, body) = text.split_once("\n\n").unwrap();
        let comments: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("# bob")).collect();
        assert_eq!(comments.len(), 2, "{text}");
        assert!(comments.iter().all(|comment| comment.ends_with(r": one / two\u{d}\u{1b}[2J")), "{text}");
        assert_eq!(body.lines().count(), 2, "{text}");
    }

    #[test]
    fn the_label_of_a_long_name_with_a_number_is_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder =
            Recorder::start(&folder.path().join("talk.chat"), "alice", Redactions::default()).unwrap();
        let name = "b".repeat(NAME_CHARS);
        assert_eq!(recorder.assign_label(&name), name);
        let label = recorder.assign_label(&format!("{name}~2"));
        assert_eq!(label, format!("{}-2", "b".repeat(NAME_CHARS - 2)));
    }

    #[test]
    fn the_first_lines_of_a_long_recording_are_written_anew_when_it_has_doubled_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("talk.chat");
        let mut recorder = Recorder::start(&path, "alice", Redactions::default()).unwrap();
        let mut written_anew = 0;
        let mut body = String::new();
        let new = RecordedPeer { name_of_us: "alice".to_owned(), running: true, listening: false };
        for number in 0..1_000 {
            let row = format!("# row {number} ").repeat(150);
            recorder.line(&row);
            body.push_str(&(row + "\n"));
            recorder.peers.insert(format!("peer-{number}"), new.clone());
            recorder.add_to_head();
            written_anew += usize::from(matches!(recorder.head, Head::Current { .. }));
            assert_eq!(
                (recorder.flush(), recorder.pending.as_str()),
                (None, ""),
                "nothing is kept in memory"
            );
        }
        assert!((30..60).contains(&written_anew), "{written_anew}");
        assert!(matches!(recorder.head, Head::Outdated { .. }));
        let chat = Chat::new(Name::claimed(b"alice"), None, Book::default(), 1);
        recorder.finished(0, &chat);
        assert_eq!(recorder.flush(), None);
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, rest) = text.split_once("\n\n").unwrap();
        assert!(head.contains("@actors alice peer-0 ") && head.contains(" peer-999"), "{head}");
        assert_eq!(rest, body + "alice|* exited 0\n");
    }
}
