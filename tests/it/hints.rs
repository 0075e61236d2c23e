//! Hints: what each says to do helps, and none leads back to where it came from.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use crate::support::{Home, RSACHAT};

/// What the program says without a terminal, and the code it ends with.
fn says(home: &Home, args: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new("setsid");
    // Without a controlling terminal, whoever runs the tests.
    command.args(["-w", RSACHAT, "--home"]).arg(home.path()).args(args).env("RSACHAT_CONFIG", "none");
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn without_a_terminal_each_passphrase_has_the_option_of_its_own_file() {
    let home = Home::of("민지");
    let (code, said) = says(&home, &["key", "passphrase"]);
    assert!(code == Some(3) && said.ends_with("hint: --new-passphrase-file FILE\n"), "{said}");
    let secret = home.private("secret", "비밀");
    let secret = secret.to_str().unwrap();
    assert_eq!(says(&home, &["key", "passphrase", "--new-passphrase-file", secret]).0, Some(0));
    // Now the old one is missing, and after it the new one.
    let (code, said) = says(&home, &["key", "passphrase"]);
    assert!(code == Some(3) && said.ends_with("hint: --passphrase-file FILE\n"), "{said}");
    let (code, said) = says(&home, &["key", "passphrase", "--passphrase-file", secret]);
    assert!(code == Some(3) && said.ends_with("hint: --new-passphrase-file FILE\n"), "{said}");
}

#[test]
fn a_command_in_a_hint_works_on_the_home_that_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("it's mine");
    let says = |args: &[&str]| {
        let mut command = std::process::Command::new(RSACHAT);
        let output =
            command.env("RSACHAT_CONFIG", "none").arg("--home").arg(&home).args(args).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let shown = home.display().to_string().replace('\'', r"'\''");
    let hint = format!("rsachat --home '{shown}' key import FILE");
    let said = says(&["key", "show"]);
    assert!(said.contains(&hint), "{said}");
    assert!(
        says(&["doctor", "--listen", "127.0.0.1:0"]).contains(&format!("rsachat --home '{shown}' key new"))
    );
    let minji = Home::of("민지");
    let key = minji.file("identity.pem");
    let followed = hint.replace("rsachat", RSACHAT).replace("FILE", &key.display().to_string());
    let output = std::process::Command::new("sh").args(["-c", &followed]).output().unwrap();
    assert!(output.status.success(), "{followed}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(says(&["key", "show"]).contains("SHA256:"));
    assert!(
        says(&["peers", "forget", "zoe"])
            .contains(&format!("hint: rsachat --home '{shown}' peers list shows your book\n"))
    );
    // Those of what comes of a connection too, on both sides.
    let hana = Home::of("하나");
    hana.private(
        "peers",
        format!("# rsachat peer book 2\nminji {} unverified 127.0.0.1:9\n", minji.fingerprint()),
    );
    let (refuses, at) = hana.run(&["recv", "--listen", "127.0.0.1:0"], Stdio::null()).and_where();
    let said = says(&["send", &at, "-m", "x", "--accept-new"]);
    assert!(
        said.contains(&format!("hint: the other side must know your key: rsachat --home '{shown}' key show"))
    );
    refuses.complains(&format!("rsachat --home {} peers trust minji", hana.path().display()));
}

#[test]
fn a_recording_in_a_folder_that_is_missing_says_so() {
    let home = Home::of("민지");
    let record = |file: &str| says(&home, &["--record", file, "--listen", "127.0.0.1:0"]);
    let missing = home.file("no").display().to_string();
    let (code, said) = record(&format!("{missing}/such.chat"));
    assert!(code == Some(3) && said.contains(&format!("there is no folder {missing}\n")), "{said}");
    assert!(said.ends_with("hint: name another file with --record FILE\n"), "{said}");
    let (code, said) = record(&home.file("identity.pem").display().to_string());
    assert!(code == Some(3) && said.ends_with("hint: name a file that does not exist yet\n"), "{said}");
}

#[test]
fn a_home_that_is_relative_is_not_one_that_is_not_set() {
    for (value, why) in [
        (
            Some("rel"),
            "no home folder: HOME is rel, which is not an absolute path; name a folder with --home DIR",
        ),
        (Some(""), "no home folder: HOME is not set; name one with --home DIR"),
        (None, "no home folder: HOME is not set; name one with --home DIR"),
    ] {
        let mut command = std::process::Command::new(RSACHAT);
        command.args(["key", "show"]).env_clear().envs(value.map(|value| ("HOME", value)));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(3) && said.contains(why), "{value:?}: {said}");
    }
}

#[test]
fn the_address_of_a_page_is_told_from_one_with_too_many_colons() {
    let home = Home::of("민지");
    for args in [
        &["--connect", "http://localhost:8000"][..],
        &["--listen", "http://localhost:8000"],
        &["send", "http://localhost:8000/", "-m", "x"],
        &["recv", "--listen", "https://localhost"],
        &["pipe", "--connect", "localhost:8000/"],
        &["doctor", "http://localhost:8000"],
    ] {
        let (code, said) = says(&home, args);
        let why = " has http:// before the address or / after it; write host:port alone";
        assert!(code == Some(2) && said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_full_disk_is_named_in_the_words_of_the_system_and_with_our_file_alone() {
    let home = Home::of("민지");
    // No file may grow: what is written fails as on a full disk.
    let script =
        r#"ulimit -f 0; trap '' XFSZ; exec "$0" --home "$1" key passphrase --new-passphrase-file "$2""#;
    let secret = home.private("secret", "비밀");
    let mut changes = home.shell(script, secret.to_str().unwrap(), Stdio::null());
    assert_eq!(changes.ends(), 3);
    let said = changes.complaints();
    assert!(said.contains("cannot write ") && said.contains("identity.pem: file too large"), "{said}");
    assert!(!said.contains("os error") && !said.contains(".unfinished"), "{said}");
}

#[test]
fn an_update_keeps_the_owner_of_a_file_and_refuses_one_of_two_names() {
    let home = Home::of("민지");
    let (one, two) = (home.private("one.chat", "hi\n| wrong\n"), home.file("two.chat"));
    fs::hard_link(&one, &two).unwrap();
    let path = one.to_str().unwrap();
    let run = |args: &[&str]| {
        let output = home.command(args).env_remove("CI").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for option in ["--update", "--fmt"] {
        fs::write(&one, "hi\n\n\n| wrong\n").unwrap();
        let (code, said) = run(&["replay", path, option]);
        assert!(code == Some(3) && said.contains("it has 2 names (hard links)"), "{option}: {code:?} {said}");
    }
    fs::remove_file(&two).unwrap();
    // Only the superuser can give a file away.
    let is_root = std::os::unix::fs::chown(&one, Some(1234), Some(1234)).is_ok();
    let owner = |path| fs::metadata(path).map(|file| (file.uid(), file.gid())).unwrap();
    let before = owner(&one);
    let (code, said) = run(&["replay", path, "--update"]);
    assert!(code == Some(0) && said.is_empty(), "{said}");
    assert_eq!(owner(&one), before);
    assert!(!is_root || before == (1234, 1234));
}
