//! Prompt on a home that another process serves: a face at its socket. It ends alone; the owner
//! goes on.

mod orders;

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize as _;
use serde_json::{Value, json};

use self::orders::{GivenOrder, Orders};
use super::args::Context;
use super::prompt_args::{PromptArgs, layout, open_terminal};
use crate::app::broker::{self, Broker, Purpose};
use crate::app::error::{AppError, code, shown};
use crate::app::host::NoticeSink as _;
use crate::app::json::json_line;
use crate::app::os::{eprint_line, output_failed, print, unix_ms};
use crate::app::owner_client::{OwnerClient, OwnerFault, Watch, silent};
use crate::app::sandbox::Reach;
use crate::chat::{Export, Info, KnownNames, Notice, ReceiptDue, Warning};
use crate::config::{ColourWhen, SettingSources, Settings};
use crate::events::{Done, Id, OutputEvent, OutputFormat, emit, to_notice};
use crate::ids::FaceId;
use crate::limits;
use crate::net::Net;
use crate::net::lines::{LineEvent, Lines};
use crate::net::process::{Signal, Signals};
use crate::text::safe::SafeText;
use crate::ui::screen::{Person, Screen, Viewer, stdout_printer};
use crate::ui::terminal::{self, EditorEvent, EditorState, Terminal, TypedLine, typed_lines};
use crate::wire::Count;

#[derive(Args, Debug)]
#[command(after_help = "\
The rsachat serving the home (rsachat serve, or a prompt) keeps running when this prompt ends with :quit or Ctrl-D.

Examples:
  rsachat attach
  rsachat attach --json < orders")]
pub(crate) struct AttachArgs {
    /// Colour the output [default: auto]
    #[arg(long, alias = "color", value_name = "WHEN")]
    colour: Option<ColourWhen>,
    /// Show no time before messages
    #[arg(long)]
    no_time: bool,
    /// For screen readers: one event per line, in words, without an editor or cursor movement
    #[arg(long)]
    plain: bool,
    /// For programs: events out and orders in, one JSON object per line (docs/EVENTS.md)
    #[arg(long, conflicts_with_all = ["plain", "colour", "no_time"])]
    json: bool,
}

impl AttachArgs {
    /// The same options of the prompt.
    pub(crate) fn prompt(&self) -> PromptArgs {
        let (colour, no_time) = (self.colour, self.no_time);
        PromptArgs { colour, no_time, plain: self.plain, json: self.json, ..PromptArgs::default() }
    }
}

/// `rsachat attach`
pub(crate) fn run(context: &Context<'_>, args: &AttachArgs) -> Result<u8, AppError> {
    let Ok(client) = OwnerClient::await_socket(&context.home, Net::new()?, Watch::AfterOrders)? else {
        let what = format!("no rsachat is serving {}", shown(context.home.path()));
        return Err(AppError::new(code::MACHINE, what).hint(START));
    };
    let (prompt, process) = (args.prompt(), client.process);
    let settings = SettingSources::read(context.global.config.as_deref(), prompt.layer()?)?;
    match attach(context, client, &prompt, &settings.resolve())? {
        ServedUse::Over(code) => Ok(code),
        ServedUse::Waited | ServedUse::OwnerPassed => {
            Err(AppError::new(code::MACHINE, OwnerFault::Ended(process).to_string()).hint(START))
        }
    }
}

/// Use of a home that another process has open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServedUse {
    /// It is over, with this exit code.
    Over(u8),
    /// The other one was a command that has ended, and was waited for.
    Waited,
    /// The same after a person had a prompt on it, who is at one still.
    OwnerPassed,
}

/// Runs a prompt as a face of the owner.
pub(crate) fn attach(
    context: &Context<'_>,
    mut client: OwnerClient,
    args: &PromptArgs,
    config: &Settings,
) -> Result<ServedUse, AppError> {
    if let Some(option) = args.of_owner(client.owner_name()) {
        let what = format!("{} is serving this home; {option} can be given to that one only", client.title());
        return Err(AppError::new(code::MACHINE, what).hint("leave it out, or end the other one"));
    }
    let edited = !args.plain && !args.json && terminal::is_edited();
    let opened = edited.then(|| open_terminal(config)).transpose()?;
    let kept = opened.as_ref().and(config.line_history.as_deref());
    // Once one that passes has ended, this process opens the home, and is confined then.
    if !client.is_passing() {
        context.confine_with_broker(Purpose::Prompt(context.via_commands()), &Reach::keeping(kept))?;
    }
    let signals = Signals::start(client.waker())?;
    broker::of_process().map(|broker| broker.watch(client.waker())).transpose()?;
    let layout = layout(args, config, edited);
    let (input, output) = if let Some(opened) = opened {
        let name = client.owner_name().unwrap_or_default();
        let view = to_notice::view(&json!({ "name": name }));
        let (terminal, sink) =
            Terminal::start(opened, EditorState::new(view, layout.clone()), config, client.waker())?;
        let person = Person::new(layout, Some(terminal.shared()));
        let viewer = Viewer::Person(Box::new(person));
        (
            FaceInput::Editor(terminal),
            FaceOutput::Screen(Box::new(Screen::start(viewer, sink, client.waker())?)),
        )
    } else {
        let lines = FaceInput::Lines(Some(typed_lines(client.waker())?), args.json);
        if args.json {
            (lines, FaceOutput::Relayed)
        } else {
            let viewer = Viewer::Person(Box::new(Person::new(layout, None)));
            (lines, FaceOutput::Screen(Box::new(Screen::start(viewer, stdout_printer(), client.waker())?)))
        }
    };
    let mut face = AttachedFace { input, output, code: None, refused_lines: 0, orders: Orders::default() };
    face.begin(&mut client, args);
    let ended = face.run(&mut client, &signals);
    let unsent = if ended.is_err() { face.take_unsent() } else { Vec::new() };
    let written = face.finish();
    // The screen takes no more.
    for (what, order) in &unsent {
        face.name_unsent(what, order);
    }
    let error = match ended {
        Ok(code) => {
            client.close();
            let failure = written.err().map(|error| output_failed(&error));
            return Ok(ServedUse::Over(if code == 0 { failure.unwrap_or(0) } else { code }));
        }
        Err(OwnerFault::Ended(_)) if edited && client.is_passing() => return Ok(ServedUse::OwnerPassed),
        Err(OwnerFault::Silent(process)) => silent(process),
        Err(fault) => AppError::new(code::MACHINE, fault.to_string()).hint(START),
    };
    if let FaceOutput::Screen(_) = face.output {
        return Err(error);
    }
    let (message, hint) = (error.message.clone(), error.hint.clone());
    tell(&OutputEvent::Error { kind: "owner", message, hint }, None);
    tell(&OutputEvent::Done(Done { code: error.code, ..Done::default() }), None);
    Ok(ServedUse::Over(error.code))
}

/// What is known of a line as its owner ends.
const UNKNOWN: &str = "unknown whether this was sent (:outbox lists what waits)";
const NOT_SENT: &str = "not sent";
const DRAFT: &str = "not sent, unfinished";

/// What to do where no process serves the home.
const START: &str = "start one: rsachat serve, or rsachat";

/// Writes an event for a program. One that reads no more needs none.
fn tell(event: &OutputEvent, id: Option<&Id>) {
    let _ = print(&event.to_json(unix_ms(), id));
}

/// Folder in which relative paths begin.
fn folder() -> Option<String> {
    std::env::current_dir().ok()?.into_os_string().into_string().ok()
}

enum FaceInput {
    Editor(Terminal),
    /// Lines that nobody edits, until they end; whether they are orders of a program.
    Lines(Option<Lines>, bool),
}

enum FaceOutput {
    Screen(Box<Screen>),
    /// Events as they come, on standard output.
    Relayed,
}

struct AttachedFace {
    input: FaceInput,
    output: FaceOutput,
    /// Exit code that the owner gives.
    code: Option<u8>,
    /// Lines of the input that were refused here, not by the owner.
    refused_lines: u64,
    orders: Orders,
}

impl AttachedFace {
    fn begin(&mut self, client: &mut OwnerClient, args: &PromptArgs) {
        if let FaceOutput::Screen(screen) = &mut self.output {
            // As at a prompt that has the home open, what is piped in begins with nothing said.
            let is_piped = !matches!(self.input, FaceInput::Editor(_)) && !io::stdin().is_terminal();
            let past = is_piped.then_some(0);
            client.order(&json!({ "face": "prompt", "past": past, "folder": folder() }));
            let what = if client.is_passing() {
                "sends what this home keeps; this prompt goes on when that has ended"
            } else {
                "is serving this home; :quit ends this prompt alone"
            };
            let words = format!("{} {what}", client.title());
            screen.show(&Notice::Info(Info::Told { words }), None);
            screen.effects_done();
        }
        if let FaceOutput::Relayed = self.output {
            client.order(&json!({ "face": "program", "folder": folder() }));
        }
        for (command, arguments) in args.orders() {
            client.order(&json!({ "command": command, "arguments": arguments }));
        }
    }

    fn run(&mut self, client: &mut OwnerClient, signals: &Signals) -> Result<u8, OwnerFault> {
        loop {
            while let Some(signal) = signals.next() {
                if signal != Signal::Interrupt || !matches!(self.input, FaceInput::Editor(_)) {
                    return Ok(signal.number().saturating_add(128));
                }
            }
            if let Some(upto) = self.shown() {
                client.order(&json!({ "shown": upto }));
            }
            if let Some(code) = self.code {
                return Ok(code);
            }
            while !self.awaits_turn()
                && client.queued() < limits::LOCAL_BACKLOG_BYTES
                && self.take_input(client)
            {}
            for event in client.wait(self.draw_progress())? {
                // The first reason to end is the one that counts.
                if self.code.is_none() {
                    self.take_event(client, &event);
                }
            }
            if let Some(words) = broker::of_process().and_then(Broker::take_end) {
                self.warn(words);
            }
        }
    }

    /// Draws the progress of a transfer if that is due. Gives the moment when it is next.
    fn draw_progress(&mut self) -> Option<Instant> {
        let FaceOutput::Screen(screen) = &mut self.output else { return None };
        screen.draw_progress()
    }

    /// Whether the editor waits until the owner has handled its line.
    fn awaits_turn(&self) -> bool {
        matches!(self.input, FaceInput::Editor(_)) && self.orders.is_waiting()
    }

    /// Number of the last message that was printed since the last call.
    fn shown(&mut self) -> Option<u64> {
        let FaceOutput::Screen(screen) = &self.output else { return None };
        let mut upto = None;
        while let Some(shown) = screen.shown() {
            match shown {
                Ok(due) => upto = Some(due.upto.number()),
                Err(error) => self.code = Some(output_failed(&error)),
            }
        }
        upto
    }

    /// Takes one line or event of the input. Returns whether there was one.
    fn take_input(&mut self, client: &mut OwnerClient) -> bool {
        match &mut self.input {
            FaceInput::Editor(terminal) => {
                match terminal.next() {
                    Some(EditorEvent::Line(TypedLine { text, start, .. })) => {
                        client.order(&self.orders.line(&text, Some(&start)));
                        return true;
                    }
                    Some(EditorEvent::PromptStale) => {
                        if let FaceOutput::Screen(screen) = &self.output {
                            screen.repaint();
                        }
                        return true;
                    }
                    Some(EditorEvent::DropQuestion) => client.order(&json!({ "key": "drop_question" })),
                    Some(EditorEvent::TooLong { bytes }) => {
                        let words = format!("a line of {bytes} bytes was dropped");
                        self.show(&Notice::Warning(Warning::Told { words }), None);
                    }
                    Some(EditorEvent::Interrupt) => client.order(&json!({ "key": "interrupt" })),
                    Some(EditorEvent::End) => client.order(&json!({ "command": "quit" })),
                    Some(EditorEvent::HungUp) => self.code = Some(129),
                    Some(EditorEvent::Failed { why }) => {
                        eprint_line(&format!("rsachat: error: cannot use the terminal: {why}"));
                        self.code = Some(code::MACHINE);
                    }
                    None => return false,
                }
                if let FaceInput::Editor(terminal) = &self.input {
                    terminal.end_turn();
                }
            }
            FaceInput::Lines(lines, is_program) => match lines.as_ref().and_then(Lines::next) {
                Some(LineEvent::Line(line)) => {
                    let text = String::from_utf8_lossy(&line);
                    match serde_json::from_str(&text) {
                        Ok(order) if *is_program => client.order(&self.orders.program(order)),
                        _ if *is_program => client.order(&json!(text)),
                        _ => client.order(&self.orders.line(&text, None)),
                    }
                }
                Some(LineEvent::TooLong { bytes }) => {
                    eprint_line(&format!("rsachat: warning: a line of {bytes} bytes was dropped"));
                    self.refused_lines += 1;
                }
                Some(LineEvent::End | LineEvent::Broken(_)) => {
                    *lines = None;
                    client.order(&json!({ "key": "end_of_input" }));
                }
                None => return false,
            },
        }
        true
    }

    fn take_event(&mut self, client: &mut OwnerClient, event: &Value) {
        if event["event"] == "reply" {
            self.orders.answered(&event["id"]);
        }
        if let FaceOutput::Relayed = self.output {
            return self.relay(client, event);
        }
        match event["event"].as_str().unwrap_or_default() {
            "state" => {
                let view = to_notice::view(event);
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.set_prompt(view);
                }
            }
            "names" => {
                let [all, callable, present] = to_notice::names(event);
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.set_names(KnownNames::told(all, callable), &present);
                }
            }
            "transfers" => {
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.set_transfers(to_notice::transfers(event));
                }
            }
            "transfer" => {
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.set_progress(to_notice::progress(event));
                }
            }
            "alert" => {
                if let (FaceOutput::Screen(screen), Some(text)) = (&mut self.output, event["text"].as_str()) {
                    screen.alert(&SafeText::line(text));
                }
            }
            "returned" => {
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.line_returned(FaceId::OWN, to_notice::returned(event));
                }
            }
            "reply" => {
                if let FaceInput::Editor(terminal) = &self.input {
                    terminal.end_turn();
                }
            }
            // As at the own prompt: a person who leaves leaves, an input arrives whole or not.
            "done" if io::stdin().is_terminal() => self.code = Some(0),
            "done" => self.code = self.code_of(event),
            "own" => {
                if let FaceOutput::Screen(screen) = &mut self.output {
                    screen.said(FaceId::OWN, &to_notice::own(event));
                }
            }
            "export" => self.export(&to_notice::export(event)),
            _ => {
                let Some(notice) = to_notice::notice(event) else { return };
                let upto = event["number"].as_u64().filter(|_| event["event"] == "message");
                self.show(&notice, upto);
            }
        }
    }

    fn relay(&mut self, client: &mut OwnerClient, event: &Value) {
        // What follows from it is told once it has ended.
        if event["event"] == "error" && event["kind"] == "owner" {
            return;
        }
        let relayed = Orders::relayed(event).map_or(Ok(()), |event| print(&json_line(&event)));
        if let Err(error) = relayed {
            self.code = Some(output_failed(&error));
            return;
        }
        match event["event"].as_str() {
            Some("message") => client.order(&json!({ "shown": event["number"] })),
            Some("done") => self.code = self.code_of(event),
            _ => {}
        }
    }

    /// Exit code of the last event.
    fn code_of(&self, event: &Value) -> Option<u8> {
        let code = event["code"].as_u64().and_then(|code| code.try_into().ok());
        code.map(|code: u8| code.max(u8::from(self.refused_lines > 0)))
    }

    /// Takes a message out of the chat here, where its user is.
    fn export(&mut self, export: &Export) {
        let FaceOutput::Screen(screen) = &mut self.output else { return };
        let notice = match screen.export(FaceId::OWN, export) {
            Some(Err(error)) => {
                self.refused_lines += 1;
                Notice::Warning(error.into())
            }
            Some(Ok(())) | None => Notice::Info(export.done()),
        };
        self.show(&notice, None);
    }

    fn show(&mut self, notice: &Notice, upto: Option<u64>) {
        let due = upto.map(|upto| ReceiptDue { conn: None, peer: None, upto: Count::Connection(upto) });
        if let FaceOutput::Screen(screen) = &mut self.output {
            screen.show(notice, due);
        }
    }

    fn warn(&mut self, words: &str) {
        let words = words.to_owned();
        match self.output {
            FaceOutput::Screen(_) => self.show(&Notice::Warning(Warning::Told { words }), None),
            FaceOutput::Relayed => tell(&OutputEvent::Warning { kind: "trouble", message: words }, None),
        }
    }

    /// What the owner, which has ended, has not said that it took, each with what is known of it.
    fn take_unsent(&mut self) -> Vec<(&'static str, GivenOrder)> {
        let given = self.orders.take().into_iter().map(|order| (UNKNOWN, order));
        let draft = match &self.input {
            FaceInput::Editor(terminal) => terminal.draft().map(|text| (DRAFT, GivenOrder::line(text))),
            FaceInput::Lines(..) => None,
        };
        given.chain(self.unread().into_iter().map(|order| (NOT_SENT, order))).chain(draft).collect()
    }

    fn name_unsent(&self, what: &str, order: &GivenOrder) {
        let message = order.text.as_ref().map(|text| format!("{what}: {}", SafeText::line(text)));
        let warning = message.map(|message| OutputEvent::Warning { kind: "not_sent", message });
        let id = order.id().and_then(|id| Id::deserialize(id).ok());
        let reply = id.is_some().then_some(OutputEvent::Reply { ok: false });
        for event in warning.iter().chain(&reply) {
            match self.output {
                FaceOutput::Screen(_) => emit(event, OutputFormat::Words),
                FaceOutput::Relayed => tell(event, id.as_ref()),
            }
        }
    }

    /// What was entered and not handed over.
    fn unread(&self) -> Vec<GivenOrder> {
        match &self.input {
            FaceInput::Editor(terminal) => {
                let events = std::iter::from_fn(|| terminal.next());
                let lines = events.filter_map(|event| match event {
                    EditorEvent::Line(TypedLine { text, .. }) => Some(GivenOrder::line(text)),
                    _ => None,
                });
                lines.collect()
            }
            FaceInput::Lines(lines, is_program) => {
                let patience = Duration::from_millis(limits::LAST_INPUT_MS);
                let rest = lines.as_ref().map(|lines| lines.rest(patience)).unwrap_or_default();
                let rest = rest.into_iter().map(|line| String::from_utf8_lossy(&line).into_owned());
                rest.map(|line| match serde_json::from_str(&line) {
                    Ok(order) if *is_program => GivenOrder::of(&order),
                    _ => GivenOrder::line(line),
                })
                .collect()
            }
        }
    }

    /// Ends the screen and the editor.
    ///
    /// # Errors
    /// What kept the last of the output from being written.
    fn finish(&mut self) -> io::Result<()> {
        if let FaceInput::Editor(terminal) = &self.input {
            terminal.begin_close();
        }
        let written = match &mut self.output {
            FaceOutput::Screen(screen) => {
                screen.finish(Instant::now() + Duration::from_millis(limits::OUTPUT_GRACE_MS))
            }
            FaceOutput::Relayed => Ok(()),
        };
        if let FaceInput::Editor(terminal) = &mut self.input {
            terminal.finish();
        }
        written
    }
}
