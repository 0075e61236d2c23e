//! Frames of the broker's sockets: two lengths, JSON, contents of files as they are, and
//! descriptors that travel with the lengths (`SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::{FILE_BYTES, FILE_WRITE_BYTES};
use crate::transfer::BLOCK_BYTES;

/// Longest JSON: the hashes of the blocks of a file, in base64. An edited text is shorter.
const JSON_BYTES: u64 = FILE_BYTES / BLOCK_BYTES * 44 + 65_536;
/// Most bytes of contents: what is written together, which may pass its budget by a record; a read
/// gives less.
const CONTENT_BYTES: u64 = 2 * FILE_WRITE_BYTES;
/// Descriptors of a frame: the standard ones of a command.
const DESCRIPTORS: usize = 3;

/// A command that runs in another thread never inherits what is received here.
#[cfg(target_os = "linux")]
const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE: RecvFlags = RecvFlags::empty();

/// Sends bytes and the descriptors that belong to them.
pub(super) fn send_with(
    mut socket: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOBIG.into());
    }
    let sent = loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()) {
            Err(Errno::INTR) => {}
            sent => break sent?,
        }
    };
    socket.write_all(bytes.get(sent..).unwrap_or_default())
}

/// Receives as many bytes as fit, at least one, and their descriptors.
pub(super) fn receive_with(socket: &UnixStream, bytes: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RECEIVE) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(rights.flatten().collect())
}

pub(super) fn send(
    mut socket: &UnixStream,
    head: &impl Serialize,
    content: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let json = serde_json::to_vec(head)?;
    let lengths = [json.len() as u64, content.len() as u64].map(u64::to_be_bytes);
    send_with(socket, lengths.as_flattened(), descriptors)?;
    socket.write_all(&json)?;
    socket.write_all(content)
}

/// Receives a frame: what its JSON says, the contents, and the descriptors.
pub(super) fn receive<T: DeserializeOwned>(socket: &UnixStream) -> io::Result<(T, Vec<u8>, Vec<OwnedFd>)> {
    let mut lengths = [[0; 8]; 2];
    let descriptors = receive_with(socket, lengths.as_flattened_mut())?;
    let [json, content] = lengths.map(u64::from_be_bytes);
    if json > JSON_BYTES || content > CONTENT_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    socket.take(json).read_to_end(&mut bytes)?;
    let head = serde_json::from_slice(&bytes)?;
    let mut bytes = Vec::with_capacity(usize::try_from(content).unwrap_or(0));
    socket.take(content).read_to_end(&mut bytes)?;
    Ok((head, bytes, descriptors))
}
