//! The README says what the program says.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;

use assert_cmd::Command;
use rsachat::chat::command::markdown;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_command_table_is_the_one_of_the_parser() {
    assert!(readme().contains(&markdown()), "the README's table is to be:\n{}", markdown());
}

#[test]
fn every_option_and_exit_code_of_the_readme_is_in_the_help() {
    let output = Command::cargo_bin("rsachat").unwrap().arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--home",
        "--name",
        "--listen",
        "--connect",
        "--pin",
        "--wire",
        "--one-way",
        "--history",
        "--passphrase-file",
    ] {
        assert!(help.contains(option), "{option} is missing in the help");
        assert!(readme().contains(option), "{option} is missing in the README");
    }
    for (code, meaning) in [
        ("0", "done"),
        ("1", "ran, but did not end as asked"),
        ("2", "bad usage"),
        ("3", "the machine refused"),
        ("4", "not the peer asked for"),
        ("5", "silence or loss"),
        ("128 + n", "ended by signal n"),
    ] {
        assert!(readme().contains(&format!("| {code} | {meaning}")), "code {code} is missing in the README");
        assert!(help.contains(meaning), "{meaning:?} is missing in the help");
    }
}

#[test]
fn the_set_up_commands_stand_there() {
    for command in ["cargo run --release", "cargo test"] {
        assert!(readme().contains(command), "{command} is missing");
    }
}

#[test]
fn wrong_usage_is_code_two() {
    Command::cargo_bin("rsachat").unwrap().arg("--nonsense").assert().code(2);
    let home = std::env::temp_dir().join("rsachat-usage-never-made");
    let mut wrong = Command::cargo_bin("rsachat").unwrap();
    wrong.args(["--connect", "8000", "--home"]).arg(&home).assert().code(2);
    assert!(!home.exists());
}
