//! Interactive prompt: lines of a person, of a pipe, or requests of a program in; notices out.

use std::fs::{DirBuilder, File};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::args::{self, Context, ProtocolArgs};
use crate::app::error::{AppError, SIGPIPE, code, describe};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::host;
use crate::app::os::eprint_line;
use crate::app::recorder::Recorder;
use crate::chat::command::{Command, CommandError, LogTarget, listen_command};
use crate::chat::{
    AcceptPolicy, CallOptions, Chat, DialOutcome, ExitRequest, FirstCaller, Input, ListenOptions,
    NotifyPolicy, NotifyWhen,
};
use crate::config::{ColourWhen, EditorMode, Layer, Settings, TimeFormat, YesNo};
use crate::events::Id;
use crate::events::exit_reason::{self, ExitReason};
use crate::events::json_client::JsonClient;
use crate::events::unedited_input::{InputTaker, LineMeaning, UneditedInput};
use crate::limits;
use crate::net::Net;
use crate::net::lines::{LineEvent, Lines};
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::text::redaction::{Redaction, Redactions};

use crate::peers::address::{Family, ListenAt};
use crate::peers::name::Name;
use crate::render::colour;
use crate::render::cut::RowLimit;
use crate::render::layout::{Layout, OutputMode};
use crate::store::{book_file, safe_file};
use crate::ui::screen::{Person, Screen, Viewer, stdout_printer};
use crate::ui::terminal::{self, EditorEvent, EditorState, Terminal, TypedLine};

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct PromptArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "addresses")]
    pub(crate) listen: Vec<String>,
    /// Do not listen where the configuration file says
    #[arg(long, conflicts_with = "listen")]
    no_listen: bool,
    /// Turn away keys that are not in the book, on every address
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    known_only: Option<YesNo>,
    /// Take anybody who calls, and send the input to whoever calls first
    #[arg(long, conflicts_with = "known_only")]
    anybody: bool,
    /// Call somebody: a peer of your book, or host:port
    #[arg(long, value_name = "NAME|ADDR", value_hint = ValueHint::Hostname, groups = ["addresses", "calls"])]
    connect: Option<String>,
    /// Call somebody, as --connect does
    #[arg(value_name = "NAME|ADDR", value_hint = ValueHint::Hostname, groups = ["addresses", "calls"])]
    callee: Option<String>,
    /// Accept this key only
    #[arg(long, value_name = "SHA256:…", requires = "calls")]
    pub(crate) pin: Option<String>,
    /// Write the session into a new file, as a script of all who take part
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Write [NAME], or [redacted], for what matches REGEX, with --record
    #[arg(long, value_name = "REGEX[=NAME]", requires = "record")]
    redact: Vec<Redaction>,
    /// Speak this wire: `oaep` is the raw one of the Python tutorial, which authenticates nobody
    #[arg(long, value_name = "WIRE", requires = "addresses")]
    pub(crate) wire: Option<String>,
    /// On the raw wire, give no key of yours: for the tutorial's server
    #[arg(long, requires_all = ["calls", "wire"])]
    pub(crate) one_way: bool,
    /// Keep typed lines in this file from one session to the next
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    history: Option<PathBuf>,
    /// Peers that may be connected at once [default: 1024, 672 with line editing]
    #[arg(long, value_name = "N", value_parser = args::peers)]
    peers: Option<usize>,
    /// Whether output carries colour [default: auto]
    #[arg(long, alias = "color", value_name = "WHEN")]
    colour: Option<ColourWhen>,
    /// Time before each message, in the conversions of strftime, or `none` [default: %H:%M]
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<String>,
    /// No time before messages
    #[arg(long, conflicts_with = "time_format")]
    no_time: bool,
    /// Whose keys edit the line [default: emacs]
    #[arg(long, value_name = "KEYS")]
    editor_mode: Option<EditorMode>,
    /// Which messages ring [default: mention]
    #[arg(long, value_name = "WHICH")]
    notify: Option<NotifyWhen>,
    /// Put the peer's name and what is unread into the title of the terminal
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    title: Option<YesNo>,
    /// Also write what is said to this file, as :log does
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log: Option<String>,
    /// For screen readers: one event a line, in words, no editor and no cursor movement
    #[arg(long)]
    pub(crate) plain: bool,
    /// For programs: events out and orders in, one JSON object a line (see docs/EVENTS.md)
    #[arg(long, conflicts_with_all = ["plain", "record", "history", "editor_mode", "colour", "time_format", "no_time", "notify"])]
    pub(crate) json: bool,
}

impl PromptArgs {
    /// Whom to call.
    pub(crate) fn call(&self) -> Option<&str> {
        self.connect.as_deref().or(self.callee.as_deref())
    }

    /// The word that stands where a subcommand may.
    pub(crate) fn word(&self) -> Option<&str> {
        self.callee.as_deref()
    }

    /// Settings on the command line. To listen or to connect replaces the listeners of the file.
    pub(crate) fn layer(&self) -> Result<Layer, AppError> {
        let wrong = |option: &str, error: String| AppError::new(code::USAGE, format!("{option}: {error}"));
        let name = self.name.as_deref().map(Name::parse).transpose();
        let listen: Result<Vec<_>, _> = self.listen.iter().map(|at| at.parse::<ListenAt>()).collect();
        let listen = listen.map_err(|error| wrong("--listen", error.to_string()))?;
        let time = match &self.time_format {
            _ if self.no_time => Some(TimeFormat::none()),
            Some(format) => Some(TimeFormat::parse(format).map_err(|error| wrong("--time-format", error))?),
            None => None,
        };
        let asked = !listen.is_empty() || self.no_listen || self.call().is_some();
        Ok(Layer {
            name: name.map_err(|error| wrong("--name", error.to_string()))?,
            listen: asked.then_some(listen),
            callers: self.known_only.map(YesNo::callers),
            colour: self.colour,
            history: self.history.clone(),
            time,
            editor: self.editor_mode,
            notify: self.notify,
            title: self.title.map(YesNo::title),
        })
    }
}

enum InputSource {
    Editor(Terminal),
    /// Lines that nobody edits, and their reader; `None` once they have ended.
    Unedited(UneditedInput, Option<Lines>),
}

pub(crate) fn run(context: &Context<'_>, args: &PromptArgs) -> Result<u8, AppError> {
    let config = context.settings.resolve();
    let startup = startup_commands(args, &config)?;
    let name = config.own_name();
    let recorder = args.record.as_deref();
    let redactions = Redactions::new(args.redact.clone());
    let recorder = recorder.map(|path| Recorder::start(path, name.as_str(), redactions)).transpose()?;
    let edited = !args.plain && !args.json && terminal::is_edited();
    let layout = layout(args, &config, edited);
    let book = book_file::read(&context.home);
    if let Ok(book) = &book {
        startup.iter().try_for_each(|command| args::check_callee(command, book))?;
    }
    let profile = context.unlock()?;
    let proving = limits::UNAUTHENTICATED_CONNECTIONS;
    let most = if edited { limits::PROMPT_SOCKETS - proving } else { limits::PEERS };
    if edited && args.peers.is_some_and(|asked| asked > most) {
        let why = format!("--peers: at most {most} with line editing");
        return Err(AppError::new(code::USAGE, why).hint("--plain edits no lines"));
    }
    let capacity = args::seats(args.peers, most)?;
    let mut net = Net::new()?;
    args.log.as_deref().map(prepare_log).transpose()?;
    if edited {
        terminal::block_sigtstp()?;
        config.history.as_deref().map(prepare_history).transpose()?;
    }
    net.set_max_links(capacity + proving);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat = profile.chat(name, book.unwrap_or_default(), capacity);
    chat.set_callers(config.callers);
    if !edited && (args.json || !io::stdin().is_terminal()) && !args.anybody {
        chat.set_first_caller(FirstCaller::Known);
    }
    chat.set_notify(NotifyPolicy { when: config.notify, ..NotifyPolicy::default() });
    let signals = Signals::start(net.waker())?;
    let (source, reader, sink) = if edited {
        let state = EditorState::new(chat.view(), layout.clone());
        let (terminal, sink) = Terminal::start(state, &config, net.waker())?;
        let person = Person::new(layout, Some(terminal.shared()));
        (InputSource::Editor(terminal), Viewer::Person(Box::new(person)), sink)
    } else {
        let lines = Some(Lines::of_stdin(net.waker())?);
        let (meaning, viewer) = if args.json {
            (LineMeaning::Request, Viewer::JsonClient(JsonClient::default()))
        } else {
            (LineMeaning::Prompt, Viewer::Person(Box::new(Person::new(layout, None))))
        };
        (InputSource::Unedited(UneditedInput::new(meaning), lines), viewer, stdout_printer())
    };
    let screen = Screen::start(reader, sink, net.waker())?;
    let mut app = App::new(chat, screen, net, profile, ThreadPriority::Lower)?;
    if let Some(recorder) = recorder {
        app.record(recorder);
    }
    if edited && config.listen.is_empty() && args.call().is_none() {
        app.greet();
    }
    if let Some(damage) = damage {
        app.handle(Input::BookUnusable { why: damage });
    }
    for command in startup {
        app.handle(Input::Command(command));
    }
    let (must_connect, must_listen) =
        (!edited && args.call().is_some(), !edited && !config.listen.is_empty());
    let mut frontend = PromptFrontend {
        source,
        must_connect,
        must_listen,
        target: args.call().unwrap_or_default().to_owned(),
        exit_reason: None,
    };
    let code = app.run(&mut frontend, &signals);
    frontend.finish(app, code.as_ref().ok().copied());
    Ok(code?)
}

/// Commands that the command line and the settings ask for.
fn startup_commands(args: &PromptArgs, config: &Settings) -> Result<Vec<Command>, AppError> {
    let usage = |error: CommandError| AppError::new(code::USAGE, error.to_string());
    let wire = ProtocolArgs { wire: args.wire.clone(), one_way: args.one_way };
    let protocol = wire.protocol(args.pin.as_ref().map(|_| "--pin"))?;
    // Part of each listener, so that a recording of it holds under other settings.
    let accept = match config.callers {
        _ if args.anybody => Some(AcceptPolicy::Anyone),
        AcceptPolicy::KnownOnly => Some(AcceptPolicy::KnownOnly),
        _ => None,
    };
    let mut commands = Vec::new();
    for at in &config.listen {
        let (at, family) = (at.clone(), Family::Any);
        commands.push(listen_command(ListenOptions { at, family, accept, protocol }).map_err(usage)?);
    }
    if let Some(callee) = args.call() {
        let callee = callee.parse().map_err(|error| usage(CommandError::Address(error)))?;
        let pin = args.pin.as_deref().map(str::parse).transpose();
        let pin = pin.map_err(|error| usage(CommandError::Fingerprint(error)))?;
        let (family, accept) = (Family::Any, AcceptPolicy::Anyone);
        commands.push(Command::Connect(CallOptions { callee, family, pin, accept, protocol }));
    }
    commands.extend(args.log.iter().map(|file| Command::Log { to: LogTarget::File(file.clone()) }));
    Ok(commands)
}

/// Layout of what is shown, by the command line, the environment and the terminal.
fn layout(args: &PromptArgs, config: &Settings, edited: bool) -> Layout {
    let mode = match (args.plain, edited) {
        (true, _) => OutputMode::Words,
        (false, true) => OutputMode::Screen,
        (false, false) => OutputMode::Lines,
    };
    let style =
        if args.plain { colour::ColourDepth::Monochrome } else { colour::depth(config.colour, edited) };
    let limit = if io::stdout().is_terminal() { RowLimit::Terminal } else { RowLimit::None };
    Layout::new(mode, style, config.time.clone()).with_limit(limit)
}

struct PromptFrontend {
    source: InputSource,
    /// Whether a failure ends the program: without an editor, one of what was asked for.
    must_connect: bool,
    must_listen: bool,
    /// Whom `--connect` calls.
    target: String,
    /// Why the program ends, where a connection or a listener was the cause.
    exit_reason: Option<ExitReason>,
}

impl Frontend<Screen> for PromptFrontend {
    fn on_signal(&mut self, app: &mut App<Screen>, signal: Signal) {
        // The editor turns its own into Ctrl-C.
        if signal != Signal::Interrupt || !matches!(self.source, InputSource::Editor(_)) {
            self.name_undeliverable(app);
            app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
    }

    fn poll_output(&mut self, app: &mut App<Screen>) -> Option<u8> {
        while let Some(shown) = app.sink().shown() {
            match shown {
                Ok(due) => app.shown(due),
                // The reader of our output has gone: as if SIGPIPE ended us, but in order.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    app.handle(Input::ExitRequest(ExitRequest::Signal(SIGPIPE)));
                }
                Err(error) => {
                    eprint_line(&format!("rsachat: error: cannot write the output: {}", describe(&error)));
                    app.handle(Input::ExitRequest(ExitRequest::Failure(code::FAILED)));
                }
            }
        }
        app.send_receipts();
        None
    }

    fn on_outcome(&mut self, app: &mut App<Screen>, outcome: DialOutcome) -> Option<u8> {
        let fatal = match outcome {
            DialOutcome::ListenFailed => self.must_listen,
            // We closed it, and go on; or a mistake, like every one in the input.
            DialOutcome::Done | DialOutcome::NotCalled => false,
            _ => self.must_connect,
        };
        if fatal {
            self.name_undeliverable(app);
            self.exit_reason = exit_reason::of_outcome(outcome);
            app.handle(Input::ExitRequest(match outcome.exit_code() {
                // The peer left in order: what was refused, or had no way to go, makes the code.
                0 => ExitRequest::EndOfInput,
                code => ExitRequest::Failure(code),
            }));
        }
        None
    }

    fn poll_input(&mut self, app: &mut App<Screen>) -> Flow {
        while app.exit_code().is_none() {
            if !self.take_input(app) {
                return Flow::Wait(None);
            }
        }
        Flow::Again
    }
}

impl PromptFrontend {
    /// Takes one line or event of the input. Returns whether there was one.
    fn take_input(&mut self, app: &mut App<Screen>) -> bool {
        let (input, lines) = match &mut self.source {
            InputSource::Editor(terminal) => {
                match terminal.next() {
                    Some(EditorEvent::Line(TypedLine { text, start, echo })) => {
                        app.handle(Input::Typed { line: &text, start: &start, echo });
                    }
                    Some(EditorEvent::DropQuestion) => app.handle(Input::DropQuestion),
                    Some(EditorEvent::TooLong { bytes }) => app.handle(Input::LineTooLong { bytes }),
                    Some(EditorEvent::Interrupt) => app.handle(Input::Cancel),
                    Some(EditorEvent::End) => app.handle(Input::ExitRequest(ExitRequest::Quit)),
                    Some(EditorEvent::HungUp) => {
                        let signal = Signal::HangUp.number();
                        app.handle(Input::ExitRequest(ExitRequest::Signal(signal)));
                    }
                    Some(EditorEvent::Failed { why }) => {
                        eprint_line(&format!("rsachat: error: cannot use the terminal: {why}"));
                        app.handle(Input::ExitRequest(ExitRequest::Failure(code::MACHINE)));
                    }
                    None => return false,
                }
                terminal.end_turn();
                return true;
            }
            InputSource::Unedited(input, lines) => (input, lines),
        };
        if !input.is_ready(app) {
            return false;
        }
        match lines.as_ref().and_then(Lines::next) {
            Some(LineEvent::Line(line)) => input.take_line(app, &line),
            Some(LineEvent::TooLong { bytes }) => input.take_too_long(app, bytes),
            Some(LineEvent::End) => {
                *lines = None;
                // Ctrl-D of a person leaves, with an editor or without one; the input of a pipe
                // arrives whole or not.
                let quit = io::stdin().is_terminal();
                let request = if quit { ExitRequest::Quit } else { ExitRequest::EndOfInput };
                app.handle(Input::ExitRequest(request));
            }
            Some(LineEvent::Broken(error)) => {
                *lines = None;
                self.input_failed(app, &error);
            }
            None => return false,
        }
        true
    }

    /// Names the texts that wait or have been read, and have no way to go any more.
    fn name_undeliverable(&mut self, app: &mut App<Screen>) {
        let InputSource::Unedited(input, lines) = &mut self.source else { return };
        let unread = (0..=limits::LINES_AHEAD).map_while(|_| match lines.as_ref().and_then(Lines::next) {
            Some(LineEvent::Line(line)) => Some(line),
            _ => None,
        });
        input.name_undeliverable(app, &self.target, unread);
    }

    fn input_failed(&mut self, app: &mut App<Screen>, error: &io::Error) {
        let message = format!("cannot read the input: {}", describe(error));
        let is_program = matches!(&self.source, InputSource::Unedited(input, _) if input.meaning() == LineMeaning::Request);
        if is_program {
            self.exit_reason = Some(("input", message));
        } else {
            eprint_line(&format!("rsachat: error: {message}"));
        }
        app.handle(Input::ExitRequest(ExitRequest::Failure(code::MACHINE)));
    }

    /// Ends the screen and the editor. `code` is absent after an error of the loop.
    fn finish(mut self, mut app: App<Screen>, code: Option<u8>) {
        if let InputSource::Editor(terminal) = &self.source {
            terminal.begin_close();
        }
        // Nothing can be done about an error by now.
        let _ = app.linger();
        if let Some(code) = code {
            for event in exit_reason::last_events(code, self.exit_reason) {
                app.sink().tell(&event);
            }
        }
        app.sink().finish(Instant::now() + Duration::from_millis(limits::OUTPUT_GRACE_MS));
        if let InputSource::Editor(terminal) = &mut self.source {
            terminal.finish();
        }
    }
}

impl InputTaker for App<Screen> {
    fn chat(&self) -> &Chat {
        App::chat(self)
    }

    fn handle(&mut self, input: Input<'_>) {
        App::handle(self, input);
    }

    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.sink().begin(id);
        App::handle(self, input);
        self.reply();
    }
}

/// Opens the log once: that it cannot be kept is better reported now than lost with the session.
fn prepare_log(file: &str) -> Result<(), AppError> {
    let cannot = |error: io::Error| {
        let what = format!("cannot write the log {file}: {}", describe(&error));
        AppError::new(code::MACHINE, what).hint("name another file with --log FILE")
    };
    host::check_log(file).map_err(cannot)
}

/// Creates the history file, and the folders above it, if they do not exist. That lines cannot be
/// kept is better reported now than lost with the session.
fn prepare_history(path: &Path) -> Result<(), AppError> {
    let cannot = |why: &str| {
        let what = format!("cannot keep typed lines in {}: {why}", path.display());
        AppError::new(code::MACHINE, what).hint("name another file with --history FILE, or in the settings")
    };
    let failed = |error: io::Error| cannot(&describe(&error));
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(safe_file::FOLDER_MODE).create(folder).map_err(failed)?;
    }
    // Not blocking: opening a pipe would wait for its reader. A link is not followed: whoever may
    // write in the folder would choose the file that lines are appended to.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let mut options = File::options();
    let options = options.read(true).append(true).create(true).mode(safe_file::FILE_MODE).custom_flags(flags);
    let file = options.open(path).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => cannot("it is a symbolic link"),
        _ => failed(error),
    })?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(cannot("not a regular file"));
    }
    match io::read_to_string(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(cannot("it is not UTF-8 text")),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_history_is_made_with_its_folders_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/rsachat/history");
        prepare_history(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        std::fs::write(&path, "#V2\nhi\n").unwrap();
        prepare_history(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "#V2\nhi\n", "what is there stays");
    }

    #[test]
    fn a_history_that_cannot_be_kept_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, b"\xff").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for (path, why) in [
            (folder.path(), "is a directory"),
            (&link, "it is a symbolic link"),
            (&file.join("x"), ""),
            (Path::new("/dev/null"), "not a regular file"),
            (&text, "it is not UTF-8 text"),
        ] {
            let said = prepare_history(path).unwrap_err().to_string();
            let begins = format!("rsachat: error: cannot keep typed lines in {}: {why}", path.display());
            assert!(
                said.starts_with(&begins) && said.contains("\nrsachat: hint: name another file"),
                "{said}"
            );
        }
    }
}
