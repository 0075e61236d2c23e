//! Data records built and parsed in place, so that the bytes of a stream are not copied.

use std::ops::Range;

use super::WireError;
use super::frame::LENGTH_BYTES;
use super::record::{DATA, HEADER_BYTES, Padding, split_header};
use crate::limits::TAG_BYTES;

/// Bytes of the longest frame that carries stream bytes: length, header, bytes, tag.
pub const DATA_FRAME_BYTES: usize = DATA_AT + DATA_BYTES + TAG_BYTES;
/// Offset of the stream bytes in their frame.
pub const DATA_AT: usize = LENGTH_BYTES + HEADER_BYTES;
/// Stream bytes of a full frame: with the header a multiple of 256.
pub const DATA_BYTES: usize = 65_280 - HEADER_BYTES;

/// Buffer of one frame; its stream bytes begin at [`DATA_AT`].
pub type DataFrame = [u8; DATA_FRAME_BYTES];

/// Writes length and header before the `filled` stream bytes, and padding after them. Returns the
/// range of the plaintext; the tag belongs after it.
///
/// # Errors
/// [`WireError::TooLong`] for more than [`DATA_BYTES`].
pub fn write_around(frame: &mut DataFrame, filled: usize) -> Result<Range<usize>, WireError> {
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

/// Range of the stream bytes in an opened plaintext; `None` for a record of another type.
///
/// # Errors
/// [`WireError::Malformed`] as for every record.
pub fn data_range(plaintext: &[u8]) -> Result<Option<Range<usize>>, WireError> {
    match split_header(plaintext)? {
        (DATA, body) => Ok(Some(HEADER_BYTES..HEADER_BYTES + body.len())),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Record;

    #[test]
    fn a_frame_built_in_place_is_the_record_that_is_written() {
        for filled in [0, 1, 252, 253, 254, 1_000, DATA_BYTES - 1, DATA_BYTES] {
            let mut frame = vec![0xEE; DATA_FRAME_BYTES];
            let plaintext = write_around(frame.first_chunk_mut().unwrap(), filled).unwrap();
            assert_eq!(frame.len(), 2 + 65_280 + 16, "length, padded plaintext, tag");
            let mut written = Vec::new();
            Record::Data(vec![0xEE; filled]).write(Padding::Bulk, &mut written).unwrap();
            assert_eq!(frame[plaintext.clone()], written, "{filled} bytes");
            let length = u16::from_be_bytes([frame[0], frame[1]]);
            assert_eq!(usize::from(length), plaintext.len() + TAG_BYTES);
            assert!(plaintext.end + TAG_BYTES <= DATA_FRAME_BYTES);
            let found = data_range(&written).unwrap().unwrap();
            assert_eq!(written[found], vec![0xEE; filled]);
        }
        let mut frame = vec![0; DATA_FRAME_BYTES];
        assert_eq!(write_around(frame.first_chunk_mut().unwrap(), DATA_BYTES + 1), Err(WireError::TooLong));
        assert_eq!(data_range(&[8, 0, 0]), Ok(None));
        assert_eq!(data_range(&[DATA, 0, 0, 1]), Err(WireError::Malformed), "padding is zero");
    }
}
