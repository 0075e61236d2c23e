//! Mailbox of a user, driven by hand.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rsachat::relay::{ClientOp, Connect, Decoder, Mailbox, MailboxEvent, Publish, ServerOp};
use rsachat::time::MonoMs;

use crate::site::{Node, Site, next};
use crate::support::PATIENCE;

/// Mailbox of a user on a socket of its own.
pub(crate) struct Client {
    pub(crate) tcp: TcpStream,
    pub(crate) mailbox: Mailbox,
    began: Instant,
    events: Vec<MailboxEvent>,
}

impl Client {
    pub(crate) fn new(site: &Site, node: &Node, user: &str) -> Self {
        let tcp = TcpStream::connect(&node.at).unwrap();
        let (mailbox, events) = (Mailbox::default(), Vec::new());
        let mut client = Self { tcp, mailbox, began: Instant::now(), events };
        client.mailbox.connect(client.now());
        let key = site.nkey(user);
        let mut info = None;
        client.until(|client| {
            info = client.mailbox.take_info();
            info.is_some()
        });
        let nonce = info.unwrap().nonce.unwrap();
        client.mailbox.log_in(client.now(), Some((key.public(), key.sign(&nonce))), key.public());
        client.until(|client| client.events.pop() == Some(MailboxEvent::Ready));
        client
    }

    pub(crate) fn now(&self) -> MonoMs {
        MonoMs(self.began.elapsed().as_millis().try_into().unwrap())
    }

    /// Does what is due until something is so.
    #[track_caller]
    pub(crate) fn until(&mut self, mut so: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.mailbox.tick(self.now()).unwrap();
            self.tcp.write_all(&self.mailbox.take_bytes()).unwrap();
            self.events.extend(std::iter::from_fn(|| self.mailbox.poll_event()));
            if so(self) {
                return;
            }
            assert!(Instant::now() < end, "{:?}", self.events);
            let due = self.mailbox.poll_timeout().unwrap().since(self.now()).clamp(1, 100);
            self.tcp.set_read_timeout(Some(Duration::from_millis(due))).unwrap();
            let mut bytes = [0; 4_096];
            match self.tcp.read(&mut bytes) {
                Ok(count) => self.mailbox.receive(self.now(), &bytes[..count]).unwrap(),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }

    pub(crate) fn leave(&mut self, ticket: u64, inbox: &str, letter: &[u8]) -> MailboxEvent {
        let (inbox, id, letter) = (inbox.to_owned(), format!("{ticket}"), letter.to_vec());
        self.mailbox.publish(self.now(), &Publish { ticket, inbox, id, letter });
        self.until(|client| !client.events.is_empty());
        self.events.pop().unwrap()
    }

    pub(crate) fn leave_bundle(&mut self, ticket: u64, name: &str, bundle: &[u8]) {
        let (inbox, id, letter) = (name.to_owned(), format!("{ticket}"), bundle.to_vec());
        self.mailbox.publish_bundle(self.now(), &Publish { ticket, inbox, id, letter });
        self.until(|client| !client.events.is_empty());
        assert_eq!(self.events.pop(), Some(MailboxEvent::Published { ticket }));
    }

    /// The bundles at a name.
    pub(crate) fn bundles(&mut self, name: &str) -> Vec<Vec<u8>> {
        self.mailbox.read_bundles(self.now(), name);
        self.until(|client| !client.events.is_empty());
        match self.events.pop() {
            Some(MailboxEvent::Bundles { bundles, .. }) => bundles,
            event => panic!("{event:?}"),
        }
    }

    /// The numbers and contents of the next letters.
    pub(crate) fn read(&mut self, count: usize) -> Vec<(u64, Vec<u8>)> {
        self.until(|client| client.events.len() >= count);
        let letter = |event| match event {
            MailboxEvent::Letter { number, bytes, .. } => (number, bytes),
            event => panic!("{event:?}"),
        };
        std::mem::take(&mut self.events).into_iter().map(letter).collect()
    }
}

/// Requests of users that pass a node, counted by its operator.
pub(crate) struct Requests(Arc<AtomicUsize>);

impl Requests {
    /// Counts those of this subject and those below it, until the node ends.
    pub(crate) fn watch(site: &Site, node: &Node, subject: &str) -> Self {
        let mut tcp = TcpStream::connect(&node.at).unwrap();
        let mut decoder = Decoder::default();
        let Some(ServerOp::Info(info)) = next(&mut tcp, &mut decoder) else { panic!("it says who it is") };
        let key = site.nkey("operator");
        let signature = info.nonce.map(|nonce| (key.public(), key.sign(&nonce)));
        let mut out = Vec::new();
        ClientOp::Connect(&Connect::with_signature(signature)).write(&mut out);
        ClientOp::Subscribe { subject, sid: 1 }.write(&mut out);
        ClientOp::Ping.write(&mut out);
        tcp.write_all(&out).unwrap();
        while !matches!(next(&mut tcp, &mut decoder), Some(ServerOp::Pong)) {}
        let count = Arc::<AtomicUsize>::default();
        let seen = Arc::clone(&count);
        thread::spawn(move || {
            while let Some(op) = next(&mut tcp, &mut decoder) {
                match op {
                    ServerOp::Message(_) => _ = seen.fetch_add(1, Ordering::Relaxed),
                    ServerOp::Ping => tcp.write_all(b"PONG\r\n").unwrap(),
                    _ => {}
                }
            }
        });
        Self(count)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
