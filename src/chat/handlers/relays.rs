//! Handlers of relays: their news, and `:relay`.

use std::collections::BTreeSet;

use crate::chat::Chat;
use crate::chat::notice::{Info, Notice};
use crate::chat::relays::{RelayNews, Relays};
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;

impl Chat {
    /// Sets the relays that the host is connected with, and the way to them; by default there are
    /// none.
    pub fn set_relays(&mut self, relays: Vec<RelayUrl>, via: Option<Via>) {
        self.account.exchange_letters();
        self.relays = Relays::of(relays, via);
    }

    /// Handles what the connection with the relays has reported.
    pub(crate) fn handle_relay(&mut self, news: RelayNews) {
        let told = match news {
            RelayNews::Connected { relay } => {
                self.begin_first_letters();
                self.relays.connect(relay)
            }
            RelayNews::Failed { relay, why } => self.relays.fail(relay, why),
            RelayNews::Bundles { name, bundles } => return self.handle_bundles(&name, &bundles),
            RelayNews::Published { ticket } => return self.handle_published(ticket),
            RelayNews::Refused { ticket, why } => return self.handle_letter_refused(ticket, &why),
            RelayNews::Letter { inbox, number, bytes } => return self.handle_letter(&inbox, number, &bytes),
        };
        self.letters.is_changed = true;
        if let Some(told) = told {
            self.effects.info(Info::Relay(told));
        }
    }

    /// `:relay`
    pub(crate) fn show_relays(&mut self) {
        if !self.relays.is_set() {
            let rows = vec!["no relay is set; relay = [\"tls://HOST\"] in the settings names one".to_owned()];
            return self.effects.show(Notice::Answer(rows));
        }
        let head = ["relay", "state"].map(str::to_owned).to_vec();
        let rows = [head].into_iter().chain(self.relays.rows()).collect();
        self.effects.show(Notice::Table(rows));
        let names = self.kept.iter().flat_map(|kept| {
            let peers: BTreeSet<_> = kept.ledger.inboxes().map(|inbox| inbox.peer).collect();
            let writable =
                peers.into_iter().filter(|peer| kept.ledger.can_write_letter(*peer, self.now.unix));
            writable.map(|peer| self.name_of_key(peer))
        });
        let names: Vec<_> = names.collect();
        let unanswered = self.kept.iter().flat_map(|kept| kept.ledger.unanswered());
        let unanswered: Vec<_> = unanswered.map(|peer| self.name_of_key(peer)).collect();
        if !names.is_empty() {
            let row = format!("letters can be left for {}", names.join(", "));
            self.effects.show(Notice::Answer(vec![row]));
        }
        if !unanswered.is_empty() {
            let row = format!("nobody has answered yet: {}", unanswered.join(", "));
            self.effects.show(Notice::Answer(vec![row]));
        }
    }
}
