//! Handlers of a listener that is busy: it is called again, after a time that grows, and not for
//! ever (`docs/PROTOCOL.md`, section 3).

use crate::chat::addressee::Addressee;
use crate::chat::conversation::Conversation;
use crate::chat::io::Effect;
use crate::chat::notice::Info;
use crate::chat::types::Origin;
use crate::chat::{Chat, Dial};
use crate::ids::{ConnId, DialId};
use crate::limits;
use crate::time::MonoMs;

impl Chat {
    /// Calls a busy listener again, later, for what waits there. Returns whether it does: after
    /// [`limits::BUSY_CALLS`] it does not.
    pub(crate) fn call_again(&mut self, conn: ConnId, conversation: &mut Conversation) -> bool {
        let Origin::Outbound { dial: options, .. } = &conversation.origin else { return false };
        let calls = conversation.busy_calls + 1;
        if calls >= limits::BUSY_CALLS || self.shutdown.is_some() {
            return false;
        }
        let (options, waiting) = (options.clone(), std::mem::take(&mut conversation.waiting));
        let delay = self.busy_delay(calls);
        let (target, seconds) = (options.target.to_string(), delay.div_ceil(1_000));
        let dial = DialId(self.next_id());
        let begins_at = Some(self.now.mono + delay);
        self.dials.insert(dial, Dial { options, waiting, busy_calls: calls, begins_at });
        self.conversations.redial(&Addressee::Connecting(conn), dial);
        self.effects.info(Info::Busy { target, seconds });
        true
    }

    /// Begins the calls whose time has come.
    pub(crate) fn begin_due_dials(&mut self) {
        let now = self.now.mono;
        for (dial, one) in &mut self.dials {
            if one.begins_at.is_some_and(|at| now >= at) {
                one.begins_at = None;
                let (target, family) = (one.options.target.clone(), one.options.family);
                self.effects.push(Effect::Connect { dial: *dial, target, family });
            }
        }
    }

    /// When the next such call is due.
    pub(crate) fn next_dial(&self) -> Option<MonoMs> {
        self.dials.values().filter_map(|dial| dial.begins_at).min()
    }

    /// Time before the next call: twice as long each time, and half to one and a half of it by our
    /// own key, so that callers who were turned away together do not come back together.
    fn busy_delay(&self, calls: u32) -> u64 {
        let whole = limits::BUSY_FIRST_MS << (calls - 1);
        let own = self.account.fingerprint();
        let byte = own.and_then(|own| own.as_bytes().get(calls as usize).copied()).unwrap_or(0x80);
        whole / 2 + whole * u64::from(byte) / 256
    }
}
