//! Client of a relay: one connection on the event loop of sockets, and one request after another.

mod access;
mod error;
mod link;
mod tls;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::BASE32_NOPAD;
use rand::Rng as _;
use rustls::ClientConfig;

use crate::app::keyring::seed;
use crate::crypto::Nkey;
use crate::ids::ConnId;
use crate::limits::{CONNECT_TIMEOUT_MS, RELAY_ANSWER_MS};
use crate::net::{Net, NetEvent};
use crate::relay::{ClientOp, Connect, Decoder, Headers, Message, NO_REQUEST, ServerInfo, ServerOp};
use crate::text::safe::SafeText;
pub(crate) use access::RelayAccess;
pub(crate) use error::RelayError;
pub(crate) use link::RelayLink;

/// Number of the subscription for answers.
const ANSWERS: u64 = 1;
/// Number of the subscription that is only tried.
const TRIED: u64 = 2;

/// Connection to a relay.
pub(crate) struct RelayClient<'a> {
    net: &'a mut Net,
    link: RelayLink,
    decoder: Decoder,
    ops: VecDeque<ServerOp>,
    /// What the subjects of answers begin with: nobody else may read there.
    inbox: String,
    requests: u64,
    /// Moment to which the relay has to present itself.
    info_due: Instant,
}

impl<'a> RelayClient<'a> {
    /// Speaks on a connection that stands, or on that of a command, which connects first.
    pub(crate) fn new(net: &'a mut Net, conn: ConnId) -> Self {
        let info_due = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS + RELAY_ANSWER_MS);
        let (decoder, ops, inbox) = (Decoder::default(), VecDeque::new(), String::new());
        Self { net, link: RelayLink::new(conn), decoder, ops, inbox, requests: 0, info_due }
    }

    /// Waits for a connection that is being made, to one of several addresses or by a proxy.
    /// Returns the address that has answered, if it was called directly.
    pub(crate) fn connect(
        net: &'a mut Net,
        conn: ConnId,
        tries: usize,
    ) -> Result<(Self, Option<SocketAddr>), RelayError> {
        let tries = u64::try_from(tries).unwrap_or(u64::MAX);
        let until = Instant::now() + Duration::from_millis(CONNECT_TIMEOUT_MS.saturating_mul(tries));
        let mut client = Self::new(net, conn);
        let mut events = Vec::new();
        loop {
            client.net.wait(Some(until), &mut events).map_err(RelayError::Unreachable)?;
            let mut connected = None;
            for event in events.drain(..) {
                match event {
                    NetEvent::Connected { to, .. } => connected = Some(Some(to)),
                    NetEvent::ConnectedByProxy { .. } => connected = Some(None),
                    NetEvent::Unreachable { mut tried, .. } => {
                        let error = tried.pop().map(|(_, error)| error);
                        let error = error.unwrap_or_else(|| io::ErrorKind::TimedOut.into());
                        return Err(RelayError::Unreachable(error));
                    }
                    event => client.handle(event)?,
                }
            }
            if let Some(to) = connected {
                client.info_due = answer_due();
                return Ok((client, to));
            }
            if Instant::now() >= until {
                return Err(RelayError::Unreachable(io::ErrorKind::TimedOut.into()));
            }
        }
    }

    /// What the relay says of itself, first of all.
    pub(crate) fn info(&mut self) -> Result<ServerInfo, RelayError> {
        let pick = |op| if let ServerOp::Info(info) = op { Some(*info) } else { None };
        self.wait_until(self.info_due, pick)
    }

    /// Changes to TLS, which the relay awaits behind its INFO; gives the name of the cipher suite.
    pub(crate) fn start_tls(&mut self, config: Arc<ClientConfig>, host: &str) -> Result<String, RelayError> {
        self.link.start_tls(self.net, config, host)?;
        let until = answer_due();
        loop {
            if let Some(suite) = self.link.suite() {
                return Ok(suite);
            }
            self.turn(until)?;
        }
    }

    /// Logs in, by a key if there is one, and subscribes to the answers.
    pub(crate) fn log_in(&mut self, key: Option<&Nkey>, info: &ServerInfo) -> Result<(), RelayError> {
        let signed = key.zip(info.nonce.as_deref()).map(|(key, nonce)| (key.public(), key.sign(nonce)));
        let own = key.map_or_else(random_token, |key| key.public().to_owned());
        self.inbox = format!("_INBOX_{own}");
        self.send(&ClientOp::Connect(&Connect::with_signature(signed)));
        self.synchronise()?;
        let subject = format!("{}.>", self.inbox);
        self.send(&ClientOp::Subscribe { subject: &subject, sid: ANSWERS });
        self.synchronise()
    }

    /// Subjects of this log-in's answers, as they stand in its permissions.
    pub(crate) fn answers(&self) -> String {
        format!("{}.>", self.inbox)
    }

    /// Publishes a message, and gives the answer to it; `None` if none came in time.
    pub(crate) fn request(
        &mut self,
        subject: &str,
        headers: Headers,
        payload: &[u8],
    ) -> Result<Option<Message>, RelayError> {
        self.requests += 1;
        let answer = format!("{}.{}", self.inbox, self.requests);
        self.send(&ClientOp::Publish { subject, reply: Some(&answer), headers, payload });
        let answered = self.wait_for(|op| match op {
            ServerOp::Message(message) if message.subject == answer => Some(Ok(message)),
            ServerOp::Error(text) => Some(Err(RelayError::Refused(SafeText::line(&text)))),
            _ => None,
        });
        match answered {
            Ok(message) => message.map(Some),
            Err(RelayError::Silent) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a message to this subject is refused. Its content is no request that means anything.
    pub(crate) fn refuses_publish(&mut self, subject: &str) -> Result<bool, RelayError> {
        self.send(&ClientOp::Publish {
            subject,
            reply: None,
            headers: Headers::default(),
            payload: NO_REQUEST,
        });
        self.is_refused()
    }

    /// Whether a subscription to this subject is refused.
    pub(crate) fn refuses_subscribe(&mut self, subject: &str) -> Result<bool, RelayError> {
        self.send(&ClientOp::Subscribe { subject, sid: TRIED });
        self.send(&ClientOp::Unsubscribe { sid: TRIED });
        self.is_refused()
    }

    /// Whether what was said last is refused: the answers of a server keep the order.
    fn is_refused(&mut self) -> Result<bool, RelayError> {
        match self.synchronise() {
            Ok(()) => Ok(false),
            Err(RelayError::Refused(_)) => {
                // The answer to the same PING.
                self.wait_for(|op| matches!(op, ServerOp::Pong).then_some(()))?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the relay has handled everything that was said.
    fn synchronise(&mut self) -> Result<(), RelayError> {
        self.send(&ClientOp::Ping);
        self.wait_for(|op| match op {
            ServerOp::Pong => Some(Ok(())),
            ServerOp::Error(text) => Some(Err(RelayError::Refused(SafeText::line(&text)))),
            _ => None,
        })?
    }

    fn wait_for<T>(&mut self, pick: impl FnMut(ServerOp) -> Option<T>) -> Result<T, RelayError> {
        self.wait_until(answer_due(), pick)
    }

    fn wait_until<T>(
        &mut self,
        until: Instant,
        mut pick: impl FnMut(ServerOp) -> Option<T>,
    ) -> Result<T, RelayError> {
        loop {
            while let Some(op) = self.ops.pop_front() {
                if op == ServerOp::Ping {
                    self.send(&ClientOp::Pong);
                } else if let Some(picked) = pick(op) {
                    return Ok(picked);
                }
            }
            self.turn(until)?;
        }
    }

    /// One turn of the event loop.
    fn turn(&mut self, until: Instant) -> Result<(), RelayError> {
        if Instant::now() >= until {
            return Err(RelayError::Silent);
        }
        let mut events = Vec::new();
        self.net.wait(Some(until), &mut events).map_err(RelayError::Unreachable)?;
        let ended = events.into_iter().try_for_each(|event| self.handle(event));
        // What a server says before it hangs up is why it does.
        if self.ops.is_empty() { ended } else { Ok(()) }
    }

    fn handle(&mut self, event: NetEvent) -> Result<(), RelayError> {
        match event {
            NetEvent::Bytes { bytes, .. } => {
                let plain = self.link.receive(self.net, bytes)?;
                self.decoder.push(&plain);
            }
            NetEvent::Ended { .. } => return Err(RelayError::Closed),
            NetEvent::Lost { error, .. } => return Err(RelayError::Unreachable(error)),
            _ => return Ok(()),
        }
        while let Some(op) = self.decoder.take().map_err(RelayError::Codec)? {
            self.ops.push_back(op);
        }
        Ok(())
    }

    fn send(&mut self, op: &ClientOp<'_>) {
        let mut bytes = Vec::new();
        op.write(&mut bytes);
        self.link.send(self.net, bytes);
    }
}

impl Drop for RelayClient<'_> {
    fn drop(&mut self) {
        self.net.abort(self.link.conn);
    }
}

/// A random name of 26 characters, which nobody can guess.
pub(crate) fn random_token() -> String {
    let mut bytes = [0; 16];
    seed().rng("relay").fill_bytes(&mut bytes);
    BASE32_NOPAD.encode(&bytes).to_lowercase()
}

fn answer_due() -> Instant {
    Instant::now() + Duration::from_millis(RELAY_ANSWER_MS)
}
