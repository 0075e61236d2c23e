//! What the operator of a relay sees of letters: each as it is left, and how many the relay has.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rsachat::relay::{ClientOp, Connect, Decoder, ServerOp};

use crate::Outcome;
use crate::site::{Node, Site};

/// Subscription of the operator to all inboxes of a node.
pub(crate) struct Watcher {
    tcp: TcpStream,
    decoder: Decoder,
}

/// A letter that was left, whether or not the relay has it on its disks.
pub(crate) struct Left {
    pub(crate) at: Instant,
    pub(crate) bytes: usize,
}

impl Watcher {
    pub(crate) fn new(site: &Site, node: &Node) -> Outcome<Self> {
        let mut watcher = Self { tcp: TcpStream::connect(&node.at)?, decoder: Decoder::default() };
        let long = Duration::from_secs(10);
        let Some(ServerOp::Info(info)) = watcher.next(long)? else { return Err("no nats-server".into()) };
        let key = site.nkey("operator");
        let signature = info.nonce.map(|nonce| (key.public(), key.sign(&nonce)));
        let mut out = Vec::new();
        ClientOp::Connect(&Connect::with_signature(signature)).write(&mut out);
        ClientOp::Subscribe { subject: "rc.in.*", sid: 1 }.write(&mut out);
        ClientOp::Ping.write(&mut out);
        watcher.tcp.write_all(&out)?;
        match watcher.next(long)? {
            Some(ServerOp::Pong) => Ok(watcher),
            other => Err(format!("the operator is not let in: {other:?}").into()),
        }
    }

    /// The next letter that is left within a time.
    pub(crate) fn letter_within(&mut self, patience: Duration) -> Outcome<Option<Left>> {
        loop {
            match self.next(patience)? {
                None => return Ok(None),
                Some(ServerOp::Message(message)) => {
                    return Ok(Some(Left { at: Instant::now(), bytes: message.payload.len() }));
                }
                Some(ServerOp::Ping) => {
                    let mut out = Vec::new();
                    ClientOp::Pong.write(&mut out);
                    self.tcp.write_all(&out)?;
                }
                Some(_) => {}
            }
        }
    }

    fn next(&mut self, patience: Duration) -> Outcome<Option<ServerOp>> {
        let mut buffer = [0; 16_384];
        self.tcp.set_read_timeout(Some(patience))?;
        loop {
            if let Some(op) = self.decoder.take().map_err(|error| format!("{error:?}"))? {
                return Ok(Some(op));
            }
            match self.tcp.read(&mut buffer) {
                Ok(0) => return Err("the node has hung up".into()),
                Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
