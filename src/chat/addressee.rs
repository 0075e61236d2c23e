//! Addressee: whom plain text goes to, which only an act of the user changes; and the texts that
//! wait for somebody who is being dialled.

use std::collections::{BTreeSet, VecDeque};

use super::types::PeerId;
use crate::ids::{ConnId, DialId, FaceId};
use crate::limits;
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::time::MonoMs;

/// Waiting texts that are listed at most.
const WAITING_ROWS: usize = 20;

/// Receiver of plain text, of `:close` without a name, and of whatever else names no peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Addressee {
    /// Nobody was addressed in this session yet: the first caller may be.
    #[default]
    NobodyYet,
    /// Nobody: what was chosen last came to nothing.
    Nobody,
    /// Whoever answers a dial that has no connection yet.
    Dialled(DialId),
    /// Whoever is at the other end of a connection that was dialled.
    Connecting(ConnId),
    /// A peer, connected or away, and its name when it was addressed.
    Peer(PeerId, Name),
}

/// Mark of an addressee. Two marks are equal if plain text would go to the same one; the default
/// is that of nobody yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct AddresseeMark(pub(crate) u64);

impl AddresseeMark {
    /// Mark of this number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Beginning of a line: what the prompt showed as its first character was typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineStart {
    /// Mark of the addressee then.
    pub mark: AddresseeMark,
    /// Its name, if there was one.
    pub name: Option<String>,
    /// [`super::Chat::roster`] then: who joined later is not among those of `:all`.
    pub roster: u64,
}

impl LineStart {
    /// Whether a line begun here is for the addressee of `now`: a line that was begun while nobody
    /// was addressed yet is for the first who is.
    pub(crate) fn is_for(&self, now: &Self) -> bool {
        self.mark == now.mark || self.mark == AddresseeMark::default()
    }
}

/// Form in which a typed line already stands on the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Echo {
    /// As the message that it becomes, or wherever nothing is to stand.
    Message,
    /// As it was typed.
    Line,
    /// As it was typed until it is accepted: then its message takes its place.
    Pending,
}

/// Line that is sent only when Enter is pressed again.
#[derive(Debug)]
pub(crate) struct HeldLine {
    pub(crate) line: String,
    pub(crate) reason: HoldReason,
    /// Receiver that the question named.
    pub(crate) to: Addressee,
    pub(crate) asked: MonoMs,
}

impl HeldLine {
    /// Whether a line is the held one with an answer behind it, which the question does not take.
    pub(crate) fn is_answered_in(&self, line: &str) -> bool {
        let answer = line.strip_prefix(&self.line).unwrap_or_default().trim().to_lowercase();
        // The keys of n and y on the Korean layout too.
        matches!(answer.as_str(), "n" | "no" | "y" | "yes" | "ㅜ" | "ㅛ")
    }
}

/// Reason why a line is held, or refused where nobody can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is its sentence in `display`")]
pub enum HoldReason {
    BegunForAnother { name: String },
    NamesAnother { name: String },
    SlashCommand { word: String },
    EditorCommand { word: String },
    Invitation { of: String },
}

/// Commands of other chat programs, which begin with a slash.
pub(crate) const SLASH_COMMANDS: [&str; 24] = [
    "away",
    "clear",
    "close",
    "connect",
    "disconnect",
    "exit",
    "help",
    "ignore",
    "invite",
    "join",
    "kick",
    "leave",
    "list",
    "me",
    "mode",
    "msg",
    "names",
    "nick",
    "notice",
    "part",
    "query",
    "quit",
    "topic",
    "whois",
];

/// Commands of vi of one letter, which would be text as `:D` is.
pub(crate) const EDITOR_COMMANDS: [&str; 2] = ["w", "x"];

/// Callers that become addressed where nobody was addressed yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FirstCaller {
    /// Everybody: a person sees who it is.
    #[default]
    Anyone,
    /// Peers that are known, and whoever calls a listener that was told to take anybody.
    Known,
    /// Nobody: somebody has to be chosen.
    Nobody,
}

/// Texts that wait for whoever is being dialled, bounded like messages without a receipt.
#[derive(Debug, Default)]
pub(crate) struct WaitingTexts {
    /// Each with the face that it was typed at.
    texts: VecDeque<(FaceId, String)>,
    bytes: usize,
}

impl WaitingTexts {
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.texts.len() < limits::QUEUE_MESSAGES && self.bytes < limits::QUEUE_BYTES
    }

    pub(crate) fn push(&mut self, face: FaceId, text: &str) {
        self.bytes += text.len();
        self.texts.push_back((face, text.to_owned()));
    }

    /// Adds what waited for the same peer elsewhere.
    pub(crate) fn append(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.texts.extend(other.texts);
    }

    pub(crate) fn into_texts(self) -> impl Iterator<Item = (FaceId, String)> {
        self.texts.into_iter()
    }

    /// The faces whose texts wait.
    pub(crate) fn faces(&self) -> BTreeSet<FaceId> {
        self.texts.iter().map(|(face, _)| *face).collect()
    }

    /// The first texts of a face, at most [`WAITING_ROWS`], as they may be shown, one row each, and
    /// how many more there are.
    pub(crate) fn rows(&self, face: FaceId) -> (Vec<SafeText>, usize) {
        let texts: Vec<_> = self.texts.iter().filter(|(of, _)| *of == face).collect();
        let rows: Vec<_> = texts.iter().take(WAITING_ROWS).map(|(_, text)| SafeText::line(text)).collect();
        let more = texts.len() - rows.len();
        (rows, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_wait_are_bounded_in_number_and_in_bytes() {
        let mut many = WaitingTexts::default();
        for _ in 0..limits::QUEUE_MESSAGES {
            assert!(many.has_room());
            many.push(FaceId::OWN, "x");
        }
        assert!(!many.has_room());
        let mut large = WaitingTexts::default();
        large.push(FaceId::OWN, &"x".repeat(limits::QUEUE_BYTES - 1));
        assert!(large.has_room());
        large.append({
            let mut other = WaitingTexts::default();
            other.push(FaceId::OWN, "x");
            other
        });
        assert!(!large.has_room());
    }
}
