//! Client: a chat with the profile of its user. Effects about the profile are performed here, all
//! others by the [`Host`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::book_thread::{BookAccess, BookFiles, BookJob};
use super::error::{AppError, code};
use super::host::{Host, KeygenRequest};
use super::keyring::{self, KeyRing, PassphraseSource, StoredKey};
use super::store_thread::StoreJob;
use crate::chat::{
    Chat, DialOutcome, Effect, Input, KeyFor, KeyOrigin, KeyReplacement, NewKey, OwnKey, OwnName, ViaRule,
};
use crate::crypto::{Identity, Passphrase, PublicKey};
use crate::ids::FaceId;
use crate::peers::book::Book;
use crate::store::{Home, StoreError, key_file, met_file};

/// Profile of a user: the home, with the keys and the peer book in it.
pub(crate) struct UserStore {
    home: Home,
    keys: KeyRing,
    passphrase: Option<Arc<Passphrase>>,
    /// Ways of its calls, by the settings.
    via_rules: Vec<ViaRule>,
}

impl UserStore {
    /// The same, which calls by these ways.
    pub(crate) fn calling_via(self, via_rules: Vec<ViaRule>) -> Self {
        Self { via_rules, ..self }
    }

    /// Unlocks the identity and asks for its passphrase if it has to.
    pub(crate) fn unlock(home: &Home, source: Option<&PassphraseSource>) -> Result<Self, AppError> {
        let (identity, passphrase) = keyring::unlock(home, source)?;
        Ok(Self::new(home.clone(), identity, passphrase))
    }

    pub(crate) fn new(home: Home, identity: Option<StoredKey>, passphrase: Option<Passphrase>) -> Self {
        // A key of the raw wire that cannot be read is reported when that wire is asked for.
        let public = identity.as_ref().map(StoredKey::public);
        let oaep = keyring::load(&home, KeyFor::Oaep, passphrase.as_ref())
            .and_then(|oaep| keyring::refuse_copy(&home, oaep, public))
            .ok()
            .flatten();
        let mut keys = KeyRing::default();
        for stored in identity.into_iter().chain(oaep) {
            keys.put(stored.key);
        }
        Self { home, keys, passphrase: passphrase.map(Arc::new), via_rules: Vec::new() }
    }

    /// Chat of this user.
    pub(crate) fn chat(&self, name: impl Into<OwnName>, book: Book, capacity: usize) -> Chat {
        let mut chat = Chat::new(name, self.own_key(KeyFor::Identity), book, capacity);
        if let Some(key) = self.own_key(KeyFor::Oaep) {
            chat.set_oaep_key(key);
        }
        chat.set_met(met_file::read(&self.home));
        chat.set_via_rules(self.via_rules.clone());
        chat
    }

    /// Files of the book of this user.
    pub(crate) fn book_files(&self) -> BookFiles {
        BookFiles::new(self.home.clone())
    }

    /// The key that opens the store, once there is one.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.keys.identity().cloned()
    }

    fn own_key(&self, of: KeyFor) -> Option<OwnKey> {
        self.keys.public(of).map(|public| self.shown(of, public))
    }

    /// Public half of a key with its file, as the chat shows them.
    fn shown(&self, of: KeyFor, public: &PublicKey) -> OwnKey {
        OwnKey { public: public.clone(), file: key_file::path(&self.home, of).display().to_string() }
    }

    /// Takes over a key that another process has made in the meantime.
    fn find_key(&mut self, of: KeyFor) -> Result<Option<NewKey>, AppError> {
        let mut found = keyring::load(&self.home, of, self.passphrase.as_deref())?;
        if of == KeyFor::Oaep {
            found = keyring::refuse_copy(&self.home, found, self.keys.public(KeyFor::Identity))?;
        }
        Ok(found.map(|key| self.adopt(of, key, KeyOrigin::Found, None)))
    }

    /// Stores a generated key: it counts only once it is on disk.
    fn store_key(
        &mut self,
        of: KeyFor,
        key: StoredKey,
        replacing: key_file::OverwritePolicy<'_>,
    ) -> Result<NewKey, AppError> {
        match key_file::save_key_text(&self.home, of, &key.pem, replacing) {
            Ok(saved) => {
                let kept = saved.old.map(|path| path.display().to_string());
                Ok(self.adopt(of, key, KeyOrigin::Made, kept))
            }
            Err(StoreError::KeyPresent { .. }) => {
                self.find_key(of)?.ok_or_else(|| AppError::new(code::MACHINE, "the key file has disappeared"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn adopt(&mut self, of: KeyFor, stored: StoredKey, origin: KeyOrigin, kept: Option<String>) -> NewKey {
        let key = self.shown(of, stored.public());
        self.keys.put(stored.key);
        NewKey { key, kept, origin }
    }
}

/// State of the store of messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MessageStoreState {
    /// This command keeps no messages.
    Unused,
    /// It is opened as soon as there is a key for it.
    Wanted,
    /// It was opened, or cannot be.
    Opened,
}

/// Chat with its user store, and the outcomes not taken yet.
pub(crate) struct Client {
    pub(crate) chat: Chat,
    profile: UserStore,
    /// Outcomes of connections that were dialled here, the oldest first.
    pub(crate) outcomes: VecDeque<DialOutcome>,
    book: BookAccess,
    messages: MessageStoreState,
    /// Exit code, once the chat has ended.
    pub(crate) exit_code: Option<u8>,
}

impl Client {
    pub(crate) fn new(chat: Chat, profile: UserStore, book: BookAccess) -> Self {
        Self {
            chat,
            profile,
            outcomes: VecDeque::new(),
            book,
            messages: MessageStoreState::Unused,
            exit_code: None,
        }
    }

    /// Hands an input to the chat and performs what follows from it.
    pub(crate) fn handle(&mut self, host: &mut impl Host, input: Input<'_>) {
        self.handle_from(host, FaceId::OWN, input);
    }

    /// The same with an input of any face.
    pub(crate) fn handle_from(&mut self, host: &mut impl Host, face: FaceId, input: Input<'_>) {
        self.chat.handle_from(host.now(), face, input);
        host.chat_changed(&self.chat);
        // Results of effects are inputs; the chat is drained before each.
        loop {
            let result = match self.chat.poll_effect() {
                Some(effect) => self.perform(host, effect),
                None => match self.open_messages(host) {
                    Some(opened) => Some(opened),
                    None => return,
                },
            };
            if let Some(result) = result {
                self.chat.handle(host.now(), result);
                host.chat_changed(&self.chat);
            }
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.profile.home
    }

    /// Key of this user, once there is one.
    pub(crate) fn identity(&self) -> Option<Arc<Identity>> {
        self.profile.identity()
    }

    /// Keeps messages from here on, or as soon as there is a key.
    pub(crate) fn keep_messages(&mut self) {
        self.messages = MessageStoreState::Wanted;
    }

    /// Opens the store of messages, once.
    fn open_messages(&mut self, host: &mut impl Host) -> Option<Input<'static>> {
        let identity =
            self.profile.keys.identity().cloned().filter(|_| self.messages == MessageStoreState::Wanted)?;
        self.messages = MessageStoreState::Opened;
        Some(host.open_messages(&self.profile.home, &identity))
    }

    /// Reads the book if another process has changed it.
    pub(crate) fn look_at_book(&mut self) -> Option<Input<'static>> {
        self.book.submit(BookJob::Look)
    }

    /// The next result of what was asked for about the book.
    pub(crate) fn finished_book_job(&mut self) -> Option<Input<'static>> {
        self.book.finished()
    }

    /// Waits, not for ever, for the results of everything that was asked for about the book.
    pub(crate) fn finish_book_jobs(&mut self) -> Vec<Input<'static>> {
        self.book.finish()
    }

    /// Stores a key that the host has generated.
    pub(crate) fn store_key(
        &mut self,
        host: &mut impl Host,
        request: &KeygenRequest,
        generated: Result<StoredKey, AppError>,
    ) -> Input<'static> {
        // Both keys open the store of messages until the new one is on disk.
        let generated = generated.and_then(|key| match key.identity() {
            Some(identity) => match host.change_wraps(StoreJob::AddWrap(identity.public().clone())) {
                Ok(()) => Ok(key),
                Err(why) => {
                    Err(AppError::new(code::MACHINE, format!("the messages cannot be sealed to it: {why}")))
                }
            },
            None => Ok(key),
        });
        let date = host.today();
        let replacing = match request.replacing {
            KeyReplacement::Never => key_file::OverwritePolicy::Refuse,
            KeyReplacement::KeepOld => key_file::OverwritePolicy::KeepOld { date: &date },
        };
        let made = generated.and_then(|key| self.profile.store_key(request.of, key, replacing));
        if let (Ok(made), KeyFor::Identity) = (&made, request.of) {
            // What fails here leaves a key more that opens it, until the next change.
            let _ = host.change_wraps(StoreJob::DropWrapsBut(made.key.public.fingerprint()));
        }
        key_made(made)
    }

    /// Performs an effect; returns its result if that is known at once.
    fn perform(&mut self, host: &mut impl Host, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::ReadBook { conn } => return self.book.submit(BookJob::Judge(conn)),
            Effect::ChangeMet(change) => return self.book.submit(BookJob::ChangeMet(change)),
            Effect::ChangeBook(changes) => return self.book.submit(BookJob::Change(changes)),
            Effect::MakeKey { of, bits, replacing, cause } => {
                let passphrase = self.profile.passphrase.clone();
                return self.generate_key(host, &KeygenRequest { of, bits, replacing, cause, passphrase });
            }
            Effect::OpenMessages => {
                let identity = self.profile.keys.identity().cloned()?;
                return host.reopen_messages(&self.profile.home, &identity);
            }
            Effect::DialFinished(outcome) => self.outcomes.push_back(outcome),
            Effect::Quit(code) => self.exit_code = Some(code),
            effect => return host.perform(effect, &self.profile.keys),
        }
        None
    }

    fn generate_key(&mut self, host: &mut impl Host, request: &KeygenRequest) -> Option<Input<'static>> {
        // Another process may have made the first key while this one ran.
        if request.replacing == KeyReplacement::Never
            && let Some(found) = self.profile.find_key(request.of).transpose()
        {
            return Some(key_made(found));
        }
        let generated = host.generate_key(request)?;
        Some(self.store_key(host, request, generated))
    }
}

fn key_made(result: Result<NewKey, AppError>) -> Input<'static> {
    Input::KeyMade(result.map_err(|error| error.in_a_row()))
}
