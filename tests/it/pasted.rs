//! Blocks of the README, each run as it is pasted, in the order of the page, by somebody whose home
//! is empty. Only `/tmp` is a folder of the test, and a port is one that is free.

use std::fs;
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::Value;

use crate::support::{Home, Process, RSACHAT, read, root};

#[test]
fn every_block_of_the_readme_works_as_pasted_into_an_empty_home() {
    check_page("README.md", "backup done\n12 files\n");
}

#[test]
fn every_block_of_the_korean_readme_works_as_pasted_into_an_empty_home() {
    check_page("README.ko.md", "백업 완료\n파일 12개\n");
}

/// Pastes the blocks of a page; at the end, these messages have been received.
fn check_page(page: &str, received: &str) {
    let block = Regex::new(r"(?ms)^```(\w+)\n(.*?)^```$").unwrap();
    let text = read(page);
    let mut clone = Clone::new();
    let mut pasted = Vec::new();
    for block in block.captures_iter(&text) {
        let [language, block]: [&str; 2] = block.extract().1;
        pasted.push(match (language, block.split(' ').next().unwrap()) {
            ("sh", "cargo") => clone.builds(block),
            ("sh", "export") => clone.finds_the_program(block),
            ("sh", "rsachat") => clone.talks(block),
            ("sh", "#") => clone.runs_in_the_background(block),
            ("chat", "#") => clone.saves_the_script(block),
            ("text", "$") => clone.prints(block),
            _ => panic!("nobody pastes this block of {page}:\n{block}"),
        });
    }
    assert_eq!(pasted, ["build", "path", "talk", "script", "output", "background"], "{page}");
    assert_eq!(text.matches("\n```").count(), 2 * pasted.len(), "{page} has another block");
    assert_eq!(fs::read_to_string(clone.folder.file("messages.log")).unwrap(), received);
}

/// The source as it was cloned and built, in a folder that also stands for `/tmp` and holds the
/// empty `HOME`.
struct Clone {
    folder: Home,
    /// What was pasted into every shell first.
    path: String,
}

impl Clone {
    fn new() -> Self {
        let folder = Home::empty("reader");
        for part in ["home", "target", "target/release"] {
            fs::create_dir(folder.file(part)).unwrap();
        }
        std::os::unix::fs::symlink(RSACHAT, folder.file("target/release/rsachat")).unwrap();
        let copied = Command::new("cp").arg("-r").arg(root("docs")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        Self { folder, path: String::new() }
    }

    /// A shell of its own, into which a command is pasted.
    fn shell(&self, pasted: &str, input: Stdio) -> Process {
        let mut shell = Command::new("sh");
        let script = format!(
            "{}{}",
            self.path,
            pasted.replace("/tmp/", &format!("{}/", self.folder.path().display()))
        );
        shell.args(["-c", &script]).current_dir(self.folder.path()).env("HOME", self.folder.file("home"));
        for set in ["RSACHAT_HOME", "RSACHAT_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            shell.env_remove(set);
        }
        self.folder.start_on(shell, input)
    }

    /// `cargo run` has one program to start, which takes `:help`; `cargo test` runs this.
    fn builds(&self, block: &str) -> &'static str {
        let commands: Vec<_> =
            block.lines().map(|line| line.split(" #").next().unwrap().trim_end()).collect();
        assert_eq!(commands, ["cargo run --release", "cargo test"]);
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--no-deps", "--offline", "--locked", "--format-version=1"]);
        let described = cargo.current_dir(root("")).output().unwrap();
        let described: Value = serde_json::from_slice(&described.stdout).unwrap();
        let targets = described["packages"][0]["targets"].as_array().unwrap();
        let programs: Vec<_> = targets.iter().filter(|target| target["kind"][0] == "bin").collect();
        assert_eq!(programs.len(), 1);
        assert_eq!(programs[0]["name"], "rsachat");

        let mut prompt = self.shell("target/release/rsachat", Stdio::piped());
        prompt.types(":help");
        prompt.sees(":listen");
        prompt.types(":quit");
        assert_eq!(prompt.ends(), 0);
        "build"
    }

    fn finds_the_program(&mut self, block: &str) -> &'static str {
        block.clone_into(&mut self.path);
        "path"
    }

    /// Each command has a terminal of its own.
    fn talks(&self, block: &str) -> &'static str {
        let [first, second]: [&str; 2] = block.lines().collect::<Vec<_>>().try_into().unwrap();
        let mut listens = self.shell(&first.replace("127.0.0.1:8000", "127.0.0.1:0"), Stdio::piped());
        let mut calls = self.shell(&second.replace("127.0.0.1:8000", &listens.listens_at()), Stdio::piped());
        calls.types("안녕, alice!");
        listens.sees("bob: 안녕, alice!");
        calls.types(":quit");
        listens.types(":quit");
        assert_eq!((calls.ends(), listens.ends()), (0, 0));
        "talk"
    }

    fn saves_the_script(&self, block: &str) -> &'static str {
        fs::write(self.folder.file("hello.chat"), block).unwrap();
        "script"
    }

    /// A command after its prompt, and what it prints.
    fn prints(&self, block: &str) -> &'static str {
        let (command, output) = block.strip_prefix("$ ").unwrap().split_once('\n').unwrap();
        let mut shell = self.shell(command, Stdio::null());
        assert_eq!((shell.ends(), shell.output().as_str()), (0, output), "{}", shell.complaints());
        "output"
    }

    /// Those in the background listen before the others call them, and all end.
    fn runs_in_the_background(&self, block: &str) -> &'static str {
        let mut block = block.to_owned();
        let mut waiting = Vec::new();
        for line in block.clone().lines() {
            let Some(line) = line.strip_suffix('&') else { continue };
            let at = line.split(' ').find(|word| word.starts_with("127.0.0.1:")).unwrap();
            let listens = self.shell(&line.replace(at, "127.0.0.1:0"), Stdio::null());
            block = block.replace(at, &listens.listens_at());
            waiting.push(listens);
        }
        assert_eq!(waiting.len(), 3);
        for line in block.lines().filter(|line| !line.ends_with('&')) {
            // They listen already.
            if line.starts_with("sleep ") {
                continue;
            }
            let mut shell = self.shell(line, Stdio::null());
            assert_eq!(shell.ends(), 0, "{line}: {}", shell.complaints());
        }
        for mut process in waiting {
            assert_eq!(process.ends(), 0, "{}", process.complaints());
        }
        let copied = Command::new("tar").arg("tf").arg(self.folder.file("copy.tar")).output().unwrap();
        assert!(String::from_utf8(copied.stdout).unwrap().contains("docs/PROTOCOL.md"));
        "background"
    }
}
