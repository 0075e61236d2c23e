//! Calling somebody who looks elsewhere: a bell, and a notification of the desktop where the terminal knows
//! how. Never more than one a second.

use crate::limits::ALERT_EVERY_MS;
use crate::text::safe::SafeText;

/// How this terminal notifies a desktop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NotificationProtocol {
    /// OSC 9 (iTerm2, `WezTerm`, kitty, Windows Terminal, Ghostty).
    Nine,
    /// OSC 777 (rxvt-unicode, VTE, foot).
    SevenSevenSeven,
    /// A bell is all it has.
    Bell,
}

/// Decides when and with which bytes.
#[derive(Debug)]
pub(crate) struct Bell {
    kind: NotificationProtocol,
    rung_ms: Option<u64>,
}

impl Bell {
    /// For the terminal that the environment names.
    pub(crate) fn of_terminal() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        Self { kind: kind(&var("TERM"), &var("VTE_VERSION")), rung_ms: None }
    }

    /// The bytes that call, unless the last call was just now.
    pub(crate) fn ring(&mut self, text: &SafeText, now_ms: u64) -> Option<String> {
        if self.rung_ms.is_some_and(|rung| now_ms < rung + ALERT_EVERY_MS) {
            return None;
        }
        self.rung_ms = Some(now_ms);
        // A safe text has no control characters, so it cannot end the sequence; its semicolons could be
        // taken for another field.
        let text = text.as_str().replace(';', ",");
        Some(match self.kind {
            NotificationProtocol::Bell => "\x07".to_owned(),
            NotificationProtocol::Nine => format!("\x07\x1b]9;rsachat: {text}\x1b\\"),
            NotificationProtocol::SevenSevenSeven => format!("\x07\x1b]777;notify;rsachat;{text}\x1b\\"),
        })
    }
}

fn kind(term: &str, vte: &str) -> NotificationProtocol {
    // A multiplexer passes on the bell; the rest it would eat, or print.
    if term.starts_with("screen") || term.starts_with("tmux") || term == "linux" {
        NotificationProtocol::Bell
    } else if !vte.is_empty() || term.starts_with("rxvt") || term.starts_with("foot") {
        NotificationProtocol::SevenSevenSeven
    } else {
        NotificationProtocol::Nine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_called_in_its_own_way_and_not_too_often() {
        let mut alerts = Bell { kind: kind("xterm-kitty", ""), rung_ms: None };
        let text = SafeText::line("bob: hi; \u{1b}]0;x\u{7}");
        let first = alerts.ring(&text, 5).unwrap();
        assert_eq!(first, "\x07\x1b]9;rsachat: bob: hi, \\u{1b}]0,x\\u{7}\x1b\\");
        assert_eq!(alerts.ring(&text, 6), None);
        assert!(alerts.ring(&text, 5 + ALERT_EVERY_MS).is_some());
        assert_eq!(kind("tmux-256color", "7000"), NotificationProtocol::Bell);
        assert_eq!(kind("xterm-256color", "7000"), NotificationProtocol::SevenSevenSeven);
    }
}
