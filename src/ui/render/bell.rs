//! Terminal bell and desktop notification, at most one a second.

use crate::limits::ALERT_EVERY_MS;
use crate::text::safe::SafeText;
use crate::time::UnixMs;

/// Way in which a terminal notifies the desktop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NotificationProtocol {
    /// OSC 9 (iTerm2, `WezTerm`, kitty, Windows Terminal, Ghostty).
    Osc9,
    /// OSC 777 (rxvt-unicode, VTE, foot).
    Osc777,
    /// The bell alone.
    BellOnly,
}

/// Bell of the terminal, limited in its rate.
#[derive(Debug)]
pub(crate) struct Bell {
    protocol: NotificationProtocol,
    last: Option<UnixMs>,
}

impl Bell {
    /// The bell of the terminal that the environment names.
    pub(crate) fn new() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        Self { protocol: protocol(&var("TERM"), &var("VTE_VERSION")), last: None }
    }

    /// The sequence that rings and notifies; `None` if the last one was just now.
    pub(crate) fn ring(&mut self, text: &SafeText, now: UnixMs) -> Option<String> {
        if self.last.is_some_and(|last| now.since(last) < ALERT_EVERY_MS) {
            return None;
        }
        self.last = Some(now);
        // A safe text has no control characters, so it cannot end the sequence; its semicolons
        // could be taken for another field.
        let text = text.as_str().replace(';', ",");
        Some(match self.protocol {
            NotificationProtocol::BellOnly => "\x07".to_owned(),
            NotificationProtocol::Osc9 => format!("\x07\x1b]9;rsachat: {text}\x1b\\"),
            NotificationProtocol::Osc777 => format!("\x07\x1b]777;notify;rsachat;{text}\x1b\\"),
        })
    }
}

fn protocol(term: &str, vte: &str) -> NotificationProtocol {
    // A multiplexer passes the bell on; the rest it would swallow, or print.
    if term.starts_with("screen") || term.starts_with("tmux") || term == "linux" {
        NotificationProtocol::BellOnly
    } else if !vte.is_empty() || term.starts_with("rxvt") || term.starts_with("foot") {
        NotificationProtocol::Osc777
    } else {
        NotificationProtocol::Osc9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_called_in_its_own_way_and_not_too_often() {
        let mut bell = Bell { protocol: protocol("xterm-kitty", ""), last: None };
        let text = SafeText::line("bob: hi; \u{1b}]0;x\u{7}");
        let first = bell.ring(&text, UnixMs(5)).unwrap();
        assert_eq!(first, "\x07\x1b]9;rsachat: bob: hi, \\u{1b}]0,x\\u{7}\x1b\\");
        assert_eq!(bell.ring(&text, UnixMs(6)), None);
        assert!(bell.ring(&text, UnixMs(5 + ALERT_EVERY_MS)).is_some());
        assert_eq!(protocol("tmux-256color", "7000"), NotificationProtocol::BellOnly);
        assert_eq!(protocol("xterm-256color", "7000"), NotificationProtocol::Osc777);
    }
}
