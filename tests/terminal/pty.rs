//! Terminal in memory with the real program on it. It waits on what stands on the screen, never on
//! time.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use regex::{Captures, Regex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::termios::{Action, LocalModes, Termios, tcflow};
use unicode_width::UnicodeWidthStr as _;
use vt100::{Color, Parser, Screen};

use crate::pictures::Cell;
use crate::reflow::reflowed;
use crate::support::watch::Watched;
use crate::support::{Home, PATIENCE, Process, RSACHAT, assert_snapshot, eventually, one_at_a_time, root};

/// Time in which nothing changes any more, once it has not.
const STEADILY: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// What the terminal under test has shown so far.
struct Shown {
    parser: Parser,
    /// Output that the parser has not taken: the beginning of a row that is cut at the edge.
    held: Vec<u8>,
    /// Every byte, for what a screen cannot tell.
    bytes: Vec<u8>,
    /// Nobody holds the other end any more.
    ended: bool,
}

impl Shown {
    /// Takes output as a terminal that knows DECAWM, which the parser does not: in between, what
    /// has no room in a row is not shown.
    fn take(&mut self, bytes: &[u8]) {
        const CUT: &[u8] = b"\x1b[?7l";
        const WRAPPED: &[u8] = b"\x1b[?7h";
        static PARTS: LazyLock<Regex> =
            LazyLock::new(|| Regex::new("\x1b\\[[0-9;?]*[a-z]|(?s:.)").expect("an expression"));
        let find = |bytes: &[u8], what| bytes.windows(CUT.len()).position(|found| found == what);
        self.held.extend_from_slice(bytes);
        while let Some(at) = find(&self.held, CUT) {
            let held = self.held.split_off(at);
            self.parser.process(&std::mem::replace(&mut self.held, held));
            let Some(end) = find(&self.held, WRAPPED) else { return };
            let rest = self.held.split_off(end + WRAPPED.len());
            let row = String::from_utf8(std::mem::replace(&mut self.held, rest)).expect("a row");
            for part in PARTS.find_iter(&row) {
                let ((_, column), (_, cols)) =
                    (self.parser.screen().cursor_position(), self.parser.screen().size());
                let is_shown = !part.as_str().starts_with(char::is_control);
                let width = if is_shown { part.as_str().width() } else { 0 };
                if usize::from(column) + width <= cols.get().into() {
                    self.parser.process(part.as_str().as_bytes());
                }
            }
        }
        let is_begun = |count: &usize| self.held.ends_with(CUT.get(..*count).unwrap_or_default());
        let begun = (1..CUT.len()).rev().find(is_begun).unwrap_or(0);
        let held = self.held.split_off(self.held.len() - begun);
        self.parser.process(&std::mem::replace(&mut self.held, held));
    }
}

/// How to start: what differs from an ordinary terminal.
pub(crate) struct Setup<'a> {
    pub(crate) cols: u16,
    pub(crate) rows: u16,
    pub(crate) term: &'a str,
    pub(crate) env: &'a [(&'a str, &'a str)],
    /// A shell's commands around the program, which is `"$@"` in it.
    pub(crate) shell: Option<&'a str>,
    pub(crate) args: &'a [&'a str],
}

impl Setup<'static> {
    pub(crate) const SMALL: Self =
        Self { cols: 40, rows: 10, term: "xterm-256color", env: &[], shell: None, args: &[] };
    pub(crate) const WIDE: Self = Self { cols: 80, rows: 24, ..Self::SMALL };
    /// Both sizes, with the name of each.
    pub(crate) const SIZES: [(&'static str, Self); 2] = [("40x10", Self::SMALL), ("80x24", Self::WIDE)];
}

/// Reader of a terminal's output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    On,
    /// It is to stop, and reads once more.
    Stopping,
    Stopped,
}

pub(crate) struct Pty {
    shown: Arc<Watched<Shown>>,
    /// Whether its output is read.
    reading: Arc<Watched<Reading>>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn std::io::Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    before: Termios,
    port: u16,
    pub(crate) home: Home,
}

impl Pty {
    /// Starts it and waits until it listens and, where there is an editor, reads.
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        Self::start_at(Home::with_key("alice", "pty/alice.pem"), setup)
    }

    /// The same with a home of its own.
    pub(crate) fn start_at(home: Home, setup: &Setup<'_>) -> Self {
        let mut pty = Self::open(command(setup, &home), (setup.cols, setup.rows), home);
        pty.sees("listening on 127.0.0.1:");
        if setup.term != "dumb" && !setup.args.contains(&"--plain") {
            pty.wait_reading();
        }
        pty.wait("all of the port", |screen| {
            screen.cursor_position().1 == 0 || !row_of_cursor(screen).contains("127.0.0.1:")
        });
        pty.port = pty.last_port();
        pty
    }

    pub(crate) fn open(command: CommandBuilder, (cols, rows): (u16, u16), home: Home) -> Self {
        let one = one_at_a_time();
        let pair = native_pty_system().openpty(size(cols, rows)).expect("a terminal");
        drop(one);
        let before = modes_of(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("the program starts");
        // Or its end would never be seen.
        drop(pair.slave);
        Self::of(pair.master, child, before, (cols, rows), home)
    }

    /// A prompt at a home that another process serves.
    pub(crate) fn attached(home: &Home) -> Self {
        Self::attached_at(&Setup::WIDE, home)
    }

    /// That at another terminal.
    pub(crate) fn attached_at(setup: &Setup<'_>, home: &Home) -> Self {
        Self::started_as(setup, home, &["attach"])
    }

    /// A prompt on a home that may be open elsewhere.
    pub(crate) fn prompt_on(home: &Home) -> Self {
        Self::started_as(&Setup::WIDE, home, &[])
    }

    fn started_as(setup: &Setup<'_>, home: &Home, args: &[&str]) -> Self {
        let command = command_of(setup, home, args);
        let pty = Self::open(command, (setup.cols, setup.rows), home.clone());
        pty.wait_reading();
        pty
    }

    /// As [`Pty::start`], on a terminal that another program has made non-blocking.
    pub(crate) fn start_non_blocking(setup: &Setup<'_>) -> Self {
        let home = Home::with_key("alice", "pty/alice.pem");
        let mut pty = Self::open_non_blocking(&command(setup, &home), (setup.cols, setup.rows), home);
        pty.sees("listening on 127.0.0.1:");
        if !setup.args.contains(&"--plain") {
            pty.wait_reading();
        }
        pty.port = pty.last_port();
        pty
    }

    /// As [`Pty::open`], on a terminal that another program has made non-blocking.
    pub(crate) fn open_non_blocking(built: &CommandBuilder, (cols, rows): (u16, u16), home: Home) -> Self {
        let one = one_at_a_time();
        let pair = native_pty_system().openpty(size(cols, rows)).expect("a terminal");
        let before = modes_of(pair.master.as_ref());
        let terminal = File::from(slave_of(pair.master.as_ref(), OFlags::NONBLOCK));
        let argv = built.get_argv();
        let mut command = std::process::Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().envs(built.iter_full_env_as_str()).current_dir(home.path());
        let shared = || Stdio::from(terminal.try_clone().expect("a descriptor"));
        let child = command.stdin(shared()).stdout(shared()).stderr(shared()).spawn().expect("it starts");
        drop(one);
        drop((pair.slave, command, terminal));
        Self::of(pair.master, Box::new(child), before, (cols, rows), home)
    }

    fn of(
        master: Box<dyn MasterPty + Send>,
        child: Box<dyn Child + Send + Sync>,
        before: Termios,
        (cols, rows): (u16, u16),
        home: Home,
    ) -> Self {
        let parser = Parser::new(cells(rows), cells(cols), 0);
        let shown =
            Arc::new(Watched::new(Shown { parser, held: Vec::new(), bytes: Vec::new(), ended: false }));
        let reading = Arc::new(Watched::new(Reading::On));
        let reader = master.try_clone_reader().expect("a reader");
        let (watched, reads) = (Arc::clone(&shown), Arc::clone(&reading));
        thread::spawn(move || read_all(reader, &watched, &reads));
        let keys = master.take_writer().expect("a writer");
        Self { shown, reading, master, keys, child, before, port: 0, home }
    }

    /// Reads no output any more, as a terminal that has stopped.
    pub(crate) fn stops(&self) {
        self.reading.change(|reading| *reading = Reading::Stopping);
    }

    /// Stops the output as Ctrl-S does.
    pub(crate) fn flow_off(&self) {
        tcflow(slave_of(self.master.as_ref(), OFlags::empty()), Action::OOff).expect("a terminal stops");
    }

    /// Lets the output go on, as Ctrl-Q does.
    pub(crate) fn flow_on(&self) {
        tcflow(slave_of(self.master.as_ref(), OFlags::empty()), Action::OOn).expect("a terminal goes on");
    }

    /// Reads on.
    pub(crate) fn goes_on(&self) {
        self.reading.change(|reading| *reading = Reading::On);
    }

    /// Waits until the terminal takes no more output.
    pub(crate) fn wait_full(&self) {
        let done = self.reading.wait(PATIENCE, |reading| *reading != Reading::Stopping);
        assert!(done, "its reader does not stop");
        let terminal = slave_of(self.master.as_ref(), OFlags::empty());
        // The system moves on what it has taken, which makes room once more.
        eventually("the terminal takes nothing", PATIENCE, || {
            poll(&mut [PollFd::new(&terminal, PollFlags::OUT)], Some(&STEADILY)).unwrap() == 0
        });
    }

    /// Presses keys while the terminal takes no output: the first alone, so that the editor waits
    /// to write before the others come. Gives the moment of the last.
    pub(crate) fn press_unseen(&mut self, keys: &str) -> Instant {
        let (first, rest) = keys.split_at(keys.chars().next().map_or(0, char::len_utf8));
        self.press(first);
        self.wait_taken();
        let last = Instant::now();
        self.press(rest);
        last
    }

    /// Waits until every key is read, or the program has ended. A key is on its way for a moment.
    pub(crate) fn wait_taken(&mut self) {
        let terminal = slave_of(self.master.as_ref(), OFlags::empty());
        eventually("the keys are read", PATIENCE, || {
            poll(&mut [PollFd::new(&terminal, PollFlags::IN)], Some(&STEADILY)).unwrap() == 0
                || self.child.try_wait().expect("a status").is_some()
        });
    }

    /// An ordinary terminal with its peer bob joined and the screen cleared.
    pub(crate) fn start_with_bob(setup: &Setup<'_>) -> (Self, Process) {
        let mut pty = Self::start(setup);
        let bob = pty.call_as_bob();
        pty.sees_join("bob");
        pty.wait("bob", |screen| row_of_cursor(screen).contains("bob?"));
        bob.sees("alice joined");
        pty.clear();
        (pty, bob)
    }

    /// Bob, who calls this terminal.
    pub(crate) fn call_as_bob(&self) -> Process {
        self.call_with("bob", "pty/bob.pem")
    }

    /// Carol, with a key of her own, who calls this terminal.
    pub(crate) fn call_as_carol(&self) -> Process {
        self.call_with("carol", "test-1.pem")
    }

    /// A peer with a key that calls this terminal.
    pub(crate) fn call_with(&self, name: &str, key: &str) -> Process {
        Home::with_key(name, key).start(&["--connect", &format!("127.0.0.1:{}", self.port)])
    }

    /// A field of proc(5) in each thread of the program.
    #[cfg(target_os = "linux")]
    pub(crate) fn fields(&self, field: &str) -> Vec<String> {
        let id = self.child.process_id().expect("it runs");
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
        // A thread may end meanwhile.
        let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).ok();
        let statuses = tasks.filter_map(|task| status(task.ok()?));
        let value = |status: String| {
            status.lines().find_map(|row| row.strip_prefix(field)).map(|value| value.trim().to_owned())
        };
        statuses.filter_map(value).collect()
    }

    /// The port of the last listener that the screen tells of.
    pub(crate) fn last_port(&self) -> u16 {
        let screen = flat(&self.screen());
        let (_, rest) = screen.rsplit_once("listening on 127.0.0.1:").expect("an address");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a port")
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.press_bytes(keys.as_bytes());
    }

    /// Waits until a text stands on the screen, wherever it is wrapped between words.
    pub(crate) fn sees(&self, text: &str) {
        self.wait(text, |screen| has(screen, text));
    }

    /// Waits until somebody has joined, in any of the forms of that row.
    pub(crate) fn sees_join(&self, name: &str) {
        let forms = [" joined", "? new:"].map(|form| format!("{name}{form}"));
        self.wait(&forms[0], |screen| forms.iter().any(|form| has(screen, form)));
    }

    /// Sends bytes as a terminal may cut them.
    pub(crate) fn press_bytes(&mut self, bytes: &[u8]) {
        self.keys.write_all(bytes).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    /// Clears the screen (Ctrl-L), so that rows before the test do not stand in it.
    pub(crate) fn clear(&mut self) {
        self.wait_reading();
        self.press("\x0c");
        self.wait("a cleared screen", |screen| {
            screen.cursor_position().0 == 0 && screen.rows(0, u16::MAX).skip(1).all(|row| row.is_empty())
        });
    }

    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let done = self.shown.wait(PATIENCE, |shown| is_so(shown.parser.screen()));
        assert!(done, "waited in vain for {what}:\n{}", self.picture());
    }

    /// Waits until the screen looks like this: size, cursor and modes first, then each row behind a
    /// bar.
    pub(crate) fn wait_picture(&self, wanted: &str) {
        let done = self.shown.wait(PATIENCE, |shown| picture(shown.parser.screen()) == wanted);
        assert!(done, "waited in vain for\n{wanted}\nbut it is\n{}", self.picture());
    }

    /// Waits until an empty line is read: the editor has bracketed paste on exactly while it reads.
    /// Between two lines the terminal has its ordinary modes, and Ctrl-D or Ctrl-C pressed in that
    /// moment would not reach the editor.
    pub(crate) fn wait_reading(&self) {
        self.wait("the prompt", |screen| {
            screen.bracketed_paste() && row_of_cursor(screen).trim_end().ends_with('>')
        });
    }

    /// Waits until the bytes that were written have something in them.
    pub(crate) fn wait_bytes(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let done = self.shown.wait(PATIENCE, |shown| is_so(&String::from_utf8_lossy(&shown.bytes)));
        assert!(done, "waited in vain for {what}:\n{}", self.picture());
    }

    pub(crate) fn bytes(&self) -> String {
        self.shown.look(|shown| String::from_utf8_lossy(&shown.bytes).into_owned())
    }

    pub(crate) fn screen(&self) -> String {
        self.shown.look(|shown| shown.parser.screen().contents())
    }

    /// Row and column of the cursor.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.shown.look(|shown| shown.parser.screen().cursor_position())
    }

    pub(crate) fn picture(&self) -> String {
        self.shown.look(|shown| picture(shown.parser.screen()))
    }

    /// Cells of the screen, once they are as a predicate wants them, or at the end of patience.
    pub(crate) fn cells(&self, are_so: impl Fn(Vec<Cell>) -> bool) -> Vec<Cell> {
        self.shown.wait(PATIENCE, |shown| are_so(cells_of(shown.parser.screen())));
        self.shown.look(|shown| cells_of(shown.parser.screen()))
    }

    /// The screen held by a snapshot, once it is as a predicate wants it.
    ///
    /// What a terminal has read may end between a notice and the prompt below it, and no predicate
    /// tells that from the end of the painting. So it is waited for what the snapshot holds, and
    /// only what stays different fails.
    pub(crate) fn check_picture(&self, name: &str, is_so: impl Fn(&Screen) -> bool) {
        self.wait(name, |screen| is_so(screen) && screen.bracketed_paste() && screen.cursor_position().1 > 0);
        if let Some(held) = held_picture(name) {
            self.shown.wait(PATIENCE, |shown| picture(shown.parser.screen()) == held);
        }
        assert_snapshot(&format!("screen-{name}"), &self.picture());
    }

    pub(crate) fn hold_lock(&self) -> std::fs::File {
        self.home.hold_lock()
    }

    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        self.shown.change(|shown| shown.parser.set_size(cells(rows), cells(cols)));
        self.master.resize(size(cols, rows)).expect("a terminal of another size");
    }

    /// The same on a terminal that wraps its rows anew.
    pub(crate) fn resize_reflowing(&self, cols: u16, rows: u16) {
        self.shown.change(|shown| {
            shown.parser = reflowed(shown.parser.screen(), cells(cols), cells(rows));
        });
        self.master.resize(size(cols, rows)).expect("a terminal of another size");
    }

    /// The same where the cursor comes out so many rows too high.
    pub(crate) fn resize_misplacing(&self, cols: u16, rows: u16, too_high: u16) {
        self.shown.change(|shown| {
            shown.parser = reflowed(shown.parser.screen(), cells(cols), cells(rows));
            shown.parser.process(format!("\x1b[{too_high}A").as_bytes());
        });
        self.master.resize(size(cols, rows)).expect("a terminal of another size");
    }

    /// Makes the terminal taller: rows of its history come back above the others.
    pub(crate) fn resize_taller(&self, (cols, rows): (u16, u16), more: u16, history: &[String]) {
        let history = history.join("\r\n");
        self.shown.change(|shown| {
            shown.parser.set_size(cells(rows + more), cells(cols));
            let sequence = format!("\x1b[{more}T\x1b[{more}B\x1b7\x1b[H{history}\x1b8");
            shown.parser.process(sequence.as_bytes());
        });
        self.master.resize(size(cols, rows + more)).expect("a terminal of another size");
    }

    /// Moves all rows down, the last to the end of the screen.
    pub(crate) fn fill(&self) {
        self.shown.change(|shown| {
            let down = shown.parser.screen().size().0.get() - 1 - shown.parser.screen().cursor_position().0;
            shown.parser.process(format!("\x1b[{down}T\x1b[{down}B").as_bytes());
        });
    }

    /// Number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        rustix::process::kill_process(pid.expect("a process"), signal).expect("a signal is taken");
    }

    /// Waits for the end and gives the exit code; a death by a signal fails.
    pub(crate) fn wait_end(&mut self) -> u32 {
        assert!(self.shown.wait(PATIENCE, |shown| shown.ended), "it does not end:\n{}", self.picture());
        let status = self.child.wait().expect("an exit status");
        assert_eq!(status.signal(), None, "ended by a signal:\n{}", self.picture());
        status.exit_code()
    }

    /// The same while nobody reads the terminal.
    pub(crate) fn wait_end_unread(&mut self) -> u32 {
        eventually("the end", PATIENCE, || self.child.try_wait().expect("a status").is_some());
        self.goes_on();
        self.wait_end()
    }

    /// Waits until keys are not shown: a question comes before that.
    pub(crate) fn hides_keys(&self) {
        eventually("keys are hidden", PATIENCE, || {
            !modes_of(self.master.as_ref()).local_modes.contains(LocalModes::ECHO)
        });
    }

    /// Whether the terminal has the modes it had before the program.
    pub(crate) fn has_modes_of_before(&self) -> bool {
        let now = modes_of(self.master.as_ref());
        let paste = self.shown.look(|shown| shown.parser.screen().bracketed_paste());
        now.input_modes == self.before.input_modes
            && now.output_modes == self.before.output_modes
            && now.control_modes == self.before.control_modes
            && now.local_modes == self.before.local_modes
            && !paste
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.goes_on();
        // A test that failed leaves nothing behind; one that passed has nothing left.
        if !self.shown.look(|shown| shown.ended) {
            let _ = self.child.kill();
        }
    }
}

/// Whether a text stands on a screen, wherever its rows are wrapped between words.
pub(crate) fn has(screen: &Screen, text: &str) -> bool {
    flat(&screen.contents()).contains(&flat(text))
}

pub(crate) fn row_of_cursor(screen: &Screen) -> String {
    screen.rows(0, u16::MAX).nth(usize::from(screen.cursor_position().0)).unwrap_or_default()
}

/// A text with one blank wherever it has any.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the snapshot of a screen holds, where there is one.
fn held_picture(name: &str) -> Option<String> {
    let file = std::fs::read_to_string(root("snapshots").join(format!("screen-{name}.snap"))).ok()?;
    let (_, held) = file.strip_prefix("---\n")?.split_once("\n---\n")?;
    Some(held.trim_end().to_owned())
}

fn command(setup: &Setup<'_>, home: &Home) -> CommandBuilder {
    command_of(setup, home, &["--name", "alice", "--listen", "127.0.0.1:0"])
}

fn command_of(setup: &Setup<'_>, home: &Home, args: &[&str]) -> CommandBuilder {
    let home = home.path().display().to_string();
    let program = [&[RSACHAT, "--home", &home], args].concat();
    let mut command = match setup.shell {
        None => CommandBuilder::new(RSACHAT),
        Some(script) => {
            let mut shell = CommandBuilder::new("/bin/sh");
            shell.args(["-c", script, "sh", RSACHAT]);
            shell
        }
    };
    command.args(program.iter().skip(1).chain(setup.args));
    // The default is the home of whoever runs the tests.
    command.cwd(&home);
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "RSACHAT_HOME"] {
        command.env_remove(name);
    }
    let own = [("HOME", home.as_str()), ("TERM", setup.term), ("TZ", "UTC"), ("RSACHAT_CONFIG", "none")];
    for (name, value) in own.iter().chain(setup.env) {
        command.env(name, value);
    }
    command
}

fn read_all(mut from: Box<dyn std::io::Read + Send>, shown: &Watched<Shown>, reading: &Watched<Reading>) {
    let mut buffer = [0; 4_096];
    loop {
        reading.change(|reading| {
            if *reading == Reading::Stopping {
                *reading = Reading::Stopped;
            }
        });
        while !reading.wait(PATIENCE, |reading| *reading == Reading::On) {}
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => return shown.change(|shown| shown.ended = true),
            Ok(count) => shown.change(|shown| {
                let bytes = buffer.get(..count).unwrap_or_default();
                shown.take(bytes);
                shown.bytes.extend_from_slice(bytes);
            }),
        }
    }
}

fn modes_of(master: &dyn MasterPty) -> Termios {
    rustix::termios::tcgetattr(slave_of(master, OFlags::empty())).expect("a terminal has modes")
}

/// The terminal that a program sees, opened anew.
fn slave_of(master: &dyn MasterPty, more: OFlags) -> OwnedFd {
    let path = master.tty_name().expect("a terminal has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    rustix::fs::open(path, flags, Mode::empty()).expect("the terminal opens")
}

/// `40x8 cursor 4,7 paste=true`, then the rows behind a bar without trailing blanks, as far as
/// there are any; a time of day becomes `00:00`.
fn picture(screen: &Screen) -> String {
    let (rows, cols) = screen.size();
    let (row, col) = screen.cursor_position();
    let mut lines = vec![format!("{cols}x{rows} cursor {row},{col} paste={}", screen.bracketed_paste())];
    lines.extend(screen.rows(0, u16::MAX).map(|row| format!("|{}", steady(row.trim_end()))));
    while lines.last().is_some_and(|line| line == "|") {
        lines.pop();
    }
    lines.join("\n")
}

/// The cells of a screen that are not blank, with their looks as a picture names them.
fn cells_of(screen: &Screen) -> Vec<Cell> {
    let (rows, columns) = screen.size();
    let places = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
    let cells = places.filter_map(|(row, column)| {
        let cell = screen.cell(row, column).filter(|cell| !cell.contents().trim().is_empty())?;
        let look = match cell.fgcolor() {
            Color::Idx(1) => "w".to_owned(),
            Color::Idx(entry @ 16..) => {
                let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
                let [red, green, blue] = [36, 6, 1].map(|part| level((entry - 16) / part % 6));
                format!("#{red:02x}{green:02x}{blue:02x}")
            }
            _ if cell.bold() => "b".to_owned(),
            _ if cell.dim() => "d".to_owned(),
            _ => "t".to_owned(),
        };
        Some((row.into(), column.into(), cell.contents().to_owned(), look))
    });
    cells.collect()
}

/// A row without what differs from run to run: the time, ports, and how many seconds ago something
/// was.
fn steady(row: &str) -> String {
    static CHANGES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [(r"^\d{5}$", "#####"), (r"^\d\d:\d\d ", "00:00 "), (r" [1-9] s ", " 0 s ")]
            .map(|(what, instead)| (Regex::new(what).unwrap(), instead))
    });
    static PORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(127\.0\.0\.1:)(\d+)").unwrap());
    let row = CHANGES.iter().fold(row.to_owned(), |row, (what, to)| what.replace_all(&row, *to).into_owned());
    PORT.replace_all(&row, |found: &Captures<'_>| found[1].to_owned() + &"#".repeat(found[2].len()))
        .into_owned()
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
