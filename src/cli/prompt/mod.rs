//! The prompt: typed lines of every kind of input or the orders of a program in, notices out, until everything is
//! said.

pub(crate) mod args;
pub(crate) mod json_request;
pub(crate) mod line_history;

use std::io::{self, IsTerminal as _};

use crate::app::error::{AppError, code, describe};
use crate::app::event_loop::App;
use crate::app::global_args::GlobalArgs;
use crate::app::keyring;
use crate::app::sink::ReceiptBatch;
use crate::chat::{AcceptPolicy, Chat, DialOutcome, ExitRequest, Input};
use crate::config::{SettingSources, Settings};
use crate::events::{Done, Event, Id};
use crate::text::safe::SafeText;
use crate::ui::render::colour;
use crate::ui::render::layout::{Layout, OutputMode};
pub(crate) use args::PromptArgs;

use crate::app::print::eprint_line;
use crate::app::recorder::Recorder;
use crate::limits;
use crate::net::lines::{LineEvent, Lines};
use crate::net::signals::{Signal, Signals};
use crate::net::worker::Priority;
use crate::net::{Net, process};
use crate::store::{Home, book_file};
use crate::ui::prompt_sync::PromptSync;
use crate::ui::screen::{JsonClient, Person, Screen, Viewer, stdout_printer};
use crate::ui::terminal::{self, EditorEvent, EditorOptions, EditorState, Terminal};
use json_request::{Refused, Request};

/// Where typed lines come from.
enum InputSource {
    /// An editor on a terminal.
    Person(Terminal),
    /// Anything else. `None` once it has ended.
    Lines(Option<Lines>),
    /// The orders of a program, one a line. `None` once they have ended.
    Requests(Option<Lines>),
}

/// Runs the prompt to its end and gives the exit code.
pub(crate) fn run(home: &Home, common: &GlobalArgs, prompt: &PromptArgs) -> Result<u8, AppError> {
    let config = SettingSources::read(common.config.as_deref(), prompt.layer()?)?.resolve();
    let opening = opening(prompt, &config)?;
    let name = config.own_name();
    let recorder = prompt.record.as_deref().map(|path| Recorder::start(path, name.as_str())).transpose()?;
    let edited = !prompt.plain && !prompt.json && terminal::is_edited();
    let form = form(prompt, &config, edited);
    let (own, passphrase) = keyring::unlock(home, common)?;
    // Without it fewer connections fit; the limit is said when it is met.
    let _ = process::raise_fd_limit();
    let mut net = Net::new()?;
    if edited {
        terminal::block_sigtstp()?;
        config.history.as_deref().map(line_history::prepare).transpose()?;
    }
    let capacity = if edited { limits::PROMPT_SOCKETS } else { limits::PEERS };
    net.set_max_links(capacity);
    let book = book_file::read(home);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat =
        Chat::new(name, own.as_ref().map(|own| own.as_shown(home)), book.unwrap_or_default(), capacity);
    chat.set_callers(config.callers);
    chat.set_notify(config.notify.into());
    let signals = Signals::start(net.waker())?;
    let (typist, sink) = if edited {
        let live = EditorState::new(chat.view(), form.clone());
        let habits = EditorOptions {
            edit_mode: config.editor,
            history: config.history.as_deref(),
            title: config.title,
        };
        let (terminal, sink) = Terminal::start(live, &habits, net.waker())?;
        (InputSource::Person(terminal), sink)
    } else {
        let lines = Some(Lines::of_stdin(net.waker())?);
        (if prompt.json { InputSource::Requests(lines) } else { InputSource::Lines(lines) }, stdout_printer())
    };
    let reader = match &typist {
        InputSource::Person(terminal) => {
            Viewer::Person(Box::new(Person::new(form, Some(PromptSync::new(terminal.shared())))))
        }
        InputSource::Lines(_) => Viewer::Person(Box::new(Person::new(form, None))),
        InputSource::Requests(_) => Viewer::JsonClient(JsonClient::default()),
    };
    let screen = Screen::start(reader, sink, net.waker())?;
    let mut app = App::new(chat, screen, net, home.clone(), own, passphrase, Priority::Lower)?;
    if let Some(recorder) = recorder {
        app.record(recorder);
    }
    if edited && config.listen.is_empty() && prompt.connect.is_none() {
        app.greet();
    }
    let unattended = Unattended {
        connects: !edited && prompt.connect.is_some(),
        listens: !edited && !config.listen.is_empty(),
    };
    let mut repl = Repl { app, typist, line: 0, held: None, signals, unattended };
    if let Some(damage) = damage {
        repl.app.handle(Input::BookUnusable { why: damage });
    }
    for line in opening {
        repl.app.handle(Input::Line(&line));
    }
    let code = repl.until_over();
    repl.finish(code.as_ref().ok().copied());
    Ok(code?)
}

/// What the command line and the settings ask for, as the lines that one would type.
fn opening(prompt: &PromptArgs, config: &Settings) -> Result<Vec<String>, AppError> {
    let wire = prompt.wire.as_ref().map(|wire| format!(" --wire {wire}")).unwrap_or_default();
    // Said in the line itself, so that a recording of it holds under other settings.
    let known = if config.callers == AcceptPolicy::KnownOnly { " --known" } else { "" };
    let mut lines: Vec<_> = config.listen.iter().map(|at| format!(":listen {at}{known}{wire}")).collect();
    if let Some(target) = &prompt.connect {
        let pin = prompt.pin.as_ref().map(|pin| format!(" --pin {pin}")).unwrap_or_default();
        let one_way = if prompt.one_way { " --one-way" } else { "" };
        lines.push(format!(":connect {target}{wire}{one_way}{pin}"));
    }
    lines.extend(prompt.log.iter().map(|file| format!(":log {file}")));
    for line in &lines {
        crate::chat::command::parse_line(line)
            .map_err(|mistake| AppError::new(code::USAGE, mistake.to_string()))?;
    }
    Ok(lines)
}

/// How what is shown looks, by the command line, the environment and what is there.
fn form(prompt: &PromptArgs, config: &Settings, edited: bool) -> Layout {
    let looks = match (prompt.plain, edited) {
        (true, _) => OutputMode::Words,
        (false, true) => OutputMode::Screen,
        (false, false) => OutputMode::Lines,
    };
    let style =
        if prompt.plain { colour::ColourDepth::Monochrome } else { colour::depth(config.colour, edited) };
    Layout::new(looks, style, config.time.clone())
}

/// What was asked for on the command line while nobody types: its failure is the program's.
struct Unattended {
    connects: bool,
    listens: bool,
}

struct Repl {
    app: App<Screen>,
    typist: InputSource,
    /// Lines of an input that nobody edits, so far.
    line: u64,
    /// A text for whom there is no room yet.
    held: Option<(Option<Id>, Request)>,
    signals: Signals,
    unattended: Unattended,
}

impl Repl {
    fn until_over(&mut self) -> io::Result<u8> {
        loop {
            self.heed_signals();
            // Before the lines: what waited for a connection that failed must not be taken without it.
            self.weigh_verdicts();
            self.take_lines();
            self.report_shown();
            if let Some(code) = self.app.quit() {
                return Ok(code);
            }
            self.app.turn()?;
        }
    }

    fn heed_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            // The editor turns its own into Ctrl-C.
            if signal == Signal::Interrupt && matches!(self.typist, InputSource::Person(_)) {
                continue;
            }
            self.app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
    }

    fn take_lines(&mut self) {
        while self.app.quit().is_none() {
            if let Some((id, order)) = self.held.take() {
                self.carry_out(id, order);
            }
            match &mut self.typist {
                InputSource::Person(terminal) => match terminal.next() {
                    Some(EditorEvent::Line(line)) => self.app.handle(Input::Line(&line)),
                    Some(EditorEvent::TooLong { bytes }) => self.app.handle(Input::LineTooLong { bytes }),
                    Some(EditorEvent::Interrupt) => self.app.handle(Input::Cancel),
                    Some(EditorEvent::End) => self.app.handle(Input::ExitRequest(ExitRequest::Quit)),
                    None => return,
                },
                // What is typed ahead waits until a connection stands and the peer has room.
                InputSource::Lines(_) if !self.app.chat().takes_lines() => return,
                InputSource::Requests(_) if self.held.is_some() || !self.app.chat().takes_commands() => {
                    return;
                }
                InputSource::Lines(lines) | InputSource::Requests(lines) => {
                    match lines.as_ref().and_then(Lines::next) {
                        Some(LineEvent::Line(line)) => self.take_bytes(&line),
                        Some(LineEvent::TooLong { bytes }) => {
                            self.line += 1;
                            self.app.handle(Input::LineTooLong { bytes });
                        }
                        Some(LineEvent::End) => {
                            *lines = None;
                            // A person's Ctrl-D leaves, with an editor or without one; a pipe's end is a whole that arrives or not.
                            let farewell = if io::stdin().is_terminal() {
                                ExitRequest::Quit
                            } else {
                                ExitRequest::EndOfInput
                            };
                            self.app.handle(Input::ExitRequest(farewell));
                        }
                        Some(LineEvent::Broken(error)) => {
                            *lines = None;
                            self.input_broke(&error);
                        }
                        None => return,
                    }
                }
            }
        }
    }

    fn input_broke(&mut self, error: &io::Error) {
        let message = format!("cannot read the input: {}", describe(error));
        if matches!(self.typist, InputSource::Requests(_)) {
            self.app.host.sink.tell(&Event::Error { kind: "input", message, hint: None });
        } else {
            eprint_line(&format!("rsachat: error: {message}"));
        }
        self.app.handle(Input::ExitRequest(ExitRequest::Failure(code::MACHINE)));
    }

    /// A line of an input that nobody edits: UTF-8, or refused by itself.
    fn take_bytes(&mut self, line: &[u8]) {
        self.line += 1;
        if matches!(self.typist, InputSource::Requests(_)) {
            return self.take_order(line);
        }
        match std::str::from_utf8(line) {
            Ok(text) => self.app.handle(Input::Line(text)),
            Err(_) => self.app.handle(Input::LineNotText { row: SafeText::line_from_bytes(line) }),
        }
    }

    /// An order of a program, or nothing at all.
    fn take_order(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match json_request::read(line) {
            (id, Ok(order)) => self.carry_out(id, order),
            (id, Err(Refused { why })) => {
                let what = format!("line {}: {why}", self.line);
                self.answer(id, Input::LineRefused { what });
            }
        }
    }

    /// A text for who is addressed waits for room. Nothing else does: a peer that takes nothing must not keep a
    /// program from all others.
    fn carry_out(&mut self, id: Option<Id>, order: Request) {
        let waits = matches!(order, Request::Say { .. }) && !self.app.chat().takes_lines();
        if waits {
            self.held = Some((id, order));
        } else {
            self.answer(id, order.input());
        }
    }

    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.app.host.sink.begin(id);
        self.app.handle(input);
        self.app.host.sink.reply();
    }

    fn report_shown(&mut self) {
        let mut latest = ReceiptBatch::default();
        while let Some(shown) = self.app.host.sink.shown() {
            match shown {
                Ok(due) => latest.add(due),
                // Whoever read our output has gone: like a program that SIGPIPE ends, but in order.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.app.handle(Input::ExitRequest(ExitRequest::Signal(13)));
                }
                Err(error) => {
                    eprint_line(&format!("rsachat: error: cannot write the output: {error}"));
                    self.app.handle(Input::ExitRequest(ExitRequest::Failure(code::FAILED)));
                }
            }
        }
        for due in latest.all() {
            self.app.handle(Input::Shown(due));
        }
    }

    fn weigh_verdicts(&mut self) {
        for outcome in self.app.outcomes() {
            let code = match outcome {
                DialOutcome::Unreachable | DialOutcome::ListenFailed => code::MACHINE,
                DialOutcome::Refused => code::REFUSED,
                DialOutcome::Lost | DialOutcome::PeerLeftEarly => code::LOST,
                DialOutcome::Failed => code::FAILED,
                DialOutcome::Done => 0,
                DialOutcome::Left => match &self.typist {
                    // The peer left in order, but not everything was said.
                    InputSource::Lines(Some(_)) | InputSource::Requests(Some(_)) => code::LOST,
                    _ => 0,
                },
            };
            // A connection that ends because we leave is no reason to leave otherwise.
            let leaving = self.app.quit().is_some() || self.app.chat().is_shutting_down();
            let asked = match outcome {
                DialOutcome::ListenFailed => self.unattended.listens,
                _ => self.unattended.connects,
            };
            if asked && code != 0 && !leaving {
                self.app.handle(Input::ExitRequest(ExitRequest::Failure(code)));
            }
        }
    }

    /// Ends with this code, if not with an error.
    fn finish(mut self, code: Option<u8>) {
        if let InputSource::Person(terminal) = &self.typist {
            terminal.begin_close();
        }
        // Nothing can be done about an error by now.
        let _ = self.app.linger();
        if let Some(code) = code {
            self.app.host.sink.tell(&Event::Done(Done { code, ..Done::default() }));
        }
        self.app.host.sink.finish();
        if let InputSource::Person(terminal) = &mut self.typist {
            terminal.finish();
        }
    }
}
