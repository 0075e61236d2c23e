//! Relays of the settings, for commands that cannot do without.

use crate::app::error::{AppError, code};
use crate::app::relay::RelayAccess;
use crate::config::Settings;
use crate::peers::relay_url::RelayUrl;

/// The relays, and what logging in there needs: its files are read before the process is confined.
pub(super) fn required(config: &Settings) -> Result<(Vec<RelayUrl>, RelayAccess), AppError> {
    if config.relay.is_empty() {
        let what = "--relay needs a relay, and the settings name none";
        return Err(AppError::new(code::MACHINE, what).hint("relay = [\"tls://HOST\"] there names one"));
    }
    let access = RelayAccess::of(&config.relay, config.relay_key.as_deref(), config.relay_ca.as_deref())?;
    Ok((config.relay.clone(), access))
}
