//! People for the tests: real processes of the program with a home of their own, typed to through a pipe and
//! listened to by threads. It knows nothing of what a test wants to see.

#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(unreachable_pub, missing_docs, reason = "nobody outside reads this")]

pub mod wire;

use std::fs;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// What every wait has at most. Only what hangs ever takes so long; the rest is for busy machines.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// The program.
pub const RSACHAT: &str = env!("CARGO_BIN_EXE_rsachat");

/// A home folder with one of the test keys, removed with its last owner.
#[derive(Clone)]
pub struct Home {
    folder: Arc<TempDir>,
    name: String,
}

impl Home {
    /// The home of somebody: Minji, Junho and Hana have a key each, everybody else shares the fourth.
    pub fn of(name: &str) -> Self {
        let key = match name {
            "민지" => "test-1.pem",
            "준호" => "test-2.pem",
            "하나" => "test-3.pem",
            _ => "test-4.pem",
        };
        Self::with_key(name, key)
    }

    /// A home with a chosen test key.
    pub fn with_key(name: &str, key: &str) -> Self {
        let home = Self { folder: Arc::new(TempDir::new().unwrap()), name: name.to_owned() };
        home.take_key(key);
        home
    }

    /// Puts another test key in the place of the one that is there.
    pub fn take_key(&self, key: &str) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        fs::copy(keys.join(key), self.file("identity.pem")).unwrap();
        fs::set_permissions(self.file("identity.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Puts a test key where the raw wire's is kept, so that none has to be made.
    pub fn with_raw_key(self, key: &str) -> Self {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        fs::copy(keys.join(key), self.file("raw.pem")).unwrap();
        fs::set_permissions(self.file("raw.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The program at this home, with arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(RSACHAT);
        command.arg("--home").arg(self.path()).args(args).env_remove("RSACHAT_HOME");
        // What the person who runs the tests has set is not what they are about.
        command.env("RSACHAT_CONFIG", "none").env_remove("CLICOLOR_FORCE");
        command
    }

    /// The prompt, with a pipe to type into.
    pub fn start(&self, args: &[&str]) -> Person {
        let mut command = self.command(&["--name", &self.name]);
        command.args(args);
        self.start_on(command, Stdio::piped())
    }

    /// The prompt, with an input of another kind.
    pub fn start_with_input(&self, args: &[&str], input: impl Into<Stdio>) -> Person {
        let mut command = self.command(&["--name", &self.name]);
        command.args(args);
        self.start_on(command, input.into())
    }

    /// The prompt, with lines that stand in its input before it starts: however fast it ends, they were there.
    pub fn start_having_typed(&self, args: &[&str], lines: &str) -> Person {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writeln!(writer, "{lines}").unwrap();
        let mut person = self.start_with_input(args, reader);
        person.stdin = Some(OwnedFd::from(writer).into());
        person
    }

    /// Any command line that ends in the program.
    pub fn start_on(&self, mut command: Command, input: Stdio) -> Person {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let heard = Arc::new((Mutex::new(Heard { open: 2, ..Heard::default() }), Condvar::new()));
        listen(child.stdout.take().unwrap(), &heard, |heard| &mut heard.out);
        listen(child.stderr.take().unwrap(), &heard, |heard| &mut heard.err);
        let stdin = child.stdin.take();
        Person { child, stdin, heard, home: self.clone() }
    }

    /// What the program answers on its standard output when run to its end without input.
    pub fn answer(&self, args: &[&str]) -> String {
        let output = self.command(args).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn fingerprint(&self) -> String {
        let shown = self.answer(&["key", "show"]);
        shown.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap().to_owned()
    }
}

#[derive(Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    open: u8,
}

type Shared = Arc<(Mutex<Heard>, Condvar)>;

/// One running prompt; killed when it goes out of scope.
pub struct Person {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Shared,
    pub home: Home,
}

impl Person {
    /// Somebody with a home of their own.
    pub fn start(name: &str, args: &[&str]) -> Self {
        Home::of(name).start(args)
    }

    /// Somebody who waits for callers, and where.
    pub fn listening(name: &str) -> (Self, String) {
        let person = Self::start(name, &["--listen", "127.0.0.1:0"]);
        let at = person.listens_at();
        (person, at)
    }

    pub fn listens_at(&self) -> String {
        self.sees("* listening on ").trim_start_matches("* listening on ").to_owned()
    }

    pub fn types(&mut self, line: &str) {
        self.types_bytes(format!("{line}\n").as_bytes());
    }

    pub fn types_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().expect("the input is still open").write_all(bytes).unwrap();
    }

    /// Ends the input.
    pub fn falls_silent(&mut self) -> &mut Self {
        self.stdin = None;
        self
    }

    /// Waits until a row with this text stands on standard output, and returns the first such row.
    pub fn sees(&self, text: &str) -> String {
        self.sees_within(text, PATIENCE)
    }

    pub fn sees_within(&self, text: &str, patience: Duration) -> String {
        self.wait(text, patience, |heard| row_with(&heard.out, text))
    }

    /// Waits until `count` rows with this text stand on standard output.
    pub fn sees_times(&self, text: &str, count: usize, patience: Duration) {
        let enough = |heard: &Heard| {
            let rows = whole_rows(&heard.out);
            (rows.lines().filter(|row| row.contains(text)).count() >= count).then_some(())
        };
        self.wait(text, patience, enough);
    }

    /// Waits until a row with this text stands on standard error.
    pub fn complains(&self, text: &str) -> String {
        self.wait(text, PATIENCE, |heard| row_with(&heard.err, text))
    }

    /// Everything on standard output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().unwrap().out).into_owned()
    }

    pub fn raw_output(&self) -> Vec<u8> {
        self.heard.0.lock().unwrap().out.clone()
    }

    pub fn has_seen(&self, text: &str) -> bool {
        self.output().contains(text)
    }

    /// Answers a command, which shows that every line typed before has been dealt with.
    pub fn is_done_typing(&mut self) {
        self.types(":help quit");
        self.sees("say goodbye to everybody and leave");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The rows of trouble with this text, those too that were only counted (`… and 3 more like this`): how many are
    /// told together depends on the second in which they came.
    pub fn troubles_like(&self, text: &str) -> usize {
        let output = self.output();
        let rows = output.lines().filter_map(|row| row.strip_prefix("! "));
        rows.map(|row| match row.strip_prefix("… and ").and_then(|row| row.strip_suffix(" more like this"))
        {
            Some(more) => more.parse().unwrap(),
            None => usize::from(row.contains(text)),
        })
        .sum()
    }

    /// Everything on standard error so far.
    pub fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().unwrap().err).into_owned()
    }

    /// Waits for the end and gives the exit code as a shell does.
    pub fn ends(&mut self) -> i32 {
        self.ends_within(PATIENCE)
    }

    pub fn ends_within(&mut self, patience: Duration) -> i32 {
        self.wait("the end", patience, |heard| (heard.open == 0).then_some(()));
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    fn wait<T>(&self, what: &str, patience: Duration, mut found: impl FnMut(&Heard) -> Option<T>) -> T {
        let until = Instant::now() + patience;
        let mut heard = self.heard.0.lock().unwrap();
        loop {
            if let Some(found) = found(&heard) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            let over = left.is_zero() || heard.open == 0;
            assert!(
                !over,
                "{} waited in vain for {what:?}; stdout:\n{}\nstderr:\n{}",
                self.home.name,
                String::from_utf8_lossy(&heard.out),
                String::from_utf8_lossy(&heard.err)
            );
            heard = self.heard.1.wait_timeout(heard, left).unwrap().0;
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address at which nobody listens and that nobody else is given, as long as the socket lives. The program may
/// listen there.
pub fn held_address() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    (socket, at)
}

/// Asks again until it is so: for what the system offers no way to wait on.
pub fn eventually(what: &str, patience: Duration, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !so() {
        assert!(Instant::now() < until, "in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn listen(
    mut from: impl Read + Send + 'static,
    heard: &Shared,
    which: impl Fn(&mut Heard) -> &mut Vec<u8> + Send + 'static,
) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            let mut now = heard.0.lock().unwrap();
            which(&mut now).extend_from_slice(&buffer[..count]);
            now.open -= u8::from(count == 0);
            heard.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

fn whole_rows(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn row_with(bytes: &[u8], text: &str) -> Option<String> {
    whole_rows(bytes).lines().find(|row| row.contains(text)).map(str::to_owned)
}
