//! tmux itself, which puts the cursor too high where it wraps wide characters anew.

use std::io::Write as _;
use std::process::{Command, Output};

use crate::support::{Home, PATIENCE, Process, RSACHAT, eventually};

/// tmux with a server of its own, and the program in its only window.
struct Tmux {
    home: Home,
}

impl Tmux {
    /// `None` where tmux is not installed.
    fn start(cells: usize, rows: usize) -> Option<Self> {
        let tmux = Self { home: Home::with_key("alice", "pty/alice.pem") };
        let home = tmux.home.path().display().to_string();
        let (cells, rows) = (cells.to_string(), rows.to_string());
        let size = ["-f", "/dev/null", "new-session", "-d", "-x", &cells, "-y", &rows];
        let program = [RSACHAT, "--home", &home, "--name", "alice", "--listen", "127.0.0.1:0"];
        tmux.command(&[&size[..], &program].concat())?;
        Some(tmux)
    }

    fn command(&self, args: &[&str]) -> Option<Output> {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.home.file("tmux")).args(args);
        command.env_remove("TMUX").env("RSACHAT_CONFIG", "none").env("LC_ALL", "C.UTF-8").output().ok()
    }

    fn press(&self, keys: &str) {
        self.command(&["send-keys", "-l", keys]);
    }

    fn resize(&self, cells: usize) {
        self.command(&["resize-window", "-x", &cells.to_string()]);
    }

    /// All rows, those above the screen too, without blanks.
    fn packed(&self) -> String {
        let output = self.command(&["capture-pane", "-p", "-S", "-"]).expect("tmux runs").stdout;
        String::from_utf8_lossy(&output).split_whitespace().collect()
    }

    fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        eventually(what, PATIENCE, || is_so(&self.packed()));
    }

    fn call_as_bob(&self) -> Process {
        self.wait("an address", |shown| shown.contains("listeningon127.0.0.1:") && shown.ends_with('>'));
        let shown = self.packed();
        let (_, port) = shown.split_once("listeningon127.0.0.1:").expect("an address");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        Home::with_key("bob", "pty/bob.pem").start(&["--connect", &format!("127.0.0.1:{port}")])
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.command(&["kill-server"]);
    }
}

#[test]
fn no_row_of_a_message_vanishes_when_tmux_wraps_wide_characters_anew() {
    let typed = "가나다라마바사아자차카타파하".repeat(5);
    for typed in ["", "짧게", &typed] {
        let Some(tmux) = Tmux::start(100, 30) else {
            let how = "apt-get install tmux, then cargo test --test terminal tmux";
            let _ = writeln!(std::io::stderr(), "nothing was shown in tmux, which is not installed; {how}");
            return;
        };
        let mut bob = tmux.call_as_bob();
        tmux.wait("bob", |shown| shown.ends_with("alicetobob?>"));
        // One row each, of which a screen of 30 cells makes three: two and a half fit 60 cells.
        let said: Vec<_> = (0..40).map(|number| format!("{number:02}{}", "가나다라".repeat(8))).collect();
        for text in &said {
            bob.types(text);
        }
        let has_all = |shown: &str| said.iter().all(|text| shown.contains(&packed(text)));
        tmux.press(typed);
        let line = |prompt: &str| format!("{prompt}{typed}");
        tmux.wait("all messages", |shown| has_all(shown) && shown.ends_with(&line("alicetobob?>")));
        // A message is printed above the line once that is painted for the width.
        for (width, prompt, text) in [(30, "bob?>", "narrow"), (60, "alicetobob?>", "wide")] {
            tmux.resize(width);
            bob.types(text);
            tmux.wait(text, |shown| shown.ends_with(&format!("bob:{text}{}", line(prompt))));
            let shown = tmux.packed();
            assert!(has_all(&shown), "{width} {typed:?} {shown}");
        }
    }
}

fn packed(text: &str) -> String {
    text.split_whitespace().collect()
}
