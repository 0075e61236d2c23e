//! `rsachat home`: a whole home in one sealed file (`docs/HOME.md`).

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueHint};

use super::args::GlobalArgs;
use crate::app::error::{AppError, code};
use crate::app::keyring::{PASSPHRASE_ATTEMPTS, ask, seed};
use crate::app::os::{eprint_line, local, print_line, unix_ms};
use crate::config::SettingSources;
use crate::crypto::Passphrase;
use crate::store::home_archive::{self, Imported, OpenHome, SealedHome, SettingsPlace};
use crate::store::{Home, shown};
use crate::time::UnixMs;

#[derive(Subcommand, Debug)]
pub(crate) enum HomeCommand {
    /// Write the whole home to one new file, sealed with a passphrase
    #[command(after_help = "\
Contains the keys (under their own passphrase, if they have one), peers, waiting messages and the settings. You are asked \
for the passphrase of the file twice; --passphrase-file and --passphrase-fd supply it where nobody can be asked. No other rsachat may \
have the messages open.

Exit codes:
  0  the file is on disk
  1  the file already exists, or the two passphrases differ
  3  there is no key, another rsachat has the messages open, or a file cannot be read or written

Examples:
  rsachat home export minji.home
  rsachat home export minji.home --passphrase-file FILE")]
    Export {
        /// File to create
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Restore this home from such a file
    #[command(after_help = "\
The home must be empty. The whole file is checked before anything is written; existing settings are kept. From then \
on the exported home must not be used: with two in use, each would miss what the other received.

Exit codes:
  0  everything is in place
  1  the home is not empty
  3  wrong passphrase, or a file that is missing, damaged, or cannot be read or written

Examples:
  rsachat home import minji.home
  rsachat --home DIR home import minji.home")]
    Import {
        /// File written by `rsachat home export`
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
}

pub(crate) fn run(home: &Home, common: &GlobalArgs, task: &HomeCommand) -> Result<u8, AppError> {
    let settings = SettingSources::path_of(common.config.as_deref());
    match task {
        HomeCommand::Export { file } => export(home, common, settings.as_deref(), file),
        HomeCommand::Import { file } => {
            home_archive::check_empty(home)?;
            let imported = unlock(SealedHome::open(file)?, common)?.import(home, settings.as_deref())?;
            say_what_came_in(home, settings.as_deref(), &imported)
        }
    }
}

fn export(home: &Home, common: &GlobalArgs, settings: Option<&Path>, file: &Path) -> Result<u8, AppError> {
    home_archive::check_source(home)?;
    home_archive::check_place(file)?;
    let passphrase = new_passphrase(common)?;
    let exported = home_archive::export(home, settings, file, &passphrase, &seed(), UnixMs(unix_ms()))?;
    let (to, bytes, names) = (shown(file), exported.bytes, exported.contents.names.join(", "));
    print_line(&format!("exported to {to} ({bytes} bytes): {names}"))?;
    print_line(
        "whoever has that file and its passphrase can be you; once it is imported, do not use this home any more",
    )?;
    Ok(0)
}

/// Passphrase of a new file, asked for twice where nothing gives it.
fn new_passphrase(common: &GlobalArgs) -> Result<Passphrase, AppError> {
    let passphrase = if let Some(source) = common.passphrase_source() {
        source.read()?
    } else {
        let first = ask("passphrase of the file: ", INSTEAD)?;
        if !first.is_empty() && !ask("once more: ", INSTEAD)?.same_as(&first) {
            return Err(AppError::new(code::FAILED, "the two passphrases differ; nothing was written"));
        }
        first
    };
    if passphrase.is_empty() {
        let what = "the passphrase is empty; a file with your key needs one";
        return Err(AppError::new(code::FAILED, what).hint("nothing was written"));
    }
    Ok(passphrase)
}

/// Option that gives a passphrase where there is no terminal.
const INSTEAD: &str = "--passphrase-file FILE";

/// Opens the file, and asks again after a wrong passphrase where there is a terminal.
fn unlock(mut sealed: SealedHome, common: &GlobalArgs) -> Result<OpenHome, AppError> {
    if let Some(source) = common.passphrase_source() {
        return sealed.unlock(&source.read()?).map_err(|(_, error)| error.into());
    }
    for _ in 1..PASSPHRASE_ATTEMPTS {
        match sealed.unlock(&ask("passphrase of the file: ", INSTEAD)?) {
            Ok(open) => return Ok(open),
            Err((again, error)) if error.is_wrong_passphrase() => {
                eprint_line("rsachat: wrong passphrase");
                sealed = again;
            }
            Err((_, error)) => return Err(error.into()),
        }
    }
    sealed.unlock(&ask("passphrase of the file: ", INSTEAD)?).map_err(|(_, error)| error.into())
}

fn say_what_came_in(home: &Home, place: Option<&Path>, imported: &Imported) -> Result<u8, AppError> {
    let (path, names) = (shown(home.path()), imported.contents.names.join(", "));
    print_line(&format!("imported into {path}: {names}"))?;
    match (&imported.settings, place) {
        (Some(SettingsPlace::Read(path)), _) => {
            print_line(&format!("the settings are in {}", shown(path)))?;
        }
        (Some(SettingsPlace::Beside(path)), Some(place)) => {
            print_line(&format!(
                "{} has other settings and is kept; the imported ones are in {}",
                shown(place),
                shown(path)
            ))?;
        }
        (Some(SettingsPlace::Beside(path)), None) => {
            print_line(&format!("no settings are read here; the imported ones are in {}", shown(path)))?;
        }
        (None, _) => {}
    }
    let day = local(imported.contents.exported_at.0).strftime("%Y-%m-%d %H:%M");
    print_line(&format!(
        "do not use the home that this was copied from on {day} any more: a home is in one place only"
    ))?;
    Ok(0)
}
