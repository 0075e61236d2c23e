//! Commands, settings and screens of the README, each against the program.

use std::path::Path;
use std::process::Stdio;

use assert_cmd::Command;
use regex::Regex;
use rsachat::chat::command::markdown;

use crate::doctor::takes_a_call;
use crate::support::{Home, RSACHAT, read};

#[test]
fn the_command_table_is_the_one_of_the_parser() {
    assert!(read("README.md").contains(&markdown()), "the README's table is to be:\n{}", markdown());
}

#[test]
fn every_option_and_exit_code_of_the_readme_is_in_the_help() {
    let output = Command::new(RSACHAT).arg("--help").output().unwrap();
    assert!(output.status.success());
    let (readme, help) = (read("README.md"), String::from_utf8(output.stdout).unwrap());
    let options = "--home --config --name --listen --no-listen --known-only --anybody --connect --pin --wire --one-way \
        --history --colour --log --time-format --no-time --editor-mode --notify --title --plain --json \
        --passphrase-file --passphrase-fd";
    for option in options.split_whitespace() {
        assert!(help.contains(option), "{option} is missing in the help");
        assert!(readme.contains(option), "{option} is missing in the README");
    }
    for (code, meaning) in [
        ("0", "done"),
        ("1", "ran, but did not end as asked"),
        ("2", "bad usage"),
        ("3", "the machine refused"),
        ("4", "not the peer asked for"),
        ("5", "cut or silence"),
        ("128 + n", "ended by signal n"),
    ] {
        assert!(readme.contains(&format!("| {code} | {meaning}")), "code {code} is missing in the README");
        assert!(help.contains(meaning), "{meaning:?} is missing in the help");
    }
}

#[test]
fn the_set_up_commands_stand_there() {
    for command in ["cargo run --release", "cargo test"] {
        assert!(read("README.md").contains(command), "{command} is missing");
    }
}

#[test]
fn the_korean_readme_has_the_same_settings_and_codes_and_no_option_of_its_own() {
    let (korean, settings) = (read("README.ko.md"), block("```toml\n"));
    assert!(korean.contains(&settings), "the settings are to be:\n{settings}");
    for code in ["0", "1", "2", "3", "4", "5", "128 + n"] {
        assert!(korean.contains(&format!("\n| {code} | ")), "code {code} is missing");
    }
    for subcommand in ["send", "recv", "pipe", "replay", "config check", "config show", "doctor"] {
        assert!(korean.contains(&format!("rsachat {subcommand}")), "{subcommand} is missing");
    }
    let words = korean.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    // `cargo run --release` is no option of ours, but stands in both.
    for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(read("README.md").contains(option), "{option} is not in the README");
    }
}

/// The block of the README that begins with this fence and first line.
fn block(begins: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(begins).unwrap_or_else(|| panic!("{begins:?} is missing"));
    rest.split("```").next().unwrap().to_owned()
}

#[test]
fn the_settings_that_stand_there_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let settings = block("```toml\n");
    std::fs::write(&file, &settings).unwrap();
    let keys = format!("is right; {} keys are set\n", settings.lines().count());
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
    let shown = steady(&block("```text\n$ rsachat doctor"));
    let said = steady(&said);
    // The first row of the block is what is left of its command.
    let (sum, rows) = shown[1..].split_last().unwrap();
    assert!(rows.iter().all(|row| said.contains(row)), "the README's block is to be:\n{said:#?}");
    assert!(sum.starts_with("1 problem, "), "{sum}");
}

#[test]
fn the_conversation_that_stands_there_plays_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello.chat"), block("```chat\n")).unwrap();
    let mut replay = Command::new(RSACHAT);
    replay.args(["replay", "hello.chat"]).current_dir(folder.path());
    let printed = String::from_utf8(replay.assert().code(0).get_output().stdout.clone()).unwrap();
    let end = block("```text\n$ rsachat replay hello.chat | tail -n 4\n");
    assert_eq!(end.lines().count(), 4);
    assert!(printed.ends_with(&end), "it ends so:\n{printed}");
}

/// Runs the commands that the README gives for use without a prompt, in a folder and on ports of
/// our own.
#[test]
fn the_commands_without_a_prompt_do_what_they_say() {
    let (alice, bob) = (Home::with_key("alice", "test-1.pem"), Home::with_key("bob", "test-2.pem"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(at("notes.tar"), &bytes).unwrap();
    let commands = block("```sh\n# at bob's: bytes into a file");
    let commands = commands.replace("/tmp/alice", "\"$1\"").replace("/tmp/bob", "\"$2\"");
    let mut commands = commands.replace("/tmp", folder.path().to_str().unwrap());
    let program = Path::new(RSACHAT).parent().unwrap().display();
    let bob = bob.path().to_str().unwrap();
    let shell = |line: &str| alice.shell(&format!("PATH={program}:$PATH; {line}"), bob, Stdio::null());
    let mut waiting = Vec::new();
    for line in commands.clone().lines().filter(|line| line.contains("rsachat")) {
        let Some(line) = line.strip_suffix('&') else { continue };
        let port = line.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap();
        let listens = shell(&line.replace(port, "0"));
        commands = commands.replace(&format!("127.0.0.1:{port}"), &listens.listens_at());
        waiting.push(listens);
    }
    for line in commands.lines().filter(|line| line.contains("rsachat") && !line.ends_with('&')) {
        assert_eq!(shell(line).ends(), 0, "{line}");
    }
    assert_eq!(waiting.len(), 2);
    for mut process in waiting {
        assert_eq!(process.ends(), 0, "{}", process.complaints());
    }
    assert!(std::fs::read(at("copy.tar")).unwrap() == bytes);
    assert_eq!(std::fs::read_to_string(at("messages.log")).unwrap(), "backup done\n12 files\n");
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
