//! Requests to the broker. Each names what a person has typed or the command line says; what a peer
//! has sent is in none but the variables of a command, whose names are fixed, and in files that are
//! received.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Request; each travels on a socket of its own, which its sender closes to give up.
#[derive(Serialize, Deserialize)]
pub(super) enum Request {
    /// Answered with the file, to append to.
    OpenLog { file: String },
    /// Answered once a new file is on disk.
    Save { file: String, text: Vec<u8> },
    /// Answered with what the path before the cursor may become.
    Complete { line: String, pos: usize },
    /// Answered with nothing; from then on each [`FileRequest`] on the same socket is answered with
    /// what it gives, if that is anything.
    ///
    /// [`FileRequest`]: crate::chat::FileRequest
    Files { inbox: Option<PathBuf> },
    /// Answered with the text.
    Edit { text: String },
    /// Answered once the process group was stopped and goes on.
    Suspend,
    /// Answered once the command runs, and again at its end; its descriptors are the command's.
    Run { values: Values },
    /// The same for a command of `--via`, which is filled in here.
    RunVia { command: String, host: String, port: u16 },
}

/// Candidates for a path: where it starts, and for each what is shown and what is inserted.
pub(crate) type Candidates = (usize, Vec<(String, String)>);

/// Environment variables that a command of `--exec` has besides those of the program. The name of
/// the sender, which it has chosen, is one word without control characters.
pub(crate) const VARIABLES: [&str; 6] = [
    "RSACHAT_FROM",
    "RSACHAT_FINGERPRINT",
    "RSACHAT_VERIFIED",
    "RSACHAT_SENT",
    "RSACHAT_AGAIN",
    "RSACHAT_REPLY",
];

/// Their values; one without a value is not set.
pub(crate) type Values = [Option<String>; VARIABLES.len()];

/// End of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Ended {
    Exited(i32),
    Killed,
}
