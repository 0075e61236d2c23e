//! Table of commands, which feeds the parser, `:help`, completion and a table of `docs/PROMPT.md`.

use serde::{Deserialize, Serialize};

/// Completion of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// None.
    Nothing,
    /// The name of a peer.
    Peers,
    /// The name of a peer that was chosen and has an address.
    CallablePeers,
    /// The name of a peer, perhaps behind a number.
    CountedPeers,
    /// The name of a command.
    Commands,
    /// The path of a file.
    Files,
    /// The number of a transfer.
    Transfers(TransferUse),
    /// The number of an offer, and a path behind it.
    OfferAndFile,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// Use of the number of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferUse {
    /// An answer to an offer.
    Answer,
    /// An end of what is under way, or of an offer of ours.
    Cancel,
    /// A look at it.
    List,
}

/// Stage of a transfer, as far as commands differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStage {
    /// An offer of a peer that nobody has answered.
    Offered,
    /// One that was accepted, and has stopped.
    Stopped,
    /// One that is accepted.
    Accepted,
    /// An offer of ours.
    Own,
}

impl TransferUse {
    /// Whether it makes sense for a transfer of this stage.
    #[must_use]
    pub fn takes(self, stage: TransferStage) -> bool {
        use TransferStage::{Accepted, Offered, Own, Stopped};
        match self {
            Self::Answer => matches!(stage, Offered | Stopped),
            Self::Cancel => matches!(stage, Stopped | Accepted | Own),
            Self::List => true,
        }
    }
}

/// One command as users see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandSpec {
    /// Its name, without the colon.
    pub name: &'static str,
    /// Its arguments; optional ones in brackets.
    pub usage: &'static str,
    /// Its purpose in one line.
    pub summary: &'static str,
    /// Details, for its own help.
    pub details: &'static str,
    /// Completion of its first argument.
    pub completes: Completion,
}

impl CommandSpec {
    /// The command as it is typed, with its arguments.
    pub(crate) fn written(&self) -> String {
        let gap = if self.usage.is_empty() { "" } else { " " };
        format!(":{}{gap}{}", self.name, self.usage)
    }
}

const fn spec(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    completes: Completion,
    details: &'static str,
) -> CommandSpec {
    CommandSpec { name, usage, summary, details, completes }
}

/// Every command, in the order of `:help`.
pub const COMMANDS: [CommandSpec; 39] = [
    spec(
        "listen",
        "[ADDR] [--known|--ask|--anybody] [--wire oaep] [-4|-6]",
        "wait for callers",
        Completion::Nothing,
        "ADDR is a port, host:port or [::1]:port; a port alone means every address of this machine, and port 0 \
         lets the system choose one and prints it; the default is port 8000. --known turns away unknown keys; \
         --ask does so too, but strangers may knock, and :admit lets them in; \
         --anybody accepts them even when known-only is set, and sends the first of them what is read from an \
         input that is not a terminal. --wire oaep is the raw wire of the Python tutorial, which authenticates \
         nobody.",
    ),
    spec(
        "unlisten",
        "[ADDR]",
        "stop waiting for callers",
        Completion::Nothing,
        "Stops listening on ADDR, or on every address without it. A port alone means each of your addresses with \
         that port. Connected peers stay connected.",
    ),
    spec(
        "connect",
        "[NAME|ADDR] [--via PROXY|CMD] [--pin SHA256:…|--to SHA256:…] [--knock TEXT] [--wire oaep [--one-way]] [-4|-6]",
        "call somebody",
        Completion::CallablePeers,
        "NAME is a peer in your book: its addresses are tried, the last good one first, and only its key is accepted. ADDR is \
         host:port, or a host with a dot or localhost; the default port is 8000. Without an argument, calls \
         whatever was called last. --to accepts only that key; --pin does so, and marks it \
         verified. --via socks5h://HOST:PORT calls by a proxy, which looks the name up, and --via 'ssh -W %h:%p HOST' by a \
         command; that is remembered with the address, and --via none calls directly. An invitation, rsachat://…, may stand for ADDR: its addresses are \
         tried in their order, and only the key in it is accepted. --knock shows TEXT to whoever listens, where \
         your key is not known, and waits to be admitted. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody; \
         --one-way does not give your key, as the tutorial's server requires.",
    ),
    spec(
        "invite",
        "[NAME] [--once] [--for TIME] [--at ADDR,…]",
        "make an invitation to call you, or list or drop some",
        Completion::OneOf(&["list", "drop"]),
        "Shows a line to send to somebody by other means: with it, rsachat calls you, accepts only your key, and is let in as \
         NAME, unverified, also where you listen with --known. Everybody who has it can use it until it expires (24h, or TIME \
         as 30m or 7d); with --once, or for a NAME, the first key that comes. It names the addresses on which you listen, or those of \
         --at. :invite list shows which are open, :invite drop N takes one back.",
    ),
    spec(
        "admit",
        "N",
        "let a stranger in who knocks",
        Completion::Nothing,
        "Where you listen with --ask, or an invitation is open, strangers may knock with one line, and wait 60 s. Who is \
         admitted stays in your book, unverified.",
    ),
    spec("refuse", "N", "turn away a stranger who knocks", Completion::Nothing, ""),
    spec(
        "to",
        "NAME",
        "send plain text to this peer from now on",
        Completion::Peers,
        "Several peers may be connected; the prompt shows who is addressed. A peer stays addressed when it \
         leaves: nobody else gets what is typed for it. @NAME TEXT sends one text without changing who is addressed.",
    ),
    spec(
        "all",
        "TEXT",
        "send a text to every chosen peer that is connected",
        Completion::Nothing,
        "Goes to the peers that you have chosen (:connect, :to, @NAME, :trust, :name) and that were connected when you \
         began the line. The others are named: those that only called, those that came later, and peers on the raw wire.",
    ),
    spec(
        "edit",
        "",
        "write a text in your editor",
        Completion::Nothing,
        "The editor is $VISUAL, else $EDITOR, else vi. What you save there is put on the line; an empty \
         text is dropped. Ctrl-X Ctrl-E starts with what is already on the line.",
    ),
    spec(
        "outbox",
        "[drop NAME [N]]",
        "list the messages that wait for their receivers",
        Completion::Peers,
        "Lines that their receivers have not shown yet: queued (on your disk), unconfirmed (sent, no answer yet) or \
         delivered (on their disk). drop takes back line N, or all lines that wait for NAME; a line that was sent may \
         have arrived already.",
    ),
    spec(
        "last",
        "[N] [NAME]",
        "show the last messages again",
        Completion::CountedPeers,
        "The default is 10; with a name, only those exchanged with that peer. Covers this session, and earlier \
         ones if :history keeps them.",
    ),
    spec(
        "search",
        "TEXT",
        "find messages",
        Completion::Nothing,
        "Ignores case. Covers this session, and earlier ones if :history keeps them.",
    ),
    spec(
        "history",
        "[keep|forget]",
        "keep messages on disk, or stop keeping them",
        Completion::OneOf(&["keep", "forget"]),
        "Keeps messages exchanged with peers in your book, sealed to your key; :last and :search find them in later \
         sessions, and rsachat history exports and deletes them. Applies to this session; history = \"keep\" in the settings \
         keeps them always. forget stops that, and leaves what was kept.",
    ),
    spec(
        "show",
        "N",
        "show the message with this number in full",
        Completion::Nothing,
        "A message of more than 100 rows is cut off on the screen, and its last row gives its number.",
    ),
    spec(
        "copy",
        "[N]",
        "copy the last message, or the N-th last, to the clipboard",
        Completion::Nothing,
        "The exact text, handed to the terminal (OSC 52), which does not say whether it took it: many terminals ask or \
         refuse unless it is allowed in their settings, and tmux needs `set -g set-clipboard on`. Counts as :last does.",
    ),
    spec(
        "save",
        "FILE [N]",
        "save the last message, or the N-th last, as a new file",
        Completion::Files,
        "The exact bytes of the text, with nothing added at its end; only you can read the file. A file that exists is \
         never touched. FILE is relative to where this program was started, ~/ is your home folder. Counts as :last \
         does; a number behind FILE is always N.",
    ),
    spec(
        "log",
        "[FILE|off]",
        "also log what is said to a file, or stop that",
        Completion::Files,
        "Nothing is written to disk without this. The file is appended to, and only you can read it. \
         Without an argument, says whether a log is kept.",
    ),
    spec(
        "notify",
        "[off|mention|all] [--content]",
        "notify of no messages, those with your name, or all",
        Completion::OneOf(&["off", "mention", "all"]),
        "Rings the bell, and shows a desktop notification if the terminal can. --content includes the \
         sender and the text. Without an argument, says what is set.",
    ),
    spec(
        "peers",
        "[met]",
        "list known and connected peers",
        Completion::Nothing,
        "With met: the latest callers that you have not chosen. :to NAME and :name NAME NEWNAME choose one.",
    ),
    spec(
        "relay",
        "",
        "show the relays and how each stands",
        Completion::Nothing,
        "A relay keeps what you write to somebody who is away until they come. The settings name it: \
         relay = [\"tls://HOST\"].",
    ),
    spec("status", "", "show who you are, where you listen, and what waits", Completion::Nothing, ""),
    spec(
        "verify",
        "NAME",
        "show the safety number to compare by voice",
        Completion::Peers,
        "Both sides see the same sixty digits. If they differ, somebody may be between you.",
    ),
    spec(
        "trust",
        "NAME [SHA256:…]",
        "mark a peer verified, or accept its changed key",
        Completion::Peers,
        "Without a fingerprint, the key whose number :verify showed last. With one, that key, or the changed key \
         that was refused, in place of the old one.",
    ),
    spec(
        "name",
        "PEER NEWNAME",
        "give a peer a name of your own",
        Completion::Peers,
        "Your name for a peer overrides the one that it claims, and the peer never sees it.",
    ),
    spec("forget", "NAME", "remove a peer from the book", Completion::Peers, ""),
    spec("block", "NAME", "refuse a peer's key from now on", Completion::Peers, ""),
    spec("unblock", "NAME", "accept a blocked peer's key again", Completion::Peers, ""),
    spec(
        "close",
        "[NAME]",
        "end a conversation",
        Completion::Peers,
        "A lost peer is not called again either.",
    ),
    spec(
        "send",
        "FILE|DIR… [--to NAME] [--as NAME]",
        "offer files or folders to the peer",
        Completion::Files,
        "Nothing is sent before the peer accepts. An offer waits for a peer that is away, and outlives this program; it \
         ends when nothing of it has moved for seven days. :cancel takes it back. Write a path with blanks in quotes. \
         With --as, the one file or folder is offered under that name. \
         Links and special files in a folder are not sent.",
    ),
    spec(
        "files",
        "[N]",
        "list the files that are offered and on their way",
        Completion::Transfers(TransferUse::List),
        "With the number of a folder: what is in it, also before you accept.",
    ),
    spec(
        "accept",
        "N [PATH] [--anyway]",
        "take what a peer offers",
        Completion::OfferAndFile,
        "PATH is a folder to put it into, or a new name. Without it, files go to the inbox of the \
         settings, else to your folder for downloads. Nothing is ever overwritten: a second name.txt becomes name (2).txt. \
         --anyway takes more bytes than are free: much of a file may be holes.",
    ),
    spec("decline", "N", "refuse what a peer offers", Completion::Transfers(TransferUse::Answer), ""),
    spec(
        "cancel",
        "N",
        "end a transfer, or take back an offer",
        Completion::Transfers(TransferUse::Cancel),
        "What was received of it is removed.",
    ),
    spec("nick", "NAME", "change the name that you give to new peers", Completion::Nothing, ""),
    spec(
        "keygen",
        "[BITS] [--raw] [--replace]",
        "generate a key",
        Completion::Nothing,
        "3072 bits by default, 2048 to 8192 in steps of 8. --replace generates a new one and \
         keeps the old file beside it; peers that know you will be warned of the change, and verified peers that are connected \
         are sent the next fingerprint. --raw: the key for the raw wire, 2048 \
         bits by default.",
    ),
    spec("showkey", "[--pem]", "show your fingerprint and public key", Completion::Nothing, ""),
    spec("limits", "", "show all limits", Completion::Nothing, ""),
    spec(
        "help",
        "[TOPIC]",
        "show this, or more about one topic",
        Completion::Commands,
        "TOPIC is a command, or more (the other commands), keys, or prompt (the signs of the prompt).",
    ),
    spec("quit", "", "say goodbye to everybody and leave", Completion::Nothing, ""),
];

/// The table as Markdown, for `docs/PROMPT.md`.
#[must_use]
pub fn markdown() -> String {
    let mut table = String::from("| command | what it does |\n| --- | --- |\n");
    for spec in &COMMANDS {
        for part in ["| `", &spec.written().replace('|', "\\|"), "` | ", spec.summary, " |\n"] {
            table.push_str(part);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    /// The table is constant, so that its numbers cannot be formatted from the limits.
    #[test]
    fn numbers_in_the_details_are_those_of_the_limits() {
        for (name, words) in [
            ("connect", format!("the default port is {}", limits::PORT_DEFAULT)),
            ("listen", format!("the default is port {}", limits::PORT_DEFAULT)),
            ("keygen", format!("{} bits by default, ", limits::KEY_BITS_DEFAULT)),
            ("keygen", format!("{} to {} in steps", limits::KEY_BITS_MIN, limits::KEY_BITS_MAX)),
            ("keygen", format!("{} bits by default.", limits::OAEP_KEY_BITS_DEFAULT)),
            ("show", format!("more than {} rows", limits::MESSAGE_ROWS)),
            ("admit", format!("wait {} s", limits::LOBBY_TIMEOUT_MS / 1_000)),
            ("invite", format!("({}h, or TIME", limits::INVITATION_MS / 3_600_000)),
        ] {
            let spec = COMMANDS.iter().find(|spec| spec.name == name).unwrap();
            assert!(spec.details.contains(&words), "{name}: {words}");
        }
    }
}
