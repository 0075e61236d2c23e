//! Sentences about messages that are taken out of the chat, by `:copy` and `:save`.

/// Sentence where no terminal is.
pub(super) const NO_CLIPBOARD: &str =
    "nothing was copied: no terminal with a clipboard is here; :save FILE saves the message";

/// Sentence for a program at the socket of a home.
pub(super) const NOT_FOR_PROGRAMS: &str = "nothing was copied or saved: a program at the socket of a home has the \
     exact text in the events `message` and `sent`";

pub(super) fn copied(label: &str, bytes: usize) -> String {
    format!(
        "{label} ({}) handed to the terminal, which does not say whether its clipboard took it; if nothing is \
         there, :save FILE",
        counted(bytes)
    )
}

pub(super) fn saved(label: &str, bytes: usize, file: &str) -> String {
    format!("{label} ({}) saved as {file}", counted(bytes))
}

pub(super) fn fewer_messages(kept: usize) -> String {
    match kept {
        0 => "nothing has been said in this session yet; nothing was copied or saved".to_owned(),
        1 => "there is only one message; nothing was copied or saved".to_owned(),
        kept => format!("there are only {kept} messages; nothing was copied or saved"),
    }
}

fn counted(bytes: usize) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}
