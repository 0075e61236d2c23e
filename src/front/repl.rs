//! The prompt: typed lines of every kind of input in, notices out, until everything is said.

use std::io;

use super::cli::{Common, Prompt};
use super::config::{Config, Sources};
use super::driver::Driver;
use super::fault::{Fault, code};
use super::keys;
use super::live::Latest;
use super::record::Recorder;
use super::screen::{Looks, Screen, Style, stdout_sink};
use super::terminal::{self, Arguments, Live, PromptState, Terminal, Typed, Word};
use crate::chat::command::{COMMANDS, Completes};
use crate::chat::safe::SafeText;
use crate::chat::{Assurance, Callers, Chat, Farewell, Input, Verdict, View};
use crate::limits;
use crate::net::lines::{LineEvent, Lines};
use crate::net::signals::{Signal, Signals};
use crate::net::worker::Priority;
use crate::net::{Net, descriptors};
use crate::store::{Home, bookfile};

/// Where typed lines come from.
enum Typist {
    /// An editor on a terminal.
    Person(Terminal),
    /// Anything else. `None` once it has ended.
    Lines(Option<Lines>),
}

/// Runs the prompt to its end and gives the exit code.
pub(super) fn run(home: &Home, common: &Common, prompt: &Prompt) -> Result<u8, Fault> {
    let config = Sources::read(common.config.as_deref(), prompt.layer()?)?.settle();
    let opening = opening(prompt, &config)?;
    let name = config.own_name();
    let recorder = prompt.record.as_deref().map(|path| Recorder::start(path, name.as_str())).transpose()?;
    let (own, passphrase) = keys::unlock(home, common)?;
    // Without it fewer connections fit; the limit is said when it is met.
    let _ = descriptors::raise_limit();
    let mut net = Net::new()?;
    let edited = terminal::is_edited();
    if edited {
        terminal::leave_to_editor()?;
    }
    let capacity = if edited { limits::PROMPT_SOCKETS } else { limits::PEERS };
    net.set_ceiling(capacity);
    let book = bookfile::read(home);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat =
        Chat::new(name, own.as_ref().map(|own| own.as_shown(home)), book.unwrap_or_default(), capacity);
    chat.set_callers(config.callers);
    let style = terminal::style(config.colour);
    let signals = Signals::start(net.waker())?;
    let (typist, sink) = if edited {
        let live = live(&chat.view(), chat.names(), style);
        let (terminal, sink) = Terminal::start(live, config.history.as_deref(), net.waker())?;
        (Typist::Person(terminal), sink)
    } else {
        (Typist::Lines(Some(Lines::of_stdin(net.waker())?)), stdout_sink())
    };
    let screen = Screen::start(style, if edited { Looks::Screen } else { Looks::Lines }, sink, net.waker())?;
    let mut driver = Driver::new(chat, screen, net, home.clone(), own, passphrase, Priority::Lower)?;
    if let Some(recorder) = recorder {
        driver.record(recorder);
    }
    let unattended = Unattended {
        connects: !edited && prompt.connect.is_some(),
        listens: !edited && !config.listen.is_empty(),
    };
    let mut repl = Repl { driver, typist, signals, unattended, shown: None };
    if let Some(damage) = damage {
        repl.driver.handle(Input::Book { link: crate::chat::Link(u64::MAX), book: Err(damage) });
    }
    for line in opening {
        repl.driver.handle(Input::Line(&line));
    }
    let code = repl.until_over();
    repl.finish();
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
    for line in &lines {
        crate::chat::command::parse_line(line)
            .map_err(|mistake| Fault::new(code::USAGE, mistake.to_string()))?;
    }
    Ok(lines)
}

/// What was asked for on the command line while nobody types: its failure is the program's.
struct Unattended {
    connects: bool,
    listens: bool,
}

struct Repl {
    driver: Driver<Screen>,
    typist: Typist,
    signals: Signals,
    unattended: Unattended,
    shown: Option<(View, Vec<String>)>,
}

impl Repl {
    fn until_over(&mut self) -> io::Result<u8> {
        loop {
            self.heed_signals();
            // Before the lines: what waited for a connection that failed must not be taken without it.
            self.weigh_verdicts();
            self.take_lines();
            self.report_shown();
            self.refresh();
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
                Typist::Lines(lines) => match lines.as_ref().and_then(Lines::next) {
                    Some(LineEvent::Line(line)) => self.take_bytes(&line),
                    Some(LineEvent::TooLong { bytes }) => self.driver.handle(Input::LineTooLong { bytes }),
                    Some(LineEvent::End) => {
                        *lines = None;
                        self.driver.handle(Input::Farewell(Farewell::EndOfInput));
                    }
                    Some(LineEvent::Broken(error)) => {
                        *lines = None;
                        super::screen::complain(&format!("rsachat: error: cannot read the input: {error}"));
                        self.driver.handle(Input::Farewell(Farewell::Failure(code::MACHINE)));
                    }
                    None => return,
                },
            }
        }
    }

    /// A line of an input that nobody edits: UTF-8, or refused by itself.
    fn take_bytes(&mut self, line: &[u8]) {
        match std::str::from_utf8(line) {
            Ok(text) => self.driver.handle(Input::Line(text)),
            Err(_) => self.driver.handle(Input::LineNotText { row: SafeText::line_from_bytes(line) }),
        }
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
                    super::screen::complain(&format!("rsachat: error: cannot write the output: {error}"));
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
                Verdict::Lost => code::LOST,
                Verdict::Failed => code::FAILED,
                Verdict::Done => 0,
                Verdict::Left => match &self.typist {
                    // The peer left in order, but not everything was said.
                    Typist::Lines(Some(_)) => code::LOST,
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

    fn refresh(&mut self) {
        let Typist::Person(terminal) = &self.typist else { return };
        let now = (self.driver.chat().view(), self.driver.chat().names());
        if self.shown.as_ref() != Some(&now) {
            let (view, names) = now.clone();
            terminal.set(|live| {
                live.state = state(&view);
                live.names = names;
            });
            self.shown = Some(now);
        }
    }

    fn finish(mut self) {
        // Nothing can be done about an error by now.
        let _ = self.driver.linger();
        self.driver.machine.screen.finish();
        if let Typist::Person(terminal) = &mut self.typist {
            terminal.finish();
        }
    }
}

fn state(view: &View) -> PromptState {
    match &view.addressed {
        None => PromptState { name: view.own_name.clone(), mark: "", waiting: 0 },
        Some((name, assurance)) => {
            let mark = match assurance {
                Assurance::Unverified => "?",
                Assurance::Verified => "=",
                Assurance::Raw => " raw",
            };
            PromptState { name: name.clone(), mark, waiting: view.waiting }
        }
    }
}

fn live(view: &View, names: Vec<String>, style: Style) -> Live {
    let words = COMMANDS.iter().map(|entry| Word {
        text: format!(":{}", entry.name),
        usage: entry.usage.to_owned(),
        summary: entry.summary.to_owned(),
        arguments: match entry.completes {
            Completes::Nothing => Arguments::None,
            Completes::Peers => Arguments::Names,
            Completes::Commands => Arguments::Words,
        },
    });
    Live { state: state(view), names, words: words.collect(), style }
}
