//! `rsachat config`: check of the configuration file, and the settings in force.

use clap::Subcommand;

use crate::app::error::AppError;
use crate::app::os::print_line;
use crate::config::SettingSources;

/// `rsachat config …`
#[derive(Subcommand, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConfigCommand {
    /// Say whether the configuration file can be used
    #[command(after_help = "Examples:
  rsachat config check
  rsachat --config FILE config check")]
    Check,
    /// Show what holds and where it comes from, in the form of the file
    #[command(after_help = "Examples:
  rsachat config show
  rsachat --name bob config show")]
    Show,
}

/// Runs the subcommand; the file has been read, so it can be used.
pub(crate) fn run(sources: &SettingSources, task: ConfigCommand) -> Result<u8, AppError> {
    let rows = match task {
        ConfigCommand::Check => vec![sources.describe_file()],
        ConfigCommand::Show => sources.rows(),
    };
    for row in rows {
        print_line(&row)?;
    }
    Ok(0)
}
