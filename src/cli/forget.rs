//! `rsachat peers forget`: refused while lines of ours wait for the peer, as `:forget` is.

use serde_json::{Value, json};

use super::args::GlobalArgs;
use crate::app::error::{AppError, code};
use crate::app::keyring::unlock;
use crate::app::owner_client::{OwnerClient, OwnerFault, Watch, silent};
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
    if let Ok(owner) = OwnerClient::find(home, Net::new()?, Watch::AfterOrders)? {
        return ask(owner, peer).map(|()| Forgotten::ByOwner);
    }
    let waiting = if MessageStore::has_rows_for(home, peer)? { waiting(home, common, peer)? } else { 0 };
    let lines = match waiting {
        0 => return Ok(Forgotten::NotYet),
        1 => "1 line waits".to_owned(),
        more => format!("{more} lines wait"),
    };
    let message = format!("{lines} for {name}, who was not forgotten");
    Err(AppError::new(code::FAILED, message)
        .hint(format!("at a prompt, :outbox drop {name} drops what waits")))
}

/// Lines that wait for a peer. Those that were taken back are counted no more, which only the key
/// tells.
fn waiting(home: &Home, common: &GlobalArgs, peer: &Fingerprint) -> Result<usize, AppError> {
    let (own, _) = unlock(home, common.passphrase_source().as_ref())?;
    let Some(identity) = own.and_then(|own| own.identity()) else { return Ok(0) };
    let pairs = MessageStore::look(home, &identity)?.unwrap_or_default();
    Ok(pairs.get(peer).map_or(0, Pair::waiting_texts))
}

fn ask(mut owner: OwnerClient, peer: &Fingerprint) -> Result<(), AppError> {
    owner.order(&json!({ "id": "forget", "command": "forget", "arguments": [peer.to_string()] }));
    let mut refusal = None;
    loop {
        let events = owner.wait(None).map_err(|fault| match fault {
            OwnerFault::Silent(process) => silent(process),
            fault @ OwnerFault::Ended(_) => AppError::new(code::MACHINE, fault.to_string()),
        })?;
        for event in events.iter().filter(|event| event.get("id") == Some(&json!("forget"))) {
            let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
            match text("event") {
                "warning" => refusal = Some(text("message").to_owned()),
                "reply" if event.get("ok") == Some(&json!(true)) => {
                    owner.close();
                    return Ok(());
                }
                "reply" => {
                    owner.close();
                    let why = refusal.unwrap_or_else(|| "it was not forgotten".to_owned());
                    return Err(AppError::new(code::FAILED, why));
                }
                _ => {}
            }
        }
    }
}
