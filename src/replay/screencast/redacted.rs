//! Redaction of pictures: before a text is wrapped, so that no end of a row hides a match.

use std::cell::RefCell;

use crate::chat::display::SafetyCard;
use crate::chat::{Info, Message, Notice, PromptView};
use crate::text::redaction::Redactions;
use crate::text::safe::SafeText;

/// Rules of a picture, counted as they are used.
pub(super) struct Redactor(RefCell<Redactions>);

impl Redactor {
    pub(super) fn new(redactions: Redactions) -> Self {
        Self(RefCell::new(redactions))
    }

    /// Number of the places that were replaced so far.
    pub(super) fn count(&self) -> usize {
        self.0.borrow().count()
    }

    pub(super) fn apply(&self, text: &str) -> String {
        self.0.borrow_mut().apply(text)
    }

    /// The same for a text that is counted elsewhere.
    fn apply_again(&self, text: &str) -> String {
        self.0.borrow().clone().apply(text)
    }

    /// A text behind the prompt.
    pub(super) fn typed(&self, text: &str) -> String {
        let rows: Vec<_> = SafeText::rows(text).iter().map(|row| self.apply(row.as_str())).collect();
        rows.join("\n")
    }

    /// Author and text of a message that was typed before.
    pub(super) fn said(&self, author: &str, text: &str) -> (String, String) {
        let clean = |text: &str| self.apply_again(text);
        let author_now = clean(author);
        let rows = SafeText::rows(text);
        let rows: Vec<_> =
            rows.iter().map(|row| behind(&author_now, &clean(&format!("{author}: {row}")))).collect();
        (author_now, rows.join("\n"))
    }

    pub(super) fn prompt(&self, view: &PromptView) -> PromptView {
        let mut view = view.clone();
        view.own_name = self.apply(&view.own_name);
        if let Some(to) = &mut view.addressed {
            to.name = self.apply(&to.name);
        }
        for (name, _) in &mut view.unread_of {
            *name = self.apply(name);
        }
        view
    }

    /// A notice whose messages are written so that they may be shown; its other rows are not yet.
    pub(super) fn notice(&self, notice: &Notice, portable: &dyn Fn(&str) -> String) -> Notice {
        let message = |one: &Message| self.message(one, portable);
        match notice {
            Notice::Message(one) => Notice::Message(message(one)),
            Notice::Own(one) => Notice::Own(message(one)),
            Notice::Whole(one) => Notice::Whole(message(one)),
            Notice::History { messages, earlier } => {
                Notice::History { messages: messages.iter().map(message).collect(), earlier: *earlier }
            }
            // Its code says what its texts say.
            Notice::Info(Info::Safety { name, number, fingerprint, trust_level })
                if self.concerns(&SafetyCard::new(name, number, fingerprint, *trust_level)) =>
            {
                Notice::Answer(notice.rows())
            }
            Notice::Info(_)
            | Notice::Warning(_)
            | Notice::Counted(_)
            | Notice::Answer(_)
            | Notice::Table(_) => notice.clone(),
        }
    }

    /// Whether anything of a card is replaced.
    fn concerns(&self, card: &SafetyCard) -> bool {
        let rows = card.groups.iter().chain(&card.how).chain([&card.title, &card.key, &card.code]);
        rows.into_iter().any(|row| self.apply_again(row) != *row)
    }

    fn message(&self, message: &Message, portable: &dyn Fn(&str) -> String) -> Message {
        let (author, mut message) = (message.author(), message.clone());
        message.name = self.apply_again(&message.name);
        for name in &mut message.to {
            *name = self.apply_again(name);
        }
        let author_now = message.author();
        for row in &mut message.rows {
            let whole = self.apply(&portable(&format!("{author}: {row}")));
            *row = SafeText::line(&behind(&author_now, &whole));
        }
        message
    }
}

/// The text of a row of a message behind its author, or what has become of both.
fn behind(author: &str, row: &str) -> String {
    let text = row.strip_prefix(author).and_then(|rest| rest.strip_prefix(": "));
    text.or_else(|| row.split_once(": ").map(|(_, text)| text)).unwrap_or(row).to_owned()
}
