//! Table of commands, which feeds the parser, `:help`, completion and the README's table.

/// Completion of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// None.
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
pub const COMMANDS: [CommandSpec; 25] = [
    spec(
        "listen",
        "ADDR [--known|--anybody] [--wire oaep] [-4|-6]",
        "wait for callers",
        Completion::Nothing,
        "ADDR is a port, host:port or [::1]:port; a port alone means every address of this machine, port 0 \
         lets the machine choose and prints it. --known turns unknown keys away, and --anybody takes them where \
         known-only is set. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody.",
    ),
    spec(
        "connect",
        "ADDR [--pin SHA256:…] [--wire oaep [--one-way]] [-4|-6]",
        "call somebody",
        Completion::Nothing,
        "ADDR is host or host:port, 8000 where no port is named. --pin accepts that one key and no other, \
         and marks it verified. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody; \
         --one-way gives no key of ours, as the tutorial's server needs it.",
    ),
    spec(
        "to",
        "NAME",
        "send plain text to this peer from now on",
        Completion::Peers,
        "Several peers may be connected; the prompt shows who is addressed.",
    ),
    spec("all", "TEXT", "send a text to everybody connected", Completion::Nothing, ""),
    spec(
        "edit",
        "",
        "write a text in your editor",
        Completion::Nothing,
        "The editor is $VISUAL, else $EDITOR, else vi. What you save there stands on the line then; an \
         empty text is dropped. Ctrl-X Ctrl-E takes what is on the line along.",
    ),
    spec(
        "last",
        "[N] [NAME]",
        "show the last messages again",
        Completion::CountedPeers,
        "10 where no number is named; with a name only those exchanged with that peer. This session only.",
    ),
    spec("search", "TEXT", "find messages of this session", Completion::Nothing, "Case does not matter."),
    spec(
        "show",
        "N",
        "show the message of this number whole",
        Completion::Nothing,
        "A message of more than 100 rows is cut on the screen, and its last row names its number.",
    ),
    spec(
        "log",
        "[FILE|off]",
        "also write what is said to a file, or stop that",
        Completion::Files,
        "Nothing is written to disk without this. The file is appended to, and only you can read it. \
         Without an argument says whether a log is kept.",
    ),
    spec(
        "notify",
        "[off|mention|all] [--content]",
        "ring for no message, those with your name, or all",
        Completion::OneOf(&["off", "mention", "all"]),
        "A bell, and a notification of the desktop where the terminal can. --content puts sender and text \
         into it. Without an argument says what is set.",
    ),
    spec("peers", "", "list everybody known and connected", Completion::Nothing, ""),
    spec(
        "status",
        "",
        "show who you are, where you listen, what is not received yet",
        Completion::Nothing,
        "",
    ),
    spec(
        "verify",
        "NAME",
        "show the safety number to compare by voice",
        Completion::Peers,
        "Both sides see the same sixty digits. If they differ, somebody is between you.",
    ),
    spec(
        "trust",
        "NAME [SHA256:…]",
        "mark a peer verified, or accept its changed key",
        Completion::Peers,
        "With a fingerprint: takes the key that was refused as changed in the place of the old one.",
    ),
    spec(
        "name",
        "PEER NEWNAME",
        "call a peer by a name of your own",
        Completion::Peers,
        "Your name for a peer wins over what the peer says it is called, and the peer never sees it.",
    ),
    spec("forget", "NAME", "remove a peer from the book", Completion::Peers, ""),
    spec("block", "NAME", "refuse a peer's key from now on", Completion::Peers, ""),
    spec("unblock", "NAME", "take a block back", Completion::Peers, ""),
    spec("close", "[NAME]", "end a conversation", Completion::Peers, ""),
    spec("nick", "NAME", "change the name that you give to new peers", Completion::Nothing, ""),
    spec(
        "keygen",
        "[BITS] [--raw] [--replace]",
        "make a key",
        Completion::Nothing,
        "3072 bits where nothing is said, 2048 to 8192 in steps of 8. --replace makes a new one and keeps \
         the old file beside it; who knows you will be warned of the change. --raw: the key of the raw wire, 2048 \
         bits where nothing is said.",
    ),
    spec("showkey", "[--pem]", "show your fingerprint and public key", Completion::Nothing, ""),
    spec("limits", "", "show every limit", Completion::Nothing, ""),
    spec("help", "[COMMAND]", "show this, or more about one command", Completion::Commands, ""),
    spec("quit", "", "say goodbye to everybody and leave", Completion::Nothing, ""),
];

/// Answer to `:help`: every command in a row, or more about one.
#[must_use]
pub fn help(topic: Option<&'static CommandSpec>) -> Vec<String> {
    if let Some(spec) = topic {
        let mut rows = vec![spec.written()];
        rows.push(format!("  {}", spec.summary));
        if !spec.details.is_empty() {
            rows.push(format!("  {}", spec.details));
        }
        return rows;
    }
    let row = |spec: &CommandSpec| format!("{:<29}  {}", spec.written(), spec.summary);
    let mut rows: Vec<_> = COMMANDS.iter().map(row).collect();
    rows.push("anything else is sent as text; :: begins a text with a colon; Ctrl-D leaves".to_owned());
    rows
}

/// The table as Markdown, for the README.
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
            ("connect", format!("{} where no port is named", limits::PORT_DEFAULT)),
            ("keygen", format!("{} bits where nothing is said", limits::KEY_BITS_DEFAULT)),
            ("keygen", format!("{} to {} in steps", limits::KEY_BITS_MIN, limits::KEY_BITS_MAX)),
            ("keygen", format!("{} bits where nothing is said.", limits::OAEP_KEY_BITS_DEFAULT)),
            ("show", format!("more than {} rows", limits::MESSAGE_ROWS)),
        ] {
            let spec = COMMANDS.iter().find(|spec| spec.name == name).unwrap();
            assert!(spec.details.contains(&words), "{name}: {words}");
        }
    }
}
