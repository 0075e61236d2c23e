//! Log of `:log FILE`: messages and events, one line each, in the safe form of the screen. Without
//! it nothing of a conversation is written to disk.

use std::fs::File;
use std::io::{self, Write as _};

use super::broker;
use super::error::naming_folder;
use super::os;
use crate::chat::Notice;
use crate::peers::invitation::without_tokens;
use crate::store::safe_file;

/// Time of a line of the log, with date and offset: it is read on other days, and in other places.
pub(crate) const LOG_TIME: &str = "%Y-%m-%d %H:%M:%S%:z";

/// Opens the log of a file, and closes it: an error is why it cannot be kept.
pub(crate) fn check_log(file: &str) -> io::Result<()> {
    Log::open(file).map(drop)
}

/// Opens the file of a log to append to.
pub(crate) fn open_log(name: &str) -> io::Result<File> {
    let path = os::named_path(name);
    safe_file::append(&path).map_err(|error| naming_folder(error, &path))
}

/// Log, and the file that it is written to.
#[derive(Debug)]
pub(crate) struct Log {
    /// File as it was asked for.
    pub(crate) name: String,
    file: File,
}

impl Log {
    /// Opens a file to append to, readable by its owner only.
    pub(crate) fn open(name: &str) -> io::Result<Self> {
        let file = match broker::of_process() {
            Some(broker) => broker.open_log(name).map_err(io::Error::other)?,
            None => open_log(name)?,
        };
        Ok(Self { name: name.to_owned(), file })
    }

    /// Writes a notice, unless it is an answer or of ours: those are in the log
    /// already, or no event. The tokens of invitations stay out of it.
    pub(crate) fn write(&mut self, notice: &Notice, now_ms: u64) -> io::Result<()> {
        if matches!(
            notice,
            Notice::Own(_) | Notice::Answer(_) | Notice::Table(_) | Notice::Whole(_) | Notice::History { .. }
        ) {
            return Ok(());
        }
        let time = os::local(now_ms).strftime(LOG_TIME).to_string();
        let rows = notice.rows();
        let text: String = rows.iter().flat_map(|row| [time.as_str(), " ", row, "\n"]).collect();
        self.file.write_all(without_tokens(&text).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::chat::Message;
    use crate::text::safe::SafeText;
    use crate::time::UnixMs;
    use crate::wire::Lifetime;

    #[test]
    fn a_log_is_private_appended_to_and_never_raw() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("my log").display().to_string();
        std::fs::write(&name, "before\n").unwrap();
        std::fs::set_permissions(&name, Permissions::from_mode(0o644)).unwrap();
        let mut log = Log::open(&name).unwrap();
        let said = Message {
            to: Vec::new(),
            name: "bob".to_owned(),
            fingerprint: None,
            trust_level: crate::chat::TrustLevel::Unverified,
            lifetime: Lifetime::Lasting,
            arrived: UnixMs(0),
            sent: UnixMs(0),
            arrival: crate::chat::Arrival::Prompt,
            text: Vec::new(),
            rows: SafeText::rows("hi\u{1b}[2J\n둘"),
            number: 1,
        };
        log.write(&Notice::Message(said), 0).unwrap();
        log.write(&Notice::Answer(vec!["a table".to_owned()]), 0).unwrap();
        let text = std::fs::read_to_string(&name).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "before"));
        assert!(lines[1].ends_with(" bob: hi\\u{1b}[2J") && lines[2].ends_with(" bob: 둘"), "{text}");
        assert_eq!(std::fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o600);
        let nowhere = folder.path().join("none/log").display().to_string();
        assert!(Log::open(&nowhere).unwrap_err().to_string().ends_with("/none"));
        assert!(Log::open(&folder.path().display().to_string()).is_err());
    }
}
