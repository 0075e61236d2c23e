//! Handlers of relays: their news, and `:relay`.

use crate::chat::Chat;
use crate::chat::notice::{Info, Notice};
use crate::chat::relays::{RelayNews, Relays};
use crate::peers::relay_url::RelayUrl;

impl Chat {
    /// Sets the relays that the host is connected with; by default there are none.
    pub fn set_relays(&mut self, relays: Vec<RelayUrl>) {
        self.relays = Relays::of(relays);
    }

    /// Handles what the connection with the relays has reported.
    pub(crate) fn handle_relay(&mut self, news: RelayNews) {
        let told = match news {
            RelayNews::Connected { relay } => self.relays.connect(relay),
            RelayNews::Failed { relay, why } => self.relays.fail(relay, why),
            // No letter is sent or awaited yet.
            RelayNews::Published { .. } | RelayNews::Refused { .. } | RelayNews::Letter { .. } => None,
        };
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
    }
}
