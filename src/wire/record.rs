//! Records, the units inside the encryption (`docs/PROTOCOL.md`, section 5). A plaintext is type
//! (1 byte), body length (2, big-endian), body, and padding of zeros.

use super::{Resume, TOKEN_BYTES, Token, TransferRecord, WireError};
use crate::limits::TAG_BYTES;

/// Type and body length before every body, in bytes.
pub(super) const HEADER_BYTES: usize = 3;
/// Smallest padded plaintext of a chat record, in bytes.
const CHAT_BLOCK: usize = 256;
/// The type of [`Record::NextKey`]: one that whoever does not know it skips.
const NEXT_KEY: u8 = 129;
/// Bytes of an X-Wing public key for letters.
pub(super) const LETTER_KEY_BYTES: usize = 1_216;
/// The type of [`Record::Data`].
pub(super) const DATA: u8 = 5;

/// One record in plaintext.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// First record of each side: proof that both saw the same handshake, and the claimed name.
    Confirm(Confirm),
    /// A message of a person. `seq` counts from 1 in each direction without gaps.
    Text {
        /// Number of the message in its direction.
        seq: u64,
        /// When it was typed, in milliseconds since 1970 in UTC, by the sender's clock.
        time_ms: u64,
        /// UTF-8 as the sender says; checked where it is shown.
        text: Vec<u8>,
    },
    /// Every message up to and including `upto` has been shown, or written and flushed.
    Receipt {
        /// Highest number received.
        upto: u64,
    },
    /// What the sender has of either direction of the pair; its messages behind it count for the
    /// pair.
    Resume(Resume),
    /// Every message up to and including `upto` is on disk.
    Kept {
        /// Highest number on disk, in the count of the pair.
        upto: u64,
    },
    /// A message that was taken back, in its place.
    Skip {
        /// Number of the message for the pair.
        seq: u64,
    },
    /// Bytes of a stream.
    Data(Vec<u8>),
    /// One direction of a stream is complete.
    End {
        /// Bytes in that direction.
        total: u64,
    },
    /// The first `total` bytes of a stream are written and flushed; a later record says more.
    Stored {
        /// Bytes written and flushed.
        total: u64,
    },
    /// Asks for a [`Record::Pong`].
    Ping(u64),
    /// Answers a ping with its own number.
    Pong(u64),
    /// The authenticated end of a session.
    Bye(ByeReason),
    /// Lobby: the token of an invitation.
    Invite(Token),
    /// Lobby: a line for the person at the listener, UTF-8 as the caller says; checked where it is
    /// shown.
    Knock(Vec<u8>),
    /// The responder ends the lobby: the session is as any other from here on.
    Admitted,
    /// A record of file transfer.
    Transfer(TransferRecord),
    /// Re-keying: the initiator's fresh X-Wing public key.
    Rekey(Vec<u8>),
    /// Re-keying: the responder's X-Wing ciphertext; empty from the initiator. What comes behind it
    /// is under the next key.
    Rekeyed(Vec<u8>),
    /// The sender's X-Wing key for letters, unchecked, and when it expires, in milliseconds since
    /// 1970.
    LetterKey {
        /// The key.
        key: Box<[u8; LETTER_KEY_BYTES]>,
        /// When it expires.
        expires_ms: u64,
    },
    /// Fingerprint of the key that takes the place of the sender's, as a claim.
    NextKey([u8; 32]),
    /// A record of a type that may be ignored.
    Ignorable,
}

/// Body of [`Record::Confirm`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Confirm {
    /// Noise's handshake hash `h`, 32 bytes.
    pub transcript: [u8; 32],
    /// Option bits; those that are not known are ignored. See [`super::Lifetime`].
    pub options: u32,
    /// Display name as claimed, UTF-8, at most 128 bytes; checked where it is shown.
    pub name: Vec<u8>,
}

/// Why a side ends the session, as [`Record::Bye`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByeReason {
    /// The user ended the conversation or the program.
    Leaving,
    /// The same key has connected again; the newer connection stays.
    Replaced,
    /// The user no longer accepts this key.
    Refused,
    /// The program that read our output has gone.
    OutputGone,
    /// The device of our output is full.
    OutputFull,
    /// Our output could not be written for another reason.
    OutputFailed,
    /// Our input could not be read to its end.
    InputFailed,
    /// The program was stopped, by nobody who meant to leave, and is to be started again.
    Stopping,
    /// A reason of a later version.
    Other(u8),
}

/// Padding of a record, so that its size tells less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Padding {
    /// To the next of 256, 512, 1,024 … bytes of plaintext.
    Chat,
    /// To a multiple of 256 bytes of plaintext.
    Bulk,
    /// None: the letter around the record is padded.
    None,
}

/// Bytes of a display name in [`Record::Confirm`].
const NAME_BYTES: usize = 128;

impl Record {
    /// Appends the plaintext of this record, padded, to `out`.
    ///
    /// # Errors
    /// [`WireError::TooLong`] when the body does not fit a record.
    pub fn write(&self, padding: Padding, out: &mut Vec<u8>) -> Result<(), WireError> {
        let start = out.len();
        out.reserve(padding.padded(HEADER_BYTES + self.body_bytes()) + TAG_BYTES);
        out.extend_from_slice(&[self.type_number(), 0, 0]);
        match self {
            Self::Confirm(confirm) => {
                out.extend_from_slice(&confirm.transcript);
                out.extend_from_slice(&confirm.options.to_be_bytes());
                out.extend_from_slice(&confirm.name);
            }
            Self::Text { seq, time_ms, text } => {
                out.extend_from_slice(&seq.to_be_bytes());
                out.extend_from_slice(&time_ms.to_be_bytes());
                out.extend_from_slice(text);
            }
            Self::Data(bytes) | Self::Rekey(bytes) | Self::Rekeyed(bytes) => out.extend_from_slice(bytes),
            Self::Receipt { upto: n }
            | Self::End { total: n }
            | Self::Stored { total: n }
            | Self::Kept { upto: n }
            | Self::Skip { seq: n }
            | Self::Ping(n)
            | Self::Pong(n) => {
                out.extend_from_slice(&n.to_be_bytes());
            }
            Self::LetterKey { key, expires_ms } => {
                out.extend_from_slice(key.as_slice());
                out.extend_from_slice(&expires_ms.to_be_bytes());
            }
            Self::Resume(resume) => resume.write(out),
            Self::Transfer(record) => record.write(out),
            Self::Bye(reason) => out.push(reason.number()),
            Self::NextKey(fingerprint) => out.extend_from_slice(fingerprint),
            Self::Invite(token) => out.extend_from_slice(token.as_bytes()),
            Self::Knock(text) => out.extend_from_slice(text),
            Self::Admitted | Self::Ignorable => {}
        }
        let body = out.len() - start - HEADER_BYTES;
        let length = u16::try_from(body).map_err(|_| WireError::TooLong)?.to_be_bytes();
        if let Some(slot) = out.get_mut(start + 1..start + HEADER_BYTES) {
            slot.copy_from_slice(&length);
        }
        out.resize(start + padding.padded(HEADER_BYTES + body), 0);
        Ok(())
    }

    /// Bytes of the body of a large record, for which room is made at once; 0 for others.
    fn body_bytes(&self) -> usize {
        match self {
            Self::Transfer(record) => record.body_bytes(),
            Self::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// Reads the plaintext of one record.
    ///
    /// # Errors
    /// [`WireError::Malformed`] when lengths disagree, padding is not zero or a body has the wrong
    /// form; [`WireError::UnknownType`] for a type outside the range that may be ignored.
    pub fn read(plaintext: &[u8]) -> Result<Self, WireError> {
        let (number, body) = split_header(plaintext)?;
        if let Some(record) = TransferRecord::read(number, body) {
            return record.map(Self::Transfer);
        }
        match number {
            1 => read_confirm(body).map(Self::Confirm),
            2 => read_text(body),
            3 => Ok(Self::Receipt { upto: read_number(body)? }),
            4 => Resume::read(body).map(Self::Resume).ok_or(WireError::Malformed),
            DATA => Ok(Self::Data(body.to_vec())),
            6 => Ok(Self::End { total: read_number(body)? }),
            7 => Ok(Self::Stored { total: read_number(body)? }),
            8 => Ok(Self::Ping(read_number(body)?)),
            9 => Ok(Self::Pong(read_number(body)?)),
            10 => match body {
                [reason] => Ok(Self::Bye(ByeReason::from_number(*reason))),
                _ => Err(WireError::Malformed),
            },
            11 => Ok(Self::Kept { upto: read_number(body)? }),
            12 => Ok(Self::Skip { seq: read_number(body)? }),
            13 => read_token(body),
            14 if body.is_empty() || body.len() > crate::limits::KNOCK_BYTES => Err(WireError::Malformed),
            14 => Ok(Self::Knock(body.to_vec())),
            15 if body.is_empty() => Ok(Self::Admitted),
            15 => Err(WireError::Malformed),
            32 => Ok(Self::Rekey(body.to_vec())),
            33 => Ok(Self::Rekeyed(body.to_vec())),
            48 => read_letter_key(body),
            NEXT_KEY => body.try_into().map(Self::NextKey).map_err(|_| WireError::Malformed),
            128..=191 => Ok(Self::Ignorable),
            _ => Err(WireError::UnknownType),
        }
    }

    fn type_number(&self) -> u8 {
        match self {
            Self::Confirm(_) => 1,
            Self::Text { .. } => 2,
            Self::Receipt { .. } => 3,
            Self::Resume(_) => 4,
            Self::Data(_) => DATA,
            Self::End { .. } => 6,
            Self::Stored { .. } => 7,
            Self::Ping(_) => 8,
            Self::Pong(_) => 9,
            Self::Bye(_) => 10,
            Self::Kept { .. } => 11,
            Self::Skip { .. } => 12,
            Self::Invite(_) => 13,
            Self::Knock(_) => 14,
            Self::Admitted => 15,
            Self::Transfer(record) => record.type_number(),
            Self::Rekey(_) => 32,
            Self::Rekeyed(_) => 33,
            Self::LetterKey { .. } => 48,
            Self::NextKey(_) => NEXT_KEY,
            Self::Ignorable => 128,
        }
    }
}

impl ByeReason {
    /// The reason as a conversation has it: one that belongs to a pipe alone means leaving there.
    pub(crate) fn in_conversation(self) -> Self {
        match self {
            Self::InputFailed => Self::Other(self.number()),
            reason => reason,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Leaving => 0,
            Self::Replaced => 1,
            Self::Refused => 2,
            Self::OutputGone => 3,
            Self::OutputFull => 4,
            Self::OutputFailed => 5,
            Self::InputFailed => 6,
            Self::Stopping => 7,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Leaving,
            1 => Self::Replaced,
            2 => Self::Refused,
            3 => Self::OutputGone,
            4 => Self::OutputFull,
            5 => Self::OutputFailed,
            6 => Self::InputFailed,
            7 => Self::Stopping,
            other => Self::Other(other),
        }
    }
}

impl Padding {
    pub(super) fn padded(self, bytes: usize) -> usize {
        match self {
            Self::Chat => bytes.next_power_of_two().max(CHAT_BLOCK),
            Self::Bulk => bytes.next_multiple_of(CHAT_BLOCK),
            Self::None => bytes,
        }
    }
}

/// Type and body of a plaintext.
pub(super) fn split_header(plaintext: &[u8]) -> Result<(u8, &[u8]), WireError> {
    let ([number, high, low], rest) =
        plaintext.split_first_chunk::<HEADER_BYTES>().ok_or(WireError::Malformed)?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (body, padding) = rest.split_at_checked(length).ok_or(WireError::Malformed)?;
    if padding.iter().fold(0, |all, byte| all | byte) != 0 {
        return Err(WireError::Malformed);
    }
    Ok((*number, body))
}

fn read_number(body: &[u8]) -> Result<u64, WireError> {
    body.try_into().map(u64::from_be_bytes).map_err(|_| WireError::Malformed)
}

fn read_letter_key(body: &[u8]) -> Result<Record, WireError> {
    let (key, expires_ms) = body.split_first_chunk().ok_or(WireError::Malformed)?;
    Ok(Record::LetterKey { key: Box::new(*key), expires_ms: read_number(expires_ms)? })
}

fn read_token(body: &[u8]) -> Result<Record, WireError> {
    let token: [u8; TOKEN_BYTES] = body.try_into().map_err(|_| WireError::Malformed)?;
    Ok(Record::Invite(Token::new(token)))
}

fn read_confirm(body: &[u8]) -> Result<Confirm, WireError> {
    let (transcript, rest) = body.split_first_chunk::<32>().ok_or(WireError::Malformed)?;
    let (options, name) = rest.split_first_chunk::<4>().ok_or(WireError::Malformed)?;
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(WireError::Malformed);
    }
    let options = u32::from_be_bytes(*options);
    Ok(Confirm { transcript: *transcript, options, name: name.to_vec() })
}

fn read_text(body: &[u8]) -> Result<Record, WireError> {
    let (seq, rest) = body.split_first_chunk::<8>().ok_or(WireError::Malformed)?;
    let (time_ms, text) = rest.split_first_chunk::<8>().ok_or(WireError::Malformed)?;
    if text.len() > crate::limits::MESSAGE_BYTES {
        return Err(WireError::Malformed);
    }
    Ok(Record::Text {
        seq: u64::from_be_bytes(*seq),
        time_ms: u64::from_be_bytes(*time_ms),
        text: text.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Chain, Epoch};
    use super::*;
    use crate::limits::KNOCK_BYTES;
    use proptest::prelude::*;

    fn any_resume() -> impl Strategy<Value = Resume> {
        let epochs = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 16]>());
        (epochs, 1_u64.., any::<u64>(), any::<u64>()).prop_map(
            |((epoch, your_epoch, chain), oldest, held, last)| {
                let (epoch, your_epoch) = (epoch.map(|byte| byte | 1), your_epoch.map(|byte| byte | 1));
                let (epoch, your_epoch, chain) = (Epoch(epoch), Epoch(your_epoch), Chain(chain));
                Resume { epoch, oldest, next: oldest.saturating_add(held), your_epoch, last, chain }
            },
        )
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..600);
        let confirm = (any::<[u8; 32]>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 1..128));
        let text = (any::<u64>(), any::<u64>(), bytes.clone());
        prop_oneof![
            confirm.prop_map(|(transcript, options, name)| Record::Confirm(Confirm {
                transcript,
                options,
                name
            })),
            text.prop_map(|(seq, time_ms, text)| Record::Text { seq, time_ms, text }),
            any::<u64>().prop_map(|upto| Record::Receipt { upto }),
            any_resume().prop_map(Record::Resume),
            any::<u64>().prop_map(|upto| Record::Kept { upto }),
            any::<u64>().prop_map(|seq| Record::Skip { seq }),
            bytes.clone().prop_map(Record::Data),
            bytes.clone().prop_map(Record::Rekey),
            bytes.prop_map(Record::Rekeyed),
            any::<u64>().prop_map(|total| Record::End { total }),
            any::<u64>().prop_map(|total| Record::Stored { total }),
            any::<[u8; 32]>().prop_map(Record::NextKey),
            any::<u64>().prop_map(Record::Ping),
            any::<u64>().prop_map(Record::Pong),
            any::<u8>().prop_map(|number| Record::Bye(ByeReason::from_number(number))),
            any::<[u8; 16]>().prop_map(|token| Record::Invite(Token::new(token))),
            proptest::collection::vec(any::<u8>(), 1..KNOCK_BYTES).prop_map(Record::Knock),
            Just(Record::Admitted),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in any_record()) {
            for padding in [Padding::Chat, Padding::Bulk] {
                let mut plaintext = Vec::new();
                record.write(padding, &mut plaintext).unwrap();
                prop_assert_eq!(Record::read(&plaintext), Ok(record.clone()));
                prop_assert_eq!(plaintext.len() % 256, 0);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(plaintext in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Record::read(&plaintext);
        }
    }

    #[test]
    fn the_size_of_a_chat_record_reveals_only_its_power_of_two() {
        let size = |bytes: usize| {
            let mut plaintext = Vec::new();
            let text = Record::Text { seq: 1, time_ms: 0, text: vec![b'a'; bytes] };
            text.write(Padding::Chat, &mut plaintext).unwrap();
            plaintext.len()
        };
        assert_eq!([0, 237, 238, 1_000, 16_384].map(size), [256, 256, 512, 1_024, 32_768]);
    }

    #[test]
    fn padding_that_is_not_zero_and_unknown_types_end_it() {
        assert_eq!(Record::read(&[10, 0, 1, 0, 0, 1]), Err(WireError::Malformed));
        assert_eq!(Record::read(&[34, 0, 0]), Err(WireError::UnknownType));
        assert_eq!(Record::read(&[192, 0, 0]), Err(WireError::UnknownType));
        assert_eq!(Record::read(&[129, 0, 1, 9]), Err(WireError::Malformed));
        assert_eq!(Record::read(&[150, 0, 1, 9]), Ok(Record::Ignorable));
    }

    #[test]
    fn a_confirm_has_a_name_of_1_to_128_bytes() {
        let read = |bytes: usize| {
            let mut plaintext = Vec::new();
            let confirm = Confirm { transcript: [7; 32], options: 1, name: vec![b'a'; bytes] };
            Record::Confirm(confirm).write(Padding::Chat, &mut plaintext).unwrap();
            Record::read(&plaintext).map(|_| ())
        };
        let malformed = Err(WireError::Malformed);
        assert_eq!([0, 1, 128, 129].map(read), [malformed, Ok(()), Ok(()), malformed]);
    }

    #[test]
    fn a_text_longer_than_a_message_is_malformed() {
        let read = |bytes: usize| {
            let mut plaintext = Vec::new();
            let text = Record::Text { seq: 1, time_ms: 0, text: vec![b'a'; bytes] };
            text.write(Padding::Bulk, &mut plaintext).unwrap();
            Record::read(&plaintext).map(|_| ())
        };
        let longest = crate::limits::MESSAGE_BYTES;
        let malformed = Err(WireError::Malformed);
        assert_eq!([0, longest, longest + 1, longest + 2].map(read), [Ok(()), Ok(()), malformed, malformed]);
    }

    #[test]
    fn what_is_presented_in_a_lobby_has_its_length() {
        let read = |number: u8, bytes: usize| {
            let length = u16::try_from(bytes).unwrap().to_be_bytes();
            Record::read(&[&[number, length[0], length[1]][..], &vec![b'a'; bytes]].concat()).map(|_| ())
        };
        let malformed = Err(WireError::Malformed);
        assert_eq!([0, 15, 16, 17].map(|bytes| read(13, bytes)), [malformed, malformed, Ok(()), malformed]);
        let knocks = [0, 1, KNOCK_BYTES, KNOCK_BYTES + 1].map(|bytes| read(14, bytes));
        assert_eq!(knocks, [malformed, Ok(()), Ok(()), malformed]);
        assert_eq!([0, 1].map(|bytes| read(15, bytes)), [Ok(()), malformed]);
    }

    #[test]
    fn a_resume_that_says_what_cannot_be_is_malformed() {
        let good = Resume {
            epoch: Epoch([1; 16]),
            oldest: 1,
            next: 1,
            your_epoch: Epoch::NONE,
            last: 0,
            chain: Chain::START,
        };
        let read = |resume: Resume| {
            let mut plaintext = Vec::new();
            Record::Resume(resume).write(Padding::Chat, &mut plaintext).unwrap();
            Record::read(&plaintext)
        };
        assert_eq!(read(good), Ok(Record::Resume(good)));
        for bad in [
            Resume { epoch: Epoch::NONE, ..good },
            Resume { oldest: 0, ..good },
            Resume { oldest: 2, ..good },
            Resume { last: 1, ..good },
        ] {
            assert_eq!(read(bad), Err(WireError::Malformed), "{bad:?}");
        }
        assert_eq!(Record::read(&[&[4, 0, 71][..], &[1; 71]].concat()), Err(WireError::Malformed));
        assert_eq!(Record::read(&[&[11, 0, 9][..], &[1; 9]].concat()), Err(WireError::Malformed));
    }
}
