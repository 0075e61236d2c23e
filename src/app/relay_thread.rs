//! Connection with the relays of the settings, and the thread that keeps it: one relay at a time,
//! each of them in turn, with delays once all have failed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

use super::dialler::{Callee, Dialler};
use super::error::describe;
use super::relay::{RelayAccess, RelayError, RelayLink, random_token};
use crate::chat::{Backoff, Input, RelayNews, RelayOrder};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, DialId};
use crate::limits::{CONNECT_TIMEOUT_MS, RELAY_ANSWER_MS};
use crate::net::{Net, NetEvent};
use crate::peers::address::Family;
use crate::peers::relay_url::{RelayUrl, Transport};
use crate::relay::{Mailbox, MailboxError, MailboxEvent, ServerInfo};
use crate::text::safe::SafeText;
use crate::time::MonoMs;

/// Relays to connect with, and what that needs.
pub(crate) struct RelaySetup {
    pub(crate) relays: Vec<RelayUrl>,
    pub(crate) access: RelayAccess,
    /// Our own key, by which delays differ from those of others.
    pub(crate) own: Option<Fingerprint>,
}

/// Owner's end of the thread. Dropping it ends the thread.
pub(crate) struct RelayThread {
    /// `None` once it is being dropped.
    orders: Option<Sender<Order>>,
    news: Receiver<RelayNews>,
    waker: Arc<Waker>,
}

enum Order {
    Of(RelayOrder),
    /// A letter was taken: there is room for one more.
    LetterTaken,
}

impl RelayThread {
    /// Starts the thread, whose news wake the owner.
    pub(crate) fn start(setup: RelaySetup, owner: Arc<Waker>) -> io::Result<Self> {
        let net = Net::new()?;
        let ((orders, taken), (sender, news), waker) = (channel(), channel(), net.waker());
        let server = Server {
            net,
            orders: taken,
            news: sender,
            owner,
            setup,
            mailbox: Mailbox::default(),
            dialler: Dialler::default(),
            dial: DialId(0),
            said: None,
            stage: Stage::Waiting { until: MonoMs(0) },
            current: 0,
            failures: 0,
            backoff: Backoff::default(),
            started: Instant::now(),
        };
        thread::Builder::new().name("relay".into()).spawn(move || server.run())?;
        Ok(Self { orders: Some(orders), news, waker })
    }

    /// Hands an order over. What a thread that has ended does not answer waits for the next start.
    pub(crate) fn submit(&self, order: RelayOrder) {
        self.send(Order::Of(order));
    }

    /// The next news, if there are any.
    pub(crate) fn news(&self) -> Option<RelayNews> {
        let news = self.news.try_recv().ok()?;
        if matches!(news, RelayNews::Letter { .. }) {
            self.send(Order::LetterTaken);
        }
        Some(news)
    }

    fn send(&self, order: Order) {
        if self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok()) {
            let _ = self.waker.wake();
        }
    }
}

impl Drop for RelayThread {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.waker.wake();
    }
}

/// Stage of the connection.
enum Stage {
    /// None, until a moment.
    Waiting { until: MonoMs },
    /// It is being called.
    Dialling,
    /// TLS is being established, before this moment, for a server that has presented itself so.
    Securing { link: RelayLink, info: Box<ServerInfo>, until: MonoMs },
    /// The mailbox speaks with it.
    Open(RelayLink),
}

/// The thread's end.
struct Server {
    net: Net,
    orders: Receiver<Order>,
    news: Sender<RelayNews>,
    /// Waker of the owner.
    owner: Arc<Waker>,
    setup: RelaySetup,
    mailbox: Mailbox,
    dialler: Dialler,
    /// Number of the last call.
    dial: DialId,
    /// What a command said last on its standard error.
    said: Option<SafeText>,
    stage: Stage,
    /// Place of the relay that is tried or connected.
    current: usize,
    /// Failures since one stood for long.
    failures: usize,
    backoff: Backoff,
    started: Instant,
}

/// The owner has gone.
struct OwnerGone;

impl Server {
    fn run(mut self) {
        let mut events = Vec::new();
        loop {
            if self.take_orders().is_err() {
                return;
            }
            let result = self.advance().and_then(|()| self.hear_commands());
            self.settle(result);
            if self.tell_events().is_err() {
                return;
            }
            let deadline = self.poll_timeout();
            if self.net.wait(deadline, &mut events).is_err() {
                return;
            }
            for event in events.drain(..) {
                let result = self.handle(event);
                self.settle(result);
            }
        }
    }

    fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = match &self.stage {
            Stage::Waiting { until } | Stage::Securing { until, .. } => Some(*until),
            Stage::Dialling => None,
            Stage::Open(_) => self.mailbox.poll_timeout(),
        };
        // Not before the moment: the clock of the mailbox has whole milliseconds.
        due.map(|due| self.started + Duration::from_millis(due.0))
    }

    fn take_orders(&mut self) -> Result<(), OwnerGone> {
        let now = self.now();
        loop {
            match self.orders.try_recv() {
                Ok(Order::Of(RelayOrder::Watch { inbox, after, behind })) => {
                    self.mailbox.watch(now, &inbox, after, behind);
                }
                Ok(Order::Of(RelayOrder::Unwatch { inbox })) => self.mailbox.unwatch(&inbox),
                Ok(Order::Of(RelayOrder::Publish(order))) => self.mailbox.publish(now, &order),
                Ok(Order::Of(RelayOrder::PublishBundle(order))) => self.mailbox.publish_bundle(now, &order),
                Ok(Order::Of(RelayOrder::ReadBundles { name })) => self.mailbox.read_bundles(now, &name),
                Ok(Order::LetterTaken) => self.mailbox.letter_taken(now),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(OwnerGone),
            }
        }
    }

    fn relay(&self) -> RelayUrl {
        let relays = &self.setup.relays;
        let relay = relays.get(self.current).or(relays.first()).cloned();
        relay.unwrap_or(RelayUrl { transport: Transport::Tls, host: String::new(), port: 0 })
    }

    /// Does what is due.
    fn advance(&mut self) -> Result<(), String> {
        let now = self.now();
        match &mut self.stage {
            Stage::Waiting { until } if *until <= now => {
                let target = self.relay().target(self.setup.access.via.clone());
                (self.stage, self.dial, self.said) = (Stage::Dialling, DialId(self.dial.0 + 1), None);
                let (dial, family) = (self.dial, Family::Any);
                let at_once = self.dialler.connect(&mut self.net, dial, target, family, Callee::Relay);
                at_once.map_or(Ok(()), |input| self.take_call(input))
            }
            Stage::Dialling => {
                let failed = self.dialler.finished_lookups(&mut self.net);
                failed.into_iter().try_for_each(|input| self.take_call(input))
            }
            Stage::Securing { until, .. } if *until <= now => Err(RelayError::Silent.to_string()),
            Stage::Open(_) => {
                self.mailbox.tick(now).map_err(|error| words(&error))?;
                self.log_in_if_asked()
            }
            Stage::Waiting { .. } | Stage::Securing { .. } => Ok(()),
        }
    }

    /// Takes what has come of the call.
    fn take_call(&mut self, input: Input<'_>) -> Result<(), String> {
        match input {
            // A command runs, and connects by itself: the time for that comes before the relay's.
            Input::Connected { dial, conn, .. } if dial == self.dial => {
                self.stage = Stage::Open(RelayLink::new(conn));
                self.mailbox.connect(self.now() + CONNECT_TIMEOUT_MS);
                Ok(())
            }
            Input::Unreachable { dial, why } if dial == self.dial => Err(why),
            Input::CommandSaid { row, .. } => {
                self.said = Some(row);
                Ok(())
            }
            Input::Ended { conn, error } if self.is_open(conn) => {
                let why = error.unwrap_or_else(|| RelayError::Closed.to_string());
                let said = self.said.take();
                Err(said.map_or_else(|| why.clone(), |said| format!("{why}: {said}")))
            }
            _ => Ok(()),
        }
    }

    fn is_open(&self, conn: ConnId) -> bool {
        matches!(&self.stage, Stage::Open(link) | Stage::Securing { link, .. } if link.conn == conn)
    }

    fn hear_commands(&mut self) -> Result<(), String> {
        let reports = self.dialler.command_reports(&self.net);
        reports.into_iter().try_for_each(|input| self.take_call(input))
    }

    fn handle(&mut self, event: NetEvent) -> Result<(), String> {
        let now = self.now();
        match (event, &mut self.stage) {
            (NetEvent::Connected { conn, .. } | NetEvent::ConnectedByProxy { conn }, Stage::Dialling) => {
                if self.dialler.take(conn) == Some(self.dial) {
                    self.stage = Stage::Open(RelayLink::new(conn));
                    self.mailbox.connect(now);
                }
                Ok(())
            }
            (NetEvent::Unreachable { conn, tried }, Stage::Dialling) => {
                let failed = self.dialler.take_failed(conn, &tried);
                failed.map_or(Ok(()), |input| self.take_call(input))
            }
            (NetEvent::Bytes { conn, bytes }, Stage::Open(link) | Stage::Securing { link, .. })
                if conn == link.conn =>
            {
                let plain = link.receive(&mut self.net, bytes).map_err(|error| error.to_string())?;
                if let Stage::Securing { link, .. } = &self.stage
                    && link.suite().is_some()
                    && let Stage::Securing { link, info, .. } = self.take_stage()
                {
                    self.stage = Stage::Open(link);
                    self.log_in(&info);
                }
                let received = self.mailbox.receive(now, &plain).map_err(|error| words(&error));
                received.and_then(|()| self.log_in_if_asked())
            }
            (NetEvent::Ended { conn }, Stage::Open(_) | Stage::Securing { .. }) => {
                // How a command has ended is told later.
                let ended = self.dialler.end(conn, None);
                ended.map_or(Ok(()), |input| self.take_call(input))
            }
            (NetEvent::Lost { conn, error }, Stage::Open(_) | Stage::Securing { .. }) => {
                let ended = self.dialler.end(conn, Some(describe(&error)));
                ended.map_or(Ok(()), |input| self.take_call(input))
            }
            _ => Ok(()),
        }
    }

    /// Leaves the stage, for another that follows at once.
    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Waiting { until: MonoMs(u64::MAX) })
    }

    /// Goes on once a server has presented itself; other events wait.
    fn log_in_if_asked(&mut self) -> Result<(), String> {
        let Some(info) = self.mailbox.take_info() else { return Ok(()) };
        if let Some(shortcoming) = info.shortcoming() {
            return Err(shortcoming.to_string());
        }
        let relay = self.relay();
        if relay.transport == Transport::Plain {
            if info.tls_required {
                return Err("the relay requires TLS: write its address with tls://".to_owned());
            }
            self.log_in(&info);
            return Ok(());
        }
        if !(info.tls_required || info.tls_available) {
            return Err("the relay has no TLS, so nothing was sent to it".to_owned());
        }
        let config = self.setup.access.tls.clone().ok_or("no certificates were read")?;
        let until = self.now() + RELAY_ANSWER_MS;
        if let Stage::Open(mut link) = self.take_stage() {
            let begun = link.start_tls(&mut self.net, config, &relay.host);
            self.stage = Stage::Securing { link, info, until };
            begun.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn log_in(&mut self, info: &ServerInfo) {
        let (now, key) = (self.now(), self.setup.access.key.as_ref());
        let own = key.map_or_else(random_token, |key| key.public().to_owned());
        let signed = key.zip(info.nonce.as_deref()).map(|(key, nonce)| (key.public(), key.sign(nonce)));
        self.mailbox.log_in(now, signed, &own);
    }

    /// Sends what the mailbox says, or gives the relay up.
    fn settle(&mut self, result: Result<(), String>) {
        if let Err(why) = result {
            self.lose(why);
        }
        let bytes = self.mailbox.take_bytes();
        if let Stage::Open(link) = &mut self.stage
            && !bytes.is_empty()
        {
            link.send(&mut self.net, bytes);
        }
    }

    /// The relay cannot be used: the next is tried, at once unless all have failed.
    fn lose(&mut self, why: String) {
        let now = self.now();
        self.dialler.cancel(&mut self.net, self.dial);
        if let Stage::Securing { link, .. } | Stage::Open(link) = self.take_stage() {
            self.net.abort(link.conn);
        }
        self.mailbox.disconnect(now);
        self.backoff.lose(now);
        self.failures += 1;
        let relay = self.relay();
        self.current = (self.current + 1) % self.setup.relays.len().max(1);
        let is_round = self.failures.is_multiple_of(self.setup.relays.len().max(1));
        let delay_ms = if is_round { self.backoff.next_delay(self.setup.own) } else { 0 };
        self.stage = Stage::Waiting { until: now + delay_ms };
        // An owner that has gone is seen at the next order.
        let _ = self.tell(RelayNews::Failed { relay, why });
    }

    fn tell_events(&mut self) -> Result<(), OwnerGone> {
        while let Some(event) = self.mailbox.poll_event() {
            let news = match event {
                MailboxEvent::Ready => {
                    self.backoff.answer(self.now());
                    RelayNews::Connected { relay: self.relay() }
                }
                MailboxEvent::Published { ticket } => RelayNews::Published { ticket },
                MailboxEvent::Refused { ticket, why } => RelayNews::Refused { ticket, why },
                MailboxEvent::Letter { inbox, number, bytes } => RelayNews::Letter { inbox, number, bytes },
                MailboxEvent::Bundles { name, bundles } => RelayNews::Bundles { name, bundles },
            };
            self.tell(news)?;
        }
        Ok(())
    }

    fn tell(&self, news: RelayNews) -> Result<(), OwnerGone> {
        self.news.send(news).map_err(|_| OwnerGone)?;
        self.owner.wake().map_err(|_| OwnerGone)
    }
}

fn words(error: &MailboxError) -> String {
    match error {
        MailboxError::Codec(error) => RelayError::Codec(*error).to_string(),
        MailboxError::Answer => "it answers what no relay does".to_owned(),
        MailboxError::Silent => RelayError::Silent.to_string(),
        MailboxError::Refused(text) => RelayError::Refused(SafeText::line(text)).to_string(),
    }
}
