//! Keys that other programs made: taken by `rsachat key import`, or named with the command that
//! changes them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::crypto::keys::{identity, pem};
use crate::crypto::programs::run;
use crate::support::{Home, mode};

const PASSPHRASE: &str = "open sesame";

/// A home without a key.
fn empty() -> Home {
    let home = Home::of("민지");
    fs::remove_file(home.file("identity.pem")).unwrap();
    home
}

/// Puts a foreign key into a file of the home; gives its path.
fn foreign(home: &Home, name: &str, file: &str) -> String {
    home.private(file, pem(&format!("foreign/{name}"))).to_str().unwrap().to_owned()
}

fn alice() -> String {
    identity("alice-2048").public().fingerprint().to_string()
}

#[test]
fn every_form_and_lock_that_is_not_read_is_named_with_the_command_that_changes_it() {
    for (name, named) in [
        ("pbe-md5-des", "encrypted with PBE-MD5-DES, which rsachat does not support"),
        ("pbe-sha1-rc2-40", "encrypted with PBE-SHA1-RC2-40, which"),
        ("pbe-sha1-3des", "encrypted with PBE-SHA1-3DES, which"),
        ("camellia", "encrypted with CAMELLIA-256-CBC, which"),
        ("costly", "its key derivation needs too much time or memory"),
        ("pkcs1", "it is in PKCS#1 (BEGIN RSA PRIVATE KEY), not in PKCS#8"),
        ("proc-type", "it is in PKCS#1 with legacy encryption (Proc-Type: 4,ENCRYPTED), not"),
        ("pycryptodome-proc-type", "it is in PKCS#1 with legacy encryption"),
        ("openssh", "it is in OpenSSH's own form (BEGIN OPENSSH PRIVATE KEY), not"),
        ("openssh-locked", "it is in OpenSSH's own form"),
    ] {
        let home = empty();
        let identity = foreign(&home, name, "identity.pem");
        let secret = home.private("passphrase", PASSPHRASE);
        let secret = secret.to_str().unwrap();
        let mut hints = Vec::new();
        // It is named before a passphrase is asked for, and with one.
        for args in [&["key", "show"][..], &["key", "show", "--passphrase-file", secret], &["doctor"]] {
            let output = home.command(args).output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert_eq!(output.status.code(), Some(3), "{name}: {said}");
            assert!(said.contains(named), "{name}: {said}");
            assert!(!said.contains("wrong passphrase") && !said.contains("key new"), "{name}: {said}");
            let hint = said.lines().find_map(|row| {
                let at = row.find("openssl pkey").or_else(|| row.find("ssh-keygen -p"))?;
                Some(row[at..].to_owned())
            });
            hints.push(hint.unwrap_or_else(|| panic!("{name}: {said}")));
        }
        assert!(hints.windows(2).all(|pair| pair[0] == pair[1]), "{hints:?}");
        // The command, with the passphrases that it would ask for.
        let locked = name != "pkcs1" && name != "openssh";
        let command = if hints[0].starts_with("openssl") {
            let asked = format!("-passin 'pass:{PASSPHRASE}' -passout 'pass:{PASSPHRASE}' -in");
            hints[0].replace("-in", &asked)
        } else {
            let old = if locked { PASSPHRASE } else { "" };
            format!("{} -P '{old}' -N '{PASSPHRASE}'", hints[0])
        };
        run("sh", &["-c", &command]);
        let shown = home.answer(&["key", "show", "--passphrase-file", secret]);
        assert!(shown.contains(&alice()), "{name}: {shown}");
        assert_eq!(mode(&identity), 0o600, "{name}");
    }
}

#[test]
fn a_key_is_imported_with_its_passphrase_and_its_fingerprint_is_said() {
    for (name, passphrase) in [
        ("pkcs1", None),
        ("pkcs1", Some(PASSPHRASE)),
        ("pycryptodome", Some(PASSPHRASE)),
        ("sha1-aes256", Some(PASSPHRASE)),
        ("ssh-keygen", Some(PASSPHRASE)),
    ] {
        let home = empty();
        let file = foreign(&home, name, "theirs.pem");
        let secret = home.private("passphrase", passphrase.unwrap_or_default());
        let secret = ["--passphrase-file", secret.to_str().unwrap()];
        let options = if passphrase.is_some() { &secret[..] } else { &[] };
        let kept = home.file("identity.pem");
        let said = home.answer(&[&["key", "import", &file][..], options].concat());
        let fingerprint = alice();
        let expected =
            format!("key of 2048 bits, {fingerprint}, taken from {file} and kept in {}\n", kept.display());
        assert_eq!(said, expected, "{name}");
        let text = fs::read_to_string(&kept).unwrap();
        let label = if passphrase.is_some() { "ENCRYPTED PRIVATE KEY" } else { "PRIVATE KEY" };
        assert!(text.starts_with(&format!("-----BEGIN {label}-----\n")), "{name}: {text}");
        assert_eq!(mode(&kept), 0o600, "{name}");
        assert!(home.answer(&[&["key", "show"][..], options].concat()).contains(&fingerprint));
        assert_eq!(fs::read_to_string(&file).unwrap(), pem(&format!("foreign/{name}")), "{name}");
    }
}

#[test]
fn an_import_overwrites_no_key_unless_it_is_told_to_and_keeps_the_old_one() {
    let home = Home::of("민지");
    let (before, file) = (home.fingerprint(), foreign(&home, "pkcs1", "theirs.pem"));
    home.run(&["key", "import", &file], std::process::Stdio::null())
        .ends_saying(1, "hint: --replace installs a new one and keeps the old file beside it");
    assert_eq!(home.fingerprint(), before);
    let said = home.answer(&["key", "import", &file, "--replace"]);
    let old = said.lines().find_map(|row| row.strip_prefix("the old key is kept as ")).unwrap();
    assert!(fs::read_to_string(old).unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(home.fingerprint(), alice());
    // The identity that is there, in its own form: the file is converted in its place.
    let identity = foreign(&home, "pkcs1", "identity.pem");
    assert!(home.answer(&["key", "import", &identity, "--replace"]).contains(&alice()));
    assert_eq!(home.fingerprint(), alice());
}

#[test]
fn what_cannot_be_imported_is_refused_and_nothing_is_written() {
    let home = empty();
    let open = home.private("open.pem", pem("foreign/pkcs1"));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    home.private(
        "test.pem",
        format!("TEST KEY, made by a replay: never use it to talk\n{}", pem("alice-2048")),
    );
    home.private("junk.pem", "hello");
    for name in ["openssh", "pbe-md5-des", "scrypt"] {
        foreign(&home, name, &format!("{name}.pem"));
    }
    for (file, why) in [
        ("none.pem", "there is no file "),
        ("open.pem", "open.pem is open to others (0644); chmod 600 "),
        ("test.pem", "it is a test key, which anyone can regenerate"),
        ("junk.pem", "it has no PEM block"),
        ("openssh.pem", "hint: ssh-keygen -p -m PKCS8 -f "),
        ("pbe-md5-des.pem", "encrypted with PBE-MD5-DES"),
        ("scrypt.pem", "hint: --passphrase-file FILE"),
    ] {
        let file = home.file(file);
        let args = ["key", "import", file.to_str().unwrap()];
        home.run(&args, std::process::Stdio::null()).ends_saying(3, why);
        assert!(!home.file("identity.pem").exists(), "{file:?}");
    }
}

#[test]
fn identity_and_raw_wire_never_take_the_same_key() {
    let home = empty();
    let file = foreign(&home, "pkcs1", "theirs.pem");
    assert!(home.answer(&["key", "import", "--raw", &file]).contains("raw.pem"));
    home.run(&["key", "import", &file], std::process::Stdio::null())
        .ends_saying(4, "is your other key; identity and raw wire never share one");
    assert!(!home.file("identity.pem").exists());
}
