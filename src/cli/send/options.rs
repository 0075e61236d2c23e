//! Options of `rsachat send`, and what follows from them alone.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::queue::Delimiter;
use crate::app::error::{AppError, code};
use crate::cli::args::{OutputArgs, PeerArgs, ProtocolArgs, duration};
use crate::limits;
use crate::transfer::FileName;

#[derive(Args, Debug)]
#[command(after_help = "\
Each line is a message, whatever it looks like. The exit code is 0 only when each was acknowledged: shown to the person, or \
written and flushed by rsachat recv. With --retry, a message can arrive twice if its acknowledgement was lost.

If another rsachat serves the home (rsachat serve, or a prompt), a peer in the book gets the messages from it, once \
each. Without --keep, what it has not acknowledged at the end is taken back there, so that the exit code is what it \
would be without that one; what is on the peer's disk by then may still be shown later.

With --relay, messages go as letters to the relay of the settings, where a peer that you have met finds them when its program runs. The exit code is 0 once each is at the relay or acknowledged: at the relay, nobody has seen it yet. What the relay does not take stays in the home, with code 6. An address instead of a name calls the peer as well.

With --file, files and folders are sent, and no input. The exit code is 0 only when all of them are on the other side's disk, where \
recv --files takes them, or a person with :accept. It is 1 if something was declined or cancelled there, does not fit there, or has changed. \
The same command goes on where it was cut off. If a prompt or rsachat serve has the home open, that is an error, with code 3: :send.

On the raw wire (--wire oaep) nothing is acknowledged: 0 means that everything was written to the connection and that `exit` ended \
it. A message that reads `exit` ends it. With --retry, what was written is not sent again, even if it never arrived.

Examples:
  rsachat send bob -m 'backup done'
  rsachat send bob --keep --expire 12h -m 'lunch at noon?'
  rsachat send bob --relay -m 'for when you are back'
  rsachat send bob --file backup.tar --file photos
  tail -f log | rsachat send bob.example --pin SHA256:…
  find . -print0 | rsachat send -0 bob.example
  rsachat send localhost:8000 --wire oaep --one-way -m 'hello'")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct SendArgs {
    /// Peer to call: one in your book, or host:port where the other side listens
    #[arg(value_name = "NAME|ADDR", required_unless_present_any = ["flush", "file"])]
    pub(super) target: Option<String>,
    #[command(flatten)]
    pub(super) peer: PeerArgs,
    /// Keep the messages in the home until the peer has them; while it does not, the exit code is 6
    #[arg(long)]
    pub(super) keep: bool,
    /// Leave the messages at the relay of the settings, for a peer of the book that may be away;
    /// one that is named by an address is called as well, and whichever copy comes first counts
    #[arg(long, conflicts_with_all = ["flush", "file", "wire"])]
    pub(super) relay: bool,
    /// Take a kept message back if it has not been delivered after this time
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "keep")]
    pub(super) expire: Option<Duration>,
    /// Send only what waits in the home, for this peer or for all
    #[arg(long, conflicts_with_all = ["keep", "message", "null", "whole", "retry"])]
    pub(super) flush: bool,
    /// Send this instead of standard input; may be repeated
    #[arg(short, long, value_name = "TEXT")]
    pub(super) message: Vec<String>,
    /// Send this file or folder instead of messages; may be repeated
    #[arg(short, long, value_name = "PATH", num_args = 1.., value_hint = ValueHint::AnyPath)]
    #[arg(conflicts_with_all = ["keep", "flush", "message", "null", "whole", "wire"])]
    pub(super) file: Vec<String>,
    /// Offer the file or folder under this name
    #[arg(long = "as", value_name = "NAME", requires = "file", value_parser = file_name)]
    pub(super) offered_as: Option<String>,
    /// Show no progress of files
    #[arg(short, long, requires = "file")]
    pub(super) quiet: bool,
    /// Read messages that end with NUL instead of a newline
    #[arg(short = '0', long, conflicts_with_all = ["whole", "message"])]
    pub(super) null: bool,
    /// Send the whole input as one message
    #[arg(long, conflicts_with = "message")]
    pub(super) whole: bool,
    /// Give up when nothing is connected, kept there, acknowledged or written for this long: 30s,
    /// 1h 30m [default: never; with --keep or --flush 30 s for a peer that is connected]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// Connect again after a failure, up to this many times, after 1, 2, 4 … 60 s, varied at
    /// random by up to half: nobody was reached, the connection was lost, or the other side could
    /// not store what it got, but not after a refusal; what was not acknowledged is sent again, on
    /// the raw wire what was not written
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) retry: u32,
    #[command(flatten)]
    pub(super) protocol: ProtocolArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Value of `--as`.
fn file_name(text: &str) -> Result<String, String> {
    if FileName::is_one(text) { Ok(text.to_owned()) } else { Err("write one name, without /".to_owned()) }
}

impl SendArgs {
    /// Whom files are sent to, and these: a receiver that stands behind the last of them is none.
    pub(super) fn files(&self) -> Result<(&str, &[String]), AppError> {
        let (target, files) = match (self.target.as_deref(), self.file.split_last()) {
            (Some(target), _) => (target, &*self.file),
            (None, Some((target, files))) if !files.is_empty() => (&**target, files),
            (None, _) => {
                let what = "nobody is named whom the file is sent to";
                let hint = "rsachat send NAME|ADDR --file PATH";
                return Err(AppError::new(code::USAGE, what).hint(hint));
            }
        };
        if self.offered_as.is_some() && files.len() > 1 {
            let what = format!("--as names one file or folder, and {} are given", files.len());
            return Err(AppError::new(code::USAGE, what));
        }
        Ok((target, files))
    }
}

/// Refuses a message of the command line that is too long for one.
pub(super) fn check_length(messages: &[String]) -> Result<(), AppError> {
    let Some(long) = messages.iter().find(|text| text.len() > limits::MESSAGE_BYTES) else { return Ok(()) };
    let (bytes, most) = (long.len(), limits::MESSAGE_BYTES);
    Err(AppError::new(code::USAGE, format!("-m has {bytes} bytes, a message has at most {most}")))
}

/// End of each message of the input.
pub(super) fn delimiter(args: &SendArgs) -> Delimiter {
    match (args.null, args.whole) {
        (true, _) => Delimiter::Nul,
        (_, true) => Delimiter::Whole,
        _ => Delimiter::Line,
    }
}
