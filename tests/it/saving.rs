//! Messages that are saved as files.

use std::collections::BTreeSet;

use crate::support::{Home, Process, mode};

#[test]
fn a_message_is_saved_by_the_program_that_is_asked_and_a_file_that_is_there_stays() {
    let (mut junho, at) = Process::listening("준호");
    let (home, folder) = (Home::of("민지"), tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::os::unix::fs::symlink(file("target"), file("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, file("pipe"), rustix::fs::Mode::RWXU).unwrap();
    std::fs::write(file("there"), "before").unwrap();
    let mut minji = home.start(&["--plain", "--connect", &at]);
    junho.sees("민지 joined");
    junho.types("첫째\u{202e}");
    minji.sees("첫째");
    minji.types(&format!(":save {}", file("new")));
    minji.sees("note: message of 준호 (9 bytes) saved as ");
    assert_eq!(std::fs::read(file("new")).unwrap(), "첫째\u{202e}".as_bytes());
    assert_eq!(mode(file("new")), 0o600);
    for name in ["new", "there", "link", "pipe", "."] {
        minji.types(&format!(":save {}", file(name)));
        minji
            .sees(&format!("problem: the message was not saved as {}: that file exists already", file(name)));
    }
    minji.types(&format!(":save {}", file("no/new")));
    minji.sees(&format!("there is no folder {}", file("no")));
    minji.types(":save /proc/message");
    minji.sees("problem: the message was not saved as /proc/message: ");
    assert_eq!(std::fs::read(file("there")).unwrap(), b"before");
    assert!(!folder.path().join("target").exists());
    let there: BTreeSet<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["link", "new", "pipe", "there"].map(Into::into).into());
    assert_eq!(minji.closes_input().ends(), 1, "lines were refused");
}
