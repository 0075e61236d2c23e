//! Table of commands, which feeds the parser, `:help`, completion and the README's table.

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
pub const COMMANDS: [CommandSpec; 26] = [
    spec(
        "listen",
        "ADDR [--known|--anybody] [--wire oaep] [-4|-6]",
        "wait for callers",
        Completion::Nothing,
        "ADDR is a port, host:port or [::1]:port; a port alone means every address of this machine, port 0 \
         lets the machine choose and prints it. --known turns unknown keys away, and --anybody takes them where \
         known-only is set, and gives the first of them what an input that is not a terminal says. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody.",
    ),
    spec(
        "unlisten",
        "[ADDR]",
        "wait for no more callers",
        Completion::Nothing,
        "Where :listen waits at ADDR; everywhere without it. A port alone means every address of yours with that \
         port. Who is connected stays so.",
    ),
    spec(
        "connect",
        "[NAME|ADDR] [--pin SHA256:…] [--wire oaep [--one-way]] [-4|-6]",
        "call somebody",
        Completion::CallablePeers,
        "NAME is a peer of your book: nobody else is accepted, at each address of it, the last good one first. ADDR is \
         host:port, or a host with a dot or localhost, 8000 where no port is named. Nothing means what was called \
         last. --pin accepts that one key and no other, \
         and marks it verified. --wire oaep is the raw wire of the Python tutorial, which authenticates nobody; \
         --one-way gives no key of ours, as the tutorial's server needs it.",
    ),
    spec(
        "to",
        "NAME",
        "send plain text to this peer from now on",
        Completion::Peers,
        "Several peers may be connected; the prompt shows who is addressed. A peer stays addressed when it \
         leaves: nobody inherits what is typed for it. @NAME TEXT sends one text and changes nothing.",
    ),
    spec(
        "all",
        "TEXT",
        "send a text to every chosen peer that is connected",
        Completion::Nothing,
        "To the peers that you have chosen (:connect, :to, @NAME, :trust, :name) and that were connected as you \
         began the line. The others are named: who only called, who came later, and peers of the raw wire.",
    ),
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
    spec(
        "peers",
        "[met]",
        "list everybody known and connected",
        Completion::Nothing,
        "With met: the last who called and were not chosen. :to NAME and :name NAME NEWNAME choose one.",
    ),
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
        "The key whose number :verify showed last. With a fingerprint: that key, or in the place of the old one \
         the key that was refused as changed.",
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
         the old file beside it; who knows you will be warned of the change, and verified peers that are connected are \
         told the next fingerprint. --raw: the key of the raw wire, 2048 \
         bits where nothing is said.",
    ),
    spec("showkey", "[--pem]", "show your fingerprint and public key", Completion::Nothing, ""),
    spec("limits", "", "show every limit", Completion::Nothing, ""),
    spec("help", "[COMMAND]", "show this, or more about one command", Completion::Commands, ""),
    spec("quit", "", "say goodbye to everybody and leave", Completion::Nothing, ""),
];

/// Topic of `:help`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HelpTopic {
    /// One command.
    Command(&'static CommandSpec),
    /// `:help keys`: keys, and the lines that are asked about.
    Keys,
}

/// Answer to `:help keys`.
const KEY_HELP: [&str; 14] = [
    "Enter sends the line, Alt-Enter or a backslash before Enter goes on in a new row",
    "Tab completes commands, names and paths; @ and the beginning of a name, then Tab: one text to one peer",
    "Ctrl-C clears the line, and on an empty line cancels what is pending; Ctrl-D leaves",
    "Ctrl-R searches what was typed, Ctrl-X Ctrl-E opens the line in your editor, Ctrl-L clears the screen",
    "a line is for whom the prompt showed as its first character was typed; who is not there gets nothing,",
    "  and the text stays in the line",
    "before these are sent, Enter is asked for once more; Ctrl-C keeps the line:",
    "  a line that was begun for somebody else than it would go to",
    "  a line that begins with the name of another peer and a colon (bob: …): once for each name",
    "  a line that begins like a command of other programs (/msg …): once for each command",
    "  a pasted block of more than 5 lines: send, edit or drop",
    "@bob TEXT sends one text to bob; @@ begins a text with an @, :: one with a colon",
    ":all TEXT goes to the peers that you chose (:connect, :to, @NAME, :trust, :name) and that were connected",
    "  as you began the line",
];

/// Answer to `:help`: every command in a row, or more about one topic.
#[must_use]
pub fn help(topic: Option<HelpTopic>) -> Vec<String> {
    if let Some(HelpTopic::Keys) = topic {
        return KEY_HELP.map(str::to_owned).to_vec();
    }
    if let Some(HelpTopic::Command(spec)) = topic {
        let mut rows = vec![spec.written()];
        rows.push(format!("  {}", spec.summary));
        if !spec.details.is_empty() {
            rows.push(format!("  {}", spec.details));
        }
        return rows;
    }
    let row = |spec: &CommandSpec| format!("{:<29}  {}", spec.written(), spec.summary);
    let mut rows: Vec<_> = COMMANDS.iter().map(row).collect();
    rows.push("@NAME TEXT                     send one text to this peer".to_owned());
    rows.push(
        "anything else is sent as text; :: begins one with a colon, @@ one with an @; :help keys; Ctrl-D leaves"
            .to_owned(),
    );
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
