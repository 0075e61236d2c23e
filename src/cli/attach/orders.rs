//! Orders of a face until its owner answers them: what one that has ended did not answer is named.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::chat::LineStart;

/// Beginning of the ids of orders that their giver gave none; no event shows them.
const OWN_ID: &str = "attach ";

/// Orders that are not answered, the oldest first. An owner answers them in their order.
#[derive(Default)]
pub(super) struct Orders {
    given: u64,
    unanswered: VecDeque<GivenOrder>,
}

/// Order that is not answered.
pub(super) struct GivenOrder {
    id: Value,
    /// What was typed or is to be said, if it is that.
    pub(super) text: Option<String>,
}

impl GivenOrder {
    /// A line of a person.
    pub(super) fn line(text: String) -> Self {
        Self { id: Value::Null, text: Some(text) }
    }

    /// An order as a program has written it.
    pub(super) fn of(order: &Value) -> Self {
        Self { id: order["id"].clone(), text: text_of(order) }
    }

    /// The id that its giver gave it.
    pub(super) fn id(&self) -> Option<&Value> {
        Some(&self.id).filter(|id| !id.is_null() && !is_own(id))
    }
}

impl Orders {
    /// Order for a line of a person, who can be asked about it where it was begun at a prompt.
    pub(super) fn line(&mut self, text: &str, begun: Option<&LineStart>) -> Value {
        let mut order = match begun {
            // The event `own` brings the message, which takes the place of the line.
            Some(LineStart { mark, name, roster }) => json!({
                "line": text,
                "begun": { "mark": mark.number(), "name": name, "roster": roster },
                "echo": "line",
            }),
            None => json!({ "line": text }),
        };
        self.give(&mut order);
        order
    }

    /// Order as a program has written it. One that says something gets an id if it has none.
    pub(super) fn program(&mut self, mut order: Value) -> Value {
        if text_of(&order).is_some() || order.get("id").is_some() {
            self.give(&mut order);
        }
        order
    }

    fn give(&mut self, order: &mut Value) {
        self.given += 1;
        let text = text_of(order);
        let own_id = json!(format!("{OWN_ID}{}", self.given));
        let id = match order.get("id") {
            Some(id) if !id.is_null() => id.clone(),
            // An ask without an id is a mistake, which its owner tells.
            _ if order.get("ask").is_some() => return,
            _ => {
                order["id"] = own_id.clone();
                own_id
            }
        };
        self.unanswered.push_back(GivenOrder { id, text });
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, id: &Value) {
        let at = self.unanswered.iter().position(|order| order.id == *id);
        at.and_then(|at| self.unanswered.remove(at));
    }

    /// Whether a line of a person waits for its answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Those that nobody answers any more.
    pub(super) fn take(&mut self) -> VecDeque<GivenOrder> {
        std::mem::take(&mut self.unanswered)
    }

    /// An event as its program is to see it; none, if it answers an order without an id.
    pub(super) fn relayed(event: &Value) -> Option<Value> {
        let is_of_own = is_own(&event["id"]);
        if is_of_own && event["event"] == "reply" {
            return None;
        }
        let mut event = event.clone();
        if let Some(fields) = event.as_object_mut().filter(|_| is_of_own) {
            fields.remove("id");
        }
        Some(event)
    }
}

fn is_own(id: &Value) -> bool {
    id.as_str().is_some_and(|id| id.starts_with(OWN_ID))
}

/// Text that an order says.
fn text_of(order: &Value) -> Option<String> {
    let text = ["say", "ask", "line"].into_iter().find_map(|field| order.get(field)?.as_str());
    text.map(str::to_owned)
}
