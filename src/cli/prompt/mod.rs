//! The prompt: typed lines of every kind of input or the orders of a program in, notices out, until everything is
//! said.

pub(crate) mod args;
pub(crate) mod json_request;
pub(crate) mod line_history;

use std::io::{self, IsTerminal as _};

use crate::app::error::{Fault, code, words};
use crate::app::event_loop::Driver;
use crate::app::global_args::Common;
use crate::app::keyring;
use crate::app::sink::Latest;
use crate::chat::{Callers, Chat, Farewell, Input, Verdict};
use crate::config::{Config, Sources};
use crate::events::{Done, Event, Id};
use crate::text::safe::SafeText;
use crate::ui::render::colour;
use crate::ui::render::layout::{Form, Looks};
pub(crate) use args::Prompt;

use crate::app::print::complain;
use crate::app::recorder::Recorder;
use crate::limits;
use crate::net::lines::{LineEvent, Lines};
use crate::net::signals::{Signal, Signals};
use crate::net::worker::Priority;
use crate::net::{Net, process};
use crate::store::{Home, book_file};
use crate::ui::prompt_sync::{self, Prompting};
use crate::ui::screen::{Person, Program, Reader, Screen, stdout_sink};
use crate::ui::terminal::{self, Habits, Terminal, Typed};
use json_request::{Order, Refused};

/// Where typed lines come from.
enum Typist {
    /// An editor on a terminal.
    Person(Terminal),
    /// Anything else. `None` once it has ended.
    Lines(Option<Lines>),
    /// The orders of a program, one a line. `None` once they have ended.
    Orders(Option<Lines>),
}

/// Runs the prompt to its end and gives the exit code.
pub(crate) fn run(home: &Home, common: &Common, prompt: &Prompt) -> Result<u8, Fault> {
    let config = Sources::read(common.config.as_deref(), prompt.layer()?)?.settle();
    let opening = opening(prompt, &config)?;
    let name = config.own_name();
    let recorder = prompt.record.as_deref().map(|path| Recorder::start(path, name.as_str())).transpose()?;
    let edited = !prompt.plain && !prompt.json && terminal::is_edited();
    let form = form(prompt, &config, edited);
    let (own, passphrase) = keyring::unlock(home, common)?;
    // Without it fewer connections fit; the limit is said when it is met.
    let _ = process::raise_limit();
    let mut net = Net::new()?;
    if edited {
        terminal::leave_to_editor()?;
        config.history.as_deref().map(line_history::prepare).transpose()?;
    }
    let capacity = if edited { limits::PROMPT_SOCKETS } else { limits::PEERS };
    net.set_ceiling(capacity);
    let book = book_file::read(home);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat =
        Chat::new(name, own.as_ref().map(|own| own.as_shown(home)), book.unwrap_or_default(), capacity);
    chat.set_callers(config.callers);
    chat.set_notify(config.notify.into());
    let signals = Signals::start(net.waker())?;
    let (typist, sink) = if edited {
        let live = prompt_sync::live(&chat.view(), form.clone());
        let habits = Habits { keys: config.editor, history: config.history.as_deref(), title: config.title };
        let (terminal, sink) = Terminal::start(live, &habits, net.waker())?;
        (Typist::Person(terminal), sink)
    } else {
        let lines = Some(Lines::of_stdin(net.waker())?);
        (if prompt.json { Typist::Orders(lines) } else { Typist::Lines(lines) }, stdout_sink())
    };
    let reader = match &typist {
        Typist::Person(terminal) => {
            Reader::Person(Box::new(Person::new(form, Some(Prompting::new(terminal.live())))))
        }
        Typist::Lines(_) => Reader::Person(Box::new(Person::new(form, None))),
        Typist::Orders(_) => Reader::Program(Program::default()),
    };
    let screen = Screen::start(reader, sink, net.waker())?;
    let mut driver = Driver::new(chat, screen, net, home.clone(), own, passphrase, Priority::Lower)?;
    if let Some(recorder) = recorder {
        driver.record(recorder);
    }
    if edited && config.listen.is_empty() && prompt.connect.is_none() {
        driver.greet();
    }
    let unattended = Unattended {
        connects: !edited && prompt.connect.is_some(),
        listens: !edited && !config.listen.is_empty(),
    };
    let mut repl = Repl { driver, typist, line: 0, held: None, signals, unattended };
    if let Some(damage) = damage {
        repl.driver.handle(Input::Book { link: crate::chat::Link(u64::MAX), book: Err(damage) });
    }
    for line in opening {
        repl.driver.handle(Input::Line(&line));
    }
    let code = repl.until_over();
    repl.finish(code.as_ref().ok().copied());
    Ok(code?)
}

/// What the command line and the settings ask for, as the lines that one would type.
fn opening(prompt: &Prompt, config: &Config) -> Result<Vec<String>, Fault> {
    let wire = prompt.wire.as_ref().map(|wire| format!(" --wire {wire}")).unwrap_or_default();
    // Said in the line itself, so that a recording of it holds under other settings.
    let known = if config.callers == Callers::Known { " --known" } else { "" };
    let mut lines: Vec<_> = config.listen.iter().map(|at| format!(":listen {at}{known}{wire}")).collect();
    if let Some(target) = &prompt.connect {
        let pin = prompt.pin.as_ref().map(|pin| format!(" --pin {pin}")).unwrap_or_default();
        let one_way = if prompt.one_way { " --one-way" } else { "" };
        lines.push(format!(":connect {target}{wire}{one_way}{pin}"));
    }
    lines.extend(prompt.log.iter().map(|file| format!(":log {file}")));
    for line in &lines {
        crate::chat::command::parse_line(line)
            .map_err(|mistake| Fault::new(code::USAGE, mistake.to_string()))?;
    }
    Ok(lines)
}

/// How what is shown looks, by the command line, the environment and what is there.
fn form(prompt: &Prompt, config: &Config, edited: bool) -> Form {
    let looks = match (prompt.plain, edited) {
        (true, _) => Looks::Words,
        (false, true) => Looks::Screen,
        (false, false) => Looks::Lines,
    };
    let style = if prompt.plain { colour::Style::Plain } else { colour::style(config.colour, edited) };
    Form::new(looks, style, config.time.clone())
}

/// What was asked for on the command line while nobody types: its failure is the program's.
struct Unattended {
    connects: bool,
    listens: bool,
}

struct Repl {
    driver: Driver<Screen>,
    typist: Typist,
    /// Lines of an input that nobody edits, so far.
    line: u64,
    /// A text for whom there is no room yet.
    held: Option<(Option<Id>, Order)>,
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
            if let Some(code) = self.driver.quit() {
                return Ok(code);
            }
            self.driver.turn()?;
        }
    }

    fn heed_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            // The editor turns its own into Ctrl-C.
            if signal == Signal::Interrupt && matches!(self.typist, Typist::Person(_)) {
                continue;
            }
            self.driver.handle(Input::Farewell(Farewell::Signal(signal.number())));
        }
    }

    fn take_lines(&mut self) {
        while self.driver.quit().is_none() {
            if let Some((id, order)) = self.held.take() {
                self.carry_out(id, order);
            }
            match &mut self.typist {
                Typist::Person(terminal) => match terminal.next() {
                    Some(Typed::Line(line)) => self.driver.handle(Input::Line(&line)),
                    Some(Typed::TooLong { bytes }) => self.driver.handle(Input::LineTooLong { bytes }),
                    Some(Typed::Interrupt) => self.driver.handle(Input::Cancel),
                    Some(Typed::End) => self.driver.handle(Input::Farewell(Farewell::Quit)),
                    None => return,
                },
                // What is typed ahead waits until a connection stands and the peer has room.
                Typist::Lines(_) if !self.driver.chat().takes_lines() => return,
                Typist::Orders(_) if self.held.is_some() || !self.driver.chat().takes_commands() => return,
                Typist::Lines(lines) | Typist::Orders(lines) => match lines.as_ref().and_then(Lines::next) {
                    Some(LineEvent::Line(line)) => self.take_bytes(&line),
                    Some(LineEvent::TooLong { bytes }) => {
                        self.line += 1;
                        self.driver.handle(Input::LineTooLong { bytes });
                    }
                    Some(LineEvent::End) => {
                        *lines = None;
                        // A person's Ctrl-D leaves, with an editor or without one; a pipe's end is a whole that arrives or not.
                        let farewell =
                            if io::stdin().is_terminal() { Farewell::Quit } else { Farewell::EndOfInput };
                        self.driver.handle(Input::Farewell(farewell));
                    }
                    Some(LineEvent::Broken(error)) => {
                        *lines = None;
                        self.input_broke(&error);
                    }
                    None => return,
                },
            }
        }
    }

    fn input_broke(&mut self, error: &io::Error) {
        let message = format!("cannot read the input: {}", words(error));
        if matches!(self.typist, Typist::Orders(_)) {
            self.driver.machine.screen.tell(&Event::Error { kind: "input", message, hint: None });
        } else {
            complain(&format!("rsachat: error: {message}"));
        }
        self.driver.handle(Input::Farewell(Farewell::Failure(code::MACHINE)));
    }

    /// A line of an input that nobody edits: UTF-8, or refused by itself.
    fn take_bytes(&mut self, line: &[u8]) {
        self.line += 1;
        if matches!(self.typist, Typist::Orders(_)) {
            return self.take_order(line);
        }
        match std::str::from_utf8(line) {
            Ok(text) => self.driver.handle(Input::Line(text)),
            Err(_) => self.driver.handle(Input::LineNotText { row: SafeText::line_from_bytes(line) }),
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
    fn carry_out(&mut self, id: Option<Id>, order: Order) {
        let waits = matches!(order, Order::Say { .. }) && !self.driver.chat().takes_lines();
        if waits {
            self.held = Some((id, order));
        } else {
            self.answer(id, order.input());
        }
    }

    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.driver.machine.screen.begin(id);
        self.driver.handle(input);
        self.driver.machine.screen.reply();
    }

    fn report_shown(&mut self) {
        let mut latest = Latest::default();
        while let Some(shown) = self.driver.machine.screen.shown() {
            match shown {
                Ok(owed) => latest.add(owed),
                // Whoever read our output has gone: like a program that SIGPIPE ends, but in order.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.driver.handle(Input::Farewell(Farewell::Signal(13)));
                }
                Err(error) => {
                    complain(&format!("rsachat: error: cannot write the output: {error}"));
                    self.driver.handle(Input::Farewell(Farewell::Failure(code::FAILED)));
                }
            }
        }
        for owed in latest.all() {
            self.driver.handle(Input::Shown(owed));
        }
    }

    fn weigh_verdicts(&mut self) {
        for verdict in self.driver.verdicts() {
            let code = match verdict {
                Verdict::Unreachable | Verdict::Deaf => code::MACHINE,
                Verdict::Refused => code::REFUSED,
                Verdict::Lost | Verdict::LeftEarly => code::LOST,
                Verdict::Failed => code::FAILED,
                Verdict::Done => 0,
                Verdict::Left => match &self.typist {
                    // The peer left in order, but not everything was said.
                    Typist::Lines(Some(_)) | Typist::Orders(Some(_)) => code::LOST,
                    _ => 0,
                },
            };
            // A connection that ends because we leave is no reason to leave otherwise.
            let leaving = self.driver.quit().is_some() || self.driver.chat().is_leaving();
            let asked = match verdict {
                Verdict::Deaf => self.unattended.listens,
                _ => self.unattended.connects,
            };
            if asked && code != 0 && !leaving {
                self.driver.handle(Input::Farewell(Farewell::Failure(code)));
            }
        }
    }

    /// Ends with this code, if not with an error.
    fn finish(mut self, code: Option<u8>) {
        if let Typist::Person(terminal) = &self.typist {
            terminal.leave();
        }
        // Nothing can be done about an error by now.
        let _ = self.driver.linger();
        if let Some(code) = code {
            self.driver.machine.screen.tell(&Event::Done(Done { code, ..Done::default() }));
        }
        self.driver.machine.screen.finish();
        if let Typist::Person(terminal) = &mut self.typist {
            terminal.finish();
        }
    }
}
