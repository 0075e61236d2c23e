//! Commands, settings and screens of the README and of its pages for users, each against the program.

use std::collections::BTreeSet;
use std::path::Path;

use assert_cmd::Command;
use regex::Regex;
use rsachat::chat::command::{habits_markdown, markdown};

use crate::doctor::takes_a_call;
use crate::manual::{answer, every_command};
use crate::support::{RSACHAT, read};

/// Page of the prompt: its commands, signs and keys.
const PROMPT: &str = "docs/PROMPT.md";
/// Page of options, exit codes and settings.
const COMMAND_LINE: &str = "docs/COMMAND_LINE.md";

#[test]
fn the_command_table_is_the_one_of_the_parser() {
    for table in [markdown(), habits_markdown()] {
        assert!(read(PROMPT).contains(&table), "the table of {PROMPT} is to be:\n{table}");
    }
}

#[test]
fn every_exit_code_of_the_page_is_in_the_help() {
    let output = Command::new(RSACHAT).arg("--help-all").output().unwrap();
    assert!(output.status.success());
    let (page, help) = (read(COMMAND_LINE), String::from_utf8(output.stdout).unwrap());
    for (code, meaning) in [
        ("0", "done"),
        ("1", "ran, but did not succeed"),
        ("2", "bad usage"),
        ("3", "a system error"),
        ("4", "not the expected peer"),
        ("5", "cut off or timed out"),
        ("128 + n", "terminated by signal n"),
    ] {
        assert!(page.contains(&format!("| {code} | {meaning}")), "code {code} is missing in {COMMAND_LINE}");
        assert!(help.contains(meaning), "{meaning:?} is missing in the help");
    }
}

#[test]
fn every_option_of_every_command_is_on_a_page() {
    let option = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").unwrap();
    let named = |page: &str| -> BTreeSet<String> {
        let page = read(page);
        let words = page.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
    };
    let (all, of_replay) = (named(COMMAND_LINE), named("docs/SCRIPTS.md"));
    let mut count = 0;
    for words in every_command() {
        let (page, named) = match words.first().map(String::as_str) {
            Some("replay") => ("docs/SCRIPTS.md", &of_replay),
            _ => (COMMAND_LINE, &all),
        };
        let help = if words.is_empty() { "--help-all" } else { "--help" };
        let words = words.iter().map(String::as_str).chain([help]).collect::<Vec<_>>();
        for found in option.captures_iter(&answer(&words)) {
            let is_there = matches!(&found[1], "--help" | "--help-all") || named.contains(&found[1]);
            assert!(is_there, "{} of {words:?} is not in {page}", &found[1]);
            count += 1;
        }
    }
    assert!(count > 200, "{count} options");
}

#[test]
fn the_front_page_is_short_and_begins_with_what_sets_everything_up() {
    let readme = read("README.md");
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    let commands: Vec<_> = readme.lines().filter(|line| line.starts_with("cargo ")).collect();
    assert!(commands[0].starts_with("cargo run --release ") && commands[1].starts_with("cargo test "));
    assert!(readme.lines().take(20).any(|line| line == commands[1]), "they stand at the top");
}

/// Pages for readers, with the folder that their links begin in.
fn pages() -> impl Iterator<Item = (String, std::path::PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_folder = |folder: &Path| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let files =
        [in_folder(root), in_folder(&root.join("docs")), in_folder(&root.join("docs/formal"))].concat();
    let pages = files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "md"));
    pages.map(|file| (std::fs::read_to_string(&file).unwrap(), file))
}

/// Name by which a heading is linked to: lower case, a hyphen for a blank, no other signs.
fn anchor(heading: &str) -> String {
    let word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(|c| word(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_of_it() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut count = 0;
    for (text, file) in pages() {
        for target in link.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()) {
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let there = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            assert!(there.exists(), "{} links to {target}", file.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(there).unwrap();
                let mut headings =
                    text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
                assert!(headings.any(|line| anchor(line) == heading), "{} links to {target}", file.display());
            }
        }
    }
    assert!(count > 40, "{count} links");
}

/// The README in its two languages.
const READMES: [&str; 2] = ["README.md", "README.ko.md"];

/// What of a page is the same in every language: headings, the cells of each row of a table, links,
/// and blocks without their comments and texts.
fn shape(page: &str) -> Vec<String> {
    let (text, link) = (read(page), Regex::new(r"\]\(([^)\s]+)\)").unwrap());
    let words = Regex::new(r"'[^']*'|\s+# .*$|^# .*$|안녕.*$|hi alice.*$|반가워.*$").unwrap();
    let mut shape = Vec::new();
    let mut is_block = false;
    for row in text.lines() {
        is_block ^= row.starts_with("```");
        if is_block || row.starts_with("```") {
            shape.push(words.replace_all(row, "").into_owned());
        } else if row.starts_with('#') {
            shape.push(row.split(' ').next().unwrap().to_owned());
        } else if row.starts_with('|') {
            shape.push(format!("{} cells", row.matches('|').count() - 1));
        }
        let links = link.captures_iter(row).map(|found| found[1].to_owned());
        shape.extend(links.filter(|target| !READMES.contains(&target.as_str())));
    }
    shape
}

#[test]
fn the_readme_has_one_shape_in_both_languages() {
    let [english, korean] = READMES.map(|page| read(page).lines().count());
    assert!(korean <= english, "{korean} lines in Korean, {english} in English");
    assert_eq!(shape(READMES[1]), shape(READMES[0]));
}

#[test]
fn the_korean_readme_has_no_option_of_its_own() {
    let korean = read(READMES[1]);
    let words = korean.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    // `cargo run --release` is no option of ours, but stands in both.
    for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
        let is_there = ["README.md", COMMAND_LINE, PROMPT].map(read).iter().any(|page| page.contains(option));
        assert!(is_there, "{option} is not in the English pages");
    }
}

/// The block of a page that begins with this fence and first line.
fn block(page: &str, begins: &str) -> String {
    let text = read(page);
    let (_, rest) = text.split_once(begins).unwrap_or_else(|| panic!("{begins:?} is missing"));
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_settings_that_stand_there_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let settings = block(COMMAND_LINE, "```toml\n");
    std::fs::write(&file, &settings).unwrap();
    let keys = format!("is valid, with {} settings\n", settings.lines().count());
    let mut check = Command::new(RSACHAT);
    let output =
        check.arg("--config").arg(&file).args(["config", "check"]).assert().code(0).get_output().clone();
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(&keys), "{keys}");
}

#[test]
fn the_doctor_says_what_stands_there() {
    let (at, ssh) = takes_a_call(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\n", b"");
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("home");
    Command::new(RSACHAT).args(["key", "new", "2048", "--home"]).arg(&home).assert().code(0);
    let mut doctor = Command::new(RSACHAT);
    doctor.env_clear().env("HOME", "/home/minji").args(["doctor", &at, "--home"]).arg(&home);
    let output = doctor.assert().code(4).get_output().clone();
    drop(ssh.join().unwrap());
    let said = String::from_utf8(output.stdout).unwrap();
    let at_home = home.display().to_string();
    let said = said.replace(&at_home, "/home/minji/.local/share/rsachat").replace(&at, "127.0.0.1:22");
    // The default port of the machine that runs the tests may be taken; its clock is another; so is
    // the key.
    let machine = ["port", "clock", "key"];
    let steady = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|row| !row.starts_with('$'));
        let rows =
            rows.filter(|row| !row.split_whitespace().nth(1).is_some_and(|what| machine.contains(&what)));
        rows.map(str::to_owned).collect()
    };
    let shown = steady(&block(COMMAND_LINE, "```text\n$ rsachat doctor"));
    let said = steady(&said);
    // The first row of the block is what is left of its command.
    let (sum, rows) = shown[1..].split_last().unwrap();
    assert!(rows.iter().all(|row| said.contains(row)), "the block is to be:\n{said:#?}");
    assert!(sum.starts_with("1 problem, "), "{sum}");
}

#[test]
fn every_file_that_the_map_of_the_source_names_is_there() {
    let map = read("docs/ARCHITECTURE.md");
    let paths = Regex::new(r"`((?:src|tests|docs)/[\w./]*)`").unwrap();
    let named: Vec<_> = paths.captures_iter(&map).map(|found| found[1].to_owned()).collect();
    assert!(named.len() > 40, "the map names {} files", named.len());
    for path in named {
        let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        assert!(there.exists(), "docs/ARCHITECTURE.md names {path}");
    }
}
