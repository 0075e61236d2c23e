//! The command line as a whole: the page of `--help`, and which of the options that every command
//! takes mean something for it.

use clap::Command;
use clap::builder::StyledStr;

/// What `rsachat --help` shows: a screen of 80 by 24, with the command that asked for it.
const HELP: &str = "\
Private conversation between terminals, with nothing to sign up for

Usage: rsachat [OPTIONS] [NAME|ADDR]    a prompt; type :help there
       rsachat COMMAND [OPTIONS]        rsachat COMMAND --help says more

  alice$ rsachat --listen 8000          bob$ rsachat alice.example.org:8000
  * listening on [::]:8000              * alice joined, new key SHA256:…
  12:00 bob: are you there?             bob to alice? > are you there?

Commands:
  key, peers        your key; who is known, verified and blocked
  send, ask         messages from standard input; a question and its answers
  recv, pipe        messages to standard output or a command; bytes, both ways
  serve, attach     the prompt without anybody at it; a prompt there
  history, home     what was kept; everything of yours, to another machine
  config, doctor    the settings; why a connection would not work
  replay            conversations from files, played and checked
  completions, man  what Tab offers in your shell; the manual

Options: --name NAME, --home DIR, --known-only, --plain, --json
--help-all: every option, the exit codes, the environment; rsachat man: more
";

/// Options of every command that mean nothing for some: there they are taken, and not shown.
const UNUSED: [(&[&str], &[&str]); 9] = [
    (&["key", "new"], &["config"]),
    (&["key", "import"], &["config"]),
    (&["peers"], &["config", "passphrase_file", "passphrase_fd"]),
    (&["history"], &["config"]),
    (&["attach"], &["passphrase_file", "passphrase_fd"]),
    (&["replay"], &["home", "config", "passphrase_file", "passphrase_fd"]),
    (&["config"], &["home", "passphrase_file", "passphrase_fd"]),
    (&["completions"], &["home", "config", "passphrase_file", "passphrase_fd"]),
    (&["man"], &["home", "config", "passphrase_file", "passphrase_fd"]),
];

/// The tree of commands as it is parsed, shown and completed.
pub(crate) fn command_line(tree: Command) -> Command {
    let mut tree = tree.override_help(HELP);
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

/// Help with every option of the prompt.
pub(crate) fn whole_help(tree: Command) -> StyledStr {
    tree.override_help(None::<&str>).render_long_help()
}

/// Changes the command at a path below another.
pub(crate) fn at_path(tree: Command, path: &[&str], change: impl FnOnce(Command) -> Command) -> Command {
    match path {
        [] => change(tree),
        [name, rest @ ..] => tree.mut_subcommand(name, |sub| at_path(sub, rest, change)),
    }
}
