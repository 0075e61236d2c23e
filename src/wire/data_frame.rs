//! Data records in their place: a frame is laid out around the stream's bytes where these were read to, and
//! opened bytes are found where they stand, so that a stream is not copied on its way.

use std::ops::Range;

use super::WireError;
use super::frame::LENGTH_BYTES;
use super::record::{DATA, HEADER_BYTES, Padding, take_apart};

/// Bytes of the longest frame that carries stream bytes: length, header, bytes, tag.
pub const DATA_FRAME_BYTES: usize = DATA_AT + DATA_BYTES + TAG_BYTES;
/// Where the stream's bytes begin in their frame.
pub const DATA_AT: usize = LENGTH_BYTES + HEADER_BYTES;
/// Stream bytes in one frame, at most: with the header a multiple of 256, and with the tag a frame.
pub const DATA_BYTES: usize = 65_280 - HEADER_BYTES;
/// Bytes of an AEAD tag.
const TAG_BYTES: usize = 16;

/// A frame being made: the stream's bytes stand from [`DATA_AT`] on.
pub type DataFrame = [u8; DATA_FRAME_BYTES];

/// Writes length and header before the first `filled` bytes of the stream and zeros behind them. Gives where
/// the plaintext stands; the tag belongs behind it.
///
/// # Errors
/// [`WireError::TooLong`] for more than [`DATA_BYTES`].
pub fn lay_out(frame: &mut DataFrame, filled: usize) -> Result<Range<usize>, WireError> {
    let body = u16::try_from(filled).ok().filter(|_| filled <= DATA_BYTES).ok_or(WireError::TooLong)?;
    let padded = Padding::Bulk.padded(HEADER_BYTES + filled);
    let length = u16::try_from(padded + TAG_BYTES).map_err(|_| WireError::TooLong)?;
    let [high, low] = length.to_be_bytes();
    let [body_high, body_low] = body.to_be_bytes();
    if let Some(start) = frame.first_chunk_mut::<DATA_AT>() {
        *start = [high, low, DATA, body_high, body_low];
    }
    let end = LENGTH_BYTES + padded;
    if let Some(padding) = frame.get_mut(DATA_AT + filled..end) {
        padding.fill(0);
    }
    Ok(LENGTH_BYTES..end)
}

/// Where the stream's bytes stand in an opened plaintext; `None` if it is a record of another type.
///
/// # Errors
/// [`WireError::Malformed`] as for every record.
pub fn find(plaintext: &[u8]) -> Result<Option<Range<usize>>, WireError> {
    match take_apart(plaintext)? {
        (DATA, body) => Ok(Some(HEADER_BYTES..HEADER_BYTES + body.len())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Record;

    #[test]
    fn a_frame_laid_out_in_place_is_the_record_that_is_written() {
        for filled in [0, 1, 252, 253, 254, 1_000, DATA_BYTES - 1, DATA_BYTES] {
            let mut frame = vec![0xEE; DATA_FRAME_BYTES];
            let plaintext = lay_out(frame.first_chunk_mut().unwrap(), filled).unwrap();
            let mut written = Vec::new();
            Record::Data(vec![0xEE; filled]).write(Padding::Bulk, &mut written).unwrap();
            assert_eq!(frame[plaintext.clone()], written, "{filled} bytes");
            let length = u16::from_be_bytes([frame[0], frame[1]]);
            assert_eq!(usize::from(length), plaintext.len() + TAG_BYTES);
            assert!(plaintext.end + TAG_BYTES <= DATA_FRAME_BYTES);
            let found = find(&written).unwrap().unwrap();
            assert_eq!(written[found], vec![0xEE; filled]);
        }
        let mut frame = vec![0; DATA_FRAME_BYTES];
        assert_eq!(lay_out(frame.first_chunk_mut().unwrap(), DATA_BYTES + 1), Err(WireError::TooLong));
        assert_eq!(find(&[8, 0, 0]), Ok(None));
        assert_eq!(find(&[DATA, 0, 0, 1]), Err(WireError::Malformed), "padding is zero");
    }
}
