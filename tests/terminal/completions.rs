//! Tab, pressed in the shells that people use, with what `completions --install` has written.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use portable_pty::CommandBuilder;

use super::pty::{Pty, Setup, has, row_of_cursor};
use super::support::{Home, RSACHAT};

/// What stands on the line before Tab, and after it.
const PRESSED: [(&str, &str); 27] = [
    ("rsachat doc", "rsachat doctor"),
    ("rsachat key exp", "rsachat key export"),
    ("rsachat --passphrase-fi", "rsachat --passphrase-file"),
    ("rsachat --colour al", "rsachat --colour always"),
    ("rsachat --wire oa", "rsachat --wire oaep"),
    ("rsachat --wire=oa", "rsachat --wire=oaep"),
    ("rsachat send mi --wire=oa", "rsachat send mi --wire=oaep"),
    ("rsachat --colour=al", "rsachat --colour=always"),
    ("rsachat --connect=mi", "rsachat --connect=minji"),
    ("rsachat --log=a-f", "rsachat --log=a-file"),
    ("rsachat send --to=ha --wire=oa", "rsachat send --to=ha --wire=oaep"),
    ("rsachat --connect host:8000 --wire=na", "rsachat --connect host:8000 --wire=native"),
    ("rsachat completions zs", "rsachat completions zsh"),
    ("rsachat man ke", "rsachat man key"),
    ("rsachat man key exp", "rsachat man key export"),
    ("rsachat help ke", "rsachat help key"),
    ("rsachat doctor 127", "rsachat doctor 127.0.0.1:8000"),
    ("rsachat key new 40", "rsachat key new 4096"),
    ("rsachat mi", "rsachat minji"),
    ("rsachat --connect mi", "rsachat --connect minji"),
    ("rsachat send --to ha", "rsachat send --to hana"),
    ("rsachat ask mi", "rsachat ask minji"),
    ("rsachat send ha", "rsachat send hana"),
    ("rsachat ask ha", "rsachat ask hana"),
    ("rsachat peers block ha", "rsachat peers block hana"),
    ("rsachat outbox drop ha", "rsachat outbox drop hana"),
    ("rsachat --home other peers forget ju", "rsachat --home other peers forget junho"),
];

/// A program of this machine.
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A home with a book, and another one below it.
fn home() -> Home {
    let home = Home::with_key("alice", "pty/alice.pem");
    let key = |name: &str| Home::with_key(name, "test-1.pem").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\nminji {} verified 127.0.0.1:8000\n", key("minji")));
    let hana = Home::with_key("hana", "test-2.pem").fingerprint();
    let book = fs::read_to_string(home.file("peers")).unwrap();
    home.private("peers", format!("{book}hana {hana} verified\n"));
    fs::create_dir(home.file("other")).unwrap();
    let other = Home::with_key("junho", "test-3.pem").fingerprint();
    home.private("other/peers", format!("# rsachat peer book 2\njunho {other} verified\n"));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(home.file("other"), private).unwrap();
    fs::write(home.file("a-file"), "").unwrap();
    home
}

fn environment(home: &Path) -> Vec<(&'static str, String)> {
    let path = std::env::var("PATH").unwrap_or_default();
    let program = Path::new(RSACHAT).parent().unwrap().display().to_string();
    let home = home.display().to_string();
    vec![
        ("PATH", format!("{program}:{path}")),
        ("RSACHAT_HOME", home.clone()),
        ("XDG_DATA_HOME", format!("{home}/data")),
        ("XDG_CONFIG_HOME", format!("{home}/config")),
        ("XDG_CACHE_HOME", format!("{home}/cache")),
        ("ZDOTDIR", home.clone()),
        ("HOME", home),
        ("TERM", "xterm-256color".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
    ]
}

/// Presses Tab in a shell. `begin` is what its user's own files would have in them, `list` and
/// `drop` are the keys that list what Tab offers, and that drop the line.
fn press_tab(shell: &str, arguments: &[&str], begin: &str, [list, drop]: [&str; 2]) {
    let Some(program) = found(shell) else {
        // Not captured, so that whoever runs the tests reads it.
        let how = format!("apt-get install {shell}, then cargo test --test terminal completions");
        let _ = writeln!(std::io::stderr(), "Tab was not pressed in {shell}, which is not installed; {how}");
        return;
    };
    let home = home();
    let env = environment(home.path());
    let install = ["completions", shell, "--install"];
    let done = Command::new(RSACHAT).args(install).env_clear().envs(env.iter().cloned()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(Path::new(said.lines().next().unwrap()).is_file(), "{said}");

    let mut command = CommandBuilder::new(program);
    command.args(arguments);
    command.env_clear();
    for (name, value) in &env {
        command.env(name, value);
    }
    command.cwd(home.path());
    let mut pty = Pty::open(command, (Setup::WIDE.cols, Setup::WIDE.rows), home.clone());
    pty.press(&format!("{begin}\r"));
    let prompt = |screen: &vt100::Screen| row_of_cursor(screen).starts_with("now> ");
    pty.wait("the prompt of the shell", prompt);
    for (before, after) in PRESSED {
        pty.press(&format!("{before}\t"));
        let line = format!("now> {after}");
        pty.wait(after, |screen| row_of_cursor(screen).starts_with(&line));
        pty.press("\x15\x0c");
        pty.wait("an empty line", |screen| row_of_cursor(screen).trim_end() == "now>");
    }
    pty.press(&format!("rsachat --wire={list}"));
    pty.wait("the values", |screen| has(screen, "native") && has(screen, "oaep") && !has(screen, "a-file"));
    pty.press(drop);
    pty.wait("an empty line", |screen| row_of_cursor(screen).trim_end() == "now>");
    // Values, and no files, where an option has values of its own; no names where it has none.
    pty.press(&format!("rsachat --colour {list}"));
    pty.wait("the values", |screen| has(screen, "auto") && has(screen, "never") && !has(screen, "a-file"));
    pty.press(drop);
    pty.wait("an empty line", |screen| row_of_cursor(screen).trim_end() == "now>");
    pty.press("\x0crsachat --title --pla\t");
    pty.wait("an option behind another", |screen| {
        row_of_cursor(screen).starts_with("now> rsachat --title --plain")
    });
    pty.press("\x15exit\r");
    pty.wait_end();
}

#[test]
fn bash_completes_what_the_program_takes() {
    let file = "data/bash-completion/completions/rsachat";
    press_tab(
        "bash",
        &["--norc", "--noprofile", "-i"],
        &format!(". {file}; PS1='now> '; clear"),
        ["\t\t", "\x03"],
    );
}

#[test]
fn zsh_completes_what_the_program_takes() {
    let begin = "fpath=(~/.zfunc $fpath); autoload -U compinit; compinit -D -u; PS1='now> '; clear";
    press_tab("zsh", &["-f", "-i"], begin, ["\t", "\x15\x0c"]);
}

#[test]
fn fish_completes_what_the_program_takes() {
    let begin = "function fish_prompt; printf 'now> '; end; function fish_right_prompt; end; clear";
    press_tab("fish", &["-i"], begin, ["\t", "\x15\x0c"]);
}

#[test]
fn no_name_of_a_damaged_book_and_nothing_that_moves_a_cursor_is_offered() {
    let home = home();
    let ask = |shell: &str, words: &[&str]| {
        let mut command = Command::new(RSACHAT);
        command.env_clear().envs(environment(home.path())).env("_RSACHAT_COMPLETE", shell);
        command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
        command.env("_CLAP_IFS", "\n").arg("--").args(words);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish"] {
        let offered = ask(shell, &["rsachat", "ask", ""]);
        assert!(offered.lines().any(|row| row.starts_with("minji")), "{shell}: {offered}");
        let none = ask(shell, &["rsachat", "peers", "unblock", ""]);
        assert!(!none.contains("minji"), "{shell}: {none}");
    }
    let book = fs::read_to_string(home.file("peers")).unwrap();
    home.private("peers", book.replace("minji", "min\u{1b}[2Jji"));
    for shell in ["bash", "zsh", "fish"] {
        let offered = ask(shell, &["rsachat", "ask", ""]);
        assert!(!offered.contains("min") && !offered.contains('\u{1b}'), "{shell}: {offered:?}");
    }
}
