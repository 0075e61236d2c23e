//! A pipe at a terminal: a person who types sees what was said and nothing between; a file that is sent shows how far
//! it has come, until something arrives.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use super::stage::{Output, Pipe};
use super::support::{Home, PATIENCE, RSACHAT, eventually};

const ROWS: NonZeroU16 = NonZeroU16::new(12).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(100).unwrap();

/// A pipe on a terminal of its own.
struct ParsedLine {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    shown: Arc<Mutex<(Parser, Vec<u8>)>>,
    _master: Box<dyn MasterPty + Send>,
}

impl ParsedLine {
    /// Calls from a shell, with this behind the command.
    fn calling(home: &Home, at: &str, redirected: &str) -> Self {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("sh");
        let line = format!(
            r#"exec "$0" --home "$1" --config none pipe --connect "$2" --accept-new --name 민지 {redirected}"#
        );
        command.args(["-c", line.as_str(), RSACHAT]);
        command.arg(home.path());
        command.arg(at);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shown = Arc::new(Mutex::new((Parser::new(ROWS, COLUMNS, 0), Vec::new())));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let watched = Arc::clone(&shown);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let mut shown = watched.lock().unwrap();
                shown.0.process(&buffer[..count]);
                shown.1.extend_from_slice(&buffer[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { child, keys, shown, _master: pair.master }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen has this text.
    fn sees(&self, text: &str) {
        let mut screen = String::new();
        eventually(text, PATIENCE, || {
            screen = self.screen();
            screen.contains(text)
        });
    }

    fn screen(&self) -> String {
        self.shown.lock().unwrap().0.screen().contents()
    }

    /// Whether this was ever written.
    fn wrote(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.shown.lock().unwrap().1).contains(text)
    }

    fn ends(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for ParsedLine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
    }
}

#[test]
fn a_person_who_types_sees_what_was_said_and_no_counts() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (mut listens, at) =
        Pipe::listening(&junho, &["--accept-new", "--name", "준호"], Stdio::piped(), Output::Taken);
    let mut says = listens.child().stdin.take().unwrap();
    let mut hears = listens.child().stdout.take().unwrap();
    let mut calls = ParsedLine::calling(&minji, &at, "");
    calls.press("안녕하세요\r");
    let mut line = [0; 16];
    hears.read_exact(&mut line).unwrap();
    assert_eq!(line, *"안녕하세요\n".as_bytes());
    says.write_all("네, 반갑습니다\n".as_bytes()).unwrap();
    calls.sees("네, 반갑습니다");
    drop(says);
    calls.sees("rsachat: the other side has sent everything; Ctrl-D ends your side");
    calls.press("\x04");
    assert_eq!([calls.ends(), u32::try_from(listens.ends()).unwrap()], [0, 0]);
    let told = "rsachat: the other side has sent everything; Ctrl-D ends your side";
    assert_eq!(calls.screen().trim_end(), format!("안녕하세요\n네, 반갑습니다\n{told}"));
    assert!(!calls.wrote("sent,"));
}

#[test]
fn a_file_that_is_sent_shows_its_counts_until_something_arrives() {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (mut listens, at) = Pipe::listening(
        &junho,
        &["--accept-new", "--name", "준호"],
        Stdio::piped(),
        Output::Into(Stdio::null()),
    );
    let mut says = listens.child().stdin.take().unwrap();
    let mut calls = ParsedLine::calling(&minji, &at, "< /dev/zero");
    calls.sees("B confirmed, 0 B received");
    says.write_all(b"enough\n").unwrap();
    calls.sees("enough");
    drop(says);
    drop(listens);
    assert_eq!(calls.ends(), 5);
    // What it wrote last may still be on its way from the terminal.
    calls.sees("rsachat: error: ");
    let screen = calls.screen();
    assert!(screen.starts_with("enough\nrsachat: error: "), "the row is gone: {screen}");
}
