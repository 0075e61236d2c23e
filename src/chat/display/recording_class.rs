//! Class of a notice in a recorded script.

/// Class of a notice in a recorded script: how the script expects it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordingClass<'a> {
    /// Not at all: it comes from an attempt that failed, from damage or load, or from a key press,
    /// none of which a script repeats; or the command that follows has a wildcard of its own.
    Omitted,
    /// Any rows: they depend on keys, files, timing or on the book as it was before.
    AnyRows,
    /// Its exact rows.
    Rows,
    /// Its exact rows if this peer takes part in the script, otherwise any rows.
    RowsAbout(&'a str),
    /// Lines of its own: an action of a peer, or rows with a part that differs.
    Special,
}
