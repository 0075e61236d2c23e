//! Account of one user: the chat with its home, keys and peer book. Effects about these are performed here, all
//! others by the [`Host`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::AppError;
use super::host::{Host, KeygenRequest};
use super::keyring::{self, KeyRing, StoredKey};
use crate::chat::{Chat, DialOutcome, Effect, Input, KeyFor, KeyOrigin, NewKey, Replacing};
use crate::crypto::Passphrase;
use crate::peers::book::{Book, Change};
use crate::store::book_file::{self, BookError};
use crate::store::{Home, StoreError, key_file};

/// Chat of one account.
pub(crate) struct Client {
    pub(crate) chat: Chat,
    home: Home,
    keys: KeyRing,
    passphrase: Option<Arc<Passphrase>>,
    outcomes: VecDeque<DialOutcome>,
    exit_code: Option<u8>,
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
        // A key that cannot be read is reported when the raw wire is asked for.
        if let Ok(Some(raw)) = keyring::load(&home, KeyFor::RawWire, passphrase.as_ref()) {
            chat.set_raw_key(raw.as_shown(&home));
            keys.put(raw.key);
        }
        let passphrase = passphrase.map(Arc::new);
        Self { chat, home, keys, passphrase, outcomes: VecDeque::new(), exit_code: None }
    }

    /// Exit code, once the chat has ended.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        self.exit_code
    }

    /// Outcome of a connection that was dialled here, the oldest first.
    pub(crate) fn next_outcome(&mut self) -> Option<DialOutcome> {
        self.outcomes.pop_front()
    }

    /// Hands an input to the chat and performs what follows from it.
    pub(crate) fn handle(&mut self, host: &mut impl Host, input: Input<'_>) {
        self.chat.handle(host.now(), input);
        host.chat_changed(&self.chat);
        // Results of effects are inputs; the chat is drained before each.
        while let Some(effect) = self.chat.poll_effect() {
            if let Some(result) = self.perform(host, effect) {
                self.chat.handle(host.now(), result);
                host.chat_changed(&self.chat);
            }
        }
    }

    /// Stores a generated key: it counts only once it is on disk.
    pub(crate) fn store_key(
        &mut self,
        host: &impl Host,
        request: &KeygenRequest,
        generated: Result<StoredKey, AppError>,
    ) -> Input<'static> {
        let key = match generated {
            Ok(key) => key,
            Err(error) => return Input::KeyMade(Err(error.in_a_row())),
        };
        let date = host.today();
        let replacing = match request.replacing {
            Replacing::Never => key_file::OverwritePolicy::Refuse,
            Replacing::KeepOld => key_file::OverwritePolicy::KeepOld { date: &date },
        };
        match key_file::save_key_text(&self.home, request.of, &key.pem, replacing) {
            Ok(saved) => self.adopt(key, KeyOrigin::Made, saved.old.map(|path| path.display().to_string())),
            Err(StoreError::KeyPresent { .. }) => match self.load_key(request.of) {
                Ok(Some(key)) => self.adopt(key, KeyOrigin::Found, None),
                Ok(None) => Input::KeyMade(Err("the key file went away".to_owned())),
                Err(error) => Input::KeyMade(Err(error.in_a_row())),
            },
            Err(error) => Input::KeyMade(Err(error.to_string())),
        }
    }

    /// Performs an effect; returns its result if that is known at once.
    fn perform(&mut self, host: &mut impl Host, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::ReadBook { conn } => {
                let book = book_file::read(&self.home).map_err(|error| error.to_string());
                return Some(Input::Book { conn, book });
            }
            Effect::ChangeBook(changes) => {
                let book = change(&self.home, &changes).map_err(|error| error.to_string());
                return Some(Input::Changed(book));
            }
            Effect::MakeKey { of, bits, replacing } => {
                let passphrase = self.passphrase.clone();
                return self.generate_key(host, &KeygenRequest { of, bits, replacing, passphrase });
            }
            Effect::DialFinished(outcome) => self.outcomes.push_back(outcome),
            Effect::Quit(code) => self.exit_code = Some(code),
            effect => return host.perform(effect, &self.keys),
        }
        None
    }

    fn generate_key(&mut self, host: &mut impl Host, request: &KeygenRequest) -> Option<Input<'static>> {
        if request.replacing == Replacing::Never {
            // Another process may have made the first key while this one ran.
            match self.load_key(request.of) {
                Ok(Some(key)) => return Some(self.adopt(key, KeyOrigin::Found, None)),
                Ok(None) => {}
                Err(error) => return Some(Input::KeyMade(Err(error.in_a_row()))),
            }
        }
        let generated = host.generate_key(request)?;
        Some(self.store_key(host, request, generated))
    }

    fn load_key(&self, of: KeyFor) -> Result<Option<StoredKey>, AppError> {
        keyring::load(&self.home, of, self.passphrase.as_deref())
    }

    fn adopt(&mut self, key: StoredKey, origin: KeyOrigin, kept: Option<String>) -> Input<'static> {
        let shown = key.as_shown(&self.home);
        self.keys.put(key.key);
        Input::KeyMade(Ok(NewKey { key: shown, kept, origin }))
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
