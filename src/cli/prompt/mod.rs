//! Interactive prompt: lines of a person, of a pipe, or requests of a program in; notices out.

pub(crate) mod args;
pub(crate) mod json_request;
pub(crate) mod line_history;

use std::io::{self, IsTerminal as _};

use super::args::Context;
use crate::app::error::{AppError, SIGPIPE, code, describe};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::os::eprint_line;
use crate::app::recorder::Recorder;
use crate::chat::{AcceptPolicy, DialOutcome, ExitRequest, Input, command};
use crate::config::Settings;
use crate::events::{Done, Event, Id};
use crate::limits;
use crate::net::Net;
use crate::net::lines::{LineEvent, Lines};
use crate::net::process::{self, Signal, Signals};
use crate::net::worker::Priority;
use crate::store::book_file;
use crate::text::safe::SafeText;
use crate::ui::render::colour;
use crate::ui::render::layout::{Layout, OutputMode};
use crate::ui::screen::{JsonClient, Person, Screen, Viewer, stdout_printer};
use crate::ui::terminal::{self, EditorEvent, EditorState, Terminal};
pub(crate) use args::PromptArgs;
use json_request::Request;

/// Source of input.
enum InputSource {
    /// Editor on a terminal.
    Editor(Terminal),
    /// Lines that nobody edits. `None` once they have ended.
    Lines(Option<Lines>),
    /// Requests of a program, one a line. `None` once they have ended.
    Requests(Option<Lines>),
}

impl InputSource {
    fn is_editor(&self) -> bool {
        matches!(self, Self::Editor(_))
    }

    /// Whether an input that nobody edits has not ended yet.
    fn is_unfinished(&self) -> bool {
        matches!(self, Self::Lines(Some(_)) | Self::Requests(Some(_)))
    }
}

/// Runs the prompt to its end and returns the exit code.
pub(crate) fn run(context: &Context<'_>, args: &PromptArgs) -> Result<u8, AppError> {
    let config = context.settings.resolve();
    let startup = startup_lines(args, &config)?;
    let name = config.own_name();
    let recorder = args.record.as_deref().map(|path| Recorder::start(path, name.as_str())).transpose()?;
    let edited = !args.plain && !args.json && terminal::is_edited();
    let layout = layout(args, &config, edited);
    let profile = context.unlock()?;
    // Without it fewer connections fit; the limit is reported when it is met.
    let _ = process::raise_fd_limit();
    let mut net = Net::new()?;
    if edited {
        terminal::block_sigtstp()?;
        config.history.as_deref().map(line_history::prepare).transpose()?;
    }
    let capacity = if edited { limits::PROMPT_SOCKETS } else { limits::PEERS };
    net.set_max_links(capacity);
    let book = book_file::read(&context.home);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat = profile.chat(name, book.unwrap_or_default(), capacity);
    chat.set_callers(config.callers);
    chat.set_notify(config.notify.into());
    let signals = Signals::start(net.waker())?;
    let (source, reader, sink) = if edited {
        let state = EditorState::new(chat.view(), layout.clone());
        let (terminal, sink) = Terminal::start(state, &config, net.waker())?;
        let person = Person::new(layout, Some(terminal.shared()));
        (InputSource::Editor(terminal), Viewer::Person(Box::new(person)), sink)
    } else {
        let lines = Some(Lines::of_stdin(net.waker())?);
        if args.json {
            (InputSource::Requests(lines), Viewer::JsonClient(JsonClient::default()), stdout_printer())
        } else {
            let person = Person::new(layout, None);
            (InputSource::Lines(lines), Viewer::Person(Box::new(person)), stdout_printer())
        }
    };
    let screen = Screen::start(reader, sink, net.waker())?;
    let mut app = App::new(chat, screen, net, profile, Priority::Lower)?;
    if let Some(recorder) = recorder {
        app.record(recorder);
    }
    if edited && config.listen.is_empty() && args.connect.is_none() {
        app.greet();
    }
    if let Some(damage) = damage {
        app.handle(Input::BookUnusable { why: damage });
    }
    for line in startup {
        app.handle(Input::Line(&line));
    }
    let (must_connect, must_listen) =
        (!edited && args.connect.is_some(), !edited && !config.listen.is_empty());
    let mut frontend = PromptFrontend { source, lines_read: 0, held: None, must_connect, must_listen };
    let code = app.run(&mut frontend, &signals);
    frontend.finish(app, code.as_ref().ok().copied());
    Ok(code?)
}

/// Lines that the command line and the settings ask for, as a recording has them.
fn startup_lines(args: &PromptArgs, config: &Settings) -> Result<Vec<String>, AppError> {
    let wire = args.wire.as_ref().map(|wire| format!(" --wire {wire}")).unwrap_or_default();
    // Part of the line itself, so that a recording of it holds under other settings.
    let known = if config.callers == AcceptPolicy::KnownOnly { " --known" } else { "" };
    let mut lines: Vec<_> = config.listen.iter().map(|at| format!(":listen {at}{known}{wire}")).collect();
    if let Some(target) = &args.connect {
        let pin = args.pin.as_ref().map(|pin| format!(" --pin {pin}")).unwrap_or_default();
        let one_way = if args.one_way { " --one-way" } else { "" };
        lines.push(format!(":connect {target}{wire}{one_way}{pin}"));
    }
    lines.extend(args.log.iter().map(|file| format!(":log {file}")));
    for line in &lines {
        command::parse_line(line).map_err(|error| AppError::new(code::USAGE, error.to_string()))?;
    }
    Ok(lines)
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
    Layout::new(mode, style, config.time.clone())
}

/// Front end of the prompt.
struct PromptFrontend {
    source: InputSource,
    /// Lines of an input that nobody edits, so far.
    lines_read: u64,
    /// Text for the addressed peer that waits for room.
    held: Option<(Option<Id>, Request)>,
    /// Whether a failure ends the program: without an editor, one of what the command line asked
    /// for.
    must_connect: bool,
    must_listen: bool,
}

impl Frontend<Screen> for PromptFrontend {
    fn on_signal(&mut self, app: &mut App<Screen>, signal: Signal) {
        // The editor turns its own into Ctrl-C.
        if signal != Signal::Interrupt || !self.source.is_editor() {
            app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
    }

    fn poll_output(&mut self, app: &mut App<Screen>) -> Option<u8> {
        while let Some(shown) = app.sink().shown() {
            match shown {
                Ok(due) => app.shown(due),
                // The reader of our output has gone: like a program that SIGPIPE ends, but in
                // order.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    app.handle(Input::ExitRequest(ExitRequest::Signal(SIGPIPE)));
                }
                Err(error) => {
                    eprint_line(&format!("rsachat: error: cannot write the output: {error}"));
                    app.handle(Input::ExitRequest(ExitRequest::Failure(code::FAILED)));
                }
            }
        }
        app.send_receipts();
        None
    }

    fn on_outcome(&mut self, app: &mut App<Screen>, outcome: DialOutcome) -> Option<u8> {
        let code = match outcome {
            // The peer left in order, but not everything was sent.
            DialOutcome::Left if self.source.is_unfinished() => code::LOST,
            outcome => outcome.exit_code(),
        };
        let fatal = match outcome {
            DialOutcome::ListenFailed => self.must_listen,
            _ => self.must_connect,
        };
        // A connection that ends because of an exit does not change its code.
        if fatal && code != 0 && !app.chat().is_shutting_down() {
            app.handle(Input::ExitRequest(ExitRequest::Failure(code)));
        }
        None
    }

    fn poll_input(&mut self, app: &mut App<Screen>) -> Flow {
        while app.exit_code().is_none() {
            if let Some((id, request)) = self.held.take() {
                self.carry_out(app, id, request);
            }
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
        let lines = match &mut self.source {
            InputSource::Editor(terminal) => {
                match terminal.next() {
                    Some(EditorEvent::Line(line)) => app.handle(Input::Line(&line)),
                    Some(EditorEvent::TooLong { bytes }) => app.handle(Input::LineTooLong { bytes }),
                    Some(EditorEvent::Interrupt) => app.handle(Input::Cancel),
                    Some(EditorEvent::End) => app.handle(Input::ExitRequest(ExitRequest::Quit)),
                    None => return false,
                }
                return true;
            }
            // A line waits until a connection is established and the peer has room.
            InputSource::Lines(_) if !app.chat().takes_lines() => return false,
            InputSource::Requests(_) if self.held.is_some() || !app.chat().takes_commands() => return false,
            InputSource::Lines(lines) | InputSource::Requests(lines) => lines,
        };
        match lines.as_ref().and_then(Lines::next) {
            Some(LineEvent::Line(line)) => self.take_line(app, &line),
            Some(LineEvent::TooLong { bytes }) => {
                self.lines_read += 1;
                app.handle(Input::LineTooLong { bytes });
            }
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

    fn input_failed(&self, app: &mut App<Screen>, error: &io::Error) {
        let message = format!("cannot read the input: {}", describe(error));
        if matches!(self.source, InputSource::Requests(_)) {
            app.sink().tell(&Event::Error { kind: "input", message, hint: None });
        } else {
            eprint_line(&format!("rsachat: error: {message}"));
        }
        app.handle(Input::ExitRequest(ExitRequest::Failure(code::MACHINE)));
    }

    /// Takes a line that nobody edited: a request, or text in UTF-8, or refused by itself.
    fn take_line(&mut self, app: &mut App<Screen>, line: &[u8]) {
        self.lines_read += 1;
        if !matches!(self.source, InputSource::Requests(_)) {
            return match std::str::from_utf8(line) {
                Ok(text) => app.handle(Input::Line(text)),
                Err(_) => app.handle(Input::LineNotText { row: SafeText::line_from_bytes(line) }),
            };
        }
        if line.trim_ascii().is_empty() {
            return;
        }
        match json_request::read(line) {
            (id, Ok(request)) => self.carry_out(app, id, request),
            (id, Err(why)) => {
                let what = format!("line {}: {why}", self.lines_read);
                reply(app, id, Input::LineRefused { what });
            }
        }
    }

    /// Carries out a request. A text for the addressed peer waits for room. Nothing else does: a
    /// peer that takes nothing must not keep a program from all others.
    fn carry_out(&mut self, app: &mut App<Screen>, id: Option<Id>, request: Request) {
        if matches!(request, Request::Say { .. }) && !app.chat().takes_lines() {
            self.held = Some((id, request));
        } else {
            reply(app, id, request.input());
        }
    }

    /// Ends the screen and the editor. `code` is absent after an error of the loop.
    fn finish(mut self, mut app: App<Screen>, code: Option<u8>) {
        if let InputSource::Editor(terminal) = &self.source {
            terminal.begin_close();
        }
        // Nothing can be done about an error by now.
        let _ = app.linger();
        if let Some(code) = code {
            app.sink().tell(&Event::Done(Done { code, ..Done::default() }));
        }
        app.sink().finish();
        if let InputSource::Editor(terminal) = &mut self.source {
            terminal.finish();
        }
    }
}

/// Handles the input of a request, and replies to its id.
fn reply(app: &mut App<Screen>, id: Option<Id>, input: Input<'_>) {
    app.sink().begin(id);
    app.handle(input);
    app.sink().reply();
}
