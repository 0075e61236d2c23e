//! `rsachat recv` without a way of its own: the taker of the messages of the process that has the
//! home open. The receipts are the taker's, and one takes them at a time.

use serde_json::{Value, json};

use super::deliver::Deliverer;
use super::items::Delivered;
use crate::app::error::{AppError, SIGPIPE, code, describe};
use crate::app::owner_client::{OwnerClient, OwnerFault, silent};
use crate::chat::{Notice, ReceiptDue};
use crate::crypto::Fingerprint;
use crate::events::{Done, OutputEvent, OutputFormat, emit, to_notice};
use crate::net::process::Signals;
use crate::wire::Count;

/// Takes messages, of one peer or of all, until it has enough or is ended. Returns the exit code.
pub(super) fn run(
    mut client: OwnerClient,
    mut deliverer: Deliverer,
    from: Option<Fingerprint>,
    count: Option<u64>,
    format: OutputFormat,
    signals: &Signals,
) -> Result<u8, AppError> {
    let from = from.map(|from| from.to_string());
    // Those behind the last that it takes would count as given to it.
    client.order(&json!({ "id": "taker", "face": "receiver", "from": from, "count": count }));
    let mut messages = 0;
    let code = 'run: loop {
        if let Some(signal) = signals.next() {
            break signal.number().saturating_add(128);
        }
        while let Some(delivered) = deliverer.next() {
            match delivered {
                Delivered::Upto(due) => {
                    messages += 1;
                    client.order(&json!({ "shown": due.upto.number() }));
                }
                // What is not receipted stays with the owner, for the next taker.
                Delivered::Failed { why, .. } => {
                    emit(&OutputEvent::Error { kind: "exec", message: why, hint: None }, format);
                    break 'run code::FAILED;
                }
                Delivered::Broken(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    break 'run SIGPIPE + 128;
                }
                Delivered::Broken(error) => {
                    let message = format!("cannot write the output: {}", describe(&error));
                    emit(&OutputEvent::Error { kind: "output", message, hint: None }, format);
                    break 'run code::FAILED;
                }
                Delivered::Enough => break 'run 0,
                Delivered::Reply(_) => {}
            }
        }
        let events = match client.wait(None) {
            Ok(events) => events,
            Err(OwnerFault::Silent(process)) => return Err(silent(process)),
            Err(fault) => {
                let message = fault.to_string();
                emit(&OutputEvent::Error { kind: "owner", message, hint: None }, format);
                break code::MACHINE;
            }
        };
        for event in events {
            if event.get("id") == Some(&json!("taker")) {
                match event.get("ok") {
                    Some(Value::Bool(false)) => {
                        let what = "another process already takes the messages of this home";
                        return Err(AppError::new(code::MACHINE, what).hint("end that one, or let it run"));
                    }
                    Some(Value::Bool(true)) => {
                        let message = "taking the messages of this home".to_owned();
                        emit(&OutputEvent::Notice { message }, format);
                    }
                    _ => {}
                }
            }
            let number = event.get("number").and_then(Value::as_u64);
            if let (Some(Notice::Message(message)), Some(number)) = (to_notice::notice(&event), number) {
                let due = ReceiptDue { conn: None, peer: None, upto: Count::Connection(number) };
                deliverer.put(message, due);
            }
        }
    };
    deliverer.kill_commands();
    client.close();
    emit(&OutputEvent::Done(Done { code, messages: Some(messages), ..Done::default() }), format);
    Ok(code)
}
