//! `rsachat completions`: what shells need to complete our command line, made from the command line's own tree.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::fault::Fault;
use super::screen::answer;

/// `rsachat completions …`
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Examples:
  rsachat completions bash > ~/.local/share/bash-completion/completions/rsachat
  rsachat completions zsh > ~/.zfunc/_rsachat
  rsachat completions fish > ~/.config/fish/completions/rsachat.fish")]
pub(super) struct CompletionsTask {
    /// For which shell
    shell: Shell,
}

/// Prints the completions.
pub(super) fn run(task: CompletionsTask) -> Result<u8, Fault> {
    let mut text = Vec::new();
    clap_complete::generate(task.shell, &mut Cli::command(), "rsachat", &mut text);
    answer(String::from_utf8_lossy(&text).trim_end())?;
    Ok(0)
}
