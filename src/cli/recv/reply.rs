//! Reply of a command of `recv --exec --reply`: what it wrote to its standard output before it
//! ended.

use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::AsFd as _;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio};

use crate::limits::MESSAGE_BYTES;

/// Bytes of an output that are kept: no more than shows that it is too long, with the newline at
/// its end.
const KEPT_BYTES: usize = MESSAGE_BYTES + 3;

/// Reason why an output is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum InvalidReply {
    #[error("it is not UTF-8")]
    NotText,
    #[error("it has more than {MESSAGE_BYTES} bytes, the limit for a message")]
    TooLong,
    #[error("it cannot be read")]
    Unreadable,
}

/// Text for the sender of the message, without the newline at its end; none if nothing was written.
pub(super) type Reply = Result<Option<String>, InvalidReply>;

/// Thread that reads the output of one command, so that it is never stopped by a full pipe.
pub(super) struct OutputReader {
    thread: JoinHandle<io::Result<Vec<u8>>>,
    /// Dropped when the command has ended.
    running: PipeWriter,
}

impl OutputReader {
    pub(super) fn start(output: PipeReader) -> io::Result<Self> {
        let (ended, running) = io::pipe()?;
        let thread = thread::Builder::new().name("reply".into()).spawn(move || read(output, &ended))?;
        Ok(Self { thread, running })
    }

    /// The reply of the command, which has ended. What it has started may hold its output open,
    /// and is not waited for.
    pub(super) fn finish(self) -> Reply {
        drop(self.running);
        match self.thread.join() {
            Ok(Ok(output)) => reply(output),
            Ok(Err(_)) | Err(_) => Err(InvalidReply::Unreadable),
        }
    }
}

/// Reads to the end of the output, or to its last byte once the command has ended.
fn read(mut output: PipeReader, ended: &PipeReader) -> io::Result<Vec<u8>> {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 8_192]);
    ioctl_fionbio(&output, true)?;
    let mut has_ended = false;
    loop {
        match output.read(&mut buffer) {
            Ok(0) => return Ok(kept),
            Ok(read) => {
                let room = KEPT_BYTES - kept.len();
                kept.extend(buffer.iter().take(read.min(room)));
                if has_ended && kept.len() == KEPT_BYTES {
                    return Ok(kept);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && has_ended => return Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let source = |from| PollFd::from_borrowed_fd(from, PollFlags::IN);
                let mut sources = [source(output.as_fd()), source(ended.as_fd())];
                match poll(&mut sources, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                // Then everything that it wrote is in the pipe.
                has_ended = sources.last().is_some_and(|source| !source.revents().is_empty());
            }
            Err(error) => return Err(error),
        }
    }
}

fn reply(mut output: Vec<u8>) -> Reply {
    if output.is_empty() {
        return Ok(None);
    }
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    if output.len() > MESSAGE_BYTES {
        return Err(InvalidReply::TooLong);
    }
    String::from_utf8(output).map(Some).map_err(|_| InvalidReply::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_one_text_without_its_last_newline_if_it_is_one_at_all() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        let most = "x".repeat(MESSAGE_BYTES);
        assert_eq!(reply(Vec::new()), Ok(None));
        assert_eq!(reply(b"\n".to_vec()), text(""));
        assert_eq!(reply("둘\n줄\n\n".into()), text("둘\n줄\n"));
        assert_eq!(reply(b"a\r\n".to_vec()), text("a\r"));
        assert_eq!(reply(format!("{most}\n").into()), text(&most));
        assert_eq!(reply(format!("{most}y").into()), Err(InvalidReply::TooLong));
        assert_eq!(reply(b"\xff\n".to_vec()), Err(InvalidReply::NotText));
    }
}
