//! Rules of the setting `take`: a list of tables, each about one peer.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::value::{ValueError, expected, field, path, peer, quoted, text, unknown_field, wrong, yes_no};
use super::values::YesNo;
use crate::chat::{LeastTrust, TakeRule, TakenFrom};
use crate::text::byte_count;

const FIELDS: [&str; 4] = ["from", "verified", "max", "dir"];

/// Reads the rules; `home` is what `~` stands for.
pub(super) fn rules(value: &DeValue<'_>, home: Option<&Path>) -> Result<Vec<TakeRule>, ValueError> {
    let DeValue::Array(items) = value else {
        return Err(expected("a list of rules like {from = \"bob\"}", value).into());
    };
    items.iter().map(|item| rule(item, home)).collect()
}

fn rule(item: &Spanned<DeValue<'_>>, home: Option<&Path>) -> Result<TakeRule, ValueError> {
    let at = item.span().start;
    let DeValue::Table(table) = item.get_ref() else {
        return Err(wrong(at, expected("a rule like {from = \"bob\"}", item.get_ref())));
    };
    unknown_field(table, &FIELDS, "a rule has from, verified, max and dir")?;
    let name = field(table, "from", |value| text(value).and_then(peer))?;
    let name =
        name.ok_or_else(|| wrong(at, "from is missing: the name of a peer in your book".to_owned()))?;
    let least = match field(table, "verified", yes_no)? {
        Some(YesNo::No) => LeastTrust::Chosen,
        Some(YesNo::Yes) | None => LeastTrust::Verified,
    };
    let most = field(table, "max", |value| text(value).and_then(byte_count::parse))?;
    let folder = field(table, "dir", |value| path(text(value)?, home))?.map(|dir| as_folder(&dir));
    Ok(TakeRule { from: TakenFrom::Peer { name, least }, most, folder })
}

/// A place that means into a folder, and never a new name beside it.
pub(crate) fn as_folder(folder: &Path) -> String {
    format!("{}/", folder.display().to_string().trim_end_matches('/'))
}

/// The rules as they would be written in the file.
pub(super) fn written(rules: &[TakeRule]) -> String {
    let rules: Vec<_> = rules.iter().map(written_rule).collect();
    format!("[{}]", rules.join(", "))
}

fn written_rule(rule: &TakeRule) -> String {
    let mut fields = Vec::new();
    if let TakenFrom::Peer { name, least } = &rule.from {
        fields.push(format!("from = {}", quoted(name)));
        if *least == LeastTrust::Chosen {
            fields.push("verified = false".to_owned());
        }
    }
    fields.extend(rule.most.map(|most| format!("max = \"{most} bytes\"")));
    fields.extend(rule.folder.as_ref().map(|dir| format!("dir = {}", quoted(dir.trim_end_matches('/')))));
    format!("{{{}}}", fields.join(", "))
}
