//! Kinds of warnings and errors, as programs read them: those of `docs/EVENTS.md`, and no other.

/// Every kind.
const KINDS: [&str; 52] = [
    "unknown_key",
    "key_changed",
    "wrong_key",
    "refused",
    "mismatch",
    "handshake",
    "busy",
    "encoding",
    "impostor",
    "invitation",
    "shared_address",
    "unreachable",
    "via",
    "cannot_listen",
    "raw_wire",
    "unread",
    "lost",
    "still_calling",
    "not_calling",
    "left",
    "peer_output",
    "peer_input",
    "input",
    "output",
    "exec",
    "earlier",
    "not_sent",
    "queued",
    "held",
    "nobody_addressed",
    "left_out",
    "expired",
    "dropped",
    "owner",
    "slow",
    "full",
    "taken",
    "waiting",
    "not_received",
    "no_such_peer",
    "not_receipted",
    "not_written",
    "not_answered",
    "timeout",
    "signal",
    "not_kept",
    "restored",
    "two_places",
    "key",
    "book",
    "file",
    "trouble",
];

/// The kind of an event of another process; one that this version does not know is trouble.
pub(crate) fn kind(word: &str) -> &'static str {
    KINDS.iter().find(|kind| **kind == word).copied().unwrap_or("trouble")
}

/// Whether a kind is one of them.
pub(crate) fn is_kind(word: &str) -> bool {
    KINDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Kinds in the table of the document.
    fn documented() -> BTreeSet<String> {
        let text = include_str!("../../docs/EVENTS.md");
        let (_, table) = text.split_once("| kind | meaning |").unwrap();
        let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        cells.flat_map(|cell| cell.split(',')).map(|kind| kind.trim().trim_matches('`').to_owned()).collect()
    }

    /// Words in quotes behind one of these, in every file of a folder.
    fn quoted_behind(folder: &Path, marks: &[&str], found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                quoted_behind(&path, marks, found);
                continue;
            }
            // A row break may stand before the word.
            let text: Vec<_> =
                fs::read_to_string(&path).unwrap().lines().map(|l| l.trim().to_owned()).collect();
            let text = text.join(" ");
            for mark in marks {
                let mark = format!("{mark} \"");
                let behind = text.split(&mark).skip(1);
                let words = behind.filter_map(|rest| Some(rest.split_once('"')?.0));
                let is_word = |word: &&str| word.chars().all(|c| c == '_' || c.is_ascii_lowercase());
                found.extend(words.filter(is_word).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_kind_that_is_emitted_is_in_the_list_and_the_list_is_the_table_of_the_document() {
        let known: BTreeSet<_> = KINDS.iter().map(|kind| (*kind).to_owned()).collect();
        assert_eq!(known, documented());
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut emitted = BTreeSet::new();
        quoted_behind(&src.join("cli"), &["kind:"], &mut emitted);
        quoted_behind(&src.join("events"), &["kind:"], &mut emitted);
        quoted_behind(
            &src.join("chat/display"),
            &["AnyRows,", "Rows,", "RowsAbout(name),", "Omitted,"],
            &mut emitted,
        );
        assert!(emitted.len() > KINDS.len() / 2, "{emitted:?}");
        let unknown: Vec<_> = emitted.iter().filter(|kind| !is_kind(kind)).collect();
        assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    }
}
