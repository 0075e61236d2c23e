//! The one table of commands: it feeds the parser, `:help`, completion and the README's table.

/// What an argument can be completed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// Nothing that is known beforehand.
    Nothing,
    /// The name of a peer.
    Peers,
    /// The name of a peer, perhaps behind a number.
    CountedPeers,
    /// The name of a command.
    Commands,
    /// The path of a file.
    Files,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One command as people see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandSpec {
    /// Without its colon.
    pub name: &'static str,
    /// Its arguments; brackets stand around what may be left out.
    pub usage: &'static str,
    /// One line.
    pub summary: &'static str,
    /// What else there is to know.
    pub details: &'static str,
    /// What its first argument completes to.
    pub completes: Completion,
}

impl CommandSpec {
    /// As it is to be typed, with its arguments.
    pub(crate) fn written(&self) -> String {
        let gap = if self.usage.is_empty() { "" } else { " " };
        format!(":{}{gap}{}", self.name, self.usage)
    }
}

const fn entry(
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    completes: Completion,
    details: &'static str,
) -> CommandSpec {
    CommandSpec { name, usage, summary, details, completes }
}

/// Every command, in the order of `:help`.
pub const COMMANDS: [CommandSpec; 24] = [
    entry(
        "listen",
        "ADDR [--known|--anybody] [--wire oaep] [-4|-6]",
        "wait for callers",
        Completion::Nothing,
        "ADDR is a port, host:port or [::1]:port; a port alone means every address of this machine, port 0 \
         lets the machine choose and prints it. --known turns unknown keys away, and --anybody takes them where \
         known-only is set. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody.",
    ),
    entry(
        "connect",
        "ADDR [--pin SHA256:…] [--wire oaep [--one-way]] [-4|-6]",
        "call somebody",
        Completion::Nothing,
        "ADDR is host or host:port, 8000 where no port is named. --pin accepts that one key and no other, \
         and marks it verified. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody; \
         --one-way gives no key of ours, as the tutorial's server needs it.",
    ),
    entry(
        "to",
        "NAME",
        "send plain text to this peer from now on",
        Completion::Peers,
        "Several peers may be connected; the prompt shows who is addressed.",
    ),
    entry("all", "TEXT", "send a text to everybody connected", Completion::Nothing, ""),
    entry(
        "edit",
        "",
        "write a text in your editor",
        Completion::Nothing,
        "The editor is $VISUAL, else $EDITOR, else vi. What you save there stands on the line then; an \
         empty text is dropped. Ctrl-X Ctrl-E takes what is on the line along.",
    ),
    entry(
        "last",
        "[N] [NAME]",
        "show the last messages again",
        Completion::CountedPeers,
        "10 where no number is named; with a name only those exchanged with that peer. This session only.",
    ),
    entry("search", "TEXT", "find messages of this session", Completion::Nothing, "Case does not matter."),
    entry(
        "log",
        "[FILE|off]",
        "also write what is said to a file, or stop that",
        Completion::Files,
        "Nothing is written to disk without this. The file is appended to, and only you can read it. \
         Without an argument says whether a log is kept.",
    ),
    entry(
        "notify",
        "[off|mention|all] [--content]",
        "ring for no message, those with your name, or all",
        Completion::OneOf(&["off", "mention", "all"]),
        "A bell, and a notification of the desktop where the terminal can. --content puts sender and text \
         into it. Without an argument says what is set.",
    ),
    entry("peers", "", "list everybody known and connected", Completion::Nothing, ""),
    entry(
        "status",
        "",
        "show who you are, where you listen, what is not received yet",
        Completion::Nothing,
        "",
    ),
    entry(
        "verify",
        "NAME",
        "show the safety number to compare by voice",
        Completion::Peers,
        "Both sides see the same sixty digits. If they differ, somebody is between you.",
    ),
    entry(
        "trust",
        "NAME [SHA256:…]",
        "mark a peer verified, or accept its changed key",
        Completion::Peers,
        "With a fingerprint: takes the key that was refused as changed in the place of the old one.",
    ),
    entry(
        "name",
        "PEER NEWNAME",
        "call a peer by a name of your own",
        Completion::Peers,
        "Your name for a peer wins over what the peer says it is called, and the peer never sees it.",
    ),
    entry("forget", "NAME", "remove a peer from the book", Completion::Peers, ""),
    entry("block", "NAME", "refuse a peer's key from now on", Completion::Peers, ""),
    entry("unblock", "NAME", "take a block back", Completion::Peers, ""),
    entry("close", "[NAME]", "end a conversation", Completion::Peers, ""),
    entry("nick", "NAME", "change the name that you give to new peers", Completion::Nothing, ""),
    entry(
        "keygen",
        "[BITS] [--raw] [--replace]",
        "make a key",
        Completion::Nothing,
        "3072 bits where nothing is said, 2048 to 8192 in steps of 8. --replace makes a new one and keeps \
         the old file beside it; who knows you will be warned of the change. --raw: the key of the raw wire, 2048 \
         bits where nothing is said.",
    ),
    entry("showkey", "[--pem]", "show your fingerprint and public key", Completion::Nothing, ""),
    entry("limits", "", "show every limit", Completion::Nothing, ""),
    entry("help", "[COMMAND]", "show this, or more about one command", Completion::Commands, ""),
    entry("quit", "", "say goodbye to everybody and leave", Completion::Nothing, ""),
];

/// The table as Markdown, for the README.
#[must_use]
pub fn markdown() -> String {
    let mut table = String::from("| command | what it does |\n| --- | --- |\n");
    for entry in &COMMANDS {
        let usage = entry.usage.replace('|', "\\|");
        let gap = if usage.is_empty() { "" } else { " " };
        for part in ["| `:", entry.name, gap, &usage, "` | ", entry.summary, " |\n"] {
            table.push_str(part);
        }
    }
    table
}
