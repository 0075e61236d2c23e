//! Byte stream of the raw wire (`docs/RAW.md`): a PEM, then blocks of one size, without framing.

use super::WireError;

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Magic of the native protocol's preface.
const NATIVE_PREFACE: &[u8] = b"rsachat\n";
/// Blank bytes that may stand before a PEM block.
const BLANKS_BEFORE: usize = 64;
/// Bytes of line ends that may follow a PEM block and look like the beginning of a block.
const LINE_ENDS_AFTER: usize = 4;

/// First unit of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStart {
    /// Too little has arrived to tell.
    Undecided,
    /// A PEM block.
    Pem,
    /// The preface of the native protocol.
    Native,
    /// Something else: a block, or another protocol.
    Other,
}

/// Receive buffer of one connection on the raw wire.
#[derive(Debug, Default)]
pub struct OaepStream {
    buffer: Vec<u8>,
    /// Bytes in which the end of the PEM block was already searched for.
    searched: usize,
}

impl OaepStream {
    /// Adds bytes that have arrived, in whatever pieces.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that have arrived and were not taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// First unit of the stream, before anything is taken.
    #[must_use]
    pub fn start(&self) -> StreamStart {
        let text = self.buffer.trim_ascii_start();
        let blanks = self.buffer.len() - text.len();
        if blanks > BLANKS_BEFORE {
            StreamStart::Other
        } else if text.starts_with(PEM_BEGIN) {
            StreamStart::Pem
        } else if self.buffer.starts_with(NATIVE_PREFACE) {
            StreamStart::Native
        } else if PEM_BEGIN.starts_with(text) || NATIVE_PREFACE.starts_with(&self.buffer) {
            StreamStart::Undecided
        } else {
            StreamStart::Other
        }
    }

    /// Takes the PEM block up to the last dash of its last line; `None` until it is complete.
    ///
    /// # Errors
    /// [`WireError::TooLong`] when it is longer than `limit` bytes, or has not ended within them.
    pub fn take_pem(&mut self, limit: usize) -> Result<Option<Vec<u8>>, WireError> {
        match self.pem_end() {
            Some(end) if end <= limit => Ok(Some(self.take(end))),
            None if self.buffer.len() <= limit => Ok(None),
            _ => Err(WireError::TooLong),
        }
    }

    /// Bytes of line ends at the front of the buffer, at most four. After a PEM block they may
    /// belong to its last line or be the first bytes of a block: one block in 128 begins so.
    #[must_use]
    pub fn line_ends(&self) -> usize {
        self.buffer.iter().take(LINE_ENDS_AFTER).take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
    }

    /// Block of `size` bytes after the first `skipped` bytes, if it has arrived. It is not taken.
    #[must_use]
    pub fn block_after(&self, skipped: usize, size: usize) -> Option<&[u8]> {
        self.buffer.get(skipped..)?.get(..size)
    }

    /// Takes `count` bytes, or what there is.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count.min(self.buffer.len()));
        self.searched = 0;
        std::mem::replace(&mut self.buffer, rest)
    }

    /// End of the PEM block: after the dashes that close its last line.
    fn pem_end(&mut self) -> Option<usize> {
        // The bytes searched before may have ended in the middle of the mark.
        let from = self.searched.saturating_sub(PEM_END.len());
        let Some(at) = find(self.buffer.get(from..)?, PEM_END) else {
            self.searched = self.buffer.len();
            return None;
        };
        let label = from + at + PEM_END.len();
        Some(label + find(self.buffer.get(label..)?, DASHES)? + DASHES.len())
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Splits a text into parts of at most `room` bytes, at character boundaries; an empty text is one
/// empty part. No part of a longer text is the word `ending` alone, which would end the session.
#[must_use]
pub fn split_text<'a>(text: &'a str, room: usize, ending: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > room {
        let mut at = rest.floor_char_boundary(room);
        if rest.get(at..) == Some(ending) {
            at = rest.floor_char_boundary(at.saturating_sub(1));
        }
        // A character has at most four bytes, so this only meets a room of less.
        let Some((part, after)) = rest.split_at_checked(at).filter(|(part, _)| !part.is_empty()) else {
            break;
        };
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &[u8] = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";

    fn stream(bytes: &[u8]) -> OaepStream {
        let mut stream = OaepStream::default();
        stream.push(bytes);
        stream
    }

    #[test]
    fn a_pem_is_found_in_any_pieces_and_what_follows_stays() {
        let whole = [b"\r\n \n", PEM, b"\nrest"].concat();
        for cut in 0..whole.len() {
            let mut stream = stream(&whole[..cut]);
            let early = stream.take_pem(8_192).unwrap();
            assert_eq!(early.is_some(), cut >= 4 + PEM.len(), "cut at {cut}");
            stream.push(&whole[cut..]);
            let pem = early.or_else(|| stream.take_pem(8_192).unwrap()).unwrap();
            assert_eq!((pem.trim_ascii(), stream.buffered()), (PEM, &b"\nrest"[..]));
        }
    }

    #[test]
    fn a_pem_that_never_ends_is_given_up_at_the_limit() {
        let mut stream = stream(b"-----BEGIN PUBLIC KEY-----\n");
        for _ in 0..7_900 {
            stream.push(b"A");
            assert_eq!(stream.take_pem(8_000), Ok(None));
        }
        stream.push(&[b'A'; 100]);
        assert_eq!(stream.take_pem(8_000), Err(WireError::TooLong));
        let mut late = self::stream(&[&[b'A'; 8_000], PEM].concat());
        assert_eq!(late.take_pem(8_000), Err(WireError::TooLong));
    }

    #[test]
    fn what_a_stream_begins_with_is_known_by_its_first_wrong_byte() {
        for (bytes, expected) in [
            (&b""[..], StreamStart::Undecided),
            (b"\n\r\n", StreamStart::Undecided),
            (b"\n-----BEG", StreamStart::Undecided),
            (b"\n-----BEX", StreamStart::Other),
            (b"-----BEGIN CERT", StreamStart::Pem),
            (b"rsachat", StreamStart::Undecided),
            (b"rsachat\n", StreamStart::Native),
            (b"rsachaT", StreamStart::Other),
            (b"\nr", StreamStart::Other),
            (&[b'\n'; 64], StreamStart::Undecided),
            (&[b'\n'; 65], StreamStart::Other),
            (b"GET / HTTP", StreamStart::Other),
        ] {
            assert_eq!(stream(bytes).start(), expected, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn line_ends_after_a_pem_are_counted_but_not_taken() {
        for (bytes, count) in [(&b"x"[..], 0), (b"\nx", 1), (b"\r\nx", 2), (b"\n\n\n\n\n", 4), (b"", 0)] {
            assert_eq!((stream(bytes).line_ends(), stream(bytes).buffered()), (count, bytes));
        }
        assert_eq!(stream(b"\nabc").block_after(1, 3), Some(&b"abc"[..]));
        assert_eq!(stream(b"\nabc").block_after(2, 3), None);
        assert_eq!(stream(b"").block_after(1, 0), None);
    }

    #[test]
    fn a_text_is_cut_between_characters_and_loses_nothing() {
        let korean = "가나다라마바사".repeat(100);
        for (text, room, count) in [
            ("", 214, 1),
            ("x", 214, 1),
            (&"x".repeat(214), 214, 1),
            (&"x".repeat(215), 214, 2),
            (&"x".repeat(10_000), 214, 47),
            (&korean, 214, 10),
            (&"👩‍👩‍👧‍👦".repeat(40), 214, 5),
            ("가나", 3, 2),
        ] {
            let parts = split_text(text, room, "exit");
            assert_eq!((parts.len(), parts.concat().as_str()), (count, text));
            assert!(parts.iter().all(|part| part.len() <= room));
        }
    }

    #[test]
    fn no_part_of_a_longer_text_is_the_word_that_ends() {
        for room in [5, 10, 214] {
            for before in ["x".repeat(room), "가".repeat(room / 3) + &"x".repeat(room % 3)] {
                let text = before + "exit";
                let parts = split_text(&text, room, "exit");
                assert_eq!(parts.concat(), text);
                assert!(parts.iter().all(|part| *part != "exit" && part.len() <= room), "{parts:?}");
            }
        }
        assert_eq!(split_text("exit", 214, "exit"), ["exit"]);
    }
}
