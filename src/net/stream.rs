//! Stream socket: TCP, or a Unix domain socket between processes of one user, one of which may be
//! a command that ends with it.

use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Shutdown};

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token, event};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;

pub(super) enum Stream {
    Tcp(TcpStream),
    Local(UnixStream),
    /// A command is at the other end, which lasts as long as this does.
    Command(UnixStream, Box<dyn Send>),
}

impl Stream {
    /// Number of bytes that can be read, at most one; they stay.
    pub(super) fn peek(&self) -> io::Result<usize> {
        let mut buffer = [MaybeUninit::uninit()];
        match self {
            Self::Tcp(stream) => SockRef::from(stream).peek(&mut buffer),
            Self::Local(stream) | Self::Command(stream, _) => SockRef::from(stream).peek(&mut buffer),
        }
    }

    /// Reads behind what a buffer holds, as much as it has room for; its room is not zeroed before.
    pub(super) fn read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let room = spare_capacity(buffer);
        Ok(match self {
            Self::Tcp(stream) => recv(stream, room, RecvFlags::empty())?.0,
            Self::Local(stream) | Self::Command(stream, _) => recv(stream, room, RecvFlags::empty())?.0,
        })
    }

    /// Writes pieces behind each other, as many bytes as the kernel takes.
    pub(super) fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(pieces),
            Self::Local(stream) | Self::Command(stream, _) => stream.write_vectored(pieces),
        }
    }

    /// Address of the peer; none of a process of this machine.
    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(|peer| peer.ip()),
            Self::Local(_) | Self::Command(..) => None,
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Local(stream) | Self::Command(stream, _) => stream.shutdown(how),
        }
    }
}

impl event::Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Local(stream) | Self::Command(stream, _) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Local(stream) | Self::Command(stream, _) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Local(stream) | Self::Command(stream, _) => stream.deregister(registry),
        }
    }
}
