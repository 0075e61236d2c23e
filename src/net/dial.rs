//! Outbound connection attempt: each address in turn, with a time limit for each. Behind the
//! address of a proxy, its answer belongs to the attempt.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::vec;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::ReadInterest;
use super::socks::{SocksError, SocksHandshake, SocksRequest};
use crate::limits::CONNECT_TIMEOUT_MS;

pub(super) struct Dialer {
    remaining: vec::IntoIter<SocketAddr>,
    attempt: Option<Attempt>,
    tried: Vec<(SocketAddr, io::Error)>,
    /// What the addresses are asked for, if they are those of a proxy, and until when.
    proxied: Option<(SocksRequest, Instant)>,
    /// Bytes sent before there was a connection.
    pub(super) early: Vec<Vec<u8>>,
    /// Read interest of the connection to come.
    pub(super) reading: ReadInterest,
}

pub(super) enum DialStep {
    /// Nothing to do before the socket is ready or the time is over.
    Waits {
        until: Instant,
    },
    Connected {
        /// The address that answered, and our own, of a direct connection.
        ends: Option<(SocketAddr, SocketAddr)>,
        stream: TcpStream,
    },
    Unreachable {
        tried: Vec<(SocketAddr, io::Error)>,
    },
}

struct Attempt {
    to: SocketAddr,
    stream: TcpStream,
    until: Instant,
    proxy: Option<ProxyAnswer>,
}

/// Answer of a proxy that is awaited.
struct ProxyAnswer {
    handshake: SocksHandshake,
    unsent: Vec<u8>,
}

impl Dialer {
    pub(super) fn new(addrs: Vec<SocketAddr>) -> Self {
        Self {
            remaining: addrs.into_iter(),
            attempt: None,
            tried: Vec::new(),
            proxied: None,
            early: Vec::new(),
            reading: ReadInterest::On,
        }
    }

    /// The same where the addresses are those of a proxy.
    pub(super) fn by_proxy(self, request: SocksRequest, until: Instant) -> Self {
        Self { proxied: Some((request, until)), ..self }
    }

    pub(super) fn early_bytes(&self) -> usize {
        self.early.iter().map(Vec::len).sum()
    }

    /// Checks the current attempt, and begins the next one when it has failed or its time is over.
    pub(super) fn step(&mut self, registry: &Registry, token: Token, now: Instant) -> DialStep {
        loop {
            if let Some(mut attempt) = self.attempt.take() {
                match attempt.progress(now) {
                    Ok(Some(from)) => {
                        let ends = attempt.proxy.is_none().then_some((attempt.to, from));
                        return DialStep::Connected { ends, stream: attempt.stream };
                    }
                    Ok(None) => {
                        let until = attempt.until;
                        self.attempt = Some(attempt);
                        return DialStep::Waits { until };
                    }
                    Err(error) => self.tried.push((attempt.to, error)),
                }
            }
            let Some(to) = self.remaining.next() else {
                return DialStep::Unreachable { tried: std::mem::take(&mut self.tried) };
            };
            match Attempt::begin(to, self.proxied.as_ref(), registry, token, now) {
                Ok(attempt) => self.attempt = Some(attempt),
                Err(error) => self.tried.push((to, error)),
            }
        }
    }
}

impl Attempt {
    fn begin(
        to: SocketAddr,
        proxied: Option<&(SocksRequest, Instant)>,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let until = proxied.map_or(now + Duration::from_millis(CONNECT_TIMEOUT_MS), |(_, until)| *until);
        let proxy = proxied.map(|(request, _)| ProxyAnswer {
            handshake: SocksHandshake::new(request.clone()),
            unsent: Vec::new(),
        });
        Ok(Self { to, stream, until, proxy })
    }

    /// Our own address, once the connection is established, and a proxy has made its own.
    fn progress(&mut self, now: Instant) -> io::Result<Option<SocketAddr>> {
        let Some(from) = self.local_addr(now)? else { return Ok(None) };
        let Some(proxy) = &mut self.proxy else { return Ok(Some(from)) };
        match proxy.progress(&mut self.stream) {
            Ok(()) => Ok(Some(from)),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Err(_) if now >= self.until => Err(io::Error::other(SocksError::Silent)),
            Err(_) => Ok(None),
        }
    }

    /// Our own address, once the connection is established.
    fn local_addr(&self, now: Instant) -> io::Result<Option<SocketAddr>> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(peer) => match self.stream.local_addr()? {
                // TCP lets a socket that dials a free port of its own machine connect to itself.
                from if from == peer => Err(io::ErrorKind::ConnectionRefused.into()),
                from => Ok(Some(from)),
            },
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            Err(_) if now >= self.until => Err(io::ErrorKind::TimedOut.into()),
            Err(_) => Ok(None),
        }
    }
}

impl ProxyAnswer {
    /// Goes on until the proxy has connected, or the socket has no more.
    fn progress(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        loop {
            self.unsent.extend(self.handshake.take_output());
            while !self.unsent.is_empty() {
                let written = uninterrupted(|| stream.write(&self.unsent))?;
                self.unsent.drain(..written);
            }
            let mut buffer = [0; 256];
            let wanted = self.handshake.wanted().min(buffer.len());
            let Some(room) = buffer.get_mut(..wanted).filter(|room| !room.is_empty()) else { return Ok(()) };
            let read = match uninterrupted(|| stream.read(room))? {
                0 => Err(SocksError::HungUp),
                read => self.handshake.take(room.get(..read).unwrap_or_default()),
            };
            read.map_err(io::Error::other)?;
        }
    }
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::{Events, Poll};
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn an_address_that_never_answers_gives_way_to_the_next_after_ten_seconds() {
        // A listener whose queue is full does not answer; the first caller fills this one's.
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        let _fills = std::net::TcpStream::connect(silent).unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = server.local_addr().unwrap();

        let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
        let registry = poll.registry().try_clone().unwrap();
        let start = Instant::now();
        let timeout = Duration::from_millis(CONNECT_TIMEOUT_MS);
        let mut dial = Dialer::new(vec![silent, there]);
        let early = start + Duration::from_millis(CONNECT_TIMEOUT_MS - 1);
        for now in [start, early] {
            let DialStep::Waits { until } = dial.step(&registry, Token(1), now) else { panic!("answered") };
            assert_eq!(until, start + timeout);
        }
        let mut now = start + timeout;
        for _ in 0..100 {
            match dial.step(&registry, Token(1), now) {
                DialStep::Waits { until } => assert_eq!(until, start + timeout * 2),
                DialStep::Connected { ends, .. } => {
                    assert_eq!((ends.map(|(to, _)| to), dial.tried.len()), (Some(there), 1));
                    assert_eq!(dial.tried[0].1.kind(), io::ErrorKind::TimedOut);
                    return;
                }
                DialStep::Unreachable { tried } => panic!("{tried:?}"),
            }
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            now += Duration::from_millis(1);
        }
        panic!("never connected");
    }
}
