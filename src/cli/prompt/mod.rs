//! Interactive prompt: lines of a person, of a pipe, or requests of a program in; notices out.

mod attendance;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::args::{self, Context, ProtocolArgs};
use super::attach::{ServedUse, attach};
use super::prompt_args::{PromptArgs, layout, open_terminal};
use super::transfers::taken_to;
use crate::app::broker::{self, Broker, Purpose};
use crate::app::error::{AppError, SIGPIPE, code, describe, shown};
use crate::app::event_loop::{App, Flow, Frontend};
use crate::app::file_thread::reach_of;
use crate::app::host::NoticeSink as _;
use crate::app::log;
use crate::app::os::{eprint_line, output_failed};
use crate::app::owner_client::{Claim, OwnerClient, Watch, claim};
use crate::app::recorder::Recorder;
use crate::app::relay::RelayAccess;
use crate::app::sandbox::{Confinement, Reach};
use crate::chat::command::{Command, CommandError, LogTarget, knock_of, listen_command};
use crate::chat::{
    AcceptPolicy, Audience, CallOptions, Chat, DialOutcome, ExitRequest, FirstCaller, Input, InputOrigin,
    ListenOptions, Notice, NotifyPolicy, OtherOffers, TakeRules, Warning,
};
use crate::config::{SettingSources, Settings};
use crate::events::exit_reason::{self, ExitReason};
use crate::events::face_server::FaceServer;
use crate::events::served_sink::{OwnFace, ServedSink};
use crate::events::unedited_input::{InputTaker, LineMeaning, UneditedInput};
use crate::events::{Id, OutputEvent, OutputFormat, emit};
use crate::ids::FaceId;
use crate::limits;
use crate::net::Net;
use crate::net::lines::{LineEvent, Lines};
use crate::net::process::{Signal, Signals};
use crate::net::worker::ThreadPriority;
use crate::peers::address::Family;
use crate::render::layout::Layout;
use crate::store::{OpenedStore, StoreError, book_file};
use crate::text::redaction::Redactions;
use crate::ui::screen::{Person, Screen, Viewer, stdout_printer};
use crate::ui::terminal::{self, EditorEvent, EditorState, Terminal, TypedLine, typed_lines};
pub(crate) use attendance::Attendance;

enum InputSource {
    Editor(Terminal),
    /// Lines that nobody edits, and their reader; `None` once they have ended.
    Unedited(UneditedInput, Option<Lines>),
    /// None: orders come from the faces at the socket of the home.
    Unattended,
}

pub(crate) fn run(context: &Context<'_>, args: &PromptArgs) -> Result<u8, AppError> {
    start(context, args, &context.settings, Attendance::Attended)
}

/// Begins the prompt, with somebody at it or with nobody: again where a command had the home open
/// meanwhile.
pub(crate) fn start(
    context: &Context<'_>,
    args: &PromptArgs,
    settings: &SettingSources,
    attendance: Attendance,
) -> Result<u8, AppError> {
    let mut before = ServedUse::Waited;
    loop {
        match try_start(context, args, settings, (attendance, before))? {
            ServedUse::Over(code) => return Ok(code),
            used => before = used,
        }
    }
}

fn try_start(
    context: &Context<'_>,
    args: &PromptArgs,
    settings: &SettingSources,
    (attendance, before): (Attendance, ServedUse),
) -> Result<ServedUse, AppError> {
    let mut config = settings.resolve();
    if (attendance, config.callers) == (Attendance::Unattended, AcceptPolicy::Ask) {
        config.callers = AcceptPolicy::KnownOnly;
    }
    let mut startup = startup_commands(args, &config)?;
    let own_name = config.own_name();
    let net = match OwnerClient::find(&context.home, Net::new()?, Watch::AfterOrders)? {
        Ok(client) => return use_served(context, client, args, &config, attendance),
        Err(net) => net,
    };
    let is_attended = attendance == Attendance::Attended;
    let edited = is_attended && !args.plain && !args.json && terminal::is_edited();
    let layout = layout(args, &config, edited);
    let book = book_file::read(&context.home);
    if let Ok(book) = &book {
        // Of what the owner has ended the person was told.
        if before == ServedUse::OwnerPassed {
            startup.retain(|command| context.check_callee(command, book).is_ok());
        }
        startup.iter().try_for_each(|command| context.check_callee(command, book))?;
    }
    let profile = context.unlock()?;
    let most =
        if edited { limits::PROMPT_SOCKETS - limits::UNAUTHENTICATED_CONNECTIONS } else { limits::PEERS };
    if edited && args.peers.is_some_and(|asked| asked > most) {
        let why = format!("--peers: at most {most} with line editing");
        return Err(AppError::new(code::USAGE, why).hint("--plain has no line editor"));
    }
    let capacity = args::seats(args.peers, most)?;
    let (mut net, opened) = match profile.identity() {
        Some(identity) => match claim(&context.home, &identity, net, Watch::AfterOrders)? {
            Claim::Served(client) => return use_served(context, client, args, &config, attendance),
            Claim::Free(net, opened) => (net, Some(opened)),
        },
        None => (net, None),
    };
    let redactions = Redactions::new(args.redact.clone());
    let record = |path: &Path| Recorder::start(path, own_name.name.as_str(), redactions);
    let recorder = args.record.as_deref().map(record).transpose()?;
    args.log.as_deref().map(prepare_log).transpose()?;
    let terminal = edited.then(|| open_terminal(&config)).transpose()?;
    // It is appended to after each line.
    let kept = terminal.as_ref().and(config.line_history.as_deref());
    // Before the process is confined, and its files out of reach.
    let (key, ca) = (config.relay_key.as_deref(), config.relay_ca.as_deref());
    let relay_access = RelayAccess::of(&config.relay, key, ca, config.way_to_relays())?;
    let (confinement, reach) = confine(context, attendance, kept, opened.as_ref(), &config)?;
    net.set_max_links(capacity + limits::UNAUTHENTICATED_CONNECTIONS);
    let damage = book.as_ref().err().map(ToString::to_string);
    let mut chat = profile.chat(own_name, book.unwrap_or_default(), capacity).transferring_files();
    apply(&mut chat, &config);
    if !is_attended {
        chat.set_first_caller(FirstCaller::Nobody);
        chat.set_audience(Audience::Absent);
    } else if !edited && (args.json || !io::stdin().is_terminal()) {
        chat.set_input(InputOrigin::Stream);
        if !args.anybody {
            chat.set_first_caller(FirstCaller::Known);
        }
    }
    let must_connect = is_attended && !edited && args.call().is_some();
    // Otherwise the end of the connection is what the program ends with.
    if !must_connect {
        chat.call_lost_peers();
    }
    let signals = Signals::start(net.waker())?;
    broker::of_process().map(|broker| broker.watch(net.waker())).transpose()?;
    let (source, reader, sink) = if let Some(terminal) = terminal {
        let state = EditorState::new(chat.view(), layout.clone());
        let (terminal, sink) = Terminal::start(terminal, state, &config, net.waker())?;
        let person = Person::new(layout, Some(terminal.shared()));
        (InputSource::Editor(terminal), Viewer::Person(Box::new(person)), sink)
    } else {
        let (source, viewer) = unedited(args, layout, attendance, &net)?;
        (source, viewer, stdout_printer())
    };
    let screen = Screen::start(reader, sink, net.waker())?;
    let screen = ServedSink::new(screen, if is_attended { OwnFace::Shows } else { OwnFace::OnlyTells });
    let mut app = App::new(chat, screen, net, profile, ThreadPriority::Lower)?;
    if let Some(recorder) = recorder {
        app.record(recorder);
    }
    app.use_relays(config.relay, relay_access)?;
    app.keep_messages(opened);
    app.serve_home();
    tell_confinement(&mut app, &confinement, reach, attendance);
    if edited && config.listen.is_empty() && args.call().is_none() {
        app.greet();
    }
    begin(&mut app, config.inbox, damage, startup);
    let mut frontend = PromptFrontend {
        source,
        must_connect,
        must_listen: !edited && !config.listen.is_empty(),
        target: args.call().map(str::to_owned),
        at_end: None,
        turn: Turn::Ended,
        exit_reason: None,
        output_until: None,
        output_failure: None,
        faces: FaceServer::default(),
    };
    let code = app.run(&mut frontend, &signals).map(|code| attendance.code(code));
    Ok(ServedUse::Over(frontend.finish(app, code)?))
}

/// Hands over what there is to handle before any input.
fn begin(
    app: &mut App<ServedSink<Screen>>,
    inbox: Option<PathBuf>,
    damage: Option<String>,
    startup: Vec<Command>,
) {
    app.receive_files_in(inbox);
    if let Some(damage) = damage {
        app.handle(Input::BookUnusable { why: damage });
    }
    if startup.is_empty() {
        app.handle(Input::Tick);
    }
    for command in startup {
        app.handle(Input::Command(command));
    }
}

/// Confines the process, and says what it still reaches by itself.
fn confine(
    context: &Context<'_>,
    attendance: Attendance,
    kept: Option<&Path>,
    opened: Option<&Result<OpenedStore, StoreError>>,
    config: &Settings,
) -> Result<(Confinement, Reach), AppError> {
    // The rules for files are for folders that are there.
    let taken_to = taken_to(config)?;
    if attendance == Attendance::Attended {
        let reach = Reach::keeping(kept);
        return Ok((
            context.confine_with_broker(Purpose::Prompt(context.via_commands()), &reach)?,
            Reach::default(),
        ));
    }
    // Others sit at its socket, and open files themselves; what is on its way goes on.
    let opened = opened.and_then(|opened| opened.as_ref().ok());
    let kept = opened.map(|opened| reach_of(&opened.pairs, config.inbox.as_deref()));
    let mut reach = kept.unwrap_or_default();
    reach.received.extend(taken_to);
    Ok((context.confine_reaching(&reach)?, reach))
}

fn tell_confinement(
    app: &mut App<ServedSink<Screen>>,
    confinement: &Confinement,
    reach: Reach,
    attendance: Attendance,
) {
    app.note_confinement(confinement, "serve", reach);
    if attendance == Attendance::Unattended {
        app.sink().own.tell(&OutputEvent::sandbox(confinement));
    }
}

/// Input that nobody edits, and the form of the output.
fn unedited(
    args: &PromptArgs,
    layout: Layout,
    attendance: Attendance,
    net: &Net,
) -> Result<(InputSource, Viewer), AppError> {
    let (meaning, viewer) = if args.json {
        (LineMeaning::Request, Viewer::JsonClient(Box::default()))
    } else {
        (LineMeaning::Prompt, Viewer::Person(Box::new(Person::new(layout, None))))
    };
    let source = match attendance {
        Attendance::Attended => {
            InputSource::Unedited(UneditedInput::new(meaning), Some(typed_lines(net.waker())?))
        }
        Attendance::Unattended => InputSource::Unattended,
    };
    Ok((source, viewer))
}

/// A prompt becomes a face of the process that serves the home; a home is served once. What a
/// command that ends by itself would end with it, waits for that.
fn use_served(
    context: &Context<'_>,
    client: OwnerClient,
    args: &PromptArgs,
    config: &Settings,
    attendance: Attendance,
) -> Result<ServedUse, AppError> {
    let is_person = attendance == Attendance::Attended && !args.plain && !args.json && terminal::is_edited();
    let goes_on_alone = !is_person || args.of_owner(client.owner_name()).is_some();
    if client.is_passing() && goes_on_alone {
        let end = client.process.map_or_else(String::new, |process| format!(" (to end it: kill {process})"));
        let words = format!(
            "{} sends what this home keeps; this one begins once that has ended{end}",
            client.title()
        );
        emit(&OutputEvent::Warning { kind: "waiting", message: words }, OutputFormat::Words);
        client.wait_for_end()?;
        return Ok(ServedUse::Waited);
    }
    match attendance {
        Attendance::Attended => attach(context, client, args, config),
        Attendance::Unattended => {
            let process = client.process.map_or_else(String::new, |process| format!(", process {process}"));
            let what = format!("this home is already served by another rsachat{process}");
            Err(AppError::new(code::MACHINE, what).hint("rsachat attach opens a prompt on it"))
        }
    }
}

/// Applies the settings that the conversation follows.
fn apply(chat: &mut Chat, config: &Settings) {
    chat.set_callers(config.callers);
    chat.set_invitation_addresses(config.invite_at.clone());
    chat.set_history(config.history, config.history_days);
    chat.set_take_rules(TakeRules { rules: config.take.clone(), others: OtherOffers::Wait });
    chat.set_notify(NotifyPolicy { when: config.notify, ..NotifyPolicy::default() });
}

/// Commands that the command line and the settings ask for.
fn startup_commands(args: &PromptArgs, config: &Settings) -> Result<Vec<Command>, AppError> {
    let usage = |error: CommandError| AppError::new(code::USAGE, error.to_string());
    let wire = ProtocolArgs { wire: args.wire, one_way: args.one_way };
    let protocol = wire.protocol(args.pin.as_ref().map(|_| "--pin"))?;
    // Part of each listener, so that a recording of it holds under other settings.
    let accept = match config.callers {
        _ if args.anybody => Some(AcceptPolicy::Anyone),
        AcceptPolicy::Anyone => None,
        restricted => Some(restricted),
    };
    let mut commands = Vec::new();
    for at in &config.listen {
        let (at, family) = (at.clone(), Family::Any);
        commands.push(listen_command(ListenOptions { at, family, accept, protocol }).map_err(usage)?);
    }
    if let Some(callee) = args.call() {
        let callee = callee.parse().map_err(|error| usage(CommandError::Callee(error)))?;
        let (via, family) = (args.via.clone().map(Box::new), Family::Any);
        let (accept, pin) = (AcceptPolicy::Anyone, args.pin);
        let knock = args.knock.as_deref().map(knock_of).transpose().map_err(usage)?;
        commands.push(Command::Connect(CallOptions { callee, via, family, pin, accept, protocol, knock }));
    }
    commands.extend(args.log.iter().map(|file| Command::Log { to: LogTarget::File(file.clone()) }));
    Ok(commands)
}

/// Turn of the editor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// Its last line is being handled.
    Pending,
    /// It reads.
    Ended,
}

struct PromptFrontend {
    source: InputSource,
    /// Whether a failure ends the program: without an editor, one of what was asked for.
    must_connect: bool,
    must_listen: bool,
    /// Whom `--connect` calls.
    target: Option<String>,
    /// How to exit once the input has ended and neither an answer nor a file is waited for.
    at_end: Option<ExitRequest>,
    /// Whether the editor waits for its last line to be handled.
    turn: Turn,
    /// Why the program ends, where a connection or a listener was the cause.
    exit_reason: Option<ExitReason>,
    output_until: Option<Instant>,
    /// Exit code of output that failed while the program ended.
    output_failure: Option<u8>,
    /// Other processes that use the home.
    faces: FaceServer,
}

impl Frontend<ServedSink<Screen>> for PromptFrontend {
    fn on_signal(&mut self, app: &mut App<ServedSink<Screen>>, signal: Signal) {
        if matches!(self.source, InputSource::Unattended) {
            return app.handle(Input::ExitRequest(ExitRequest::Stop));
        }
        // The editor turns its own into Ctrl-C.
        if signal != Signal::Interrupt || !matches!(self.source, InputSource::Editor(_)) {
            self.name_undeliverable(app);
            app.handle(Input::ExitRequest(ExitRequest::Signal(signal.number())));
        }
    }

    fn poll_output(&mut self, app: &mut App<ServedSink<Screen>>) -> Option<u8> {
        while let Some(shown) = app.sink().own.shown() {
            match shown {
                Ok(due) => app.shown(due),
                Err(error) => app.handle(Input::ExitRequest(match output_failed(&error) {
                    // As if SIGPIPE ended us, but in order.
                    code::READER_GONE => ExitRequest::Signal(SIGPIPE),
                    code => ExitRequest::Failure(code),
                })),
            }
        }
        app.send_receipts();
        if let Some(words) = broker::of_process().and_then(Broker::take_end) {
            app.sink().show(&Notice::Warning(Warning::Told { words: words.to_owned() }), None);
            app.sink().effects_done();
        }
        None
    }

    fn on_outcome(&mut self, app: &mut App<ServedSink<Screen>>, outcome: DialOutcome) -> Option<u8> {
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

    fn poll_input(&mut self, app: &mut App<ServedSink<Screen>>) -> Flow {
        self.end_turn(app.chat());
        while app.exit_code().is_none() {
            if !self.take_input(app) {
                self.faces.poll(app);
                let next = Flow::Wait(app.sink().own.draw_progress());
                return app.exit_code().map_or(next, |_| Flow::Again);
            }
        }
        Flow::Again
    }

    fn finish_output(&mut self, app: &mut App<ServedSink<Screen>>) {
        while let Some(shown) = app.sink().own.shown_until(self.output_until()) {
            match shown {
                Ok(due) => app.shown(due),
                Err(error) => self.output_failure = Some(output_failed(&error)),
            }
        }
        app.send_receipts();
        let never_given = app.sink().never_given();
        app.handle(Input::NeverGiven(never_given));
    }
}

impl PromptFrontend {
    /// Moment to which the reader of the output is waited for, once the program ends.
    fn output_until(&mut self) -> Instant {
        let grace = Duration::from_millis(limits::OUTPUT_GRACE_MS);
        *self.output_until.get_or_insert_with(|| Instant::now() + grace)
    }

    /// Lets the editor go on once its last line is on disk, or was given back.
    fn end_turn(&mut self, chat: &Chat) {
        if let InputSource::Editor(terminal) = &self.source
            && self.turn == Turn::Pending
            && !chat.is_accepting(FaceId::OWN)
        {
            self.turn = Turn::Ended;
            terminal.end_turn();
        }
    }

    /// Takes one line or event of the input. Returns whether there was one.
    fn take_input(&mut self, app: &mut App<ServedSink<Screen>>) -> bool {
        let (input, lines) = match &mut self.source {
            InputSource::Editor(terminal) => {
                match terminal.next() {
                    Some(EditorEvent::Line(TypedLine { text, start, echo })) => {
                        app.handle(Input::Typed { line: &text, start: &start, echo });
                    }
                    Some(EditorEvent::PromptStale) => {
                        app.sink().own.repaint();
                        return true;
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
                self.turn = Turn::Pending;
                self.end_turn(app.chat());
                return true;
            }
            InputSource::Unedited(input, lines) => (input, lines),
            InputSource::Unattended => return false,
        };
        if !input.is_ready(app) {
            return false;
        }
        if let Some(request) =
            self.at_end.take_if(|request| *request == ExitRequest::Quit || !app.chat().awaits_at_end())
        {
            app.handle(Input::ExitRequest(request));
            return true;
        }
        match lines.as_ref().and_then(Lines::next) {
            Some(LineEvent::Line(line)) => input.take_line(app, &line),
            Some(LineEvent::TooLong { bytes }) => input.take_too_long(app, bytes),
            Some(LineEvent::End) => {
                *lines = None;
                // Ctrl-D of a person leaves, with an editor or without one; the input of a pipe
                // arrives whole or not.
                let quit = io::stdin().is_terminal();
                self.at_end = Some(if quit { ExitRequest::Quit } else { ExitRequest::EndOfInput });
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
    fn name_undeliverable(&mut self, app: &mut App<ServedSink<Screen>>) {
        let InputSource::Unedited(input, lines) = &mut self.source else { return };
        let patience = Duration::from_millis(limits::LAST_INPUT_MS);
        let unread = lines.as_ref().map(|lines| lines.rest(patience)).unwrap_or_default();
        input.name_undeliverable(app, self.target.as_deref(), unread);
    }

    fn input_failed(&mut self, app: &mut App<ServedSink<Screen>>, error: &io::Error) {
        let message = format!("cannot read the input: {}", describe(error));
        let is_program = matches!(&self.source, InputSource::Unedited(input, _) if input.meaning() == LineMeaning::Request);
        if is_program {
            self.exit_reason = Some(("input", message));
        } else {
            eprint_line(&format!("rsachat: error: {message}"));
        }
        app.handle(Input::ExitRequest(ExitRequest::Failure(code::MACHINE)));
    }

    /// Ends the screen and the editor. Returns the exit code: output that could not be written is
    /// no success.
    fn finish(mut self, mut app: App<ServedSink<Screen>>, code: io::Result<u8>) -> io::Result<u8> {
        if let InputSource::Editor(terminal) = &self.source {
            terminal.begin_close();
        }
        self.faces.finish(&mut app);
        // Before the wait for peers, which may use up the time that the output has.
        if let Ok(code) = code {
            for event in exit_reason::last_events(code, self.exit_reason.take()) {
                app.sink().own.tell(&event);
            }
        }
        // Nothing can be done about an error by now.
        let _ = app.linger();
        let written = app.sink().own.finish(self.output_until());
        if let InputSource::Editor(terminal) = &mut self.source {
            terminal.finish();
        }
        let failure = self.output_failure.or(written.err().map(|error| output_failed(&error)));
        code.map(|code| if code == 0 { failure.unwrap_or(0) } else { code })
    }
}

impl InputTaker for App<ServedSink<Screen>> {
    fn chat(&self) -> &Chat {
        App::chat(self)
    }

    fn awaits_answer(&mut self, id: &Id) -> bool {
        self.sink().own.awaits_answer(id)
    }

    fn handle(&mut self, input: Input<'_>) {
        App::handle(self, input);
    }

    fn answer(&mut self, id: Option<Id>, input: Input<'_>) {
        self.sink().own.begin(id);
        App::handle(self, input);
        self.reply(FaceId::OWN);
    }
}

/// Opens the log once: that it cannot be kept is better reported now than lost with the session.
fn prepare_log(file: &str) -> Result<(), AppError> {
    log::check_log(file).map_err(|error| {
        let what = format!("cannot log to {}: {}", shown(file), describe(&error));
        AppError::new(code::MACHINE, what).hint("name another file with --log FILE")
    })
}
