//! The options that every way in understands.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// What every way in understands.
#[derive(Args, Debug)]
pub(crate) struct GlobalArgs {
    // A subcommand's own options come first in its help; clap orders by number, and would mix both.
    /// Folder with the key and the peers [default: `RSACHAT_HOME`, else the XDG data folder]
    #[arg(long, value_name = "DIR", global = true, display_order = 900, value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,
    /// File with settings, `none` for no file [default: `RSACHAT_CONFIG`, else rsachat/config.toml in the XDG config folder]
    #[arg(long, value_name = "FILE", global = true, display_order = 901, value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// File whose first line is the passphrase of the key
    #[arg(long, value_name = "FILE", global = true, display_order = 902, value_hint = ValueHint::FilePath)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Open descriptor whose first line is the passphrase of the key
    #[arg(long, value_name = "N", global = true, display_order = 903, conflicts_with = "passphrase_file")]
    pub(crate) passphrase_fd: Option<u32>,
}
