//! Commands of `recv --exec`: one at a time for each peer, in the order of its messages, a few for
//! all peers. Each is a process group, which is killed when it takes too long or the program ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::items::{Author, Backlog, CommandReply, Delivered, Finished, Item};
use super::reply::OutputReader;
use crate::app::broker::{self, Broker, Ended};
use crate::app::error::describe;
use crate::app::message_command::RunningCommand;
use crate::chat::{Message, ReceiptDue, TrustLevel};
use crate::events::from_notice::message;
use crate::ids::ConnId;
use crate::limits::{EXEC_COMMANDS, EXEC_COMMANDS_UNVERIFIED};
use crate::wire::Lifetime;

/// Shell command for each message, and the time that it may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ExecCommand {
    pub(crate) command: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) output: CommandOutput,
}

/// Use of what a command writes to its standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CommandOutput {
    /// It is our own.
    Inherited,
    /// It goes back as one text to the sender of the message.
    Reply,
}

/// Process groups of the commands that run, in the order of their start; `None` once the program
/// ends and none may be started.
#[derive(Clone)]
pub(crate) struct ProcessGroups(Arc<Mutex<Option<BTreeMap<u64, Group>>>>);

struct Group {
    command: Arc<RunningCommand>,
    ended_by: EndedBy,
}

/// What a command that ended by a signal was ended by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EndedBy {
    Itself,
    Timeout,
}

impl Default for ProcessGroups {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(BTreeMap::new()))))
    }
}

impl ProcessGroups {
    /// Kills every command and what it has started. None is started after that.
    pub(crate) fn kill_all(&self) {
        let mut groups = self.lock();
        groups.iter().flat_map(BTreeMap::values).for_each(|group| group.command.kill());
        *groups = None;
    }

    fn kill_late(&self, number: u64) {
        if let Some(group) = self.lock().as_mut().and_then(|groups| groups.get_mut(&number)) {
            group.ended_by = EndedBy::Timeout;
            group.command.kill();
        }
    }

    /// Waits for the end of a command, which cannot be killed any more once it is reaped.
    fn wait(&self, number: u64, command: &RunningCommand) -> Result<(), String> {
        let ended = command.wait();
        let group = self.lock().as_mut().and_then(|groups| groups.remove(&number));
        command.reap();
        match ended {
            Ok(Ended::Exited(0)) => Ok(()),
            Ok(_) if group.is_some_and(|group| group.ended_by == EndedBy::Timeout) => {
                Err("the command took longer than --exec-timeout and was killed".to_owned())
            }
            Ok(Ended::Exited(code)) => Err(format!("the command ended with code {code}")),
            Ok(Ended::Killed) => Err("the command was killed by a signal".to_owned()),
            Err(why) => Err(format!("cannot wait for the command: {why}")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<u64, Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Share of the commands that a message may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Share {
    /// All of them.
    Verified,
    /// At most [`EXEC_COMMANDS_UNVERIFIED`].
    Unverified,
}

impl Share {
    fn of(message: &Message) -> Self {
        if message.trust_level == TrustLevel::Verified { Self::Verified } else { Self::Unverified }
    }
}

/// Command that runs.
struct Running {
    due: ReceiptDue,
    /// Name of the sender.
    name: String,
    lifetime: Lifetime,
    number: u64,
    share: Share,
    deadline: Option<Instant>,
}

/// Scheduler of the commands.
pub(super) struct Commands {
    exec: ExecCommand,
    groups: ProcessGroups,
    /// Messages still wanted, if they are counted.
    remaining: Option<u64>,
    waiting: BTreeMap<Author, VecDeque<(Message, ReceiptDue)>>,
    /// Authors with messages that wait and no command that runs; the first is next.
    turns: VecDeque<Author>,
    running: BTreeMap<Author, Running>,
    /// Number of commands that were started.
    started: u64,
    /// Connections with a message that could not be handed over, while more of theirs may come.
    failed: BTreeSet<ConnId>,
    backlog: Backlog,
    sender: Sender<Item>,
}

impl Commands {
    pub(super) fn new(
        exec: ExecCommand,
        groups: ProcessGroups,
        count: Option<u64>,
        backlog: Backlog,
        sender: Sender<Item>,
    ) -> Self {
        Self {
            exec,
            groups,
            remaining: count,
            waiting: BTreeMap::new(),
            turns: VecDeque::new(),
            running: BTreeMap::new(),
            started: 0,
            failed: BTreeSet::new(),
            backlog,
            sender,
        }
    }

    /// Runs commands until enough have succeeded, or nothing follows and all have ended.
    pub(super) fn run(mut self, items: &Receiver<Item>, report: impl Fn(Delivered)) {
        let mut is_last = false;
        loop {
            self.start_waiting(&report);
            if let Some(why) = broker::of_process().and_then(Broker::end) {
                return report(Delivered::Broken(io::Error::other(why)));
            }
            if is_last && self.running.is_empty() && self.waiting.is_empty() {
                return;
            }
            let item = match self.next_deadline() {
                None => items.recv().ok(),
                Some(due) => match items.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.kill_late();
                        continue;
                    }
                    item => item.ok(),
                },
            };
            match item {
                Some(Item::Message(message, due)) => self.put(message, due),
                Some(Item::Closed(conn)) => _ = self.failed.remove(&conn),
                Some(Item::Finished(finished)) => {
                    if self.finish(finished, &report) == Some(0) {
                        return report(Delivered::Enough);
                    }
                }
                // Only who asks tells anything, and runs no command.
                Some(Item::Told(..)) => {}
                Some(Item::End) | None => is_last = true,
            }
        }
    }

    fn put(&mut self, message: Message, due: ReceiptDue) {
        let is_authenticated = message.trust_level != TrustLevel::Unauthenticated;
        let key = message.fingerprint.filter(|_| is_authenticated);
        let author = key.map_or(Author::Conn(due.conn), Author::Key);
        let waiting = self.waiting.entry(author).or_default();
        if waiting.is_empty() && !self.running.contains_key(&author) {
            self.turns.push_back(author);
        }
        waiting.push_back((message, due));
    }

    /// Starts what may start: peers take turns.
    fn start_waiting(&mut self, report: &impl Fn(Delivered)) {
        let mut passed = VecDeque::new();
        while let Some(author) = self.turns.pop_front() {
            match self.next_of(author).map(|(message, _)| Share::of(message)) {
                Some(share) if self.has_room(share) => self.start(author, report),
                Some(_) => passed.push_back(author),
                None => {}
            }
        }
        self.turns = passed;
    }

    /// The next message of an author, after those of connections that have failed.
    fn next_of(&mut self, author: Author) -> Option<&(Message, ReceiptDue)> {
        let waiting = self.waiting.get_mut(&author)?;
        let has_failed = |conn: Option<ConnId>| conn.is_some_and(|conn| self.failed.contains(&conn));
        while let Some((message, due)) = waiting.pop_front_if(|(_, due)| has_failed(due.conn)) {
            self.backlog.remove(&message, due);
        }
        if waiting.is_empty() {
            self.waiting.remove(&author);
        }
        self.waiting.get(&author)?.front()
    }

    fn has_room(&self, share: Share) -> bool {
        let running = self.running.len();
        let unverified = self.running.values().filter(|running| running.share == Share::Unverified).count();
        running < EXEC_COMMANDS
            && (share == Share::Verified || unverified < EXEC_COMMANDS_UNVERIFIED)
            && self.remaining.is_none_or(|remaining| (running as u64) < remaining)
    }

    fn start(&mut self, author: Author, report: &impl Fn(Delivered)) {
        let Some(waiting) = self.waiting.get_mut(&author) else { return };
        let Some((message, due)) = waiting.pop_front() else { return };
        if waiting.is_empty() {
            self.waiting.remove(&author);
        }
        self.backlog.remove(&message, due);
        let deadline = self.exec.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match self.spawn(author, &message) {
            Ok(number) => {
                let (share, name, lifetime) = (Share::of(&message), message.name, message.lifetime);
                self.running.insert(author, Running { due, name, lifetime, number, share, deadline });
            }
            Err(why) => self.fail(author, due, message.name, why, report),
        }
    }

    /// Starts a command, and a thread that waits for it. Returns its number.
    fn spawn(&mut self, author: Author, received: &Message) -> Result<u64, String> {
        let event = message(received);
        let failed = |why: String| format!("cannot run the command: {why}");
        let io_failed = |error: io::Error| failed(describe(&error));
        let yes = |is_so: bool| is_so.then(|| "yes".to_owned());
        let values = [
            Some(event.from),
            Some(event.fingerprint.unwrap_or_default()),
            Some(if event.verified { "yes" } else { "no" }.to_owned()),
            Some(event.sent),
            yes(event.again),
            yes(self.exec.output == CommandOutput::Reply),
        ];
        let (input, mut text_to) = io::pipe().map_err(io_failed)?;
        let (output, reply_from) = match self.exec.output {
            CommandOutput::Inherited => (io::stdout().as_fd().try_clone_to_owned().map_err(io_failed)?, None),
            CommandOutput::Reply => {
                let (reply_from, output) = io::pipe().map_err(io_failed)?;
                (output.into(), Some(reply_from))
            }
        };
        let errors = io::stderr().as_fd().try_clone_to_owned().map_err(io_failed)?;
        // Held until it is known, so that none runs on when all are killed.
        let mut groups = self.groups.lock();
        let Some(running) = groups.as_mut() else { return Err("the program ends".to_owned()) };
        let streams = [OwnedFd::from(input), output, errors];
        let command = RunningCommand::start(&self.exec.command, values, streams).map_err(failed)?;
        let command = Arc::new(command);
        self.started += 1;
        let number = self.started;
        running.insert(number, Group { command: Arc::clone(&command), ended_by: EndedBy::Itself });
        drop(groups);
        let (groups, sender) = (self.groups.clone(), self.sender.clone());
        let text = received.text.clone();
        let reader = reply_from.map(OutputReader::start).transpose().map_err(|error| {
            self.groups.kill_late(number);
            io_failed(error)
        })?;
        let waiter = thread::Builder::new().name("command".into()).spawn(move || {
            // A command that does not want all of it may close its input; its exit code decides.
            let _ = text_to.write_all(&text);
            drop(text_to);
            let ended = groups.wait(number, &command);
            // Of one that failed nobody is told more than that.
            let reply = reader.map_or(Ok(None), OutputReader::finish);
            let result = ended.map(|()| reply);
            // A receiver that has ended needs no result.
            let _ = sender.send(Item::Finished(Finished { author, result }));
        });
        if let Err(error) = waiter {
            self.groups.kill_late(number);
            return Err(io_failed(error));
        }
        Ok(number)
    }

    /// Takes the result of a command. Returns how many messages are still wanted.
    fn finish(&mut self, finished: Finished, report: &impl Fn(Delivered)) -> Option<u64> {
        let Finished { author, result } = finished;
        let Running { due, name, lifetime, .. } = self.running.remove(&author)?;
        match result {
            Ok(reply) => {
                report(Delivered::Upto(due));
                // Nothing may be sent to who only sends.
                if let (Lifetime::Lasting, Some(text)) = (lifetime, reply.transpose()) {
                    report(Delivered::Reply(CommandReply { conn: due.conn, name, text }));
                }
                self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
                if self.waiting.contains_key(&author) {
                    self.turns.push_back(author);
                }
            }
            Err(why) => self.fail(author, due, name, why, report),
        }
        self.remaining
    }

    /// Takes note of a failure. The owner of a home gives nothing behind it by itself.
    fn fail(
        &mut self,
        author: Author,
        due: ReceiptDue,
        name: String,
        why: String,
        report: &impl Fn(Delivered),
    ) {
        self.failed.extend(due.conn);
        report(Delivered::Failed { due, name, why });
        if self.waiting.contains_key(&author) {
            self.turns.push_back(author);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.running.values().filter_map(|running| running.deadline).min()
    }

    /// Kills the commands whose time is over; each ends as any other.
    fn kill_late(&mut self) {
        let now = Instant::now();
        for running in self.running.values_mut().filter(|one| one.deadline.is_some_and(|due| due <= now)) {
            running.deadline = None;
            self.groups.kill_late(running.number);
        }
    }
}
