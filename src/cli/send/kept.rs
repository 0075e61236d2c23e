//! Choice of the way of `rsachat send` to a peer of the book: through the process that has the home
//! open, or with the home opened here, where messages are to be kept.

use std::collections::BTreeMap;
use std::path::Path;

use super::flush::{OwnedFlush, flush};
use super::keep::{KeepFrontend, RelayUse, Served};
use super::options::{SendArgs, check_length, delimiter};
use super::queue::{InputItem, start_reader};
use super::refused::KeepReporter;
use super::through_owner::{self, Calling, OwnedSend, Patience};
use super::waiting::{no_address, not_known, warn};
use crate::app::client::UserStore;
use crate::app::error::{AppError, code};
use crate::app::event_loop::App;
use crate::app::keyring::no_key;
use crate::app::owner_client::{Claim, OwnerClient, Watch, claim, lost_with};
use crate::app::relay::RelayAccess;
use crate::chat::command::Command;
use crate::chat::{AcceptPolicy, Audience, CallOptions, Callee, CalleeError, OwnName, Protocol};
use crate::cli::args::{self, Context};
use crate::cli::relays;
use crate::crypto::Fingerprint;
use crate::events::from_notice::{EventReporter, Severity};
use crate::events::served_sink::{OwnFace, ServedSink};
use crate::events::{Done, OutputEvent, OutputFormat, emit};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signals;
use crate::net::worker::ThreadPriority;
use crate::peers::address::{Family, Target};
use crate::peers::book::{Book, PeerEntry, Trust};
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;
use crate::store::{OpenedStore, book_file};

/// Runs the command, unless it goes by a connection of its own: again where the owner has ended
/// before it took anything.
pub(super) fn run(context: &Context<'_>, args: &SendArgs) -> Result<Option<u8>, AppError> {
    loop {
        match try_run(context, args)? {
            Way::Gone(code) => return Ok(Some(code)),
            Way::OwnConnection => return Ok(None),
            Way::OwnerEnded => {}
        }
    }
}

/// Way that the messages go.
enum Way {
    /// They went through the owner or from here, with this exit code.
    Gone(u8),
    OwnConnection,
    /// None: whoever has the home next is asked.
    OwnerEnded,
}

fn try_run(context: &Context<'_>, args: &SendArgs) -> Result<Way, AppError> {
    let keeps = args.keep || args.flush || args.relay;
    let protocol = args.protocol.protocol(args.peer.selection().option())?;
    if protocol != Protocol::Native {
        let what = "the raw wire acknowledges nothing, so nothing can be kept for it";
        return if keeps { Err(AppError::new(code::USAGE, what)) } else { Ok(Way::OwnConnection) };
    }
    let book = book_file::read(&context.home)?;
    let (peer, address) = match args.target.as_deref() {
        Some(target) => known(target, args, &book)?,
        None => (None, None),
    };
    // Without a store, the connection that is its own is called there all the same.
    if address.is_some() && !keeps {
        return Ok(Way::OwnConnection);
    }
    if let (Some(target), None) = (&args.target, peer) {
        return if keeps { Err(not_in_book(context, target, args, &book)) } else { Ok(Way::OwnConnection) };
    }
    check_length(&args.message)?;
    let settings = context.settings.resolve();
    let relays = args.relay.then(|| relays::required(&settings, args.output.via.as_ref())).transpose()?;
    let home = context.global.home.as_deref();
    let format = args.output.format();
    let net = match OwnerClient::find(&context.home, Net::new()?, Watch::Always)? {
        Ok(client) => {
            context.confine_and_say(format)?;
            return through(context, client, args, peer, address, &book);
        }
        Err(net) => net,
    };
    if !keeps {
        return Ok(Way::OwnConnection);
    }
    let profile = context.unlock()?;
    let Some(identity) = profile.identity() else {
        return Err(no_key(&context.home));
    };
    let (net, opened) = match claim(&context.home, &identity, net, Watch::Always)? {
        Claim::Served(client) => {
            context.confine_and_say(format)?;
            return through(context, client, args, peer, address, &book);
        }
        Claim::Free(net, opened) => (net, opened?),
    };
    if let Some(code) = tell_lost(&opened, args) {
        return Ok(Way::Gone(code));
    }
    context.confine_and_say(format)?;
    let signals = Signals::start(net.waker())?;
    let name = args.output.own_name(&context.settings);
    let to = peer.filter(|_| !args.flush).map(|peer| peer.fingerprint);
    let waited_for = opened.pairs.keys().filter_map(|key| book.by_fingerprint(key));
    let called = peer.map_or_else(|| waited_for.collect(), |peer| vec![peer]);
    let has_texts = |key: &Fingerprint| opened.pairs.get(key).is_some_and(|pair| pair.waiting_texts() > 0);
    let waits = |peer: &PeerEntry| to.is_some() || has_texts(&peer.fingerprint);
    let receivers: Vec<_> = match peer {
        Some(peer) => vec![peer.fingerprint],
        None => opened.pairs.keys().copied().collect(),
    };
    for key in receivers.iter().filter(|key| has_texts(key) && book.by_fingerprint(key).is_none()) {
        warn(not_known(key), format);
    }
    let calls = if calls_nobody(args) {
        BTreeMap::new()
    } else {
        calls(context, args, &called, address.as_ref(), &book, waits)
    };
    let items = match to {
        Some(_) if args.message.is_empty() => Some(start_reader(delimiter(args), net.waker())?),
        _ => None,
    };
    let messages = args.message.iter().cloned().map(InputItem::Message).collect();
    let mut app = served_app(context, (net, opened), profile, (name, book), relays, format)?;
    let before: BTreeMap<_, _> =
        receivers.into_iter().map(|peer| (peer, app.chat().numbers_waiting_to(peer))).collect();
    let last = |numbers: &Vec<u64>| numbers.last().copied().unwrap_or_default();
    let peers = before.iter().map(|(peer, numbers)| (*peer, last(numbers))).collect();
    let first_own = to.map_or(0, |to| app.chat().next_number_to(to));
    let mut frontend = KeepFrontend {
        peers,
        calls,
        to,
        messages,
        items,
        expire: args.expire,
        before,
        first_own,
        timeout: args.timeout,
        relay: if args.relay { RelayUse::Letters } else { RelayUse::None },
        retries_left: args.retry,
        ..KeepFrontend::of(format)
    };
    let code = app.run(&mut frontend, &signals)?;
    frontend.faces.finish(&mut app);
    app.linger()?;
    Ok(Way::Gone(frontend.finish(&mut app, code, home)))
}

/// Whether messages go by letter alone: the peer is named by no address.
fn calls_nobody(args: &SendArgs) -> bool {
    let is_address = |target: &str| !matches!(target.parse(), Ok(Callee::Word(_)));
    args.relay && !args.target.as_deref().is_some_and(is_address)
}

/// Calls of the peers that can be called, and why others that something waits for cannot.
fn calls(
    context: &Context<'_>,
    args: &SendArgs,
    called: &[&PeerEntry],
    address: Option<&Target>,
    book: &Book,
    waits: impl Fn(&PeerEntry) -> bool,
) -> BTreeMap<Fingerprint, Command> {
    let (mut calls, format) = (BTreeMap::new(), args.output.format());
    for peer in called {
        let call = call(peer, address.cloned(), args.output.via.clone());
        match context.check_callee(&call, book) {
            Ok(()) => _ = calls.insert(peer.fingerprint, call),
            // A block is told at the end. What is for others is kept all the same.
            Err(_) if peer.trust.is_blocked() => {}
            Err(_) if waits(peer) && peer.targets().next().is_none() => warn(no_address(peer), format),
            Err(why) if waits(peer) => warn(why.message, format),
            Err(_) => {}
        }
    }
    calls
}

/// Chat with the home open, which is served to others.
fn served_app(
    context: &Context<'_>,
    (mut net, opened): (Net, OpenedStore),
    profile: UserStore,
    (name, book): (OwnName, Book),
    relays: Option<(Vec<RelayUrl>, RelayAccess)>,
    format: OutputFormat,
) -> Result<App<Served>, AppError> {
    args::warm_up_rng();
    let seats = args::seats(None, limits::PEERS)?;
    net.set_max_links(seats + limits::UNAUTHENTICATED_CONNECTIONS);
    let mut chat = profile.chat(name, book, seats);
    let settings = context.settings.resolve();
    chat.set_history(settings.history, settings.history_days);
    chat.set_audience(Audience::Absent);
    let home = context.global.home.clone();
    let reporter = EventReporter { form: format, severity: Severity::Passes, home };
    let sink = ServedSink::new(KeepReporter::new(reporter), OwnFace::OnlyTells);
    let mut app = App::new(chat, sink, net, profile, ThreadPriority::Same)?;
    if let Some((relays, access)) = relays {
        app.use_relays(relays, access)?;
    }
    app.keep_messages(Some(Ok(opened)));
    app.serve_home();
    app.begin();
    Ok(app)
}

/// Tells that what is to be flushed was lost with a damaged store, if it was.
fn tell_lost(opened: &OpenedStore, args: &SendArgs) -> Option<u8> {
    let aside = opened.put_aside.as_ref().filter(|_| args.flush)?;
    let AppError { message, hint, code, .. } = lost_with(aside);
    let format = args.output.format();
    emit(&OutputEvent::Error { kind: "not_kept", message, hint }, format);
    emit(&OutputEvent::Done(Done { code, ..Done::default() }), format);
    Some(code)
}

/// Sends through the process that has the home open.
fn through(
    context: &Context<'_>,
    client: OwnerClient,
    args: &SendArgs,
    peer: Option<&PeerEntry>,
    address: Option<Target>,
    book: &Book,
) -> Result<Way, AppError> {
    let home = context.global.home.as_deref();
    let signals = Signals::start(client.waker())?;
    let format = args.output.format();
    let Some(peer) = peer.filter(|_| !args.flush) else {
        let name = peer.map(|peer| peer.name.to_string());
        let task = OwnedFlush { name, via: args.output.via.clone(), timeout: args.timeout, format, home };
        let code = flush(client, &task, book, &signals)?;
        return Ok(code.map_or(Way::OwnerEnded, Way::Gone));
    };
    let items = match &args.message {
        messages if messages.is_empty() => Some(start_reader(delimiter(args), client.waker())?),
        _ => None,
    };
    let patience = match (args.relay, args.keep) {
        (true, _) => Patience::AtRelay,
        (_, true) => Patience::Kept,
        _ => Patience::UntilReceipted,
    };
    let (name, timeout, retry, expire) = (peer.name.to_string(), args.timeout, args.retry, args.expire);
    let uncallable = match (&address, patience) {
        (None, Patience::Kept | Patience::AtRelay) if peer.targets().next().is_none() => {
            Some((code::QUEUED, no_address(peer)))
        }
        (None, Patience::UntilReceipted) => context
            .check_callee(&call(peer, None, args.output.via.clone()), book)
            .err()
            .map(|why| (why.code, why.message)),
        _ => None,
    };
    let address = address.map(|address| address.to_string());
    let send = OwnedSend {
        peer: peer.fingerprint,
        name,
        address,
        via: args::via_arguments(args.output.via.as_ref()).collect(),
        uncallable,
        patience,
        calling: if calls_nobody(args) { Calling::Never } else { Calling::Once },
        timeout,
        retry,
        expire,
        format,
        home: home.map(Path::to_owned),
    };
    let code = through_owner::run(client, send, args.message.clone(), items, &signals)?;
    Ok(code.map_or(Way::OwnerEnded, Way::Gone))
}

/// Why nothing is kept for whom the command line names.
fn not_in_book(context: &Context<'_>, target: &str, args: &SendArgs, book: &Book) -> AppError {
    let is_word = matches!(target.parse(), Ok(Callee::Word(_)));
    if is_word && book.find(target).is_none() {
        return args::unknown_peer(target, "rsachat peers list shows your book");
    }
    let policy = args.peer.selection().accept_policy(Protocol::Native, book);
    let call = policy.and_then(|policy| {
        args::listen_or_connect(None, Some(target), &args.output, policy, Protocol::Native)
    });
    match call.and_then(|call| context.check_callee(&call, book)) {
        // Its key is not the one that is asked for.
        Err(error) if error.code == code::REFUSED => error,
        _ => AppError::new(code::FAILED, "messages are kept only for peers in your book")
            .hint("name one as send bob does, or with --to or --pin; rsachat peers list shows them"),
    }
}

/// Call of a peer at an address, or by its name.
pub(super) fn call(peer: &PeerEntry, address: Option<Target>, via: Option<Via>) -> Command {
    let accept = AcceptPolicy::Key(peer.fingerprint);
    let callee = address.map_or_else(|| Callee::Word(peer.name.to_string()), Callee::Address);
    Command::Connect(CallOptions {
        callee,
        via: via.map(Box::new),
        family: Family::Any,
        pin: None,
        accept,
        protocol: Protocol::Native,
        knock: None,
    })
}

/// The peer of the book that is meant, if it is one that the user chose, and an address at which it
/// is to be called that the book does not have.
pub(super) fn known<'a>(
    target: &str,
    args: &SendArgs,
    book: &'a Book,
) -> Result<(Option<&'a PeerEntry>, Option<Target>), AppError> {
    let callee: Callee =
        target.parse().map_err(|error: CalleeError| AppError::new(code::USAGE, error.to_string()))?;
    let selected = match args.peer.selection().accept_policy(Protocol::Native, book)? {
        AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key) => Some(key),
        _ => None,
    };
    let there = match &callee {
        Callee::Word(word) => book.find(word),
        Callee::Address(address) => book.by_address(address),
        Callee::Invitation(invitation) => book.by_fingerprint(&invitation.key),
    };
    let is_meant = |peer: &&PeerEntry| selected.is_none_or(|key| key == peer.fingerprint);
    let (meant, address) = match (there.filter(is_meant), selected, callee) {
        (None, Some(key), Callee::Address(address)) => (book.by_fingerprint(&key), Some(address)),
        (meant, ..) => (meant, None),
    };
    if let Some(peer) = meant.filter(|peer| peer.trust.is_blocked()) {
        return Err(args::blocked(&peer.name));
    }
    let chosen = meant.filter(|peer| matches!(peer.trust, Trust::Unverified | Trust::Verified));
    Ok((chosen, address))
}
