//! `rsachat config`: whether the file is right, and what holds in the end.

use clap::Subcommand;
use unicode_width::UnicodeWidthStr as _;

use super::{KEYS, Key, SettingSources};
use crate::app::error::AppError;
use crate::app::print::print_line;

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

/// Runs it; that the file can be read is known by then.
pub(crate) fn run(sources: &SettingSources, task: ConfigCommand) -> Result<u8, AppError> {
    match task {
        ConfigCommand::Check => print_line(&check(sources))?,
        ConfigCommand::Show => {
            for row in show(sources) {
                print_line(&row)?;
            }
        }
    }
    Ok(0)
}

pub(crate) fn check(sources: &SettingSources) -> String {
    match (&sources.path, &sources.file) {
        (None, _) => "no configuration file is read".to_owned(),
        (Some(path), None) => format!("there is no {}; nothing is set", path.display()),
        (Some(path), Some(file)) => {
            let keys = match file.lines.len() {
                1 => "1 key is".to_owned(),
                count => format!("{count} keys are"),
            };
            format!("{} is right; {keys} set", path.display())
        }
    }
}

fn show(sources: &SettingSources) -> Vec<String> {
    let mut rows = vec![format!("# {}", check(sources))];
    let shown: Vec<_> = KEYS.iter().map(|key| row(sources, key)).collect();
    let cells = shown.iter().map(|(row, _)| row.width()).max().unwrap_or_default();
    rows.extend(shown.iter().map(|(row, origin)| {
        let blanks = " ".repeat(cells - row.width());
        format!("{row}{blanks}  # {origin}")
    }));
    rows
}

/// A key as the file would have it, and where its value comes from.
fn row(sources: &SettingSources, key: &Key) -> (String, String) {
    let set = |value: String, origin: String| (format!("{} = {value}", key.name), origin);
    if let Some(value) = (key.shown)(&sources.options) {
        return set(value, "command line".to_owned());
    }
    if let Some(value) = (key.shown)(&sources.environment) {
        return set(value, "environment".to_owned());
    }
    if let Some((file, value)) =
        sources.file.as_ref().and_then(|file| Some((file, (key.shown)(&file.layer)?)))
    {
        let line = file.lines.get(key.name).copied().unwrap_or_default();
        return set(value, format!("file, line {line}"));
    }
    (format!("# {}", key.example), format!("not set: {}", key.default))
}
