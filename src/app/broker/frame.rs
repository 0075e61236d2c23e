//! Frames of the broker's sockets: a length, JSON, and descriptors that travel with the length
//! (`SCM_RIGHTS`).

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

use crate::limits::EDITED_BYTES;

/// Longest frame: an edited text, each byte of which JSON writes with six at most. What one read of
/// a file gives is shorter.
const FRAME_BYTES: u64 = EDITED_BYTES * 6 + 4_096;
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
    content: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let json = serde_json::to_vec(content)?;
    let length = u32::try_from(json.len()).map_err(io::Error::other)?;
    send_with(socket, &length.to_be_bytes(), descriptors)?;
    socket.write_all(&json)
}

pub(super) fn receive<T: DeserializeOwned>(socket: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut length = [0; 4];
    let descriptors = receive_with(socket, &mut length)?;
    let length = u64::from(u32::from_be_bytes(length));
    if length > FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = Vec::new();
    socket.take(length).read_to_end(&mut json)?;
    Ok((serde_json::from_slice(&json)?, descriptors))
}
