//! The reactor under test, listening on loopback: every wait is for an event and has a limit.

use rsachat::ids::ConnId;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rsachat::net::lines::{LineEvent, Lines};
use rsachat::net::{Net, NetEvent, SourceLimiter, Stack};

use super::wire::call_from_ip;
use super::{PATIENCE, call};

pub struct Harness {
    pub net: Net,
    pub addr: SocketAddr,
    told: VecDeque<NetEvent>,
}

impl Harness {
    /// A loop that listens on loopback, without limits by source.
    pub fn new() -> Self {
        Self::with(SourceLimiter::unlimited())
    }

    pub fn with(sources: SourceLimiter) -> Self {
        let mut net = Net::new().unwrap();
        net.set_sources(sources);
        let (_, addr) = net.listen("127.0.0.1:0".parse().unwrap(), Stack::AsGiven).unwrap();
        Self { net, addr, told: VecDeque::new() }
    }

    pub fn next(&mut self) -> NetEvent {
        let until = Instant::now() + PATIENCE;
        while self.told.is_empty() {
            let mut events = Vec::new();
            self.net.wait(Some(until), &mut events).unwrap();
            assert!(!events.is_empty(), "nothing happened in {PATIENCE:?}");
            self.told.extend(events);
        }
        self.told.pop_front().unwrap()
    }

    pub fn accepted(&mut self) -> (ConnId, SocketAddr) {
        match self.next() {
            NetEvent::Accepted { conn: link, from, .. } => (link, from),
            other => panic!("a caller was awaited, not {other:?}"),
        }
    }

    pub fn caller(&mut self) -> (TcpStream, ConnId) {
        let peer = call(&self.addr.to_string());
        (peer, self.accepted().0)
    }

    /// Exactly so many bytes of one link; nothing else may happen meanwhile.
    pub fn bytes(&mut self, of: ConnId, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < wanted {
            match self.next() {
                NetEvent::Bytes { conn: link, bytes } if link == of => all.extend(bytes),
                other => panic!("bytes of {of:?} were awaited, not {other:?}"),
            }
        }
        assert_eq!(all.len(), wanted);
        all
    }

    /// The next line of an input, escaped; nothing but the reader may wake the loop.
    pub fn line(&mut self, lines: &Lines) -> String {
        loop {
            match lines.next() {
                Some(LineEvent::Line(line)) => return line.escape_ascii().to_string(),
                Some(LineEvent::TooLong { bytes }) => return format!("too long: {bytes}"),
                Some(LineEvent::End) => return "end".into(),
                Some(LineEvent::Broken(error)) => return format!("broken: {:?}", error.kind()),
                None => assert!(matches!(self.next(), NetEvent::Woken)),
            }
        }
    }

    /// Lets the loop run until no link is left; nothing may be told meanwhile.
    pub fn until_empty(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.net.links() > 0 {
            assert!(Instant::now() < until, "{} links left", self.net.links());
            let mut events = Vec::new();
            self.net.wait(Some(Instant::now() + Duration::from_millis(5)), &mut events).unwrap();
            assert!(events.is_empty(), "{events:?}");
        }
    }

    pub fn call_from(&self, source: &str) -> TcpStream {
        let stream = call_from_ip(source.parse().unwrap(), self.addr);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// Ends the connection by a reset, at once: a process that another test starts at the moment may
/// hold the socket open for longer than its owner.
pub fn reset(stream: &TcpStream) {
    rustix::net::connect_unspec(stream).unwrap();
}
