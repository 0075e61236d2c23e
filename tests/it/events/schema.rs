//! Tables of `docs/EVENTS.md`, and objects held against them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::support::read;

/// Name and mark (`?`, `-` or none) of each field of each event, and all kinds.
pub(crate) struct Schema {
    pub(crate) events: BTreeMap<String, BTreeMap<String, char>>,
    pub(crate) kinds: BTreeSet<String>,
}

/// Everything between backticks, with the character that follows.
fn quoted(cell: &str) -> Vec<(String, char)> {
    let parts: Vec<_> = cell.split('`').collect();
    let after = |at: usize| parts.get(at + 1).and_then(|rest: &&str| rest.chars().next()).unwrap_or(' ');
    (1..parts.len()).step_by(2).map(|at| (parts[at].to_owned(), after(at))).collect()
}

pub(crate) fn schema() -> Schema {
    let mut schema = Schema { events: BTreeMap::new(), kinds: BTreeSet::new() };
    for row in read("docs/EVENTS.md").lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let names = quoted(cells[0]);
        if cells.len() == 4 {
            let fields = quoted(cells[2]).into_iter().collect();
            schema.events.insert(names[0].0.clone(), fields);
        } else {
            schema.kinds.extend(names.into_iter().map(|(name, _)| name));
        }
    }
    schema
}

impl Schema {
    pub(crate) fn check(&self, output: &str) -> Vec<Map<String, Value>> {
        output.lines().map(|line| self.check_line(line)).collect()
    }

    pub(crate) fn check_line(&self, line: &str) -> Map<String, Value> {
        let object: Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
        object["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let fields = &self.events[object["event"].as_str().unwrap()];
        for (name, mark) in fields {
            match object.get(name) {
                None => assert_eq!(*mark, '-', "{line} has no {name}"),
                Some(Value::Null) => assert_eq!(*mark, '?', "{line}: {name} is null"),
                Some(_) => {}
            }
        }
        let known =
            |name: &String| ["time", "id", "event"].contains(&name.as_str()) || fields.contains_key(name);
        assert!(object.keys().all(known), "{line} has a field that is not in the table");
        if let Some(kind) = object.get("kind") {
            assert!(self.kinds.contains(kind.as_str().unwrap()), "{line}: no such kind");
        }
        object
    }
}
