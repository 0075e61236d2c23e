//! Tables of exit codes, environment variables and files, for both `--help` and the manual.

use std::fmt::Write as _;

/// Exit codes and their meanings.
pub(crate) const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "done"),
    ("1", "ran, but did not end as asked"),
    ("2", "bad usage"),
    ("3", "the machine refused: a file, an address to listen on, nobody reached"),
    ("4", "not the peer asked for, or the handshake was refused"),
    ("5", "silence or loss before everything was acknowledged"),
    ("128 + n", "ended by signal n"),
];

/// Environment variables that are read.
pub(crate) const ENVIRONMENT: [(&str, &str); 12] = [
    ("RSACHAT_HOME", "the folder with the key and the peers; --home wins over it"),
    ("RSACHAT_CONFIG", "the configuration file, or none for no file; --config wins over it"),
    ("XDG_DATA_HOME", "where the folder rsachat with the key and the peers is, unless it is named otherwise"),
    ("XDG_CONFIG_HOME", "where rsachat/config.toml is, unless it is named otherwise"),
    ("HOME", "stands for both in their absence: ~/.local/share and ~/.config"),
    ("NO_COLOR", "when set and not empty, output carries no colour"),
    ("CLICOLOR_FORCE", "when set and neither empty nor 0, output carries colour, also into pipes and files"),
    ("COLORTERM", "when set, or when TERM names 256 colours, names are painted from those"),
    ("VISUAL", "the editor of :edit; else it is EDITOR, else vi"),
    ("EDITOR", "the editor of :edit where VISUAL is not set"),
    ("COLUMNS", "the width of a terminal that does not know its own"),
    ("TERM", "lines are edited unless it is empty, dumb, emacs or cons25"),
];

/// Files, at their default places.
pub(crate) const FILES: [(&str, &str); 4] = [
    (
        "~/.local/share/rsachat/identity.pem",
        "your private key: PKCS#8 in PEM, perhaps with a passphrase, mode 0600. A key that was replaced is kept \
         beside it with its date.",
    ),
    ("~/.local/share/rsachat/raw.pem", "the key of the raw wire, which is never your identity; likewise."),
    (
        "~/.local/share/rsachat/peers",
        "who is known by which key: plain text, one peer a line, and you may edit it. A damaged book is never \
         half used: nobody is accepted until it is mended.",
    ),
    ("~/.config/rsachat/config.toml", "settings, in TOML; may be a link, may not be writable by others."),
];

/// Text below the help of the program.
pub(crate) fn after_help() -> String {
    let mut text = String::from(
        "Without a subcommand, rsachat is a prompt; type :help there. Lines from a pipe or a file are typed lines.\n\n\
         Exit codes:\n",
    );
    for (code, meaning) in EXIT_CODES {
        let _ = writeln!(text, "  {code:<7}  {meaning}");
    }
    text.push_str("\nEnvironment:\n");
    for (name, what) in ENVIRONMENT {
        let _ = writeln!(text, "  {name:<15}  {what}");
    }
    text.push_str("\nrsachat man is the whole manual.");
    text
}
