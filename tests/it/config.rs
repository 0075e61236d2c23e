//! Configuration file: what holds in the end, and the words for every way in which it can be wrong.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Home, Process, RSACHAT, assert_snapshot};

/// A folder with a configuration file called `config.toml`, if any.
struct Folder(TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.toml"), text).unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(folder.path().join("config.toml"), private).unwrap();
        Self(folder)
    }

    fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = std::process::Command::new(RSACHAT);
        command.args(args).env_clear().env("TZ", "UTC").env("HOME", "/home/minji").envs(env.iter().copied());
        command.current_dir(self.0.path()).output().unwrap()
    }

    fn path(&self) -> String {
        self.0.path().join("config.toml").to_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_mistake_is_said_with_its_line_and_column() {
    let mut said = String::new();
    for wrong in [
        "nmae = \"bob\"",
        "# 설정\nname = \"민지\"\nKnown_Only = true",
        "\"\\u001b[2J\" = 1",
        "name = 7",
        "name = \"two words\"",
        "name = \"all\"",
        "listen = 8000",
        "listen = [\"8000\", \"::1\", 9]",
        "listen = [\n  \"8000\",\n  \"host:http\",\n]",
        "known-only = \"maybe\"",
        "known-only = \"yes\"",
        "ask = true\nknown-only = true",
        "invite-at = []",
        "invite-at = [\"alice.example:8000\", \"alice.example:port\"]",
        "colour = \"nevr\"",
        "colour = \"blue\"",
        "colour = \"auto\"\ncolor = \"never\"",
        "time-format = \"%\"",
        "time-format = \"\"",
        "time-format = \"%H%n%M\"",
        "editor-mode = \"vim\"",
        "notify = true",
        "title = \"maybe\"",
        "history = \"history\"",
        "history = \"kept\"",
        "history = \"/lines\"\nline-history = \"/lines\"",
        "line-history = \"history\"",
        "history-days = 0",
        "history-days = \"90\"",
        "[prompt]\nname = \"bob\"",
        "name = bob",
        "name = \"bob\"\nname = \"bob\"",
        "name = \"bob",
        "name = \"b\"\nlisten = 1\nnope = 2\ncolour = 3",
    ] {
        let folder = Folder::with(wrong);
        let output = folder.run(&["--config", "config.toml", "config", "check"], &[]);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{wrong}");
        write!(said, "{wrong}\n{}\n", text(&output.stderr)).unwrap();
    }
    assert_snapshot(
        "config-mistakes",
        &said.replace("rsachat: hint: rsachat man describes every setting\n", ""),
    );
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = Folder::with("name = \"bob\"");
    let refused = |args: &str, env: &[(&str, &str)], code: i32, words: &str| {
        let output = folder.run(&args.split(' ').collect::<Vec<_>>(), env);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{said}");
    };
    refused("--config absent.toml config check", &[], 2, "there is no file absent.toml");
    refused("config check", &[("RSACHAT_CONFIG", "absent.toml")], 2, "there is no file absent.toml");
    refused("--config . config check", &[], 3, ". is a folder, not a file");
    refused("--config config.toml/x config check", &[], 3, "cannot read config.toml/x");
    let check = "--config config.toml config check";
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o666)).unwrap();
    refused(check, &[], 3, "config.toml is open to others (0666); chmod 600");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path(), b"name = \"\xff\"").unwrap();
    refused(check, &[], 3, "config.toml is not UTF-8 text in line 1; repair or move it");
    fs::write(folder.path(), "#".repeat(70_000)).unwrap();
    refused(check, &[], 3, "config.toml is too large");
    // A prompt does not go on with half of what it was told.
    fs::write(folder.path(), "nmae = 1").unwrap();
    refused("--config config.toml", &[], 2, "config.toml:1:1: no setting nmae");
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let file = "name = \"민지\"\nlisten = \"8000\"\nknown-only = true\ncolour = \"never\"\n\
                time-format = \"none\"\neditor-mode = \"vi\"\ntitle = true\nhistory = \"~/lines\"\n";
    let folder = Folder::with(file);
    let show = |args: &[&str], env: &[(&str, &str)]| {
        let output = folder.run(args, env);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let named = ["--config", "config.toml", "config", "show"];
    let mut said = String::from("with a file\n") + &show(&named, &[]);
    said += "\nwith an environment\n";
    said += &show(&named, &[("CLICOLOR_FORCE", "1")]);
    said += "\nwith options\n";
    let options = ["--name", "minji", "--listen", "[::1]:9", "--known-only=no", "--colour", "auto"];
    let args: Vec<_> = options.iter().chain(&named).copied().collect();
    said += &show(&args, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    said += "\nwith nothing\n";
    said += &show(&["config", "show"], &[]);
    // The login name of whoever runs the tests.
    let login = said.lines().find(|row| row.starts_with("# name = ")).unwrap().to_owned();
    said = said.replace(&login, "# name = \"…\"  # default: the login name");
    assert_snapshot("config-show", &said);
    // It is a file again.
    fs::write(folder.path(), show(&named, &[])).unwrap();
    assert!(show(&named, &[]).contains("editor-mode = \"vi\""));
}

#[test]
fn the_file_is_looked_for_where_the_base_directory_specification_says() {
    let folder = Folder::with("");
    let at = |path: &str| {
        let path = folder.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Many people keep theirs behind a link.
        std::os::unix::fs::symlink(folder.path(), path).unwrap();
    };
    at("xdg/rsachat/config.toml");
    at("home/.config/rsachat/config.toml");
    let inside = |path: &str| folder.0.path().join(path).to_str().unwrap().to_owned();
    let (xdg, home) = (inside("xdg"), inside("home"));
    let (in_xdg, in_home) = (inside("xdg/rsachat/config.toml"), inside("home/.config/rsachat/config.toml"));
    for (name, value, found) in [
        ("XDG_CONFIG_HOME", xdg.as_str(), format!("{in_xdg} is valid")),
        ("XDG_CONFIG_HOME", "xdg", format!("{in_home} is valid")),
        ("XDG_CONFIG_HOME", "", format!("{in_home} is valid")),
        ("HOME", "/nowhere", "there is no /nowhere/.config/rsachat/config.toml; nothing is set".to_owned()),
        ("RSACHAT_CONFIG", "none", "no configuration file is read".to_owned()),
        ("RSACHAT_CONFIG", "config.toml", "config.toml is valid".to_owned()),
    ] {
        // The later value of a name holds.
        let output = folder.run(&["config", "check"], &[("HOME", &home), (name, value)]);
        let said = text(&output.stdout);
        assert!(said.starts_with(&found), "{name}={value}: {said}");
    }
}

#[test]
fn a_prompt_takes_its_name_its_address_and_its_callers_from_the_file() {
    let minji = Home::of("민지");
    let file = Folder::with("name = \"Minji\"\nlisten = \"127.0.0.1:0\"\nknown-only = true\n");
    let start = |args: &[&str]| {
        let mut command = minji.command(args);
        command.env("RSACHAT_CONFIG", file.path());
        minji.start_on(command, Stdio::piped())
    };
    let (mut listening, at) = start(&[]).and_where();
    let mut junho = Process::start("준호", &["--connect", &at]);
    listening.sees("refused an unknown key from 127.0.0.1:");
    assert_eq!(junho.ends(), 4);

    listening.types(":listen 127.0.0.1:0 --anybody");
    let open = listening.listens_at_nth(2);
    let mut hana = Process::start("하나", &["--connect", &open]);
    hana.sees("Minji joined");
    assert_eq!(hana.closes_input().ends(), 0);
    // The raw wire could not keep what was set.
    listening.types(":listen 127.0.0.1:0 --wire oaep");
    listening.sees("! the raw wire proves no keys; --known and --ask cannot be used with it");
    assert_eq!(listening.closes_input().ends(), 1);

    // Who calls somebody does not mean to wait for callers as well.
    let (_hana, there) = Process::listening("하나");
    let mut calling = start(&["--connect", &there]);
    calling.sees("하나 joined");
    assert_eq!(calling.closes_input().ends(), 0);
    assert!(!calling.has_seen("listening on"), "{}", calling.output());
}

#[test]
fn strangers_are_asked_about_at_a_prompt_whose_settings_say_so_and_never_by_serve() {
    let minji = Home::of("민지");
    let file = Folder::with("ask = true\n");
    let start = |args: &[&str]| {
        let mut command = minji.command(args);
        command.env("RSACHAT_CONFIG", file.path());
        minji.start_on(command, Stdio::piped())
    };
    let listening = ["--listen", "127.0.0.1:0"];
    let (mut prompt, at) = start(&listening).and_where();
    let junho = Home::of("준호");
    let mut knocking = junho.start(&["--connect", &at, "--knock", "나야"]);
    prompt.sees("\"나야\" (:admit 1, :refuse 1)");
    prompt.types(":refuse 1");
    assert_eq!(knocking.ends(), 4);
    // A listener that is opened later is like the first.
    prompt.types(":listen 127.0.0.1:0");
    let second = prompt.listens_at_nth(2);
    let mut knocking = junho.start(&["--connect", &second, "--knock", "또 나야"]);
    prompt.sees("\"또 나야\" (:admit 2, :refuse 2)");
    prompt.types(":refuse 2");
    assert_eq!(knocking.ends(), 4);
    prompt.types(":quit");
    assert_eq!(prompt.ends(), 0);
    let (mut serving, at) = start(&["serve", "--listen", "127.0.0.1:0"]).and_where();
    assert_eq!(junho.start(&["--connect", &at, "--knock", "나야"]).ends(), 4);
    assert!(!serving.has_seen("knocks"), "{}", serving.output());
    serving.signal(Signal::TERM);
    assert_eq!(serving.ends(), 0);
}

#[test]
fn an_invitation_names_the_addresses_of_the_settings() {
    let minji = Home::of("민지");
    let file = Folder::with("invite-at = [\"alice.example:8000\", \"[2001:db8::7]:9\"]\n");
    let start = |args: &[&str]| {
        let mut command = minji.command(args);
        command.env("RSACHAT_CONFIG", file.path());
        minji.start_on(command, Stdio::piped())
    };
    let mut prompt = start(&["--listen", "127.0.0.1:0"]);
    prompt.types(":invite");
    prompt.sees("@alice.example:8000,[2001:db8::7]:9/?i=");
    prompt.types(":invite --at bob.example");
    prompt.sees("@bob.example:");
    prompt.types(":quit");
    assert_eq!(prompt.ends(), 0);
    let mut alone = start(&["invite"]);
    alone.sees("@alice.example:8000,[2001:db8::7]:9/?i=");
    assert_eq!(alone.ends(), 0);
}

#[test]
fn colour_goes_into_a_pipe_only_when_forced() {
    let minji = Home::of("민지");
    for (args, env, coloured) in [
        (vec![], None, false),
        (vec!["--colour", "always"], None, true),
        (vec![], Some(("CLICOLOR_FORCE", "1")), true),
        (vec!["--colour=never"], Some(("CLICOLOR_FORCE", "1")), false),
        (vec![], Some(("CLICOLOR_FORCE", "0")), false),
    ] {
        let mut command = minji.command(&["--listen", "127.0.0.1:0"]);
        command.args(&args).env_remove("NO_COLOR").envs(env);
        let mut prompt = minji.start_on(command, Stdio::null());
        prompt.sees("listening on");
        assert_eq!(prompt.ends(), 0);
        assert_eq!(prompt.has_seen("\u{1b}["), coloured, "{args:?} {env:?}");
    }
}
