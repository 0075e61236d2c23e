//! `docs/SCRIPTS.md`: every example in it is played, every message and every output that it shows
//! is the one that comes.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;
use tempfile::TempDir;

use crate::editors::directives;
use crate::support::{Home, Process, RSACHAT, read};

pub(crate) struct Block {
    /// What stands behind its first fence.
    tag: String,
    pub(crate) text: String,
}

impl Block {
    /// The file that its tag names.
    pub(crate) fn file(&self) -> Option<&str> {
        self.tag.split_whitespace().last().filter(|word| word.contains('.'))
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.tag == kind || self.tag.starts_with(&format!("{kind} "))
    }

    /// Whether it is played to its end without a difference.
    fn passes(&self) -> bool {
        self.is("chat")
            && !["differs", "wrong", "live", "spawn", "spawn-differs", "page"]
                .iter()
                .any(|how| self.is(&format!("chat {how}")))
    }
}

fn blocks() -> Vec<Block> {
    blocks_of("docs/SCRIPTS.md")
}

/// The code blocks of a page. What stands in a longer fence is text of that block.
pub(crate) fn blocks_of(page: &str) -> Vec<Block> {
    let page = read(page);
    let (mut blocks, mut open): (Vec<Block>, Option<&str>) = (Vec::new(), None);
    for line in page.lines() {
        let tag = line.trim_start_matches('`');
        let fence = &line[..line.len() - tag.len()];
        match open {
            Some(opened) if line == opened => open = None,
            Some(_) => blocks.last_mut().unwrap().text += &[line, "\n"].concat(),
            None if fence.len() > 2 => {
                open = Some(fence);
                blocks.push(Block { tag: tag.to_owned(), text: String::new() });
            }
            None => {}
        }
    }
    assert!(open.is_none(), "the last fence is open");
    blocks
}

/// A folder with every example that has a name.
pub(crate) fn folder(blocks: &[Block]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for block in blocks {
        if let Some(name) = block.file() {
            let path = folder.path().join(name);
            assert!(!path.exists(), "two examples are called {name}");
            fs::write(path, &block.text).unwrap();
        }
    }
    folder
}

fn replay(inside: &Path, arguments: &[String]) -> Output {
    Command::new(RSACHAT).arg("replay").args(arguments).current_dir(inside).env_remove("CI").output().unwrap()
}

/// Every example that has a tag like this, beside the block that follows it.
fn with_message<'a>(blocks: &'a [Block], kind: &'a str) -> impl Iterator<Item = (&'a Block, &'a Block)> {
    let pairs = blocks.windows(2).filter(move |pair| pair[0].is(kind));
    pairs.map(|pair| (&pair[0], &pair[1]))
}

#[test]
fn every_example_passes() {
    let blocks = blocks();
    let folder = folder(&blocks);
    let mut files = ["--quiet", "--keep-going", "--allow-spawn"].map(str::to_owned).to_vec();
    let played = |block: &Block| block.passes() || block.is("chat spawn");
    for (number, block) in blocks.iter().enumerate().filter(|(_, block)| played(block)) {
        let name = match block.file() {
            // A part of others is played within them.
            Some(name) if Path::new(name).extension() != Some("chat".as_ref()) => continue,
            Some(name) => name.to_owned(),
            None => {
                let name = format!("nameless-{number}.chat");
                fs::write(folder.path().join(&name), &block.text).unwrap();
                name
            }
        };
        files.push(name);
    }
    assert!(files.len() > 12, "the page has lost its examples");
    let output = replay(folder.path(), &files);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_message_is_the_one_that_comes() {
    assert!(messages(&blocks()) > 5, "the page has lost its messages");
}

/// Plays what differs or is wrong, and compares what is said with the block behind it.
pub(crate) fn messages(blocks: &[Block]) -> usize {
    let folder = folder(blocks);
    let mut seen = 0;
    for (kind, code) in [("chat differs", 1), ("chat spawn-differs", 1), ("chat wrong", 2)] {
        for (example, message) in with_message(blocks, kind) {
            let name = example.file().unwrap().to_owned();
            assert!(message.is("text"), "no message follows {name}");
            let output = replay(folder.path(), &[&name, "--quiet", "--allow-spawn"].map(str::to_owned));
            assert_eq!(String::from_utf8_lossy(&output.stderr), message.text, "{name}");
            assert_eq!(output.status.code(), Some(code), "{name}");
            seen += 1;
        }
    }
    seen
}

#[test]
fn every_command_line_prints_what_stands_below_it() {
    assert!(command_lines(&blocks()) > 5, "the page has lost its command lines");
}

/// Runs the command lines, and compares what is printed with what stands below each.
pub(crate) fn command_lines(blocks: &[Block]) -> usize {
    let folder = folder(blocks);
    let program = PathBuf::from(RSACHAT);
    let path = env::join_paths([program.parent().unwrap(), "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
    let mut lines = 0;
    for block in blocks.iter().filter(|block| block.is("console")) {
        for part in block.text.split("$ ").skip(1) {
            let (line, printed) = part.split_once('\n').unwrap();
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec 2>&1; {line}")]).current_dir(folder.path());
            let output = shell.env("PATH", &path).env_remove("CI").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{line}");
            lines += 1;
        }
    }
    lines
}

#[test]
fn the_live_example_talks_to_a_program_of_its_own() {
    let blocks = blocks();
    let folder = folder(&blocks);
    let example = blocks.iter().find(|block| block.is("chat live")).unwrap();
    let bob = Process::start("bob", &["--listen", "127.0.0.1:0"]);
    let addr = format!("addr={}", bob.listens_at());
    let arguments = [example.file().unwrap(), "--var", &addr].map(str::to_owned);
    let output = replay(folder.path(), &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bob.sees("alice: hello, bob");
    bob.sees("* alice left");
}

#[test]
fn a_session_is_recorded_as_it_stands_there() {
    let blocks = blocks();
    let example = blocks.iter().find(|block| block.file() == Some("recorded.chat")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.chat");
    let home = Home::with_key("alice", "test-1.pem");
    let mut alice = home.start(&["--record", file.to_str().unwrap()]);
    alice.types(":listen 127.0.0.1:0 --anybody");
    let bob = Process::start("bob", &["--connect", &alice.listens_at()]);
    alice.sees("bob joined");
    alice.types("안녕, bob");
    bob.sees("alice: 안녕, bob");
    alice.closes_input();
    assert_eq!(alice.ends(), 0);
    assert_eq!(fs::read_to_string(file).unwrap(), example.text);
}

#[test]
fn the_recording_of_a_script_with_a_refused_line_names_its_code_and_plays() {
    let home = Home::with_key("alice", "test-1.pem");
    let file = home.file("recorded.chat");
    let mut alice = home.start(&["--record", file.to_str().unwrap()]);
    alice.types(":nonsense");
    alice.types(":nonsense --via socks5h://ann:secret@127.0.0.1:9");
    assert_eq!(alice.closes_input().ends(), 1);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("socks5h://ann:...@127.0.0.1:9") && !text.contains("secret"), "{text}");
    let end = "# exited with 1; the prompt of a person exits with 0\nalice|* exited 0\n";
    assert!(text.ends_with(end), "{text}");
    let output = replay(file.parent().unwrap(), &[file.display().to_string()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_construct_of_the_grammar_has_an_example() {
    let examples = blocks().into_iter().filter(|b| b.passes() || b.is("chat spawn"));
    let examples: String = examples.map(|b| b.text).collect();
    for (construct, like) in [
        ("a blank line", r"^$"),
        ("a comment", r"^# "),
        ("typed", r"^서버> :"),
        ("typed, nothing", r"^bob>$"),
        ("typed without a name", r"^> @"),
        ("bare", r"^:status$"),
        ("a row", r"^alice\| "),
        ("a row without a name", r"^\| "),
        ("any rows", r"^bob\| \$\*\*$"),
        ("a regular expression", r"^bob\|~ .*\(\?<"),
        ("never", r"^alice\|! "),
        ("an exit", r"^alice\|\* exited 0$"),
        ("a death", r"^bob\|\* killed$"),
        ("a dollar", r"^bob> .*\$\$5"),
        ("a key", r"^@draft alice \$key\{up\}$"),
        ("a typed character", r"^bob> .* \$u\{1b\}"),
        ("an expected character", r"^alice\| .*, \$u\{ac00\}"),
        ("a value", r"^bob> .*\$\{price\}"),
        ("any text", r"^alice\| .*\$\*$"),
        ("a word", r"^alice\| .*\$\{\w+:word\}"),
        ("a word where nothing is said", r"^bob\| \* \$\{\w+\} left"),
        ("a port", r"^alice\| .*\$\{\w+:port\}"),
        ("a number", r"^alice\| .*\$\{\w+:num\}"),
        ("a fingerprint", r"^alice\| .*\$\{\w+:fp\}"),
        ("a file in place", r"^@file bob/peers <<END$"),
        ("a size", r"^@file \w+ fill 4KiB$"),
        ("a duration", r"^@tick 5m$"),
    ] {
        let found = Regex::new(&format!("(?m){like}")).unwrap();
        assert!(found.is_match(&examples), "{construct} has no example");
    }
}

#[test]
fn every_directive_and_every_option_stands_there() {
    let page = read("docs/SCRIPTS.md");
    let words = directives();
    assert_eq!(words.len(), 41);
    let examples: String = blocks().iter().filter(|b| b.is("chat")).map(|b| b.text.clone()).collect();
    for word in &words {
        assert!(page.contains(&format!("`@{word}")), "@{word} is not explained");
        let used = Regex::new(&format!("(?m)^@{word}( |$)")).unwrap();
        assert!(used.is_match(&examples), "@{word} has no example");
    }

    let help = replay(Path::new("."), &["--help".to_owned()]);
    let help = String::from_utf8(help.stdout).unwrap();
    let options = Regex::new(r"(?m)^ +(?:-\w, )?(--[a-z-]+)").unwrap();
    let ours: BTreeSet<&str> =
        options.captures_iter(&help).map(|found| found.get(1).unwrap().as_str()).collect();
    for option in ours {
        assert!(option == "--help" || page.contains(&format!("| `{option}")), "{option} is not explained");
    }
    for code in ["| 0 |", "| 1 |", "| 2 |", "| 3 |", "| 128 + n |"] {
        assert!(page.contains(code), "{code}");
    }
}
