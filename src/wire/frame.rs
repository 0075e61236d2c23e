//! Frames: two bytes of length, big-endian, then that many bytes (`docs/PROTOCOL.md`, section 3).
//! Nothing is allocated for a length before its bytes arrive.

use super::WireError;

/// Bytes of the length that begins a frame.
pub const LENGTH_BYTES: usize = 2;

/// One whole frame, in the buffer where it has arrived.
#[derive(PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// The length as sent: the associated data of a sealed record.
    pub length: [u8; LENGTH_BYTES],
    /// The body, exactly that many bytes, to be opened in place.
    pub body: &'a mut [u8],
}

/// Receive buffer that splits the byte stream into frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were taken already.
    taken: usize,
}

impl Frames {
    /// Adds bytes that have arrived, in whatever pieces.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that have arrived and were not taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Drops `count` bytes that are no frame: the preface. They must have arrived.
    pub fn skip(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count).min(self.buffer.len());
        self.release();
    }

    /// Takes the next whole frame; `None` until more has arrived.
    ///
    /// # Errors
    /// [`WireError::TooLong`] when the length exceeds `limit` (bytes of body).
    pub fn take(&mut self, limit: usize) -> Result<Option<Frame<'_>>, WireError> {
        self.release();
        let Some(length) = self.buffered().first_chunk::<LENGTH_BYTES>().copied() else {
            return Ok(None);
        };
        let size = usize::from(u16::from_be_bytes(length));
        if size > limit {
            return Err(WireError::TooLong);
        }
        let start = self.taken + LENGTH_BYTES;
        let Some(body) = self.buffer.get_mut(start..start + size) else { return Ok(None) };
        self.taken = start + size;
        Ok(Some(Frame { length, body }))
    }

    /// An idle connection keeps no buffer.
    fn release(&mut self) {
        if self.taken == self.buffer.len() {
            self.buffer = Vec::new();
            self.taken = 0;
        }
    }
}

/// Begins a frame in `out`, whose body is still to be appended; returns the place of its length.
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    at
}

/// Writes the length of the frame that begins at `at`, now that its whole body is in `out`.
///
/// # Errors
/// [`WireError::TooLong`] when the body has more than 65,535 bytes.
pub fn end_frame(out: &mut [u8], at: usize) -> Result<(), WireError> {
    let body = out.len().saturating_sub(at + LENGTH_BYTES);
    let length = u16::try_from(body).map_err(|_| WireError::TooLong)?.to_be_bytes();
    if let Some(slot) = out.get_mut(at..at + LENGTH_BYTES) {
        slot.copy_from_slice(&length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(bodies: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for body in bodies {
            let at = begin_frame(&mut out);
            out.extend_from_slice(body);
            end_frame(&mut out, at).unwrap();
        }
        out
    }

    #[test]
    fn the_same_frames_come_out_however_the_stream_was_cut() {
        let bodies: [&[u8]; 4] = [b"one", b"", &[7; 300], b"end"];
        let stream = framed(&bodies);
        for piece in [1, 2, 3, 7, stream.len()] {
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for bytes in stream.chunks(piece) {
                frames.push(bytes);
                while let Some(frame) = frames.take(300).unwrap() {
                    got.push(frame.body.to_vec());
                }
            }
            assert_eq!(got, bodies, "pieces of {piece}");
            assert!(frames.buffered().is_empty());
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_arrive() {
        let mut frames = Frames::default();
        frames.push(&301_u16.to_be_bytes());
        assert_eq!(frames.take(300), Err(WireError::TooLong));
    }
}
