//! A loop to tell stories with: every wait is for an event and has a limit.

use rsachat::ids::ConnId;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rsachat::net::{Net, NetEvent, SourceLimiter, Stack};
use socket2::{Domain, Socket, Type};

/// Longer than anything here takes on the busiest machine.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Stage {
    pub(crate) net: Net,
    pub(crate) addr: SocketAddr,
    told: VecDeque<NetEvent>,
}

impl Stage {
    /// A loop that listens on loopback, without limits by source.
    pub(crate) fn new() -> Self {
        Self::with(SourceLimiter::unlimited())
    }

    pub(crate) fn with(sources: SourceLimiter) -> Self {
        let mut net = Net::new().unwrap();
        net.set_sources(sources);
        let (_, addr) = net.listen("127.0.0.1:0".parse().unwrap(), Stack::AsGiven).unwrap();
        Self { net, addr, told: VecDeque::new() }
    }

    /// The next event, whichever it is.
    pub(crate) fn next(&mut self) -> NetEvent {
        let until = Instant::now() + LIMIT;
        while self.told.is_empty() {
            let mut events = Vec::new();
            self.net.wait(Some(until), &mut events).unwrap();
            assert!(!events.is_empty(), "nothing happened in {LIMIT:?}");
            self.told.extend(events);
        }
        self.told.pop_front().unwrap()
    }

    pub(crate) fn accepted(&mut self) -> (ConnId, SocketAddr) {
        match self.next() {
            NetEvent::Accepted { conn: link, from, .. } => (link, from),
            other => panic!("a caller was awaited, not {other:?}"),
        }
    }

    /// A caller and our end of its connection.
    pub(crate) fn caller(&mut self) -> (TcpStream, ConnId) {
        let peer = TcpStream::connect(self.addr).unwrap();
        peer.set_read_timeout(Some(LIMIT)).unwrap();
        (peer, self.accepted().0)
    }

    /// Exactly so many bytes of one link; nothing else may happen meanwhile.
    pub(crate) fn bytes(&mut self, of: ConnId, wanted: usize) -> Vec<u8> {
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

    /// Lets the loop run until no link is left; nothing may be told meanwhile.
    pub(crate) fn until_empty(&mut self) {
        let until = Instant::now() + LIMIT;
        while self.net.links() > 0 {
            assert!(Instant::now() < until, "{} links left", self.net.links());
            let mut events = Vec::new();
            self.net.wait(Some(Instant::now() + Duration::from_millis(5)), &mut events).unwrap();
            assert!(events.is_empty(), "{events:?}");
        }
    }

    /// A call from a given source address of this machine.
    pub(crate) fn call_from(&self, source: &str) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into())?;
        socket.connect(&self.addr.into())?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(socket.into())
    }
}

/// An address of which it is certain that nobody listens there, as long as the socket lives.
pub(crate) fn nobody() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

/// Makes the next close of this stream a reset instead of an end.
pub(crate) fn reset(stream: TcpStream) {
    Socket::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Reads to the end of the stream; a reset is an end as well.
pub(crate) fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}
