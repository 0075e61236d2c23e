//! Options of `rsachat recv`, and what follows from them alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueHint};

use crate::app::error::{AppError, code};
use crate::chat::{KeyExchange, Protocol};
use crate::cli::args::{self, OutputArgs, PeerSelection, ProtocolArgs};
use crate::crypto::Fingerprint;
use crate::text::byte_count;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way"), after_help = "\
When the connection of --connect is lost, the same peer is called again until it answers, as the prompt does: after 1, 2, 4 … 60 s, \
varied at random by up to half. That ends with code 4 when another key answers, the peer refuses or is blocked, and with 0 when the other side leaves; \
with --no-retry the loss is the end, with code 5. A message whose acknowledgement was lost with the connection arrives again. \
On the raw wire nobody is called again.

With neither --listen nor --connect, it takes the messages of the rsachat serving the home (rsachat serve, or a prompt): one \
process at a time does so and acknowledges them; a prompt there shows them too. When that rsachat ends, it goes on with the next one \
of the home; with --no-retry that is the end, with code 3. With either option it uses no store. \
A message whose command fails is then named and tried again after 1, 2, 4 … 60 s, and at each start; meanwhile, what its sender sent \
after it waits, and the messages of others go on. To get past it, end this process and print the message: \
rsachat recv --from NAME --count 1.

With --relay, and no other rsachat serving the home, it has the home open itself, serves it, and takes the letters that wait at the relay of the settings and come there. Those that were written to the disk and not yet to the output, as it was ended, come at the next start.

Each message is one line of safe text on standard output, or with --json one object, or with --exec the standard input of \
a command. It is acknowledged once it is written and flushed, or once the command has exited with 0. The command has \
RSACHAT_FROM, RSACHAT_FINGERPRINT, RSACHAT_VERIFIED (yes or no) and RSACHAT_SENT in its environment; one runs at a time \
for each peer, 8 in all, 4 for peers that are not verified, and none outlives the program. It has RSACHAT_AGAIN=yes \
as well if the message may have been given to a command before that failed, or did not end. With --reply it has \
RSACHAT_REPLY=yes as well, and what it writes to its standard output until it exits is sent back, after the acknowledgement, as one message \
of at most 16384 bytes of UTF-8, without the newline at its end; if it writes nothing, or fails, nothing is sent back. Any other output is reported \
here and not sent, and the exit code is 1 at the end; the message is acknowledged all the same, since the command exited with 0. No reply is sent to rsachat send, \
which reads none. On the raw wire (--wire oaep) anybody can write under any name, there is no fingerprint, and nothing is acknowledged.

With --files, what peers offer is taken into a folder under the rules of :accept, from those whose messages would be taken, \
and the path of each is printed once it is on the disk. Nothing is overwritten. What was cut off goes on when both sides are run again. \
Messages that come meanwhile wait in the home. If another rsachat has the home open, that is an error, with code 3.

Examples:
  rsachat recv --listen 8002 >> messages.log
  rsachat recv --from alice --exec ./handle
  rsachat recv --relay --from alice --count 1
  rsachat recv --from alice --exec 'mail -s \"$RSACHAT_FROM\" root'
  rsachat recv --listen 8002 --exec 'df -h' --exec-timeout 10s --reply
  rsachat recv --listen 8002 --files ~/from-builds --max 2GiB
  rsachat recv --listen 127.0.0.1:8000 --wire oaep")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct RecvArgs {
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR", group = "way")]
    pub(super) listen: Option<String>,
    /// Call the sender: a peer in your book, or host:port
    #[arg(long, value_name = "NAME|ADDR", group = "way")]
    pub(super) connect: Option<String>,
    /// Take the letters that come by the relay of the settings; if another rsachat serves the
    /// home, what it receives
    #[arg(long, conflicts_with_all = ["way", "peers"])]
    pub(super) relay: bool,
    /// End when the connection of --connect is lost, with code 5, or the rsachat serving the home
    /// ends, with code 3, instead of waiting for the next
    #[arg(long, conflicts_with = "listen")]
    pub(super) no_retry: bool,
    /// Accept messages only from the holder of this key
    #[arg(long, value_name = "SHA256:…", value_parser = args::fingerprint)]
    pub(super) pin: Option<Fingerprint>,
    /// Accept messages only from this peer in your book
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    pub(super) from: Option<String>,
    /// Also accept messages from peers that are not in your book yet
    #[arg(long, requires = "way", conflicts_with_all = ["pin", "from"])]
    pub(super) accept_new: bool,
    /// Take files and folders instead, into this folder; nothing there is overwritten
    #[arg(long, value_name = "DIR", requires = "way", conflicts_with_all = ["exec", "wire"])]
    #[arg(value_hint = ValueHint::DirPath)]
    pub(super) files: Option<PathBuf>,
    /// Decline a file or folder that is larger: 500000, 100 MiB, 2 GiB
    #[arg(long, value_name = "SIZE", requires = "files", value_parser = byte_count::parse)]
    pub(super) max: Option<u64>,
    /// Exit after this many messages, or with --files this many files and folders
    #[arg(long, value_name = "N", value_parser = args::at_least_one)]
    pub(super) count: Option<u64>,
    /// Pass each message to the standard input of this shell command; acknowledge it if that
    /// exits with 0
    #[arg(long, value_name = "CMD")]
    pub(super) exec: Option<String>,
    /// Kill the command, and whatever it started, after this time [default: never]
    #[arg(long, value_name = "TIME", requires = "exec", value_parser = args::duration)]
    pub(super) exec_timeout: Option<Duration>,
    /// Send the command's standard output back as one message, if it exits with 0
    #[arg(long, requires_all = ["exec", "way"])]
    pub(super) reply: bool,
    /// Allow this many peers to be connected at once [default: 1024]
    #[arg(long, value_name = "N", requires = "listen", value_parser = args::peers)]
    pub(super) peers: Option<usize>,
    #[command(flatten)]
    pub(super) protocol: ProtocolArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RecvArgs {
    pub(super) fn selection(&self) -> PeerSelection<'_> {
        let named = self.from.as_deref().map(|name| ("--from", name));
        PeerSelection { pin: self.pin, named, accept_new: self.accept_new }
    }

    /// Protocol, unless nothing can be received by it.
    pub(super) fn protocol(&self) -> Result<Protocol, AppError> {
        match self.protocol.protocol(self.selection().option())? {
            Protocol::Oaep(KeyExchange::ListenerOnly) => {
                let why = "--one-way sends the other side no key, so nothing that it seals could be read \
                           here";
                Err(AppError::new(code::USAGE, why).hint("leave it out"))
            }
            protocol => Ok(protocol),
        }
    }
}
