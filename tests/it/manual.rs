//! Manual and completions, given to the programs that will read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::{RSACHAT, assert_snapshot};

/// Runs a program without input or settings. One that is not installed fails the test: `.ci/run`
/// installs it.
fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    let env = [("LC_ALL", "C.UTF-8"), ("MANWIDTH", "80"), ("MANROFFSEQ", ""), ("RSACHAT_CONFIG", "none")];
    command.args(args).stdin(Stdio::null()).envs(env);
    command.output().unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"))
}

pub(crate) fn answer(args: &[&str]) -> String {
    let output = run(RSACHAT, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn pages(folder: &Path) -> BTreeMap<String, String> {
    answer(&["man", "--to", folder.to_str().unwrap()]);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

/// The subcommands that the help of a command lists.
fn subcommands(words: &[&str]) -> Vec<String> {
    let help = answer(&[words, &[if words.is_empty() { "--help-all" } else { "--help" }]].concat());
    let rows = help.lines().skip_while(|row| *row != "Commands:").skip(1).take_while(|row| !row.is_empty());
    let names = rows.filter(|row| row.starts_with("  ") && !row.starts_with("   "));
    names.map(|row| row.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn every_subcommand_has_a_page_with_exit_codes_and_examples() {
    let folder = TempDir::new().unwrap();
    let pages = pages(&folder.path().join("man1"));
    let mut waiting = vec![vec![]];
    let mut expected = 0;
    while let Some(words) = waiting.pop() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let name = [&["rsachat"], &words[..]].concat().join("-");
        let page = pages.get(&format!("{name}.1")).unwrap_or_else(|| panic!("{name} has no page"));
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH \"EXIT STATUS\"", ".SH EXAMPLES"] {
            assert!(page.contains(section), "{name} has no {section}");
        }
        assert_eq!(&answer(&[&["man"], &words[..]].concat()), page, "{name}");
        expected += 1;
        for sub in subcommands(&words) {
            waiting.push(words.iter().map(|word| (*word).to_owned()).chain([sub]).collect());
        }
    }
    assert_eq!(pages.len(), expected, "{:?}", pages.keys());
}

#[test]
fn the_help_is_one_screen_that_names_every_command() {
    let help = answer(&["--help"]);
    assert_eq!(help, answer(&["-h"]));
    // A row is left for what the shell writes behind it.
    assert!(help.lines().count() <= 23, "{help}");
    assert!(help.lines().all(|row| row.chars().count() <= 80), "{help}");
    assert!(help.contains("$ rsachat --listen 8000") && help.contains("bob: "), "{help}");
    let whole = answer(&["--help-all"]);
    let words: Vec<_> = help.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    for command in subcommands(&[]) {
        assert!(words.contains(&command.as_str()), "{command}");
    }
    for option in words.iter().filter(|word| word.starts_with("--") && **word != "--help") {
        assert!(whole.contains(option), "{option}");
    }
}

#[test]
fn the_help_of_a_command_has_the_options_that_mean_something_for_it() {
    let common = ["--home", "--config", "--passphrase-file", "--passphrase-fd", "--no-sandbox"];
    let mut shown = BTreeMap::new();
    for words in [
        &["key", "new"][..],
        &["key", "show"],
        &["peers", "list"],
        &["history", "search"],
        &["home", "export"],
        &["attach"],
        &["pipe"],
        &["send"],
        &["ask"],
        &["serve"],
        &["recv"],
        &["replay"],
        &["config", "show"],
        &["doctor"],
        &["completions"],
        &["man"],
    ] {
        let help = answer(&[words, &["-h"]].concat());
        let options: Vec<_> =
            common.into_iter().filter(|option| help.contains(&format!("{option} "))).collect();
        shown.insert(words.join(" "), options.join(" "));
    }
    let rows: Vec<_> = shown.into_iter().map(|(words, options)| format!("{words}: {options}\n")).collect();
    assert_snapshot("options-of-commands", &rows.concat());
    // They are understood everywhere, also by who gives them each time.
    answer(&["--home", "/nowhere", "completions", "bash"]);
    answer(&["man", "--passphrase-fd", "9"]);
}

/// The commands of the tree, each as its words.
pub(crate) fn every_command() -> Vec<Vec<String>> {
    let folder = TempDir::new().unwrap();
    let names = pages(&folder.path().join("man1")).into_keys();
    let words = names.map(|name| name.trim_end_matches(".1").split('-').skip(1).map(str::to_owned).collect());
    words.collect()
}

#[test]
fn the_help_of_every_command_is_one_page_of_80_cells_whose_examples_are_whole() {
    let help = |words: &[&str], option: &str, cells: &str| {
        let mut command = Command::new(RSACHAT);
        command.args(words).arg(option).env("COLUMNS", cells).stdin(Stdio::null());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for words in every_command() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let long = if words.is_empty() { "--help-all" } else { "--help" };
        let page = help(&words, long, "80");
        assert!(page.lines().all(|row| row.chars().count() <= 80), "{page}");
        assert!(!page.contains("(see "), "{page}");
        if !words.is_empty() {
            assert_eq!(page, help(&words, "-h", "80"));
        }
        let examples = |page: &str| page.split("Examples:\n").nth(1).map(str::to_owned);
        assert_eq!(examples(&page), examples(&help(&words, long, "100")), "{words:?}");
        let is_home = words.first() == Some(&"home");
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(flat.contains("passphrase of the exported home"), is_home, "{words:?}");
        assert_eq!(
            flat.contains("passphrase of the key"),
            !is_home && page.contains("--passphrase-file <"),
            "{words:?}"
        );
        // A code whose meaning has several rows has them in one column.
        let codes = page.split("Exit codes:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap();
        for row in codes.lines() {
            let is_code = row[2..].starts_with(|c: char| c.is_ascii_digit());
            assert!(is_code || row.starts_with("     "), "{row:?} in {words:?}");
        }
    }
}

#[test]
fn a_mistaken_command_line_is_answered_as_any_other_error_with_what_to_write() {
    let mut said = Vec::new();
    for line in [
        "sendd x",
        "sendd",
        "sendd -m x",
        "bob x",
        "--foo",
        "-q",
        "send --fo x",
        "send x --acept-new",
        "key",
        "key nw",
        "help nope",
        "key new a",
        "key new a b",
        "recv --count 0",
        "recv --count x",
        "recv --peers 0 --listen 0",
        "ask bob --answers 0",
        "send x --timeout 5q",
        "replay --jobs x .",
        "man --to",
        "send",
        "pipe",
        "--pin x",
        "--wire oaep",
        "--redact x",
        "--redact ( --record x",
        "--json --plain",
        "--json --json",
        "--json=x",
        "--colour=purple",
        "--editor-mode nano",
        "completions foo",
        "completions",
        "--known-only=perhaps",
        "send x --pin x",
        "recv --listen 0 --pin x",
        "x --pin x",
        "doctor x --pin x",
        "pipe --connect x --pin x",
        "peers trust bob x",
        "peers add bob x",
        "--one-way",
        "--one-way --connect bob",
        "send x --wire foo",
        "ask x --wire foo",
        "recv --listen 0 --wire foo",
        "--listen 0 --wire foo",
        "--name b/b",
        "send x --name b/b",
        "serve --name b/b",
        "--time-format %!",
        "doctor a b",
        "history delete --all --peer x",
    ] {
        let output = run(RSACHAT, &line.split(' ').collect::<Vec<_>>());
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{line}: {words}");
        let rows: Vec<_> = words.lines().collect();
        assert!(rows.first().is_some_and(|row| row.starts_with("rsachat: error: ")), "{line}: {words}");
        assert!(rows.last().is_some_and(|row| row.starts_with("rsachat: hint: ")), "{line}: {words}");
        said.push(format!("$ rsachat {line}\n{words}"));
    }
    assert_snapshot("mistaken-command-lines", &said.concat());
}

#[test]
fn the_page_of_the_program_has_everything_that_can_be_set() {
    let page = answer(&["man"]);
    for section in
        [r#"SH "COMMANDS OF THE PROMPT""#, "SH CONFIGURATION", "SH KEYS", "SH ENVIRONMENT", "SH FILES"]
    {
        assert!(page.contains(section), "{section}");
    }
    let shown = answer(&["config", "show"]);
    let mut keys = 0;
    for row in shown.lines().skip(1) {
        let key = row.trim_start_matches("# ").split(' ').next().unwrap();
        let key = key.replace('-', "\\-");
        assert!(page.contains(&format!("\\fB{key} = ")), "{key} is not in the manual");
        keys += 1;
    }
    assert!(keys >= 8, "{shown}");
}

#[test]
fn the_manual_renders_without_warnings() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("man1");
    let rendered = |file: &Path| {
        run("man", &["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file.to_str().unwrap()])
    };
    for (name, _) in pages(&folder) {
        let file = folder.join(&name);
        let rendered = rendered(&file);
        assert!(rendered.status.success() && !rendered.stdout.is_empty(), "{name}");
        assert_eq!(String::from_utf8_lossy(&rendered.stderr), "", "{name}");
        let page = String::from_utf8(run("man", &["-l", file.to_str().unwrap()]).stdout).unwrap();
        assert!(page.lines().all(|row| row.chars().count() <= 80), "{page}");
    }
    // Warnings are really asked for.
    let wrong = folder.join("wrong.1");
    fs::write(&wrong, ".TH WRONG 1\n.SH NAME\n\\fQwrong\n.nosuchmacro\n").unwrap();
    let rendered = rendered(&wrong);
    assert!(String::from_utf8_lossy(&rendered.stderr).contains("nosuchmacro"));
}

#[test]
fn a_page_that_does_not_exist_names_those_that_do() {
    let output = run(RSACHAT, &["man", "key", "nwe"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("rsachat-key has no subcommand nwe"), "{said}");
    assert!(said.contains("hint: it has export, import, new, passphrase, relay, show"), "{said}");
    let output = run(RSACHAT, &["man", "--to", "/dev/null/x"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write /dev/null/x: not a directory"));
}

#[test]
fn shells_take_the_completions() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = answer(&["completions", shell]);
        assert!(text.contains("rsachat"), "{shell}: {text}");
        if Command::new(shell).arg("-c").arg("exit").status().is_err() {
            // `.ci/run` installs it; the tests of the terminal say what was not pressed.
            continue;
        }
        let file = folder.path().join(shell);
        fs::write(&file, text).unwrap();
        let checked = run(shell, &["-n", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && said.is_empty(), "{shell}: {said}");
        fs::write(&file, "if (((\n").unwrap();
        assert!(!run(shell, &["-n", file.to_str().unwrap()]).status.success(), "{shell} looks at nothing");
    }
    assert!(answer(&["completions", "powershell"]).contains("Register-ArgumentCompleter"));
}

#[test]
fn manual_and_completions_are_put_where_they_are_looked_for_and_the_folders_are_made() {
    let home = TempDir::new().unwrap();
    let install = |args: &[&str], shell: &str| {
        let mut command = Command::new(RSACHAT);
        let output =
            command.args(args).env_clear().env("HOME", home.path()).env("SHELL", shell).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said.lines().next().unwrap_or_default().to_owned(), said)
    };
    for (shell, file) in [
        ("/bin/bash", ".local/share/bash-completion/completions/rsachat"),
        ("/usr/bin/zsh", ".zfunc/_rsachat"),
        ("/usr/bin/fish", ".config/fish/completions/rsachat.fish"),
    ] {
        let path = home.path().join(file);
        assert!(!path.exists());
        let (code, first, said) = install(&["completions", "--install"], shell);
        assert_eq!((code, first.as_str()), (Some(0), path.to_str().unwrap()), "{said}");
        assert!(fs::read_to_string(&path).unwrap().contains("rsachat"), "{said}");
    }
    assert_eq!(install(&["completions", "--install"], "/bin/false").0, Some(2));
    assert_eq!(install(&["completions", "powershell", "--install"], "").0, Some(2));
    let (code, first, said) = install(&["man", "--install"], "");
    let page = home.path().join(".local/share/man/man1/rsachat.1");
    assert_eq!((code, first.as_str()), (Some(0), page.to_str().unwrap()), "{said}");
    assert!(page.with_file_name("rsachat-key-new.1").is_file());
}
