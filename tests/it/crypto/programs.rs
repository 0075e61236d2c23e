//! Key files and fingerprints that OpenSSH and OpenSSL read, and those of theirs that we read.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsachat::crypto::{Identity, Passphrase, PublicKey, Seed};

use super::keys::identity;
use crate::support::root;

/// Runs a program that must be there and must succeed, and gives what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs the program {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn ssh_keygen_reads_the_public_line_and_shows_the_same_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["alice-2048", "bob-3072", "alice-4096"] {
        let key = identity(name);
        let file = folder.path().join(name);
        std::fs::write(&file, key.public().to_openssh("a comment")).unwrap();
        let shown = run("ssh-keygen", &["-lf", text(&file)]);
        let ours = format!("{} {} a comment (RSA)", key.public().bits(), key.public().fingerprint());
        assert_eq!(shown.trim(), ours);
    }
}

#[test]
fn ssh_keygen_and_openssl_agree_on_the_public_pem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("public.pem");
    let key = identity("alice-3072");
    std::fs::write(&file, key.public().to_spki_pem()).unwrap();
    let line = run("ssh-keygen", &["-i", "-m", "PKCS8", "-f", text(&file)]);
    assert_eq!(line.trim(), key.public().to_openssh("").trim());
    let private = root("tests/keys/alice-3072.pem");
    assert_eq!(run("openssl", &["pkey", "-in", text(&private), "-pubout"]), key.public().to_spki_pem());
}

#[test]
fn openssl_reads_our_key_files_with_and_without_a_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let (key, mut rng) = (identity("alice-2048"), Seed::new([5; 32]).rng("salt"));
    let public =
        |arguments: &[&str]| run("openssl", &[&["pkey", "-in", text(&file), "-pubout"], arguments].concat());
    std::fs::write(&file, key.to_pem(None, &mut rng).unwrap().as_bytes()).unwrap();
    assert_eq!(public(&[]), key.public().to_spki_pem());
    let passphrase = Passphrase::new("비밀 번호".to_owned());
    std::fs::write(&file, key.to_pem(Some(&passphrase), &mut rng).unwrap().as_bytes()).unwrap();
    assert_eq!(public(&["-passin", "pass:비밀 번호"]), key.public().to_spki_pem());
}

#[test]
fn we_read_what_openssl_encrypts() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (root("tests/keys/alice-2048.pem"), folder.path().join("encrypted.pem"));
    let ways: [&[&str]; 3] = [
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"],
        &["-scrypt"],
        &["-v2", "aes-128-cbc", "-iter", "600000"],
    ];
    for way in ways {
        let common = ["pkcs8", "-topk8", "-in", text(&from), "-out", text(&to), "-passout", "pass:word"];
        run("openssl", &[&common[..], way].concat());
        let pem = std::fs::read_to_string(&to).unwrap();
        let key = Identity::from_pem(&pem, Some(&Passphrase::new("word".to_owned())));
        assert_eq!(key.ok().unwrap().public(), identity("alice-2048").public(), "{way:?}");
    }
}

#[test]
fn a_key_that_ssh_keygen_made_is_a_public_key_here() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", text(&file)]);
    let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let blob = STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap();
    let key = PublicKey::from_blob(&blob).unwrap();
    let comment = line.trim().splitn(3, ' ').nth(2).unwrap();
    assert_eq!(key.to_openssh(comment), line.trim());
}
