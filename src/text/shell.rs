//! Words as a shell takes them.

/// What follows the home folder in a path that begins with it, as in `~` and `~/notes.txt`.
pub(crate) fn below_home(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('~')?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// A word that can be pasted into a shell.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
