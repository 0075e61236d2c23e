//! Events of the owner of a home as notices, for a prompt at its socket; the reverse of what
//! `from_notice` writes. What has no notice of its own comes in words.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

use super::is_trouble;
use crate::chat::display::listening;
use crate::chat::{
    AddressedView, AddresseeMark, Arrival, Export, ExportTarget, Info, InvitationsInfo, KeyStatus, KnockEnd,
    LineStart, LobbyInfo, MadeInvitation, Message, Notice, Presence, PromptView, ReturnCause, ReturnedLine,
    TransferChoice, TransferProgress, TrustLevel, Warning,
};
use crate::crypto::SafetyNumber;
use crate::peers::book::{InvitationUses, KeptInvitation};
use crate::peers::invitation::{Invitation, TokenHash};
use crate::peers::name::Name;
use crate::text::safe::SafeText;
use crate::time::UnixMs;
use crate::wire::Lifetime;

/// Notice of an event, if a person is to see it.
pub(crate) fn notice(event: &Value) -> Option<Notice> {
    let words = |words: String| Some(Notice::Info(Info::Told { words }));
    Some(match event["event"].as_str()? {
        "message" => Notice::Message(received(event)),
        "past" => Notice::History {
            messages: event["messages"].as_array()?.iter().map(message).collect(),
            earlier: event["earlier"].as_u64().and_then(|earlier| earlier.try_into().ok()).unwrap_or(0),
        },
        "answer" => Notice::Answer(texts(&event["rows"])),
        "table" => {
            let rows = event["rows"].as_array()?.iter().map(texts);
            Notice::Table([texts(&event["columns"])].into_iter().chain(rows).collect())
        }
        "connected" => {
            let (name, trust_level) = (text(event, "name"), trust_level(event));
            let Some(fingerprint) = event["fingerprint"].as_str().and_then(|key| key.parse().ok()) else {
                return words(format!("{name} joined, raw: nothing is signed"));
            };
            // An older owner does not tell the first time.
            let status = match (event["new"] == true, event["first"] == false) {
                _ if event["invitation"] == "ours" => KeyStatus::Invited,
                _ if event["invitation"] == "theirs" => KeyStatus::AsInvited,
                (true, true) => KeyStatus::Met,
                (true, false) => KeyStatus::New,
                (false, _) => KeyStatus::Known(trust_level),
            };
            Notice::Info(Info::Joined { name, fingerprint, status, trust_level })
        }
        "left" => Notice::Info(Info::Left { name: text(event, "name"), fingerprint: None }),
        "listening" => {
            let all = texts(&event["addresses"]);
            let at = if all.is_empty() { text(event, "address") } else { all.join(" and ") };
            return words(listening(&at, &texts(&event["dial"])));
        }
        "connecting" => {
            let via = event["via"].as_str().map(|via| format!(" via {via}")).unwrap_or_default();
            return words(format!("connecting to {}{via}; Ctrl-C cancels", text(event, "address")));
        }
        "invitation" => {
            Notice::Info(Info::Invitations(InvitationsInfo::Made { made: Box::new(invitation(event)?) }))
        }
        "knock" => {
            let (number, fingerprint) = (number(event)?, text(event, "fingerprint").parse().ok()?);
            let end = KnockEnd::of_word(event["state"].as_str()?);
            Notice::Info(Info::Lobby(if let Some(end) = end {
                LobbyInfo::Gone { number, fingerprint, end }
            } else {
                let text = SafeText::line(&text(event, "text"));
                LobbyInfo::Knocks { number, fingerprint, text }
            }))
        }
        "rollover" => {
            let (name, next) = (text(event, "name"), text(event, "next"));
            return words(format!("{name} says that the next key is {next}"));
        }
        "safety" => {
            let groups: Result<Vec<_>, _> =
                texts(&event["number"]).iter().map(|group| group.parse()).collect();
            let number = SafetyNumber::of_groups(&groups.ok()?)?;
            let fingerprint = text(event, "fingerprint").parse().ok()?;
            let (name, trust_level) = (text(event, "name"), trust_level(event));
            Notice::Info(Info::Safety { name, number, fingerprint, trust_level })
        }
        "file" if is_trouble(event["state"].as_str().unwrap_or_default()) => {
            Notice::Warning(Warning::Told { words: text(event, "message") })
        }
        "file" if event["state"] == "moving" => return None,
        "notice" | "offer" | "file" | "relay" => return words(text(event, "message")),
        "warning" => Notice::Warning(Warning::Told { words: text(event, "message") }),
        _ => return None,
    })
}

/// Invitation of an `invitation` event.
fn invitation(event: &Value) -> Option<MadeInvitation> {
    let invitation: Invitation = event["url"].as_str()?.parse().ok()?;
    let (hash, until) = (TokenHash::of(&invitation.token), moment(&event["expires"]));
    let uses = if event["once"] == true { InvitationUses::Once } else { InvitationUses::Many };
    let name = event["for"].as_str().and_then(|name| Name::parse(name).ok());
    let open_ms = until.since(moment(&event["time"]));
    let inbox = invitation.relay.as_ref().map(|relay| relay.inbox.clone());
    let kept = KeptInvitation { number: number(event)?, hash, until, uses, name, inbox };
    Some(MadeInvitation { invitation, kept, open_ms })
}

/// Number by which an order names what an event is about.
fn number(event: &Value) -> Option<u32> {
    event["number"].as_u64()?.try_into().ok()
}

/// Message of an `own` event.
pub(crate) fn own(event: &Value) -> Message {
    message(event)
}

/// Text that goes back into the line.
pub(crate) fn returned(event: &Value) -> ReturnedLine {
    let cause = if event["asked"] == true { ReturnCause::Asked } else { ReturnCause::Refused };
    ReturnedLine { text: event["text"].as_str().unwrap_or_default().to_owned(), cause }
}

/// Message of an `export` event.
pub(crate) fn export(event: &Value) -> Export {
    let to = event["file"].as_str().map(str::to_owned).map_or(ExportTarget::Clipboard, ExportTarget::File);
    Export { to, label: text(event, "label"), text: exact_text(event) }
}

/// Prompt of a `state` event.
pub(crate) fn view(event: &Value) -> PromptView {
    let presence = match event["presence"].as_str() {
        Some("here") => Presence::Here,
        Some("connecting") => Presence::Connecting,
        _ => Presence::Away,
    };
    let trust_level = match event["trust"].as_str() {
        Some("verified") => Some(TrustLevel::Verified),
        Some("unverified") => Some(TrustLevel::Unverified),
        Some("blocked") => Some(TrustLevel::Blocked),
        Some("raw") => Some(TrustLevel::Unauthenticated),
        _ => None,
    };
    let addressed = event["to"].as_str();
    let number = |field: &str| event[field].as_u64().unwrap_or(0);
    let count = |field: &str| usize::try_from(number(field)).unwrap_or(usize::MAX);
    PromptView {
        own_name: text(event, "name"),
        addressed: addressed.map(|name| AddressedView { name: name.to_owned(), trust_level, presence }),
        waiting: count("waiting"),
        unread: count("unread"),
        unread_of: unread_of(&event["unread_of"]),
        has_others: event["others"] == true,
        start: LineStart {
            mark: AddresseeMark::new(number("mark")),
            name: event["begun"].as_str().map(str::to_owned),
            roster: number("roster"),
        },
    }
}

/// Peers with unread messages, as an editor is told of them.
fn unread_of(listed: &Value) -> Vec<(String, usize)> {
    let one = |peer: &Value| {
        Some((text(peer, "name"), usize::try_from(peer["messages"].as_u64()?).unwrap_or(usize::MAX)))
    };
    listed.as_array().into_iter().flatten().filter_map(one).collect()
}

/// Names of a `names` event: all, those that can be called, those that are connected.
pub(crate) fn names(event: &Value) -> [Vec<String>; 3] {
    let present = texts(&event["present"]);
    let all: BTreeSet<String> = texts(&event["known"]).into_iter().chain(present.iter().cloned()).collect();
    [all.into_iter().collect(), texts(&event["callable"]), present]
}

/// Transfers of a `transfers` event.
pub(crate) fn transfers(event: &Value) -> Vec<TransferChoice> {
    let open = event["open"].as_array().into_iter().flatten();
    open.filter_map(|transfer| TransferChoice::deserialize(transfer).ok()).collect()
}

/// Progress of a `transfer` event.
pub(crate) fn progress(event: &Value) -> Option<TransferProgress> {
    let progress = TransferProgress::deserialize(&event["on_its_way"]).ok()?;
    Some(TransferProgress { name: SafeText::line(&progress.name).to_string(), ..progress })
}

/// Message that comes now: how it came stands behind its text.
fn received(event: &Value) -> Message {
    let message = message(event);
    let rows = message.arrival.rows(&message.text, message.sent, message.arrived);
    Message { rows, ..message }
}

/// Message as its text has it.
fn message(event: &Value) -> Message {
    let exact = exact_text(event);
    let to = event["to"].as_str().map(str::to_owned);
    Message {
        name: text(event, "from"),
        to: to.into_iter().collect(),
        fingerprint: event["fingerprint"].as_str().and_then(|key| key.parse().ok()),
        trust_level: trust_level(event),
        lifetime: if event["short"] == true { Lifetime::Short } else { Lifetime::Lasting },
        arrived: moment(&event["time"]),
        sent: moment(&event["sent"]),
        arrival: match (event["again"] == true, event["late"] == true) {
            (true, _) => Arrival::Again,
            (false, true) => Arrival::Late,
            (false, false) => Arrival::Prompt,
        },
        rows: SafeText::rows_from_bytes(&exact),
        text: exact,
        number: event["number"].as_u64().unwrap_or(0),
    }
}

fn exact_text(event: &Value) -> Vec<u8> {
    let bytes = event["bytes"].as_str().and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
    bytes.unwrap_or_else(|| text(event, "text").into_bytes())
}

fn trust_level(event: &Value) -> TrustLevel {
    match event["standing"].as_str() {
        Some("verified") => TrustLevel::Verified,
        Some("unverified") => TrustLevel::Unverified,
        Some("blocked") => TrustLevel::Blocked,
        Some("unauthenticated") => TrustLevel::Unauthenticated,
        _ => TrustLevel::Met,
    }
}

fn moment(time: &Value) -> UnixMs {
    let parsed = time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
    UnixMs(parsed.map_or(0, |time| time.as_millisecond().try_into().unwrap_or(0)))
}

fn text(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap_or_default().to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Arrival;
    use crate::crypto::Fingerprint;
    use crate::events::from_notice::of_prompt;

    /// What a prompt at the socket shows of a notice.
    fn told(shown: &Notice) -> Option<Notice> {
        notice(&serde_json::from_str(&of_prompt(shown)?.to_json(3_600_000, None)).unwrap())
    }

    #[test]
    fn a_prompt_at_the_socket_marks_a_message_that_came_late_or_again_as_the_owner_does() {
        for (arrival, row) in [
            (Arrival::Prompt, "hello"),
            (Arrival::Late, "hello (typed 1 h earlier)"),
            (Arrival::Again, "hello (again, typed 1 h earlier)"),
        ] {
            let (arrived, sent) = (UnixMs(3_600_000), UnixMs(0));
            let message = Message {
                name: "bob".to_owned(),
                to: Vec::new(),
                fingerprint: Some(Fingerprint::of(b"bob")),
                trust_level: TrustLevel::Verified,
                lifetime: Lifetime::Lasting,
                arrived,
                sent,
                arrival,
                rows: arrival.rows(b"hello", sent, arrived),
                text: b"hello".to_vec(),
                number: 0,
            };
            assert_eq!(message.rows, [SafeText::line(row)]);
            assert_eq!(told(&Notice::Message(message.clone())), Some(Notice::Message(message)));
        }
    }

    #[test]
    fn a_prompt_at_the_socket_shows_the_card_of_a_safety_number_as_the_owner_does() {
        let fingerprint = Fingerprint::of(b"bob");
        let number = SafetyNumber::between(&fingerprint, &Fingerprint::of(b"alice"));
        for trust_level in [TrustLevel::Unverified, TrustLevel::Verified, TrustLevel::Blocked] {
            let name = "bob".to_owned();
            let card = Notice::Info(Info::Safety { name, number, fingerprint, trust_level });
            assert_eq!(told(&card), Some(card));
        }
    }
}
