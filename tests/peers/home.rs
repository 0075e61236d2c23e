//! An exported home, opened by a page of Python that has nothing of ours.

use std::fs;
use std::process::Output;

use super::Python;
use super::support::{Home, root};

/// Files of the home are what the page finds; a wrong passphrase, a changed byte and a cut are told.
pub(crate) fn opens(python: &Python) {
    let home = Home::of("민지").with_raw_key("test-2.pem");
    let (passphrase, sealed) = (home.file("passphrase"), home.file("sealed"));
    fs::write(&passphrase, "맞는 말\n").unwrap();
    // Longer than a chunk.
    let names = "# a remark\n".repeat(9_000);
    home.private("peers", &names);
    let (sealed_path, passphrase_path) = (sealed.to_str().unwrap(), passphrase.to_str().unwrap());
    home.answer(&["home", "export", sealed_path, "--passphrase-file", passphrase_path]);
    let page = |more: &[&str]| -> Output {
        let mut command = python.command(&root("docs/peers/open_home.py"));
        command.args([sealed_path, passphrase_path]).args(more).output().unwrap()
    };
    let folder = home.file("folder");
    let opened = page(&[folder.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    let found: Vec<_> = said.lines().filter_map(|row| row.split(' ').next()).collect();
    assert_eq!(found, ["identity.pem", "peers", "raw.pem"]);
    for name in found {
        assert_eq!(fs::read(folder.join(name)).unwrap(), fs::read(home.file(name)).unwrap(), "{name}");
    }
    let refuses = |why: &str| {
        let refused = page(&[]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{said}");
    };
    let mut bytes = fs::read(&sealed).unwrap();
    bytes[70_000] ^= 1;
    fs::write(&sealed, &bytes).unwrap();
    refuses("InvalidTag");
    bytes[70_000] ^= 1;
    fs::write(&sealed, &bytes[..100 + 65_536 + 16]).unwrap();
    refuses("it is cut");
    fs::write(&sealed, bytes).unwrap();
    fs::write(&passphrase, "another\n").unwrap();
    refuses("wrong passphrase");
}
