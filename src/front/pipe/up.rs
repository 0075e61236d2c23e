//! From standard input to the line: bytes are read to where their frames want them, as many frames at once as
//! the input has ready, so that a fast input fills frames and a slow one does not wait.

use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::line::{Line, Sent};
use super::tally::Tally;
use crate::wire::data::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES, DataFrame};

/// Frames that are read, sealed and written together.
const FRAMES: usize = 4;

/// How sending ended.
#[derive(Debug)]
pub(super) enum UpEnd {
    /// The input has ended, and the stream with it.
    Ended,
    /// The goodbye was said meanwhile.
    Closed,
    /// The input cannot be read.
    Input(io::Error),
    /// The connection does not take any more; who receives knows why.
    Socket,
}

/// Sends the whole input.
pub(super) fn run(mut input: impl Read + AsFd, line: &Line, tally: &Tally) -> UpEnd {
    let mut block = vec![0; FRAMES * DATA_FRAME_BYTES];
    let (frames, _) = block.as_chunks_mut::<DATA_FRAME_BYTES>();
    let mut filled = Vec::with_capacity(FRAMES);
    loop {
        filled.clear();
        let more = match fill(&mut input, frames, &mut filled) {
            Ok(more) => more,
            Err(error) => return UpEnd::Input(error),
        };
        if !filled.is_empty() {
            match line.data(frames, &filled) {
                Ok(Sent::Gone) => tally.add_sent(filled.iter().sum()),
                Ok(Sent::Closed) => return UpEnd::Closed,
                Err(_) => return UpEnd::Socket,
            }
        }
        if more == More::No {
            return match line.end(|total| tally.set_total(total)) {
                Ok(()) => UpEnd::Ended,
                Err(_) => UpEnd::Socket,
            };
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum More {
    Yes,
    No,
}

/// Waits for something to read, then takes what is there, frame by frame.
fn fill(
    input: &mut (impl Read + AsFd),
    frames: &mut [DataFrame],
    filled: &mut Vec<usize>,
) -> io::Result<More> {
    for frame in frames {
        let room = frame.get_mut(DATA_AT..DATA_AT + DATA_BYTES).unwrap_or_default();
        let mut bytes = 0;
        while let Some(free) = room.get_mut(bytes..).filter(|free| !free.is_empty()) {
            if (bytes > 0 || !filled.is_empty()) && !is_ready(input) {
                break;
            }
            match input.read(free) {
                Ok(0) => {
                    filled.extend(Some(bytes).filter(|bytes| *bytes > 0));
                    return Ok(More::No);
                }
                Ok(read) => bytes += read,
                // What was read before is sent first; the error comes again.
                Err(_) if bytes > 0 || !filled.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if bytes == 0 {
            return Ok(More::Yes);
        }
        filled.push(bytes);
        if bytes < room.len() {
            return Ok(More::Yes);
        }
    }
    Ok(More::Yes)
}

/// Whether a read would not wait; also at the end or after an error.
fn is_ready(input: &impl AsFd) -> bool {
    let mut wanted = [PollFd::new(input, PollFlags::IN)];
    poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn filled_by(bytes: usize) -> (Vec<usize>, More) {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&vec![7; bytes]).unwrap();
        drop(writer);
        let mut block = vec![0; FRAMES * DATA_FRAME_BYTES];
        let (frames, _) = block.as_chunks_mut::<DATA_FRAME_BYTES>();
        let mut filled = Vec::new();
        let mut reader = reader;
        let more = fill(&mut reader, frames, &mut filled).unwrap();
        (filled, more)
    }

    #[test]
    fn an_input_fills_frame_after_frame_and_ends_where_it_ends() {
        assert_eq!(filled_by(0), (vec![], More::No));
        assert_eq!(filled_by(1), (vec![1], More::No));
        assert_eq!(filled_by(65_000), (vec![65_000], More::No));
        assert_eq!(filled_by(DATA_BYTES + 1), (vec![DATA_BYTES, 1], More::No));
    }

    #[test]
    fn what_is_there_does_not_wait_for_more() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"a line\n").unwrap();
        let mut block = vec![0; FRAMES * DATA_FRAME_BYTES];
        let (frames, _) = block.as_chunks_mut::<DATA_FRAME_BYTES>();
        let mut filled = Vec::new();
        assert_eq!(fill(&mut reader, frames, &mut filled).unwrap(), More::Yes);
        assert_eq!(filled, [7]);
        assert_eq!(&frames[0][DATA_AT..DATA_AT + 7], b"a line\n");
    }
}
