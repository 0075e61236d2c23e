//! Manual and completions, given to the programs that will read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::RSACHAT;

/// Runs a program without input or settings. One that is not installed fails the test: `.ci/run`
/// installs it.
fn run(program: &str, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    let env = [("LC_ALL", "C.UTF-8"), ("MANWIDTH", "80"), ("MANROFFSEQ", ""), ("RSACHAT_CONFIG", "none")];
    command.args(args).stdin(Stdio::null()).envs(env);
    command.output().unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"))
}

fn answer(args: &[&str]) -> String {
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
    let help = answer(&[words, &["--help"]].concat());
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
fn the_page_of_the_program_has_everything_that_can_be_set() {
    let page = answer(&["man"]);
    for section in [r#"SH "COMMANDS OF THE PROMPT""#, "SH CONFIGURATION", "SH ENVIRONMENT", "SH FILES"] {
        assert!(page.contains(section), "{section}");
    }
    let shown = answer(&["config", "show"]);
    let mut keys = 0;
    for row in shown.lines().skip(1) {
        let key = row.trim_start_matches("# ").split(" = ").next().unwrap();
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
    assert!(said.contains("hint: it has export, import, new, passphrase, show"), "{said}");
    let output = run(RSACHAT, &["man", "--to", "/dev/null/x"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot write /dev/null/x: not a directory"));
}

#[test]
fn shells_take_the_completions() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = answer(&["completions", shell]);
        for word in ["passphrase-file", "peers", "known-only", "completions"] {
            assert!(text.contains(word), "{shell}: {word}");
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
fn bash_completes_subcommands_options_and_values() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("rsachat.bash");
    fs::write(&file, answer(&["completions", "bash"])).unwrap();
    let script = r#"source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _rsachat rsachat "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[*]}""#;
    for (words, expected) in [
        (vec!["rsachat", "pe"], "peers"),
        (vec!["rsachat", "key", "ex"], "export"),
        (vec!["rsachat", "--passphrase-fi"], "--passphrase-file"),
        (vec!["rsachat", "--colour", "al"], "always"),
        (vec!["rsachat", "completions", "zs"], "zsh"),
    ] {
        let args = [vec!["-c", script, "bash", file.to_str().unwrap()], words.clone()].concat();
        let output = run("bash", &args);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim_end(), expected, "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
