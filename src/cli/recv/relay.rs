//! `rsachat recv --relay` where no process has the home open: it is open here, with the relays of
//! the settings, and served; the messages are taken from it by a thread, as by another process.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;

use mio::Waker;

use super::options::RecvArgs;
use super::taker::{self, End, Taking};
use super::{Deliverer, Destination};
use crate::app::client::UserStore;
use crate::app::error::AppError;
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::keyring::no_key;
use crate::app::owner_client::{Claim, OwnerClient, Watch, claim};
use crate::app::relay::RelayAccess;
use crate::chat::{Audience, DialOutcome, ExitRequest, Input};
use crate::cli::args::{self, Context};
use crate::cli::relays;
use crate::events::face_server::FaceServer;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::served_sink::{OwnFace, ServedSink};
use crate::events::{Done, OutputEvent, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::peers::relay_url::RelayUrl;
use crate::store::{Home, OpenedStore, book_file};

type Served = ServedSink<EventReporter>;

/// Who has the home open.
pub(super) enum Owner {
    Other(Box<OwnerClient>),
    /// This process, whose run is over with this exit code.
    Here(u8),
}

/// Takes messages with the home opened here, unless another process has it open.
pub(super) fn run(context: &Context<'_>, args: &RecvArgs, mut taking: Taking) -> Result<Owner, AppError> {
    let config = context.settings.resolve();
    let relays = relays::required(&config, args.output.via.as_ref())?;
    let net = match OwnerClient::find(&context.home, Net::new()?, Watch::AfterOrders)? {
        Ok(client) => return Ok(Owner::Other(Box::new(client))),
        Err(net) => net,
    };
    let profile = context.unlock()?;
    let identity = profile.identity().ok_or_else(|| no_key(&context.home))?;
    let (net, opened) = match claim(&context.home, &identity, net, Watch::AfterOrders)? {
        Claim::Served(client) => return Ok(Owner::Other(Box::new(client))),
        Claim::Free(net, opened) => (net, opened?),
    };
    let format = taking.format;
    args.confine(context, format)?;
    args::warm_up_rng();
    let signals = Signals::start(net.waker())?;
    let waker = net.waker();
    let mut app = served_app(context, args, (net, opened), profile, relays)?;
    let mut frontend = RelayFrontend {
        taker: TakerThread::start(context.home.clone(), args.destination(format), taking.clone(), waker)?,
        end: None,
        interrupts: 0,
        faces: FaceServer::default(),
    };
    let code = app.run(&mut frontend, &signals)?;
    frontend.faces.finish(&mut app);
    app.linger()?;
    let taken = frontend.end.unwrap_or_else(|| frontend.taker.wait());
    let code = match taken {
        Ok((End::Over(code), messages)) => {
            taking.messages = messages;
            code
        }
        Ok((End::OwnerEnded(_), messages)) => {
            taking.messages = messages;
            code
        }
        Err(error) => return Err(error),
    };
    let messages = Some(taking.messages);
    emit(&OutputEvent::Done(Done { code, messages, ..Done::default() }), format);
    Ok(Owner::Here(code))
}

/// Chat with the home open, which is served.
fn served_app(
    context: &Context<'_>,
    args: &RecvArgs,
    (mut net, opened): (Net, OpenedStore),
    profile: UserStore,
    (relays, access): (Vec<RelayUrl>, RelayAccess),
) -> Result<App<Served>, AppError> {
    let seats = args::seats(args.peers, limits::PEERS)?;
    net.set_max_links(seats + limits::UNAUTHENTICATED_CONNECTIONS);
    let settings = context.settings.resolve();
    let book = book_file::read(&context.home)?;
    let mut chat = profile.chat(args.output.own_name(&context.settings), book, seats);
    chat.set_history(settings.history, settings.history_days);
    chat.set_audience(Audience::Absent);
    let (form, home) = (args.output.format(), context.global.home.clone());
    let reporter = EventReporter { form, severity: Severity::Passes, home };
    let sink = ServedSink::new(reporter, OwnFace::OnlyTells);
    let mut app = App::new(chat, sink, net, profile, ThreadPriority::Same)?;
    app.use_relays(relays, access)?;
    app.keep_messages(Some(Ok(opened)));
    app.serve_home();
    app.begin();
    Ok(app)
}

/// End of the taking, and how many messages were acknowledged.
type Taken = Result<(End, u64), AppError>;

/// Thread that takes the messages of the home that its process serves.
struct TakerThread {
    taken: Receiver<Taken>,
}

impl TakerThread {
    fn start(home: Home, destination: Destination, taking: Taking, owner: Arc<Waker>) -> io::Result<Self> {
        let (sender, taken) = channel();
        thread::Builder::new().name("taker".into()).spawn(move || {
            let result = take(&home, destination, taking);
            // The owner may have ended.
            let _ = sender.send(result);
            let _ = owner.wake();
        })?;
        Ok(Self { taken })
    }

    /// The end, once it is there.
    fn end(&self) -> Option<Taken> {
        match self.taken.try_recv() {
            Ok(taken) => Some(taken),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(broken())),
        }
    }

    /// The end, of which the socket that is closed has told the thread.
    fn wait(&self) -> Taken {
        self.taken.recv().unwrap_or_else(|_| Err(broken()))
    }
}

fn broken() -> AppError {
    io::Error::other("the thread that takes messages has ended").into()
}

fn take(home: &Home, destination: Destination, mut taking: Taking) -> Taken {
    let found = OwnerClient::find(home, Net::new()?, Watch::AfterOrders)?;
    let client = found.map_err(|_| broken())?;
    let signals = Signals::start(client.waker())?;
    let deliverer = Deliverer::start(destination, taking.left, client.waker())?;
    let end = taker::run(client, deliverer, &mut taking, &signals)?;
    Ok((end, taking.messages))
}

struct RelayFrontend {
    taker: TakerThread,
    end: Option<Taken>,
    /// Signals that have come: the first one is the taker's.
    interrupts: u32,
    faces: FaceServer,
}

impl Frontend<Served> for RelayFrontend {
    fn on_signal(&mut self, app: &mut App<Served>, signal: Signal) {
        self.interrupts += 1;
        if self.interrupts > 1 {
            app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
    }

    fn poll_output(&mut self, app: &mut App<Served>) -> Option<u8> {
        app.send_receipts();
        None
    }

    fn on_outcome(&mut self, _: &mut App<Served>, _: DialOutcome) -> Option<u8> {
        None
    }

    fn poll_input(&mut self, app: &mut App<Served>) -> Flow {
        self.faces.poll(app);
        if self.end.is_none()
            && let Some(end) = self.taker.end()
        {
            self.end = Some(end);
            // What was written is acknowledged before.
            app.handle(Input::ExitRequest(ExitRequest::Quit));
        }
        if app.exit_code().is_some() { Flow::Again } else { Flow::Wait(None) }
    }

    fn finish_output(&mut self, app: &mut App<Served>) {
        let never_given = app.sink().never_given();
        app.handle(Input::NeverGiven(never_given));
    }
}
