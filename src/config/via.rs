//! Setting `via`: one way of all calls, or a list of rules, each about one peer or all others.

use toml::Spanned;
use toml::de::DeValue;

use super::value::{ValueError, expected, field, peer, quoted, text, unknown_field, wrong};
use crate::chat::ViaRule;
use crate::peers::via::{Via, ViaError, without_passwords};

const FIELDS: [&str; 2] = ["peer", "via"];

pub(super) fn rules(value: &DeValue<'_>) -> Result<Vec<ViaRule>, ValueError> {
    match value {
        DeValue::Array(items) => items.iter().map(rule).collect(),
        one => Ok(vec![ViaRule { peer: None, via: way(one)? }]),
    }
}

/// One way.
pub(super) fn way(value: &DeValue<'_>) -> Result<Via, String> {
    text(value)?.parse().map_err(|error: ViaError| error.to_string())
}

fn rule(item: &Spanned<DeValue<'_>>) -> Result<ViaRule, ValueError> {
    let at = item.span().start;
    let DeValue::Table(table) = item.get_ref() else {
        let example = "a rule like {peer = \"bob\", via = \"socks5h://127.0.0.1:9050\"}";
        return Err(wrong(at, expected(example, item.get_ref())));
    };
    unknown_field(table, &FIELDS, "a rule has peer and via")?;
    let peer = field(table, "peer", |value| text(value).and_then(peer))?;
    let via = field(table, "via", way)?;
    let via =
        via.ok_or_else(|| wrong(at, "via is missing: socks5h://HOST:PORT, a command, or none".to_owned()))?;
    Ok(ViaRule { peer, via })
}

/// A way as it would be written in the file, but for a password.
pub(super) fn written_way(via: &Via) -> String {
    quoted(&without_passwords(&via.written()))
}

/// The rules, the same way.
pub(super) fn written(rules: &[ViaRule]) -> String {
    if let [ViaRule { peer: None, via }] = rules {
        return written_way(via);
    }
    let rule = |rule: &ViaRule| {
        let peer = rule.peer.as_ref().map(|peer| format!("peer = {}, ", quoted(peer))).unwrap_or_default();
        format!("{{{peer}via = {}}}", written_way(&rule.via))
    };
    format!("[{}]", rules.iter().map(rule).collect::<Vec<_>>().join(", "))
}
