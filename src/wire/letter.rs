//! Plaintext of a letter (`docs/PROTOCOL.md`, 12.2, step 4), and of a first one (12.3, step 3).

use zeroize::Zeroizing;

use super::record::{HEADER_BYTES, LETTER_KEY_BYTES};
use super::{Chain, Padding, Record, Resume, TOKEN_BYTES, Token, WireError};
use crate::limits::LETTER_STEP_BYTES;

/// Plaintext of a letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LetterBody {
    /// Number of the letter: above that of every letter before it.
    pub number: u64,
    /// Highest number of a letter of the reader that the writer has opened; 0 for none, or where
    /// one came that does not open.
    pub opened: u64,
    /// Lower number of the two inboxes that the writer reads.
    pub reads: u32,
    /// The writer's next key, unchecked.
    pub key: [u8; LETTER_KEY_BYTES],
    /// When that expires, in milliseconds since 1970.
    pub expires_ms: u64,
    /// The chain behind the message before the first one in this letter.
    pub chain: Chain,
    /// What the writer has of both directions.
    pub resume: Resume,
    /// Texts, Skips, Kept and Receipts behind it.
    pub records: Vec<Record>,
}

impl LetterBody {
    /// Bytes of a plaintext without records behind the Resume.
    pub const EMPTY_BYTES: usize = 8 + 8 + 4 + LETTER_KEY_BYTES + 8 + 16 + HEADER_BYTES + 72;
    /// Bytes of a Text without its text.
    pub const TEXT_BYTES: usize = HEADER_BYTES + 8 + 8;
    /// Bytes of a Skip, a Kept or a Receipt.
    pub const NUMBER_BYTES: usize = HEADER_BYTES + 8;

    /// The plaintext, padded so that with `overhead` bytes around it the letter has one of its
    /// lengths.
    ///
    /// # Errors
    /// [`WireError::TooLong`] when a record does not fit.
    pub fn write(&self, overhead: usize) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let mut out = Zeroizing::new(Vec::with_capacity(crate::limits::LETTER_BYTES));
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.opened.to_be_bytes());
        out.extend_from_slice(&self.reads.to_be_bytes());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.expires_ms.to_be_bytes());
        out.extend_from_slice(&self.chain.0);
        Record::Resume(self.resume).write(Padding::None, &mut out)?;
        for record in &self.records {
            record.write(Padding::None, &mut out)?;
        }
        let padded = (out.len() + overhead).next_multiple_of(LETTER_STEP_BYTES) - overhead;
        out.resize(padded, 0);
        Ok(out)
    }

    /// Reads a plaintext.
    ///
    /// # Errors
    /// [`WireError`] when it has another form, or a record that belongs in no letter.
    pub fn read(plaintext: &[u8]) -> Result<Self, WireError> {
        let (number, rest) = number(plaintext)?;
        let (opened, rest) = self::number(rest)?;
        let (reads, rest) = rest.split_first_chunk().ok_or(WireError::Malformed)?;
        let (key, rest) = rest.split_first_chunk().ok_or(WireError::Malformed)?;
        let (expires_ms, rest) = self::number(rest)?;
        let (chain, rest) = rest.split_first_chunk().ok_or(WireError::Malformed)?;
        let (first, mut rest) = record(rest)?.ok_or(WireError::Malformed)?;
        let Record::Resume(resume) = first else { return Err(WireError::Malformed) };
        let mut records = Vec::new();
        while let Some((record, behind)) = record(rest)? {
            match record {
                Record::Text { .. } | Record::Skip { .. } | Record::Kept { .. } | Record::Receipt { .. } => {
                    records.push(record);
                }
                Record::Ignorable => {}
                _ => return Err(WireError::Malformed),
            }
            rest = behind;
        }
        let (reads, chain) = (u32::from_be_bytes(*reads), Chain(*chain));
        Ok(Self { number, opened, reads, key: *key, expires_ms, chain, resume, records })
    }
}

/// Content of a first letter behind its signature (`docs/PROTOCOL.md`, 12.3, step 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstLetterBody {
    /// Token of the invitation.
    pub token: Token,
    /// Name that the writer gives itself, unchecked.
    pub name: Vec<u8>,
    /// The plaintext of a letter between people who have met.
    pub letter: LetterBody,
}

impl FirstLetterBody {
    /// Bytes of a content without name and records behind the Resume.
    pub const EMPTY_BYTES: usize = TOKEN_BYTES + 1 + LetterBody::EMPTY_BYTES;

    /// The content, padded so that with `overhead` bytes around it the letter has one of its
    /// lengths.
    ///
    /// # Errors
    /// [`WireError::TooLong`] when the name or a record does not fit.
    pub fn write(&self, overhead: usize) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let length = u8::try_from(self.name.len()).map_err(|_| WireError::TooLong)?;
        let before = TOKEN_BYTES + 1 + self.name.len();
        let letter = self.letter.write(overhead + before)?;
        let mut out = Zeroizing::new(Vec::with_capacity(before + letter.len()));
        out.extend_from_slice(self.token.as_bytes());
        out.push(length);
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&letter);
        Ok(out)
    }

    /// Reads a content.
    ///
    /// # Errors
    /// [`WireError`] when it has another form, or a record that belongs in no letter.
    pub fn read(content: &[u8]) -> Result<Self, WireError> {
        let (token, rest) = content.split_first_chunk().ok_or(WireError::Malformed)?;
        let (length, rest) = rest.split_first().ok_or(WireError::Malformed)?;
        let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(WireError::Malformed)?;
        let letter = LetterBody::read(rest)?;
        Ok(Self { token: Token::new(*token), name: name.to_vec(), letter })
    }
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), WireError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(WireError::Malformed)?;
    Ok((u64::from_be_bytes(*number), rest))
}

/// The first record, and what is behind it; `None` where the padding begins.
fn record(bytes: &[u8]) -> Result<Option<(Record, &[u8])>, WireError> {
    match bytes {
        [] => Ok(None),
        [0, ..] if bytes.iter().all(|byte| *byte == 0) => Ok(None),
        [_, high, low, ..] => {
            let length = HEADER_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
            let (record, rest) = bytes.split_at_checked(length).ok_or(WireError::Malformed)?;
            Ok(Some((Record::read(record)?, rest)))
        }
        _ => Err(WireError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Epoch;

    fn body(records: Vec<Record>) -> LetterBody {
        let resume = Resume {
            epoch: Epoch([1; 16]),
            oldest: 1,
            next: 3,
            your_epoch: Epoch([2; 16]),
            last: 4,
            chain: Chain([3; 16]),
        };
        let (key, chain) = ([9; LETTER_KEY_BYTES], Chain([4; 16]));
        LetterBody { number: 7, opened: 6, reads: 2, key, expires_ms: 8, chain, resume, records }
    }

    #[test]
    fn what_is_written_is_read_at_every_length() {
        for bytes in [0, 1, 400, 401, 402, 16_000] {
            let text = Record::Text { seq: 1, time_ms: 5, text: vec![b'a'; bytes] };
            let records =
                vec![text, Record::Skip { seq: 2 }, Record::Kept { upto: 4 }, Record::Receipt { upto: 3 }];
            let plaintext = body(records.clone()).write(100).unwrap();
            assert!((plaintext.len() + 100).is_multiple_of(LETTER_STEP_BYTES));
            assert_eq!(LetterBody::read(&plaintext), Ok(body(records)));
            let least =
                LetterBody::EMPTY_BYTES + LetterBody::TEXT_BYTES + bytes + 3 * LetterBody::NUMBER_BYTES;
            assert_eq!(plaintext.len(), (least + 100).next_multiple_of(LETTER_STEP_BYTES) - 100);
        }
    }

    #[test]
    fn a_first_letter_has_token_and_name_before_the_rest_and_one_of_the_lengths_of_letters() {
        for name in ["", "민지"] {
            let letter = body(vec![Record::Kept { upto: 4 }]);
            let (token, name) = (Token::new([5; 16]), name.as_bytes().to_vec());
            let first = FirstLetterBody { token, name, letter };
            let content = first.write(700).unwrap();
            assert!((content.len() + 700).is_multiple_of(LETTER_STEP_BYTES));
            assert_eq!(FirstLetterBody::read(&content), Ok(first));
            for bytes in [0, 15, 16, 17, 1_200] {
                assert!(FirstLetterBody::read(&content[..bytes]).is_err(), "{bytes}");
            }
        }
        let (token, name) = (Token::new([5; 16]), vec![b'a'; 256]);
        let long = FirstLetterBody { token, name, letter: body(Vec::new()) };
        assert_eq!(long.write(0), Err(WireError::TooLong));
    }

    #[test]
    fn what_belongs_in_no_letter_and_padding_that_is_not_zero_is_malformed() {
        for record in [Record::Ping(1), Record::Admitted, Record::Resume(body(Vec::new()).resume)] {
            let plaintext = body(vec![record.clone()]).write(0).unwrap();
            assert_eq!(LetterBody::read(&plaintext), Err(WireError::Malformed), "{record:?}");
        }
        let mut plaintext = body(Vec::new()).write(0).unwrap();
        assert!(LetterBody::read(&plaintext).is_ok());
        *plaintext.last_mut().unwrap() = 1;
        assert!(LetterBody::read(&plaintext).is_err());
        for bytes in [0, 7, 1_243, 1_259, 1_260, 1_300] {
            assert!(LetterBody::read(&plaintext[..bytes]).is_err(), "{bytes}");
        }
    }
}
