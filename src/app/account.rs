//! One person: a chat, the home with its key and peers, and what of the chat's effects is about these. All
//! else is asked of the [`Host`] underneath: the prompt has a real one, a replay has one for all its
//! actors. It knows neither sockets nor screens nor clocks.

use crate::ids::JobQueue;
use crate::ids::{ConnId, DialId, ListenerId};
use crate::time::Now;
use std::sync::Arc;

use super::error::AppError;
use super::keyring::{self, KeyRing, StoredKey};
use crate::chat::{
    Chat, DialOutcome, Effect, Input, KeyFor, KeyOrigin, KeyReplacement, NewKey, Notice, Protocol,
    ReceiptDue, SentMessage,
};
use crate::crypto::{Passphrase, RsaJob};
use crate::peers::address::{Family, ListenAt, Target};
use crate::peers::book::{Book, Change};
use crate::store::book_file::{self, BookError};
use crate::store::{Home, StoreError, key_file};
use crate::text::safe::SafeText;

/// What a person needs done outside the home. Whatever has its answer at once returns it; other answers
/// come as inputs later.
pub(crate) trait Host {
    /// The moment of the next input.
    fn now(&self) -> Now;
    /// Today, as it may stand in a file name.
    fn today(&self) -> String;
    /// The chat as it is before what follows from an input is done. A machine without a prompt does nothing.
    fn follow(&mut self, _chat: &Chat) {}
    /// Shows a notice; what is owed for it is reported once it has been shown.
    fn show(&mut self, notice: &Notice, due: Option<ReceiptDue>) -> Option<Input<'static>>;
    /// Calls the person's attention. A machine whose person looks on anyway does nothing.
    fn alert(&mut self, _text: &SafeText) {}
    /// Notes a text of ours that was accepted, where a log is kept or a program listens.
    fn sent(&mut self, _sent: &SentMessage) -> Option<Input<'static>> {
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
    fn listen(&mut self, listener: ListenerId, at: &ListenAt, family: Family) -> Option<Input<'static>>;
    /// Looks a host up and dials it.
    fn connect(&mut self, dial: DialId, target: Target, family: Family) -> Option<Input<'static>>;
    /// Forgets an attempt.
    fn cancel_connect(&mut self, dial: DialId);
    /// Sends bytes; answers when the kernel did not take all of them.
    fn transmit(&mut self, conn: ConnId, bytes: Vec<u8>) -> Option<Input<'static>>;
    /// Both sides stand: a caller counts no more as a stranger.
    fn mark_authenticated(&mut self, conn: ConnId, wire: Protocol);
    /// Closes after what was sent has left.
    fn close(&mut self, conn: ConnId);
    /// Does RSA work with our keys.
    fn work(&mut self, conn: ConnId, job: RsaJob, queue: JobQueue, keys: KeyRing) -> Option<Input<'static>>;
    /// Makes a key; either it is there at once or it comes back through [`Client::keep`].
    fn make_key(&mut self, recipe: KeygenRequest) -> Option<Result<StoredKey, AppError>>;
    /// Throws the key away that is being made.
    fn cancel_key(&mut self);
}

/// What a new key is to be.
#[derive(Clone)]
pub(crate) struct KeygenRequest {
    pub(crate) of: KeyFor,
    pub(crate) bits: u32,
    pub(crate) replacing: KeyReplacement,
    pub(crate) passphrase: Option<Arc<Passphrase>>,
}

/// One person of a conversation.
pub(crate) struct Client {
    pub(crate) chat: Chat,
    home: Home,
    keys: KeyRing,
    passphrase: Option<Arc<Passphrase>>,
    outcomes: Vec<DialOutcome>,
    quit: Option<u8>,
}

impl Client {
    pub(crate) fn new(
        mut chat: Chat,
        home: Home,
        own: Option<StoredKey>,
        passphrase: Option<Passphrase>,
    ) -> Self {
        let mut keys = KeyRing::default();
        if let Some(own) = own {
            keys.put(own.key);
        }
        // Where it cannot be read, whoever asks for the raw wire is told why.
        if let Ok(Some(raw)) = keyring::load(&home, KeyFor::RawWire, passphrase.as_ref()) {
            chat.set_raw_key(raw.as_shown(&home));
            keys.put(raw.key);
        }
        Self { chat, home, keys, passphrase: passphrase.map(Arc::new), outcomes: Vec::new(), quit: None }
    }

    /// The code to end with, once the chat has said so.
    pub(crate) fn quit(&self) -> Option<u8> {
        self.quit
    }

    /// How connections that we dialled have ended since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<DialOutcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Hands one input to the chat and has done what follows from it.
    pub(crate) fn handle(&mut self, host: &mut impl Host, input: Input<'_>) {
        self.chat.handle(host.now(), input);
        host.follow(&self.chat);
        // Effects can have answers, which are inputs; the chat is drained before each.
        while let Some(effect) = self.chat.poll_effect() {
            if let Some(answer) = self.perform(host, effect) {
                self.chat.handle(host.now(), answer);
                host.follow(&self.chat);
            }
        }
    }

    /// A key has been made: it counts only once it is on disk.
    pub(crate) fn keep(
        &mut self,
        host: &impl Host,
        made: Result<StoredKey, AppError>,
        of: KeyFor,
        replacing: KeyReplacement,
    ) -> Input<'static> {
        let own = match made {
            Ok(own) => own,
            Err(error) => return Input::KeyMade(Err(error.in_a_row())),
        };
        let date = host.today();
        let replacing = match replacing {
            KeyReplacement::Never => key_file::Replacing::Refuse,
            KeyReplacement::KeepOld => key_file::Replacing::KeepOld { date: &date },
        };
        match key_file::save_key_text(&self.home, of, &own.pem, replacing) {
            Ok(saved) => self.adopt(own, KeyOrigin::Made, saved.old.map(|path| path.display().to_string())),
            Err(StoreError::KeyPresent { .. }) => {
                match keyring::load(&self.home, of, self.passphrase.as_deref()) {
                    Ok(Some(own)) => self.adopt(own, KeyOrigin::Found, None),
                    Ok(None) => Input::KeyMade(Err("the key file went away".to_owned())),
                    Err(error) => Input::KeyMade(Err(error.in_a_row())),
                }
            }
            Err(error) => Input::KeyMade(Err(error.to_string())),
        }
    }

    /// Carries out one effect; some have their answer at once.
    fn perform(&mut self, host: &mut impl Host, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Show(notice, due) => return host.show(&notice, due),
            Effect::Alert(text) => host.alert(&text),
            Effect::Sent(sent) => return host.sent(&sent),
            Effect::Received { name, upto } => host.received(&name, upto),
            Effect::OpenLog(file) => return Some(host.open_log(file)),
            Effect::CloseLog => host.close_log(),
            Effect::Listen { listener, at, family } => return host.listen(listener, &at, family),
            Effect::Connect { dial, target, family } => return host.connect(dial, target, family),
            Effect::CancelConnect(dial) => host.cancel_connect(dial),
            Effect::Transmit { conn, bytes } => return host.transmit(conn, bytes),
            Effect::Authenticated(conn, wire) => host.mark_authenticated(conn, wire),
            Effect::Close(conn) => host.close(conn),
            Effect::Job { conn, job, queue } => {
                return host.work(conn, job, queue, self.keys.clone());
            }
            Effect::ReadBook { conn } => {
                let book = book_file::read(&self.home).map_err(|error| error.to_string());
                return Some(Input::Book { conn, book });
            }
            Effect::ChangeBook(changes) => {
                let book = change(&self.home, &changes).map_err(|error| error.to_string());
                return Some(Input::Changed(book));
            }
            Effect::MakeKey { of, bits, replacing } => return self.make_key(host, of, bits, replacing),
            Effect::CancelKey => host.cancel_key(),
            Effect::DialFinished(verdict) => self.outcomes.push(verdict),
            Effect::Quit(code) => self.quit = Some(code),
        }
        None
    }

    fn make_key(
        &mut self,
        host: &mut impl Host,
        of: KeyFor,
        bits: u32,
        replacing: KeyReplacement,
    ) -> Option<Input<'static>> {
        if replacing == KeyReplacement::Never {
            // Another process may have made the first key while this one ran.
            match keyring::load(&self.home, of, self.passphrase.as_deref()) {
                Ok(Some(own)) => return Some(self.adopt(own, KeyOrigin::Found, None)),
                Ok(None) => {}
                Err(error) => return Some(Input::KeyMade(Err(error.in_a_row()))),
            }
        }
        let recipe = KeygenRequest { of, bits, replacing, passphrase: self.passphrase.clone() };
        let made = host.make_key(recipe)?;
        Some(self.keep(host, made, of, replacing))
    }

    fn adopt(&mut self, own: StoredKey, origin: KeyOrigin, kept: Option<String>) -> Input<'static> {
        let key = own.as_shown(&self.home);
        self.keys.put(own.key);
        Input::KeyMade(Ok(NewKey { key, kept, origin }))
    }
}

/// Changes the book on disk, and gives it as it is then.
fn change(home: &Home, changes: &[Change]) -> Result<Book, BookError> {
    let mut book = None;
    for change in changes {
        book = Some(book_file::change(home, change)?);
    }
    book.map_or_else(|| book_file::read(home), Ok)
}
