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
        "--config",
        "--name",
        "--listen",
        "--no-listen",
        "--known-only",
        "--connect",
        "--pin",
        "--wire",
        "--one-way",
        "--history",
        "--colour",
        "--log",
        "--time-format",
        "--no-time",
        "--editor-mode",
        "--notify",
        "--title",
        "--plain",
        "--json",
        "--passphrase-file",
        "--passphrase-fd",
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

/// The README in Korean, which is shorter.
fn korean() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.ko.md")).unwrap()
}

#[test]
fn the_korean_readme_has_the_same_settings_and_codes_and_no_option_of_its_own() {
    let settings = block("```toml\n");
    assert!(korean().contains(&settings), "the settings are to be:\n{settings}");
    for code in ["0", "1", "2", "3", "4", "5", "128 + n"] {
        assert!(korean().contains(&format!("\n| {code} | ")), "code {code} is missing");
    }
    for subcommand in ["send", "recv", "pipe", "replay", "config check", "config show", "doctor"] {
        assert!(korean().contains(&format!("rsachat {subcommand}")), "{subcommand} is missing");
    }
    let page = korean();
    let words = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    // `cargo run --release` is no option of ours, but stands in both.
    for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(readme().contains(option), "{option} is not in the README");
    }
}

/// The block of the README that begins with this fence and first line.
fn block(begins: &str) -> String {
    let readme = readme();
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
    let mut check = Command::cargo_bin("rsachat").unwrap();
    let output =
        check.arg("--config").arg(&file).args(["config", "check"]).assert().code(0).get_output().clone();
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(&keys), "{keys}");
}

#[test]
fn the_doctor_says_what_stands_there() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let ssh = std::thread::spawn(move || {
        use std::io::Write as _;
        let (mut caller, _) = server.accept().unwrap();
        caller.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").unwrap();
        caller
    });
    let home = tempfile::tempdir().unwrap();
    let home = home.path().join("home");
    Command::cargo_bin("rsachat").unwrap().args(["key", "new", "2048", "--home"]).arg(&home).assert().code(0);
    let mut doctor = Command::cargo_bin("rsachat").unwrap();
    doctor.env_clear().env("HOME", "/home/minji").args(["doctor", &at, "--home"]).arg(&home);
    let output = doctor.assert().code(4).get_output().clone();
    drop(ssh.join().unwrap());
    let said = String::from_utf8(output.stdout).unwrap();
    let at_home = home.display().to_string();
    let said = said.replace(&at_home, "/home/minji/.local/share/rsachat").replace(&at, "127.0.0.1:22");
    // The default port of the machine that runs the tests may be taken; its clock is another; so is the key.
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
    let mut replay = Command::cargo_bin("rsachat").unwrap();
    replay.args(["replay", "hello.chat"]).current_dir(folder.path());
    let printed = String::from_utf8(replay.assert().code(0).get_output().stdout.clone()).unwrap();
    let end = block("```text\n$ rsachat replay hello.chat | tail -n 4\n");
    assert_eq!(end.lines().count(), 4);
    assert!(printed.ends_with(&end), "it ends so:\n{printed}");
}

/// Runs the commands that the README gives for use without a prompt, in a folder and on ports of our own.
#[test]
fn the_commands_without_a_prompt_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    let at = |name: &str| folder.path().join(name);
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for (home, key) in [("alice", "test-1.pem"), ("bob", "test-2.pem")] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir(at(home)).unwrap();
        std::fs::set_permissions(at(home), std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::copy(keys.join(key), at(home).join("identity.pem")).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(at(home).join("identity.pem"), private).unwrap();
    }
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(at("notes.tar"), &bytes).unwrap();
    let mut commands = block("```sh\n# at bob's: bytes into a file").replace("/tmp", &here);
    let mut waiting = Vec::new();
    for line in commands.clone().lines().filter(|line| line.contains("rsachat")) {
        let Some(line) = line.strip_suffix('&') else { continue };
        let port = line.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap();
        let errors = at(&format!("errors-{port}"));
        let listens = line.replace(port, "0") + &format!(" 2> {}", errors.display());
        waiting.push(shell(&listens).spawn().unwrap());
        let real = listening(&errors);
        commands = commands.replace(&format!("127.0.0.1:{port}"), &real);
    }
    for line in commands.lines().filter(|line| line.contains("rsachat") && !line.ends_with('&')) {
        assert!(shell(line).status().unwrap().success(), "{line}");
    }
    assert_eq!(waiting.len(), 2);
    for mut child in waiting {
        assert!(child.wait().unwrap().success());
    }
    assert!(std::fs::read(at("copy.tar")).unwrap() == bytes);
    assert_eq!(std::fs::read_to_string(at("messages.log")).unwrap(), "backup done\n12 files\n");
}

/// A line of shell in which `rsachat` is this program.
fn shell(line: &str) -> std::process::Command {
    let program = Path::new(env!("CARGO_BIN_EXE_rsachat"));
    let path = std::env::var("PATH").unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line]).stdin(std::process::Stdio::null());
    shell
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .env("RSACHAT_CONFIG", "none");
    shell
}

/// Waits for the address in a file of errors.
fn listening(errors: &Path) -> String {
    for _ in 0..6_000 {
        let said = std::fs::read_to_string(errors).unwrap_or_default();
        if let Some((_, at)) = said.split_once("listening on ").filter(|_| said.ends_with('\n')) {
            return at.lines().next().unwrap().to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nobody listens: {}", std::fs::read_to_string(errors).unwrap_or_default());
}
