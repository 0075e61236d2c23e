//! Handlers of calls and listeners: `:connect`, `:listen`, `:unlisten`, and what comes of them.

use std::net::SocketAddr;

use crate::chat::addressee::{Addressee, WaitingTexts};
use crate::chat::callee::{CallOptions, Callee, CalleeError};
use crate::chat::change_reply::ChangeReply;
use crate::chat::conversation::Conversation;
use crate::chat::io::Effect;
use crate::chat::notice::{Info, Warning};
use crate::chat::types::{
    AcceptPolicy, DialOptions, DialOutcome, KeyFor, KeyReplacement, KeygenCause, ListenOptions, Origin,
    PeerId, Protocol,
};
use crate::chat::{Chat, Dial, Listener, WaitingCommand};
use crate::crypto::Fingerprint;
use crate::ids::{ConnId, DialId, FaceId, ListenerId};
use crate::peers::address::{BoundAddresses, Family, ListenAt, Target};
use crate::peers::book::{Change, Trust};
use crate::peers::name::Name;
use crate::session::CloseReason;
use crate::text::safe::SafeText;
use crate::wire::ByeReason;

impl Chat {
    /// Ends a dial that came to nothing.
    pub(crate) fn give_up_dial(&mut self, id: DialId, dial: &Dial) {
        self.give_up_call(&Addressee::Dialled(id), &dial.options);
        self.give_back(Some(&self.label_of(&dial.options)), &dial.waiting);
    }

    /// Ends a call that nobody answered: a chosen peer that was called stays addressed, away. If
    /// something waits for it, the address is tried again for that.
    pub(crate) fn give_up_call(&mut self, call: &Addressee, options: &DialOptions) {
        let Some((fingerprint, name)) = self.callee(options) else {
            return self.conversations.give_up(call);
        };
        self.conversations.readdress(call, &Addressee::Peer(PeerId::Key(fingerprint), name));
        let address = options.target.clone();
        if self.waiting_to(fingerprint, u64::MAX) > 0 && self.book.by_address(&address).is_none() {
            self.change_book(vec![Change::TryAt { fingerprint, address }], ChangeReply::Unasked);
        }
    }

    /// The chosen peer that a call is for, by its key or as the book has the address: nobody else
    /// is accepted there.
    pub(crate) fn callee(&self, options: &DialOptions) -> Option<(Fingerprint, Name)> {
        let peer = match (options.pin, options.accept) {
            (Some(key), _) | (None, AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key)) => {
                self.book.by_fingerprint(&key)
            }
            _ if options.protocol == Protocol::Native => self.book.by_address(&options.target),
            _ => None,
        };
        let peer = peer.filter(|peer| matches!(peer.trust, Trust::Unverified | Trust::Verified))?;
        Some((peer.fingerprint, peer.name.clone()))
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.counters.ids += 1;
        self.counters.ids
    }

    /// `:connect NAME|ADDR`: from here on the addressee is whoever answers. Who is connected is not
    /// called again.
    pub(crate) fn connect(&mut self, call: CallOptions) {
        if let Some(key) = self.connected_callee(&call)
            && let Some(conn) = self.conversations.open_with(PeerId::Key(key))
            && let Some(name) = self.conversations.peer_of(conn).map(|peer| peer.name.clone())
        {
            self.conversations.address(PeerId::Key(key), name.clone());
            return self.effects.info(Info::AlreadyConnected { name: name.to_string() });
        }
        let key_of = |name: &Name| match self.peer_named(name)? {
            (_, PeerId::Key(fingerprint)) => Some(fingerprint),
            (_, PeerId::Conn(_)) => None,
        };
        let options = match call.resolve(&self.book, &self.via_rules, key_of) {
            Ok(options) => DialOptions { face: self.conversations.current_face(), ..options },
            Err(error) => return self.refuse_call(error),
        };
        self.last_called = Some(call);
        if self.join_call(&options) {
            return;
        }
        self.postpone_redials(&options);
        let missing = self.account.missing_key(options.protocol);
        let dial = self.insert_dial(Dial::new(options, WaitingTexts::default()));
        self.conversations.address_dial(dial);
        match missing {
            Some(of) => self.wait_for_key(of, WaitingCommand::Connect(dial)),
            None => self.begin_dial(dial),
        }
    }

    /// Lets the current face, one of another process, wait for the same call of another face, if
    /// one goes on: each with a call of its own would close that of the one before. Returns
    /// whether.
    fn join_call(&mut self, options: &DialOptions) -> bool {
        if options.face == FaceId::OWN {
            return false;
        }
        let is_dialled =
            |(_, dial): &(&DialId, &mut Dial)| dial.redial.is_none() && dial.options.is_same_call(options);
        let call = if let Some((id, dial)) = self.dials.iter_mut().find(is_dialled) {
            dial.options.joined.push(options.face);
            Addressee::Dialled(*id)
        } else if let Some(conn) = self.conversations.join_call(options) {
            Addressee::Connecting(conn)
        } else {
            return false;
        };
        self.conversations.face_mut().change_addressee(call);
        let connecting = self.connecting(options);
        self.effects.info(connecting);
        true
    }

    /// The peer that a call is for, if it is connected: known by its name, or by the address, where
    /// we had called it there or the book has it.
    fn connected_callee(&self, call: &CallOptions) -> Option<Fingerprint> {
        // A key that is pinned is marked verified as it is seen.
        if call.protocol != Protocol::Native || call.pin.is_some() {
            return None;
        }
        let named = match &call.callee {
            Callee::Word(word) => Name::parse_local(word).ok().and_then(|name| self.peer_named(&name)),
            Callee::Address(_) | Callee::Invitation(_) => None,
        };
        let key = match (named, &call.callee) {
            (Some((_, PeerId::Key(key))), _) => key,
            (Some((_, PeerId::Conn(_))), _) => return None,
            (None, Callee::Address(target)) => self.connected_at(target)?,
            (None, Callee::Word(word)) => self.connected_at(&word.parse().ok()?)?,
            (None, Callee::Invitation(invitation)) => invitation.key,
        };
        let is_meant = match call.accept {
            AcceptPolicy::Key(asked) | AcceptPolicy::Pinned(asked) => asked == key,
            AcceptPolicy::Anyone | AcceptPolicy::KnownOnly | AcceptPolicy::Ask | AcceptPolicy::Unattended => {
                true
            }
        };
        (is_meant && self.conversations.open_with(PeerId::Key(key)).is_some()).then_some(key)
    }

    /// The connected peer at an address.
    fn connected_at(&self, target: &Target) -> Option<Fingerprint> {
        let is_there = |one: &Conversation| {
            let called = match &one.origin {
                Origin::Outbound { dial, to } => {
                    let answered = to.map(Target::from);
                    let is_there = |there: &Target| {
                        there == target || target.host == "localhost" && there.is_same_place(target)
                    };
                    dial.target.is_written_as(target) || answered.as_ref().is_some_and(is_there)
                }
                Origin::Inbound { .. } => false,
            };
            let entry = one.key.and_then(|key| self.book.by_fingerprint(&key));
            one.is_open()
                && (called
                    || entry
                        .is_some_and(|peer| peer.addresses.iter().any(|there| there.is_written_as(target))))
        };
        let conn = self.conversations.conns(is_there).into_iter().next()?;
        self.conversations.get(conn)?.peer.as_ref()?.fingerprint()
    }

    /// Says why nobody is called. Nobody is addressed then, unless it is for want of an address.
    fn refuse_call(&mut self, error: CalleeError) {
        match &error {
            CalleeError::NoAddress { name, key } => {
                self.conversations.address(PeerId::Key(*key), name.clone());
            }
            _ => self.conversations.address_nobody(),
        }
        self.refuse_line(match error {
            // A block is ended by its own command only.
            CalleeError::Blocked { name } => Warning::StillBlocked { name: name.to_string() },
            error => Warning::CommandError { what: error.to_string() },
        });
        self.finish_dial(self.conversations.current_face(), DialOutcome::NotCalled);
    }

    /// Reports what came of a call or a listener, where the process itself had asked for it.
    pub(crate) fn finish_dial(&mut self, face: FaceId, outcome: DialOutcome) {
        if face == FaceId::OWN {
            self.effects.push(Effect::DialFinished(outcome));
        }
    }

    /// `:connect` alone
    pub(crate) fn connect_again(&mut self) {
        match self.last_called.clone() {
            Some(call) => self.connect(call),
            None => self.refuse_line(Warning::NothingDialled),
        }
    }

    /// Says whom the user calls, and calls.
    pub(crate) fn begin_dial(&mut self, dial: DialId) {
        let Some(Dial { options, .. }) = self.dials.get(&dial) else { return };
        let (protocol, face, connecting) = (options.protocol, options.face, self.connecting(options));
        self.in_face(face, |chat| chat.effects.info(connecting));
        self.show_oaep_banner(protocol);
        self.place_call(dial);
    }

    fn connecting(&self, options: &DialOptions) -> Info {
        let (name, target) = (self.name_called(options), options.target.to_string());
        Info::Connecting { name, target, via: options.target.way().map(ToString::to_string) }
    }

    /// Asks for the connection of a dial.
    pub(crate) fn place_call(&mut self, dial: DialId) {
        let Some(Dial { options, begins_at, .. }) = self.dials.get_mut(&dial) else { return };
        *begins_at = None;
        let options = options.clone();
        let callee = self.callee(&options).map(|(_, name)| name.to_string());
        let DialOptions { target, family, .. } = options;
        self.effects.push(Effect::Connect { dial, target, family, callee });
    }

    pub(crate) fn insert_dial(&mut self, dial: Dial) -> DialId {
        let id = DialId(self.next_id());
        self.dials.insert(id, dial);
        id
    }

    /// Dials in the place of what has failed, for the same addressee: at once, unless its time is
    /// still to come.
    pub(crate) fn dial(&mut self, failed: &Addressee, dial: Dial) {
        let is_due = dial.begins_at.is_none();
        let id = self.insert_dial(dial);
        self.conversations.redial(failed, id);
        if is_due {
            self.begin_dial(id);
        }
    }

    /// Name of the peer that is called by its key.
    fn name_called(&self, options: &DialOptions) -> Option<String> {
        match options.accept {
            AcceptPolicy::Key(key) => self.name_of(PeerId::Key(key)),
            _ => None,
        }
    }

    /// Whom a dial is for, as it is shown: the name of the peer, else the address.
    pub(crate) fn label_of(&self, options: &DialOptions) -> String {
        self.name_called(options).unwrap_or_else(|| options.target.to_string())
    }

    /// The next address of a peer whose last one has failed: another key is there, or nobody who
    /// completes a handshake.
    pub(crate) fn next_attempt(
        &self,
        conversation: &Conversation,
        reason: &CloseReason,
    ) -> Option<DialOptions> {
        let Origin::Outbound { dial: options, .. } = &conversation.origin else { return None };
        let has_failed = conversation.peer.is_none()
            && !matches!(
                reason,
                CloseReason::LocalClose
                    | CloseReason::Bye(ByeReason::Replaced)
                    | CloseReason::NotAdmitted(_)
                    | CloseReason::LobbyTimeout
            );
        let is_blocked = match options.accept {
            AcceptPolicy::Key(key) | AcceptPolicy::Pinned(key) => self.is_blocked(key),
            _ => false,
        };
        if !has_failed || is_blocked || self.shutdown.is_some() { None } else { options.next() }
    }

    /// Warns of a dial that has failed: another address may be left.
    pub(crate) fn warn_of_dial(&mut self, options: &DialOptions, warning: Warning) {
        let is_last = options.then.is_empty();
        let warning = if is_last { warning } else { Warning::AddressFailed { warning: Box::new(warning) } };
        for face in options.joined.iter().chain([&options.face]) {
            self.in_face(*face, |chat| chat.effects.warn(warning.clone()));
        }
    }

    /// Keeps a command until there is a key for it.
    fn wait_for_key(&mut self, of: KeyFor, command: WaitingCommand) {
        self.waiting_for_key.push(command);
        if self.keygen.is_none() {
            let bits = of.default_bits();
            self.generate_key(of, bits, KeyReplacement::Never, KeygenCause::MissingKey);
        }
    }

    pub(crate) fn handle_unreachable(&mut self, id: DialId, why: &str) {
        if let Some(dial) = self.dials.remove(&id) {
            let target = dial.options.target.to_string();
            // A name can have several addresses, and each its own error; an address is not named
            // twice.
            let why = why.strip_prefix(&format!("{target}: ")).unwrap_or(why).to_owned();
            let warning = Warning::Unreachable { target, why };
            if let Some(redial) = dial.redial {
                return self.handle_no_answer(redial, &dial.options, &warning);
            }
            self.warn_of_dial(&dial.options, warning);
            if let Some(next) = dial.options.next() {
                return self.dial(&Addressee::Dialled(id), Dial::new(next, dial.waiting));
            }
            self.give_up_dial(id, &dial);
            self.look_for_letters(&dial.options);
            self.finish_dial(dial.options.face, DialOutcome::Unreachable);
        }
    }

    /// Shows what the command of a call says, unless a lost peer is called again and again.
    pub(crate) fn handle_command_said(&mut self, conn: ConnId, row: SafeText) {
        let Some(conversation) = self.conversations.get(conn) else { return };
        if conversation.peer.is_some() || conversation.redial.is_none() {
            let target = conversation.origin.to_string();
            self.effects.warn(Warning::CommandSaid { target, row });
        }
    }

    pub(crate) fn listen(&mut self, options: ListenOptions) {
        if let Some(of) = self.account.missing_key(options.protocol) {
            return self.wait_for_key(of, WaitingCommand::Listen(options));
        }
        let (at, family) = (options.at.clone(), options.family);
        if let Some(at) = self.bound_at(&at, family) {
            return self.effects.warn(Warning::AlreadyListening { at: at.to_string() });
        }
        let (listener, face) = (ListenerId(self.next_id()), self.conversations.current_face());
        self.listeners.insert(listener, Listener { options, face, bound: None, dial: Vec::new() });
        self.effects.push(Effect::Listen { listener, at, family });
    }

    /// `:unlisten [ADDR]`
    pub(crate) fn unlisten(&mut self, at: Option<&ListenAt>) {
        let is_meant = |options: &ListenOptions, bound: Option<&BoundAddresses>| {
            at.is_none_or(|at| {
                let port = bound.map_or(options.at.port, BoundAddresses::port);
                let is_bound_there = |host: &str| {
                    bound.is_some_and(|bound| bound.iter().any(|bound| host.parse() == Ok(bound.ip())))
                };
                let is_host = |host: &String| options.at.host.as_ref() == Some(host) || is_bound_there(host);
                at.port == port && at.host.as_ref().is_none_or(is_host)
            })
        };
        let is_waiting = |command: &mut WaitingCommand| match command {
            WaitingCommand::Listen(options) => is_meant(options, None),
            WaitingCommand::Connect(_) => false,
        };
        let mut ended: Vec<String> = Vec::new();
        for command in self.waiting_for_key.extract_if(.., is_waiting) {
            if let WaitingCommand::Listen(options) = command {
                ended.push(options.at.to_string());
            }
        }
        let meant = |_: &ListenerId, one: &mut Listener| is_meant(&one.options, one.bound.as_ref());
        for (id, listener) in self.listeners.extract_if(.., meant) {
            self.effects.push(Effect::Unlisten(id));
            ended.push(listener.address());
        }
        if ended.is_empty() {
            let listening = self.listeners.values().map(Listener::address).collect();
            let at = at.map(ToString::to_string);
            return self.effects.warn(Warning::NotListening { at, listening });
        }
        for at in ended {
            self.effects.info(Info::Unlistened { at });
        }
    }

    /// The very address or name, if it is bound already. One that only overlaps with it is the
    /// system's to refuse.
    fn bound_at(&self, at: &ListenAt, family: Family) -> Option<SocketAddr> {
        let is_it = |bound: &SocketAddr| match &at.host {
            _ if at.port != bound.port() => false,
            None => bound.ip().is_unspecified() && bound.is_ipv4() == (family == Family::V4),
            Some(host) => host.parse() == Ok(bound.ip()),
        };
        self.listeners.values().find_map(|listener| {
            let (asked, bound) = (&listener.options, listener.bound.as_ref()?);
            let is_same_name = at.host.is_some() && asked.at.host == at.host && asked.family == family;
            let is_same = is_same_name && bound.port() == at.port;
            bound.iter().find(|bound| is_same || is_it(bound))
        })
    }

    pub(crate) fn handle_listening(
        &mut self,
        listener: ListenerId,
        at: BoundAddresses,
        dial: Vec<SocketAddr>,
    ) {
        if let Some(listener) = self.listeners.get_mut(&listener) {
            (listener.bound, listener.dial) = (Some(at.clone()), dial.clone());
            let protocol = listener.options.protocol;
            self.effects.info(Info::Listening { at, dial });
            self.show_oaep_banner(protocol);
        }
    }

    pub(crate) fn handle_listen_failed(&mut self, listener: ListenerId, why: String) {
        if let Some(listener) = self.listeners.remove(&listener) {
            self.effects.warn(Warning::ListenFailed { at: listener.options.at.to_string(), why });
            self.count_failed(listener.face);
            self.finish_dial(listener.face, DialOutcome::ListenFailed);
        }
    }
}
