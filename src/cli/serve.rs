//! `rsachat serve`: the prompt without anybody at it. It has the home open and serves it to others.

use clap::Args;

use super::args::{self, Context};
use super::prompt::{Attendance, start};
use super::prompt_args::PromptArgs;
use crate::app::error::AppError;
use crate::config::YesNo;
use crate::peers::name::Name;
use crate::peers::via::Via;

#[derive(Args, Debug)]
#[command(after_help = "\
Messages wait, kept on disk, until a prompt shows them (rsachat attach) or a program takes them (rsachat recv): only then \
are they acknowledged. The log on standard output contains no texts. SIGTERM, SIGINT and SIGHUP end it cleanly, with exit code 0.

Examples:
  rsachat serve --listen 8000
  rsachat serve --listen 8000 --known-only --json")]
pub(crate) struct ServeArgs {
    /// Name that you give to peers [default: the login name]
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    name: Option<Name>,
    /// Wait for callers: a port, `host:port` (every address of that host)
    /// or `[::1]:port`
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Turn away keys that are not in the book, on every address
    #[arg(long)]
    known_only: bool,
    /// Call somebody: a peer in your book, or host:port
    #[arg(long, value_name = "NAME|ADDR")]
    connect: Option<String>,
    /// Call by a proxy that looks names up, or by a shell command with %h and %p; none: directly
    #[arg(long, value_name = "PROXY|CMD", value_parser = args::via)]
    pub(super) via: Option<Via>,
    /// Allow this many peers to be connected at once [default: 1024]
    #[arg(long, value_name = "N", value_parser = args::peers)]
    peers: Option<usize>,
    /// Report events as JSON objects, one per line (docs/EVENTS.md)
    #[arg(long)]
    json: bool,
}

impl ServeArgs {
    /// The same options of the prompt.
    pub(crate) fn prompt(&self) -> PromptArgs {
        PromptArgs {
            name: self.name.clone(),
            listen: self.listen.clone(),
            known_only: self.known_only.then_some(YesNo::Yes),
            connect: self.connect.clone(),
            via: self.via.clone(),
            peers: self.peers,
            json: self.json,
            plain: !self.json,
            ..PromptArgs::default()
        }
    }
}

pub(crate) fn run(context: &Context<'_>, args: &ServeArgs) -> Result<u8, AppError> {
    start(context, &args.prompt(), &context.settings, Attendance::Unattended)
}
