//! Completion in shells: what Tab offers there, and the script that asks for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Command, ValueEnum as _};
use clap_complete::CompleteEnv;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;

use super::command_line::at_path;
use super::installed::{Place, install};
use crate::app::error::{AppError, code};
use crate::app::os::print_line;
use crate::config::word_of;
use crate::peers::book::{PeerEntry, Trust};
use crate::store::{Home, book_file};
use crate::text::shell::below_home;

#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Tab completes subcommands, options, their values, paths, and the names of your peers.

Examples:
  rsachat completions --install
  rsachat completions zsh --install
  rsachat completions bash > rsachat.bash")]
pub(crate) struct CompletionsArgs {
    /// Shell to print or install them for [default with --install: the one that SHELL names]
    shell: Option<Shell>,
    /// Write the file where the shell looks for it, and say where that is
    #[arg(long)]
    install: bool,
}

/// Variable by which the script of a shell asks: it names the shell.
const VARIABLE: &str = "_RSACHAT_COMPLETE";
const PROGRAM: &str = "rsachat";
/// Function of bash that asks with words as the program takes them.
const BASH_WORDS: &str = include_str!("completions.bash");

/// Peers that an argument can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named {
    Known,
    /// Without an address too: the process that serves the home delivers to it once it calls.
    Chosen,
    Callable,
    Blocked,
}

impl Named {
    fn takes(self, peer: &PeerEntry) -> bool {
        match self {
            Self::Known => true,
            Self::Chosen => peer.trust != Trust::Met && !peer.trust.is_blocked(),
            Self::Callable => Self::Chosen.takes(peer) && peer.targets().next().is_some(),
            Self::Blocked => peer.trust.is_blocked(),
        }
    }
}

/// Arguments that name a peer, each below its command.
const NAMES: [(&[&str], &str, Named); 20] = [
    (&[], "callee", Named::Callable),
    (&[], "connect", Named::Callable),
    (&["send"], "target", Named::Chosen),
    (&["send"], "to", Named::Known),
    (&["ask"], "target", Named::Chosen),
    (&["ask"], "to", Named::Known),
    (&["pipe"], "connect", Named::Callable),
    (&["pipe"], "to", Named::Known),
    (&["recv"], "connect", Named::Callable),
    (&["recv"], "from", Named::Known),
    (&["serve"], "connect", Named::Callable),
    (&["peers", "trust"], "name", Named::Known),
    (&["peers", "name"], "name", Named::Known),
    (&["peers", "block"], "name", Named::Known),
    (&["peers", "unblock"], "name", Named::Blocked),
    (&["peers", "forget"], "name", Named::Known),
    (&["outbox", "drop"], "name", Named::Known),
    (&["history", "delete"], "peer", Named::Known),
    (&["history", "export"], "peer", Named::Known),
    (&["history", "search"], "peer", Named::Known),
];

/// Lengths that a key is given.
const KEY_BITS: [&str; 3] = ["2048", "3072", "4096"];

/// Answers a shell that asks what Tab offers. Returns whether one did.
pub(crate) fn answer_shell(tree: impl Fn() -> Command) -> Result<bool, clap::Error> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let home = home_of(&words);
    let folder = std::env::current_dir().ok();
    let with_values = || with_pages(with_values(tree(), home.as_ref()), &words);
    CompleteEnv::with_factory(with_values).var(VARIABLE).try_complete(&words, folder.as_deref())
}

/// Home that the words of the line name, else that of the environment.
fn home_of(words: &[OsString]) -> Option<Home> {
    let typed = words.iter().skip_while(|word| *word != "--").skip(1);
    let mut named = None;
    let mut is_value = false;
    for word in typed.filter_map(|word| word.to_str()) {
        if is_value {
            named = Some(word);
        }
        is_value = word == "--home";
        named = word.strip_prefix("--home=").or(named);
    }
    let path = named.map(|named| match (below_home(named), std::env::home_dir()) {
        // A shell gives the word as it was typed.
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(named),
    });
    Home::choose(path.as_deref(), &|name: &str| std::env::var_os(name)).ok()
}

/// The tree, with the values that only this program knows.
fn with_values(tree: Command, home: Option<&Home>) -> Command {
    // Nothing is offered of a book that is refused.
    let book = home.and_then(|home| book_file::read(home).ok()).unwrap_or_default();
    let mut tree = tree;
    for (path, argument, named) in NAMES {
        let names: Vec<(String, &str)> = book
            .peers()
            .filter(|peer| named.takes(peer))
            .map(|peer| (peer.name.to_string(), peer.trust.standing()))
            .collect();
        let candidates = move || {
            let names = names.iter();
            names
                .map(|(name, standing)| CompletionCandidate::new(name).help(Some((*standing).into())))
                .collect()
        };
        let candidates = ArgValueCandidates::new(candidates);
        tree = at_path(tree, path, |command| offering(command, argument, &candidates));
    }
    let addresses: BTreeMap<_, _> = book
        .peers()
        .filter(|peer| Named::Callable.takes(peer))
        .flat_map(|peer| peer.addresses.iter().map(|address| (address.to_string(), peer.name.to_string())))
        .collect();
    let candidates = move || {
        let addresses = addresses.iter();
        addresses.map(|(address, name)| CompletionCandidate::new(address).help(Some(name.into()))).collect()
    };
    let candidates = ArgValueCandidates::new(candidates);
    tree = at_path(tree, &["doctor"], |command| offering(command, "address", &candidates));
    let bits = ArgValueCandidates::new(|| Vec::from(KEY_BITS.map(CompletionCandidate::new)));
    at_path(tree, &["key", "new"], |command| offering(command, "bits", &bits))
}

/// The tree in which `man` offers the commands that have a page, below those that the line names.
fn with_pages(tree: Command, words: &[OsString]) -> Command {
    let typed = words.iter().skip_while(|word| *word != "man").skip(1);
    let mut described = &tree;
    for word in typed.filter_map(|word| word.to_str()) {
        described = described.find_subcommand(word).unwrap_or(described);
    }
    let pages = described.get_subcommands().filter(|sub| !sub.is_hide_set());
    let pages: BTreeMap<_, _> =
        pages.map(|sub| (sub.get_name().to_owned(), sub.get_about().cloned())).collect();
    let candidates = move || {
        let pages = pages.iter();
        pages.map(|(name, about)| CompletionCandidate::new(name).help(about.clone())).collect()
    };
    let candidates = ArgValueCandidates::new(candidates);
    at_path(tree, &["man"], |command| offering(command, "command", &candidates))
}

/// The command with candidates for the values of one of its arguments, which stay in their order.
fn offering(command: Command, argument: &str, candidates: &ArgValueCandidates) -> Command {
    command.mut_args(|arg| if arg.get_id() == argument { arg.add(candidates.clone()) } else { arg })
}

/// `rsachat completions`
pub(crate) fn run(task: CompletionsArgs) -> Result<u8, AppError> {
    let own = Shell::from_env().filter(|_| task.install);
    let shell = task.shell.or(own).ok_or_else(|| {
        let (what, hint) = if task.install {
            let hint = "name it: rsachat completions bash --install, or zsh, fish";
            ("SHELL names no shell that completions are for", hint.to_owned())
        } else {
            let shells = Shell::value_variants().iter().map(word_of).collect::<Vec<_>>().join(", ");
            let hint = format!("write one of {shells}; --install takes the one that you use");
            ("completions are for a shell, and none is named", hint)
        };
        AppError::new(code::USAGE, what).hint(hint)
    })?;
    let script = script(shell)?;
    if !task.install {
        print_line(script.trim_end())?;
        return Ok(0);
    }
    let (path, note) = place(shell, &Place::of_user()?)?;
    install(&path, script.as_bytes())?;
    print_line(&path.display().to_string())?;
    if let Some(note) = note {
        print_line(&note)?;
    }
    Ok(0)
}

/// The script of a shell. It calls the program by its name where that leads here, else by its path.
fn script(shell: Shell) -> Result<String, AppError> {
    let failed = |why: String| AppError::new(code::FAILED, format!("cannot write completions: {why}"));
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).ok_or_else(|| failed(format!("{name} is not known")))?;
    let mut text = Vec::new();
    completer
        .write_registration(VARIABLE, PROGRAM, PROGRAM, &called_as(), &mut text)
        .map_err(|error| failed(error.to_string()))?;
    let mut text = String::from_utf8_lossy(&text).trim_start().to_owned();
    if shell == Shell::Bash {
        text = text.replace(" -F _clap_complete_rsachat ", " -F _rsachat_whole_words ") + BASH_WORDS;
    }
    if shell == Shell::Zsh {
        // Loaded at the first Tab, as `_rsachat` of a folder in fpath, it answers that one too.
        text += "[[ $funcstack[1] == _rsachat ]] && _clap_dynamic_completer_rsachat \"$@\"\n";
    }
    Ok(text)
}

fn called_as() -> String {
    let own = std::env::current_exe().ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file());
    match (own, found) {
        (Some(own), Some(found)) if found.canonicalize().ok() == own.canonicalize().ok() => {
            PROGRAM.to_owned()
        }
        (Some(own), _) => own.display().to_string(),
        (None, _) => PROGRAM.to_owned(),
    }
}

/// File that a shell reads by itself, and what to do where it does not.
fn place(shell: Shell, user: &Place) -> Result<(PathBuf, Option<String>), AppError> {
    let (path, note) = match shell {
        Shell::Bash => {
            let path = user.data.join("bash-completion/completions/rsachat");
            let note = format!(
                "bash reads it where the package bash-completion is; else add to ~/.bashrc: . {}",
                path.display()
            );
            (path, Some(note))
        }
        Shell::Fish => (user.config.join("fish/completions/rsachat.fish"), None),
        Shell::Zsh => {
            let folder = user.zsh.join(".zfunc");
            let note = format!(
                "zsh reads it where ~/.zshrc has, before compinit: fpath=({} $fpath)",
                folder.display()
            );
            (folder.join("_rsachat"), Some(note))
        }
        other => {
            let what = format!("where {other} looks for completions is not known");
            return Err(AppError::new(code::USAGE, what)
                .hint(format!("rsachat completions {other} prints them, to be put there")));
        }
    };
    Ok((path, note))
}
