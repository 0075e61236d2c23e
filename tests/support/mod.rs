//! Processes of the program, each with a home of its own, and what else several tests need.

#![allow(dead_code, reason = "every test binary takes what it needs")]
#![allow(unreachable_pub, missing_docs, reason = "nobody outside reads this")]

pub mod caller;
pub mod callgrind;
pub mod hostile_peer;
pub mod net;
pub mod picture;
pub mod socks;
pub mod watch;
pub mod wire;

use std::fs::{self, File};
use std::io::{Read, Seek as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use self::watch::Watched;

/// Longest wait. Only what hangs takes so long; the rest is for busy machines.
pub const PATIENCE: Duration = Duration::from_mins(1);
pub const RSACHAT: &str = env!("CARGO_BIN_EXE_rsachat");

pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap()
}

/// A home folder with one of the test keys, removed with its last owner.
#[derive(Clone)]
pub struct Home {
    folder: Arc<TempDir>,
    name: String,
}

impl Home {
    /// The home of somebody: Minji, Junho and Hana have a key each, everybody else the fourth.
    pub fn of(name: &str) -> Self {
        let key = match name {
            "민지" => "test-1.pem",
            "준호" => "test-2.pem",
            "하나" => "test-3.pem",
            _ => "test-4.pem",
        };
        Self::with_key(name, key)
    }

    pub fn with_key(name: &str, key: &str) -> Self {
        let home = Self::empty(name);
        home.take_key(key);
        home
    }

    /// A folder that nobody but us can open, without a key.
    pub fn empty(name: &str) -> Self {
        let home = Self { folder: Arc::new(TempDir::new().unwrap()), name: name.to_owned() };
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    /// Puts another test key in the place of the one that is there.
    pub fn take_key(&self, key: &str) {
        self.private("identity.pem", fs::read(root("tests/keys").join(key)).unwrap());
    }

    /// Waits until somebody who called is on disk, where other programs read it.
    pub fn has_met(&self, name: &str) {
        let met = self.file("peers.met");
        eventually("who called is on disk", PATIENCE, || {
            fs::read_to_string(&met).is_ok_and(|met| met.contains(name))
        });
    }

    /// Serves this home as a process that nobody types into, and gives where it listens.
    pub fn serves(&self) -> (Process, String) {
        let serve = ["serve", "--name", &self.name, "--listen", "127.0.0.1:0", "--json"];
        self.run(&serve, Stdio::null()).and_where()
    }

    /// Waits until a process serves this home.
    pub fn is_served(&self) {
        let socket = self.file("socket");
        eventually("the home is served", PATIENCE, || UnixStream::connect(&socket).is_ok());
    }

    /// Puts a test key where the raw wire's is kept, so that none has to be generated.
    pub fn with_raw_key(self, key: &str) -> Self {
        self.private("raw.pem", fs::read(root("tests/keys").join(key)).unwrap());
        self
    }

    /// Writes a file that nobody else may read, and gives its path.
    pub fn private(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Holds the lock of this home, as another process that changes it does, until dropped.
    pub fn hold_lock(&self) -> File {
        let file = File::options().append(true).create(true).open(self.file(".lock")).unwrap();
        fs::set_permissions(self.file(".lock"), fs::Permissions::from_mode(0o600)).unwrap();
        file.lock().unwrap();
        file
    }

    /// The program at this home, with arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(RSACHAT);
        command.arg("--home").arg(self.path()).args(args).env_remove("RSACHAT_HOME");
        // What whoever runs the tests has set is not what they are about.
        command.env("RSACHAT_CONFIG", "none").env_remove("CLICOLOR_FORCE");
        command
    }

    pub fn start(&self, args: &[&str]) -> Process {
        self.start_with_input(args, Stdio::piped())
    }

    /// The prompt, with an input of another kind.
    pub fn start_with_input(&self, args: &[&str], input: impl Into<Stdio>) -> Process {
        self.run(&[&["--name", &self.name], args].concat(), input)
    }

    /// The prompt, with lines that stand in its input before it starts: however fast it ends,
    /// they were there.
    pub fn start_having_typed(&self, args: &[&str], lines: &str) -> Process {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writeln!(writer, "{lines}").unwrap();
        let mut process = self.start_with_input(args, reader);
        process.input = Some(OwnedFd::from(writer).into());
        process
    }

    /// The program with these arguments and nothing else.
    pub fn run(&self, args: &[&str], input: impl Into<Stdio>) -> Process {
        self.start_on(self.command(args), input)
    }

    /// A shell's commands, in which `$0` is the program, `$1` this home and `$2` an argument.
    pub fn shell(&self, script: &str, argument: &str, input: impl Into<Stdio>) -> Process {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, RSACHAT]).arg(self.path()).arg(argument).env("RSACHAT_CONFIG", "none");
        self.start_on(shell, input)
    }

    pub fn start_on(&self, command: Command, input: impl Into<Stdio>) -> Process {
        self.start_into(command, input, Output::Kept)
    }

    /// The same, with an output of another kind.
    pub fn start_into(&self, mut command: Command, input: impl Into<Stdio>, output: Output) -> Process {
        let kept = matches!(output, Output::Kept);
        let stdout = match output {
            Output::Kept | Output::Taken => Stdio::piped(),
            Output::Into(there) => there,
        };
        command.stdin(input).stdout(stdout).stderr(Stdio::piped());
        heed_interrupts();
        let one = one_at_a_time();
        let mut child = command.spawn().unwrap();
        drop(one);
        let heard = Arc::new(Watched::new(Heard { open: 1 + u8::from(kept), ..Heard::default() }));
        if kept {
            listen(child.stdout.take().unwrap(), &heard, |heard| &mut heard.out);
        }
        listen(child.stderr.take().unwrap(), &heard, |heard| &mut heard.err);
        let input = child.stdin.take();
        Process { child, input, heard, home: self.clone() }
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

/// Where the standard output of a process goes.
pub enum Output {
    /// Collected, for [`Process::output`] and every wait on it.
    Kept,
    Into(Stdio),
    /// A pipe that the test reads: [`Process::take_output`].
    Taken,
}

#[derive(Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    open: u8,
}

/// One running process of the program; killed when it goes out of scope.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    heard: Arc<Watched<Heard>>,
    pub home: Home,
}

impl Process {
    pub fn start(name: &str, args: &[&str]) -> Self {
        Home::of(name).start(args)
    }

    /// Somebody who waits for callers, and where.
    pub fn listening(name: &str) -> (Self, String) {
        Self::start(name, &["--listen", "127.0.0.1:0", "--anybody"]).and_where()
    }

    /// The process, and where it listens.
    pub fn and_where(self) -> (Self, String) {
        let at = self.listens_at();
        (self, at)
    }

    /// Two prompts that have each seen the other for the first time, the caller first, and where
    /// the second listens.
    pub fn pair(caller: &str, listener: &str) -> (Self, Self, String) {
        let (second, at) = Self::listening(listener);
        let first = Self::start(caller, &["--connect", &at]);
        first.sees(&format!("{listener} joined, new key"));
        second.sees(&format!("{caller} joined, new key"));
        (first, second, at)
    }

    /// The address at which it listens, as it says on one of its outputs.
    pub fn listens_at(&self) -> String {
        self.listens_at_nth(1)
    }

    /// The address of its listener of this number, counted from 1.
    pub fn listens_at_nth(&self, number: usize) -> String {
        let is_address = |word: &&str| word.parse::<SocketAddr>().is_ok();
        let address = |row: &str| row.split([' ', '"']).find(is_address).map(str::to_owned);
        self.wait("an address to listen on", PATIENCE, |heard| {
            let rows = whole_rows(&heard.out) + &whole_rows(&heard.err);
            rows.lines().filter(|row| row.contains("listening")).filter_map(address).nth(number - 1)
        })
    }

    pub fn types(&mut self, line: &str) {
        self.types_bytes(format!("{line}\n").as_bytes());
    }

    pub fn types_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("the input is still open").write_all(bytes).unwrap();
    }

    pub fn closes_input(&mut self) -> &mut Self {
        self.input = None;
        self
    }

    /// Gives away the pipe into which it is typed.
    pub fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("the input is still open")
    }

    /// Gives away the pipe of an output that is not collected.
    pub fn take_output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("the output is not collected")
    }

    /// Waits until a row with this text stands on standard output, and gives the first such row.
    pub fn sees(&self, text: &str) -> String {
        self.sees_within(text, PATIENCE)
    }

    pub fn sees_within(&self, text: &str, patience: Duration) -> String {
        self.wait(text, patience, |heard| row_with(&heard.out, text))
    }

    /// Waits until `count` rows with this text stand on standard output.
    pub fn sees_times(&self, text: &str, count: usize, patience: Duration) {
        let rows = |heard: &Heard| whole_rows(&heard.out).lines().filter(|row| row.contains(text)).count();
        self.wait(text, patience, |heard| (rows(heard) >= count).then_some(()));
    }

    /// Waits until somebody has said this many rows, and gives them all.
    pub fn hears(&self, name: &str, count: usize) -> Vec<String> {
        self.sees_times(&format!(" {name}: "), count, PATIENCE);
        self.said_by(name)
    }

    /// What somebody has said so far, without times and names.
    pub fn said_by(&self, name: &str) -> Vec<String> {
        let mark = format!(" {name}: ");
        self.output().lines().filter_map(|row| Some(row.split_once(&mark)?.1.to_owned())).collect()
    }

    /// The rows that begin so, without that beginning.
    pub fn rows_after(&self, word: &str) -> Vec<String> {
        self.output().lines().filter_map(|row| row.strip_prefix(word).map(str::to_owned)).collect()
    }

    /// Waits until a row with this text stands on standard error.
    pub fn complains(&self, text: &str) -> String {
        self.wait(text, PATIENCE, |heard| row_with(&heard.err, text))
    }

    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.raw_output()).into_owned()
    }

    pub fn raw_output(&self) -> Vec<u8> {
        self.heard.look(|heard| heard.out.clone())
    }

    pub fn has_seen(&self, text: &str) -> bool {
        self.output().contains(text)
    }

    pub fn complaints(&self) -> String {
        self.heard.look(|heard| String::from_utf8_lossy(&heard.err).into_owned())
    }

    /// The rows of trouble with this text, those too that were only counted (`… and 3 more like
    /// this`): how many are told together depends on the second in which they came.
    pub fn troubles_like(&self, text: &str) -> usize {
        let count = |row: &String| match row.strip_prefix("… and ") {
            Some(more) => more.strip_suffix(" more like this").unwrap().parse().unwrap(),
            None => usize::from(row.contains(text)),
        };
        self.rows_after("! ").iter().map(count).sum()
    }

    /// Answers a command, which shows that every line typed before has been dealt with.
    pub fn is_done_typing(&mut self) {
        self.types(":help quit");
        self.sees("say goodbye to everybody and leave");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Open descriptors. The folder's size is their number (Linux 6.2); to list them is for root
    /// only, since the process is not dumpable.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        let listed = fs::read_dir(&folder).map(Iterator::count);
        listed.unwrap_or_else(|_| usize::try_from(fs::metadata(&folder).unwrap().len()).unwrap())
    }

    /// The fewest open descriptors within a fifth of a second: the file of the book is open now and
    /// then, for a moment.
    pub fn descriptors_at_rest(&self) -> usize {
        let counts = (0..20).map(|_| {
            thread::sleep(Duration::from_millis(10));
            self.descriptors()
        });
        counts.min().unwrap()
    }

    /// Memory of the process in KiB, `VmRSS` or the most so far, `VmHWM`.
    pub fn memory_kib(&self, which: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let row = status.lines().find(|row| row.starts_with(which)).unwrap();
        row.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end and gives the exit code as a shell does.
    pub fn ends(&mut self) -> i32 {
        self.ends_within(3 * PATIENCE)
    }

    /// Waits for the end with this code and for a row with this text on standard error.
    pub fn ends_saying(&mut self, code: i32, complaint: &str) {
        assert_eq!(self.ends(), code, "{}", self.complaints());
        self.complains(complaint);
    }

    pub fn ends_within(&mut self, patience: Duration) -> i32 {
        self.wait("the end", patience, |heard| (heard.open == 0).then_some(()));
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    fn wait<T>(&self, what: &str, patience: Duration, found: impl Fn(&Heard) -> Option<T>) -> T {
        self.heard.wait(patience, |heard| heard.open == 0 || found(heard).is_some());
        self.heard.look(|heard| found(heard)).unwrap_or_else(|| {
            let (name, out, err) = (&self.home.name, self.output(), self.complaints());
            panic!("{name} waited in vain for {what:?}; stdout:\n{out}\nstderr:\n{err}")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lock for starting a program and for opening a terminal: a new terminal is for a moment
/// inherited by every program that another test starts then, and as long as that runs, nobody
/// sees this terminal's end.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the programs that are started from here heed SIGINT, also where whoever runs the tests has
/// had it ignored: a handler is not inherited, but that is.
pub fn heed_interrupts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ignores(std::process::id(), Signal::INT) {
            signal_hook::flag::register(Signal::INT.as_raw(), Arc::default()).unwrap();
        }
    });
}

/// Whether a process ignores a signal.
pub fn ignores(id: u32, signal: Signal) -> bool {
    is_in_mask(id, "SigIgn:", signal)
}

/// Whether a process handles a signal.
pub fn handles(id: u32, signal: Signal) -> bool {
    is_in_mask(id, "SigCgt:", signal)
}

/// Whether a signal to a process waits for one of its threads to take it.
pub fn waits(id: u32, signal: Signal) -> bool {
    is_in_mask(id, "ShdPnd:", signal)
}

fn is_in_mask(id: u32, mask: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let mask = status.lines().find_map(|row| row.strip_prefix(mask)).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

/// Who may do what with a file.
pub fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A file with these bytes, open at its beginning.
pub fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A listener that the test plays, and where.
pub fn socket() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    (listener, at)
}

/// A connection whose reads do not wait for ever.
pub fn call(at: &str) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything that comes until the end of a stream. That may be a reset, when not all that was
/// sent to the other side has been read.
pub fn all_of(mut stream: impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}

/// An address at which nobody listens and that nobody else is given, as long as the socket lives.
/// The program may listen there.
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

/// Asserts that a text is the one in `snapshots/NAME.snap`.
pub fn assert_snapshot(name: &str, text: &str) {
    with_snapshots(|| insta::assert_snapshot!(name, text));
}

/// Runs assertions of snapshots that lie in `snapshots/`, whichever test makes them.
pub fn with_snapshots(assert: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(assert);
}

fn listen(
    mut from: impl Read + Send + 'static,
    heard: &Arc<Watched<Heard>>,
    which: impl Fn(&mut Heard) -> &mut Vec<u8> + Send + 'static,
) {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let count @ 1.. = from.read(&mut buffer).unwrap_or(0) {
            heard.change(|heard| which(heard).extend_from_slice(&buffer[..count]));
        }
        heard.change(|heard| heard.open -= 1);
    });
}

fn whole_rows(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn row_with(bytes: &[u8], text: &str) -> Option<String> {
    whole_rows(bytes).lines().find(|row| row.contains(text)).map(str::to_owned)
}
