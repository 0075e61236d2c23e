//! One person: a chat, the home with its key and peers, and what of the chat's effects is about these. All
//! else is asked of the [`Machine`] underneath: the prompt has a real one, a replay has one for all its
//! actors. It knows neither sockets nor screens nor clocks.

use std::sync::Arc;

use super::error::Fault;
use super::keyring::{self, KeyRing, Own};
use crate::chat::{
    Chat, Dial, Effect, Input, KeyFor, Link, Listener, NewKey, Notice, Now, Origin, Owed, Queue, Replacing,
    Sent, Verdict, Wire,
};
use crate::crypto::{Job, Passphrase};
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::{Book, Change};
use crate::store::book_file::{self, BookFault};
use crate::store::{Home, StoreFault, key_file};
use crate::text::safe::SafeText;

/// What a person needs done outside the home. Whatever has its answer at once returns it; other answers
/// come as inputs later.
pub(crate) trait Machine {
    /// The moment of the next input.
    fn now(&self) -> Now;
    /// Today, as it may stand in a file name.
    fn today(&self) -> String;
    /// The chat as it is before what follows from an input is done. A machine without a prompt does nothing.
    fn follow(&mut self, _chat: &Chat) {}
    /// Shows a notice; what is owed for it is reported once it has been shown.
    fn show(&mut self, notice: &Notice, owed: Option<Owed>) -> Option<Input<'static>>;
    /// Calls the person's attention. A machine whose person looks on anyway does nothing.
    fn alert(&mut self, _text: &SafeText) {}
    /// Notes a text of ours that was accepted, where a log is kept or a program listens.
    fn sent(&mut self, _sent: &Sent) -> Option<Input<'static>> {
        None
    }
    /// Notes how far a peer has shown what we sent, where a program listens.
    fn received(&mut self, _name: &str, _upto: u64) {}
    /// Begins a log. A machine that only plays writes nothing and answers as one that does: what was recorded
    /// with a log plays without leaving one behind.
    fn open_log(&mut self, file: String) -> Input<'static> {
        Input::Logging { file, result: Ok(()) }
    }
    /// Ends the log.
    fn close_log(&mut self) {}
    /// Listens.
    fn listen(&mut self, listener: Listener, at: &ListenAt, family: Family) -> Option<Input<'static>>;
    /// Looks a host up and dials it.
    fn connect(&mut self, dial: Dial, target: Target, family: Family) -> Option<Input<'static>>;
    /// Forgets an attempt.
    fn cancel_connect(&mut self, dial: Dial);
    /// Sends bytes; answers when the kernel did not take all of them.
    fn transmit(&mut self, link: Link, bytes: Vec<u8>) -> Option<Input<'static>>;
    /// Both sides stand: a caller counts no more as a stranger.
    fn proven(&mut self, link: Link, wire: Wire);
    /// Closes after what was sent has left.
    fn hangup(&mut self, link: Link);
    /// Does RSA work with our keys.
    fn work(&mut self, link: Link, job: Job, queue: Queue, keys: KeyRing) -> Option<Input<'static>>;
    /// Makes a key; either it is there at once or it comes back through [`Actor::keep`].
    fn make_key(&mut self, recipe: Recipe) -> Option<Result<Own, Fault>>;
    /// Throws the key away that is being made.
    fn cancel_key(&mut self);
}

/// What a new key is to be.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) of: KeyFor,
    pub(crate) bits: u32,
    pub(crate) replacing: Replacing,
    pub(crate) passphrase: Option<Arc<Passphrase>>,
}

/// One person of a conversation.
pub(crate) struct Actor {
    pub(crate) chat: Chat,
    home: Home,
    keys: KeyRing,
    passphrase: Option<Arc<Passphrase>>,
    verdicts: Vec<Verdict>,
    quit: Option<u8>,
}

impl Actor {
    pub(crate) fn new(mut chat: Chat, home: Home, own: Option<Own>, passphrase: Option<Passphrase>) -> Self {
        let mut keys = KeyRing::default();
        if let Some(own) = own {
            keys.put(own.key);
        }
        // Where it cannot be read, whoever asks for the raw wire is told why.
        if let Ok(Some(raw)) = keyring::load(&home, KeyFor::RawWire, passphrase.as_ref()) {
            chat.set_raw_key(raw.as_shown(&home));
            keys.put(raw.key);
        }
        Self { chat, home, keys, passphrase: passphrase.map(Arc::new), verdicts: Vec::new(), quit: None }
    }

    /// The code to end with, once the chat has said so.
    pub(crate) fn quit(&self) -> Option<u8> {
        self.quit
    }

    /// How connections that we dialled have ended since the last call.
    pub(crate) fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// Hands one input to the chat and has done what follows from it.
    pub(crate) fn handle(&mut self, machine: &mut impl Machine, input: Input<'_>) {
        self.chat.handle(machine.now(), input);
        machine.follow(&self.chat);
        // Effects can have answers, which are inputs; the chat is drained before each.
        while let Some(effect) = self.chat.poll() {
            if let Some(answer) = self.perform(machine, effect) {
                self.chat.handle(machine.now(), answer);
                machine.follow(&self.chat);
            }
        }
    }

    /// A key has been made: it counts only once it is on disk.
    pub(crate) fn keep(
        &mut self,
        machine: &impl Machine,
        made: Result<Own, Fault>,
        of: KeyFor,
        replacing: Replacing,
    ) -> Input<'static> {
        let own = match made {
            Ok(own) => own,
            Err(fault) => return Input::KeyMade(Err(fault.in_a_row())),
        };
        let date = machine.today();
        let replacing = match replacing {
            Replacing::Never => key_file::Replacing::Refuse,
            Replacing::KeepOld => key_file::Replacing::KeepOld { date: &date },
        };
        match key_file::save_key_text(&self.home, of, &own.pem, replacing) {
            Ok(saved) => self.adopt(own, Origin::Made, saved.old.map(|path| path.display().to_string())),
            Err(StoreFault::KeyPresent { .. }) => {
                match keyring::load(&self.home, of, self.passphrase.as_deref()) {
                    Ok(Some(own)) => self.adopt(own, Origin::Found, None),
                    Ok(None) => Input::KeyMade(Err("the key file went away".to_owned())),
                    Err(fault) => Input::KeyMade(Err(fault.in_a_row())),
                }
            }
            Err(fault) => Input::KeyMade(Err(fault.to_string())),
        }
    }

    /// Carries out one effect; some have their answer at once.
    fn perform(&mut self, machine: &mut impl Machine, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Show(notice, owed) => return machine.show(&notice, owed),
            Effect::Alert(text) => machine.alert(&text),
            Effect::Sent(sent) => return machine.sent(&sent),
            Effect::Received { name, upto } => machine.received(&name, upto),
            Effect::OpenLog(file) => return Some(machine.open_log(file)),
            Effect::CloseLog => machine.close_log(),
            Effect::Listen { listener, at, family } => return machine.listen(listener, &at, family),
            Effect::Connect { dial, target, family } => return machine.connect(dial, target, family),
            Effect::CancelConnect(dial) => machine.cancel_connect(dial),
            Effect::Transmit { link, bytes } => return machine.transmit(link, bytes),
            Effect::Proven(link, wire) => machine.proven(link, wire),
            Effect::Hangup(link) => machine.hangup(link),
            Effect::Work { link, job, queue } => {
                return machine.work(link, job, queue, self.keys.clone());
            }
            Effect::ReadBook { link } => {
                let book = book_file::read(&self.home).map_err(|fault| fault.to_string());
                return Some(Input::Book { link, book });
            }
            Effect::ChangeBook(changes) => {
                let book = change(&self.home, &changes).map_err(|fault| fault.to_string());
                return Some(Input::Changed(book));
            }
            Effect::MakeKey { of, bits, replacing } => return self.make_key(machine, of, bits, replacing),
            Effect::CancelKey => machine.cancel_key(),
            Effect::DialOver(verdict) => self.verdicts.push(verdict),
            Effect::Quit(code) => self.quit = Some(code),
        }
        None
    }

    fn make_key(
        &mut self,
        machine: &mut impl Machine,
        of: KeyFor,
        bits: u32,
        replacing: Replacing,
    ) -> Option<Input<'static>> {
        if replacing == Replacing::Never {
            // Another process may have made the first key while this one ran.
            match keyring::load(&self.home, of, self.passphrase.as_deref()) {
                Ok(Some(own)) => return Some(self.adopt(own, Origin::Found, None)),
                Ok(None) => {}
                Err(fault) => return Some(Input::KeyMade(Err(fault.in_a_row()))),
            }
        }
        let recipe = Recipe { of, bits, replacing, passphrase: self.passphrase.clone() };
        let made = machine.make_key(recipe)?;
        Some(self.keep(machine, made, of, replacing))
    }

    fn adopt(&mut self, own: Own, origin: Origin, kept: Option<String>) -> Input<'static> {
        let key = own.as_shown(&self.home);
        self.keys.put(own.key);
        Input::KeyMade(Ok(NewKey { key, kept, origin }))
    }
}

/// Changes the book on disk, and gives it as it is then.
fn change(home: &Home, changes: &[Change]) -> Result<Book, BookFault> {
    let mut book = None;
    for change in changes {
        book = Some(book_file::change(home, change)?);
    }
    book.map_or_else(|| book_file::read(home), Ok)
}
