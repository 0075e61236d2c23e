//! The command line as a whole: the page of `--help`, and which of the options that every command
//! takes mean something for it.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};

use crate::render::wrap::wrap_answer;
use crate::ui::size;

/// What `rsachat --help` shows: a screen of 80 by 24, with the command that asked for it.
const HELP: &str = "\
Private conversation between terminals, with nothing to sign up for

Usage: rsachat [OPTIONS] [NAME|ADDR]    a prompt; type :help there
       rsachat COMMAND [OPTIONS]        rsachat COMMAND --help says more

  alice$ rsachat --listen 8000          bob$ rsachat 192.0.2.20:8000
  * listening on [::]:8000 (others      * alice? new: SHA256:…
    call 192.0.2.20:8000)
  12:00 bob: are you there?             bob to alice? > are you there?

Commands:
  key, peers        your key; who is known, verified and blocked
  send, ask         messages from standard input; a question and its answers
  recv, pipe        messages to standard output or a command; bytes, both ways
  serve, attach     the prompt without anybody at it; a prompt there
  invite            a line with which somebody can call you
  outbox, history   what waits for its receivers; what was kept
  home, config      everything of yours, to another machine; the settings
  doctor, replay    why a connection would not work; conversations from files
  completions, man  what Tab offers in your shell; the manual

Options: --name NAME, --home DIR, --known-only, --plain, --json
--help-all: every option, the exit codes, the environment; rsachat man: more
";

/// Options of every command that mean nothing for some: there they are taken, and not shown.
const UNUSED: [(&[&str], &[&str]); 13] = [
    (&["key"], &["no_sandbox"]),
    (&["key", "new"], &["config"]),
    (&["key", "import"], &["config"]),
    (&["peers"], &["config", "passphrase_file", "passphrase_fd", "no_sandbox"]),
    (&["history"], &["config", "no_sandbox"]),
    (&["outbox"], &["config", "no_sandbox"]),
    (&["invite"], &["no_sandbox"]),
    (&["home"], &["no_sandbox"]),
    (&["attach"], &["passphrase_file", "passphrase_fd"]),
    (&["replay"], &["home", "config", "passphrase_file", "passphrase_fd", "no_sandbox"]),
    (&["config"], &["home", "passphrase_file", "passphrase_fd"]),
    (&["completions"], &["home", "config", "passphrase_file", "passphrase_fd", "no_sandbox"]),
    (&["man"], &["home", "config", "passphrase_file", "passphrase_fd", "no_sandbox"]),
];

/// Cells of a row of help at most.
const HELP_CELLS: usize = 100;

/// The tree of commands as it is parsed, shown and completed.
pub(crate) fn command_line(tree: Command) -> Command {
    // One page, however it is asked for: of the parser's own two, the first names the second.
    let help = Arg::new("help").short('h').long("help").help("Print help").action(ArgAction::HelpShort);
    let mut tree = tree.override_help(HELP).disable_help_flag(true).arg(help.global(true).display_order(906));
    let of_file = tree.get_arguments().find(|option| option.get_id() == "passphrase_file").cloned();
    let of_file =
        of_file.map(|option| option.help("File whose first line is the passphrase of the exported home"));
    tree = at_path(tree, &["home"], |command| command.args(of_file));
    // The parser's answer to a command alone is its help, as if it had been asked for.
    tree = tree.mut_subcommands(|command| command.arg_required_else_help(false));
    for (path, options) in UNUSED {
        let hidden: Vec<_> = tree
            .get_arguments()
            .filter(|option| options.contains(&option.get_id().as_str()))
            .map(|option| option.clone().hide(true))
            .collect();
        tree = at_path(tree, path, |command| command.args(hidden));
    }
    tree
}

/// The tree for a reader at a terminal: rows of codes and examples below the options are wrapped in
/// their last column.
pub(crate) fn laid_out(tree: Command) -> Command {
    let cells = size::size().cells.min(HELP_CELLS);
    let tree = tree.term_width(cells);
    let below = tree.get_after_help().map(|text| {
        // The parser wraps paragraphs itself.
        let wrapped = |row: &str| {
            if row.starts_with(' ') { wrap_answer(row, cells).join("\n") } else { row.to_owned() }
        };
        text.to_string().split('\n').map(wrapped).collect::<Vec<_>>().join("\n")
    });
    let tree = match below {
        Some(below) => tree.after_help(below),
        None => tree,
    };
    tree.mut_subcommands(laid_out)
}

/// Help with every option of the prompt.
pub(crate) fn whole_help(tree: Command) -> StyledStr {
    tree.override_help(None::<&str>).render_help()
}

/// Changes the command at a path below another.
pub(crate) fn at_path(tree: Command, path: &[&str], change: impl FnOnce(Command) -> Command) -> Command {
    match path {
        [] => change(tree),
        [name, rest @ ..] => tree.mut_subcommand(name, |sub| at_path(sub, rest, change)),
    }
}
