//! `rsachat completions`: what shells need to complete our command line, made from the command line's own tree.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::app::error::AppError;
use crate::app::print::print_line;

/// `rsachat completions …`
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "Examples:
  rsachat completions bash > ~/.local/share/bash-completion/completions/rsachat
  rsachat completions zsh > ~/.zfunc/_rsachat
  rsachat completions fish > ~/.config/fish/completions/rsachat.fish")]
pub(crate) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

/// Prints the completions of a command line.
pub(crate) fn run(task: CompletionsArgs, tree: &mut Command) -> Result<u8, AppError> {
    let mut text = Vec::new();
    clap_complete::generate(task.shell, tree, "rsachat", &mut text);
    print_line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(0)
}
