//! `rsachat ask`: one message to one peer, and what the peer answers to standard output.

use std::time::Duration;

use clap::Args;

use super::ask_owner::{self, OwnedQuestion};
use super::{Task, TimeLimit, queue};
use crate::app::error::{AppError, code};
use crate::app::owner_client::{OwnerClient, Watch};
use crate::chat::{AcceptPolicy, KeyExchange, Protocol};
use crate::cli::args::{Context, OutputArgs, PeerArgs, ProtocolArgs, duration};
use crate::limits;
use crate::net::Net;
use crate::net::process::Signals;
use crate::session::EXIT;
use crate::store::book_file;

#[derive(Args, Debug)]
#[command(after_help = "\
The question is one message, without the newline at the end of the input. Whoever is there answers: a person at a \
prompt, or rsachat recv --exec CMD --reply. The next texts from that peer are the answers, each one line of safe text on \
standard output, or with --json one object, and are acknowledged once they are written and flushed. A line that the peer \
had written before it read the question is not an answer: it is reported on standard error, and acknowledged once it is written there.

The exit code is 0 when the question was acknowledged and every answer came; 5 when it was acknowledged and not \
answered in time, or the other side left before that, and the message says how many answers came; otherwise as for rsachat send, which \
is also 5 when no acknowledgement came. If another rsachat serves the home (rsachat serve, or a prompt), a peer in the book is asked \
through it. Otherwise the connection replaces any other of the same key at that peer, as a prompt's does.

On the raw wire (--wire oaep) nothing is acknowledged: 0 means that the question was written and answered, and anybody may have \
answered. A long text arrives there in parts, each a message of its own. `exit` cannot be asked there.

Examples:
  rsachat ask bob -m 'deploy now?' --timeout 10m
  rsachat ask disk.example --pin SHA256:… -m df
  git diff | rsachat ask reviewer.example --answers 2")]
pub(crate) struct AskArgs {
    /// Peer to ask: one in your book, or host:port where the other side listens
    #[arg(value_name = "NAME|ADDR")]
    target: String,
    #[command(flatten)]
    peer: PeerArgs,
    /// Ask this instead of standard input
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Wait for this many answers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = answers)]
    answers: u64,
    /// Give up after this time, from the call to the last answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    protocol: ProtocolArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Most answers that can be waited for.
const MOST: u64 = limits::QUEUE_MESSAGES as u64;

/// Value of `--answers`.
fn answers(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {MOST}"))
}

pub(crate) fn run(context: &Context<'_>, args: &AskArgs) -> Result<u8, AppError> {
    let protocol = args.protocol.protocol(args.peer.selection().option())?;
    if protocol == Protocol::Oaep(KeyExchange::ListenerOnly) {
        let why = "--one-way sends the other side no key, so no answer that it seals could be read here";
        return Err(AppError::new(code::USAGE, why).hint("leave it out, or use rsachat send"));
    }
    let question = match &args.message {
        Some(text) => text.clone(),
        None => queue::read_message()
            .map_err(|why| AppError::new(code::FAILED, format!("the question was not sent: {why}")))?,
    };
    if question.is_empty() {
        return Err(AppError::new(code::USAGE, "the question is empty, so nothing was sent"));
    }
    if protocol != Protocol::Native && question == EXIT {
        let why = "`exit` ends a conversation on the raw wire, so it cannot be a question there";
        return Err(AppError::new(code::USAGE, why));
    }
    if protocol == Protocol::Native
        && let Some(code) = through_owner(context, args, &question)?
    {
        return Ok(code);
    }
    let task = Task {
        target: &args.target,
        peer: &args.peer,
        protocol,
        output: &args.output,
        messages: vec![question],
        input: None,
        retry: 0,
        time_limit: TimeLimit::Whole(args.timeout),
        answers: Some(args.answers),
    };
    task.run(context)
}

/// Asks a peer of the book through the process that has the home open, if there is one.
fn through_owner(context: &Context<'_>, args: &AskArgs, question: &str) -> Result<Option<u8>, AppError> {
    let book = book_file::read(&context.home)?;
    let Some(peer) = book.find(&args.target) else { return Ok(None) };
    let policy = args.peer.selection().accept_policy(Protocol::Native, &book)?;
    let is_accepted = match policy {
        AcceptPolicy::Pinned(key) | AcceptPolicy::Key(key) => key == peer.fingerprint,
        _ => true,
    };
    if !is_accepted || question.len() > limits::MESSAGE_BYTES || peer.trust.is_blocked() {
        return Ok(None);
    }
    let format = args.output.format();
    // Another one may have the home where one ends.
    while let Ok(client) = OwnerClient::find(&context.home, Net::new()?, Watch::AfterOrders)? {
        context.confine_and_say(format)?;
        let signals = Signals::start(client.waker())?;
        let question = OwnedQuestion {
            peer: peer.fingerprint,
            name: peer.name.to_string(),
            text: question.to_owned(),
            via: args.output.via.clone(),
            answers: args.answers,
            timeout: args.timeout,
            format,
        };
        let code = ask_owner::run(client, question, &signals)?;
        if code.is_some() {
            return Ok(code);
        }
    }
    Ok(None)
}
