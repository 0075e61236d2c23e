//! Requests and answers about files of transfers, between a process and its broker: the contents of
//! files follow the JSON of a frame as they are.

use std::borrow::Cow;
use std::io;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::frame;
use crate::chat::{FileAnswer, FileRequest, TransferNumber};
use crate::delivery::Hashed;
use crate::wire::TransferRecord;

#[derive(Serialize, Deserialize)]
enum RequestHead<'a> {
    /// [`FileRequest::Write`], of the record that follows.
    Write {
        number: TransferNumber,
    },
    Other(Cow<'a, FileRequest>),
}

#[derive(Serialize, Deserialize)]
enum AnswerHead {
    /// [`FileAnswer::Read`], of records that follow, which have so many bytes each.
    Read {
        number: TransferNumber,
        reading: u32,
        lengths: Vec<usize>,
        hashed: Option<Hashed>,
    },
    Other(Option<FileAnswer>),
}

pub(super) fn send_request(socket: &UnixStream, request: &FileRequest) -> io::Result<()> {
    match request {
        FileRequest::Write { number, record } => {
            frame::send(socket, &RequestHead::Write { number: *number }, &record.to_bytes(), &[])
        }
        other => frame::send(socket, &RequestHead::Other(Cow::Borrowed(other)), &[], &[]),
    }
}

pub(super) fn receive_request(socket: &UnixStream) -> io::Result<FileRequest> {
    let (head, content, _) = frame::receive(socket)?;
    Ok(match head {
        RequestHead::Write { number } => FileRequest::Write { number, record: record(&content)? },
        RequestHead::Other(request) => request.into_owned(),
    })
}

pub(super) fn send_answer(socket: &UnixStream, answer: Option<FileAnswer>) -> io::Result<()> {
    match answer {
        Some(FileAnswer::Read { number, reading, read: Ok(records), hashed }) => {
            let (mut lengths, mut content) = (Vec::new(), Vec::new());
            for record in records {
                let bytes = record.to_bytes();
                lengths.push(bytes.len());
                content.extend(bytes);
            }
            frame::send(socket, &AnswerHead::Read { number, reading, lengths, hashed }, &content, &[])
        }
        other => frame::send(socket, &AnswerHead::Other(other), &[], &[]),
    }
}

pub(super) fn receive_answer(socket: &UnixStream) -> io::Result<Option<FileAnswer>> {
    let (head, content, _) = frame::receive(socket)?;
    Ok(match head {
        AnswerHead::Read { number, reading, lengths, hashed } => {
            let mut rest = content.as_slice();
            let read = lengths.into_iter().map(|length| {
                let (now, later) = rest.split_at_checked(length).ok_or(io::ErrorKind::InvalidData)?;
                rest = later;
                record(now)
            });
            let read = Ok(read.collect::<io::Result<_>>()?);
            Some(FileAnswer::Read { number, reading, read, hashed })
        }
        AnswerHead::Other(answer) => answer,
    })
}

fn record(bytes: &[u8]) -> io::Result<TransferRecord> {
    TransferRecord::from_bytes(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
