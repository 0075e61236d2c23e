//! Relays of the settings, for commands that cannot do without.

use crate::app::error::{AppError, code};
use crate::app::relay::RelayAccess;
use crate::config::Settings;
use crate::peers::relay_url::RelayUrl;
use crate::peers::via::Via;

/// The relays, and what logging in there needs: its files are read before the process is confined.
/// `asked` is the way that the command line names.
pub(super) fn required(
    config: &Settings,
    asked: Option<&Via>,
) -> Result<(Vec<RelayUrl>, RelayAccess), AppError> {
    if config.relay.is_empty() {
        let what = "--relay needs a relay, and the settings name none";
        return Err(AppError::new(code::MACHINE, what).hint("relay = [\"tls://HOST\"] there names one"));
    }
    let (key, ca) = (config.relay_key.as_deref(), config.relay_ca.as_deref());
    let via = asked.cloned().or_else(|| config.way_to_relays());
    let access = RelayAccess::of(&config.relay, key, ca, via)?;
    Ok((config.relay.clone(), access))
}
