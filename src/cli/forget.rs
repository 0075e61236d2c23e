//! `rsachat peers forget`: refused while lines of ours wait for the peer, as `:forget` is.

use serde_json::{Value, json};

use super::args::GlobalArgs;
use crate::app::error::{AppError, code, hint_at_home};
use crate::app::keyring::unlock;
use crate::app::owner_client::{OwnerClient, Watch};
use crate::crypto::Fingerprint;
use crate::delivery::Pair;
use crate::net::Net;
use crate::store::{Home, MessageStore};

/// Who forgets a peer.
pub(crate) enum Forgotten {
    /// The process that serves the home has done it.
    ByOwner,
    /// Nobody yet; no line waits for it.
    NotYet,
}

/// Refuses to forget a peer for whom lines wait. A process that serves the home is asked to forget
/// it, since it alone knows.
///
/// # Errors
/// Why the peer is not forgotten.
pub(crate) fn forget(
    home: &Home,
    common: &GlobalArgs,
    name: &str,
    peer: &Fingerprint,
) -> Result<Forgotten, AppError> {
    if let Ok(owner) = OwnerClient::await_socket(home, Net::new()?, Watch::AfterOrders)? {
        return ask(owner, common, peer).map(|()| Forgotten::ByOwner);
    }
    let waiting = if MessageStore::has_rows_for(home, peer)? { waiting(home, common, peer)? } else { 0 };
    let lines = match waiting {
        0 => return Ok(Forgotten::NotYet),
        1 => "1 line waits".to_owned(),
        more => format!("{more} lines wait"),
    };
    let message = format!("{lines} for {name}, who was not forgotten");
    Err(AppError::new(code::FAILED, message).hint(format!("rsachat outbox drop {name} drops what waits")))
}

/// Lines that wait for a peer and can be taken back, which only the key tells.
fn waiting(home: &Home, common: &GlobalArgs, peer: &Fingerprint) -> Result<usize, AppError> {
    let (own, _) = unlock(home, common.passphrase_source().as_ref())?;
    let Some(identity) = own.and_then(|own| own.identity()) else { return Ok(0) };
    let pairs = MessageStore::look(home, &identity)?.unwrap_or_default();
    Ok(pairs.get(peer).map_or(0, Pair::revocable_texts))
}

fn ask(owner: OwnerClient, common: &GlobalArgs, peer: &Fingerprint) -> Result<(), AppError> {
    let (answers, is_forgotten) =
        owner.carry_out(json!({ "command": "forget", "arguments": [peer.to_string()] }))?;
    if is_forgotten {
        return Ok(());
    }
    let message = |event: &Value| Some(event.get("message")?.as_str()?.to_owned());
    let why = answers.iter().filter_map(message).next_back();
    let why = why.unwrap_or_else(|| "it was not forgotten".to_owned());
    Err(AppError::new(code::FAILED, hint_at_home(&why, common.home.as_deref())))
}
