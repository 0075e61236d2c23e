//! Files of a home: modes, damage, and what OpenSSH and OpenSSL make of our keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::crypto::programs::run;
use crate::support::{Home, Process, RSACHAT, mode};

#[test]
fn key_book_and_folder_are_private_under_umask_0() {
    let folder = TempDir::new().unwrap();
    let home = folder.path().join("new/home");
    let script = r#"umask 0; exec "$0" --home "$1" key new 2048"#;
    run("sh", &["-c", script, RSACHAT, home.to_str().unwrap()]);
    assert_eq!((mode(&home), mode(home.join("identity.pem"))), (0o700, 0o600));

    let (_junho, at) = Process::listening("준호");
    let minji = Home::of("민지");
    let script = r#"umask 0; exec "$0" --home "$1" --connect "$2""#;
    let mut talking = minji.shell(script, &at, Stdio::piped());
    talking.sees("준호 joined");
    assert_eq!(talking.closes_input().ends(), 0);
    for entry in fs::read_dir(minji.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(minji.file("peers").exists());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let home = Home::of("민지");
    fs::set_permissions(home.file("identity.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    home.start(&[]).ends_saying(3, "identity.pem is open to others (0644); chmod 600");
}

#[test]
fn a_key_file_that_is_no_key_is_refused_and_kept() {
    let home = Home::of("민지");
    for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        fs::write(home.file("identity.pem"), text).unwrap();
        home.start(&["--listen", "127.0.0.1:0"]).ends_saying(3, "cannot use ");
        assert_eq!(fs::read_to_string(home.file("identity.pem")).unwrap(), text);
    }
}

#[test]
fn a_damaged_book_refuses_everybody_and_is_left_as_it_is() {
    let home = Home::of("민지");
    let damaged = "# peers\n준호 SHA256:short unverified\n";
    fs::write(home.file("peers"), damaged).unwrap();
    let (mut junho, at) = Process::listening("준호");
    let mut minji = home.start_having_typed(&["--connect", &at], "비밀");
    assert_eq!(minji.ends(), 4);
    minji.sees("is damaged, line 2: ");
    minji.sees("nobody is accepted until it is repaired");

    let listening = home.start(&["--listen", "127.0.0.1:0"]);
    junho.types(&format!(":connect {}", listening.listens_at()));
    junho.sees("refused the handshake");
    assert!(!junho.has_seen("joined") && !listening.has_seen("joined"));
    assert_eq!(fs::read_to_string(home.file("peers")).unwrap(), damaged);
}

#[test]
fn a_book_edited_by_hand_keeps_its_comments() {
    let home = Home::of("민지");
    let junho = Home::of("준호");
    let mine = format!("# mine\n\nJun {} verified\n# end\n", junho.fingerprint());
    fs::write(home.file("peers"), &mine).unwrap();
    let caller = junho.start(&["--listen", "127.0.0.1:0"]);
    let mut minji = home.start(&["--connect", &caller.listens_at()]);
    minji.sees("Jun joined, verified");
    assert_eq!(minji.closes_input().ends(), 0);
    let book = fs::read_to_string(home.file("peers")).unwrap();
    assert!(book.starts_with("# rsachat peer book 2\n# mine\n\nJun ") && book.ends_with("# end\n"), "{book}");
}

#[test]
fn openssh_sees_the_same_fingerprint() {
    let home = Home::of("민지");
    let line = home.file("exported.pub");
    fs::write(&line, home.answer(&["key", "export"])).unwrap();
    let theirs = run("ssh-keygen", &["-lf", line.to_str().unwrap()]);
    let words: Vec<_> = theirs.split_whitespace().collect();
    assert_eq!(words[..2], ["2048", &home.fingerprint()]);
}

#[test]
fn openssl_reads_the_key_plain_and_under_a_passphrase() {
    let home = Home::of("민지");
    let key = home.file("identity.pem");
    let key = key.to_str().unwrap();
    let plain = run("openssl", &["pkey", "-in", key, "-pubout"]);
    assert_eq!(plain, home.answer(&["key", "show", "--pem"]));

    let secret = home.file("passphrase");
    fs::write(&secret, "비밀번호 1234\n").unwrap();
    let secret = secret.to_str().unwrap();
    home.answer(&["key", "passphrase", "--new-passphrase-file", secret]);
    assert_eq!(mode(Path::new(key)), 0o600);
    assert!(fs::read_to_string(key).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let from_file = format!("file:{secret}");
    let opened = run("openssl", &["pkey", "-in", key, "-passin", &from_file, "-pubout"]);
    let shown = home.answer(&["key", "show", "--pem", "--passphrase-file", secret]);
    assert_eq!(opened, shown);

    home.start(&[]).ends_saying(3, "hint: --passphrase-file FILE");
}
