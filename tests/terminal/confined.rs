//! Prompt that has given up files and programs: what a person names is opened all the same, by its
//! second process. Where the kernel has no Landlock, it opens them itself.

use std::fs;

use super::pty::{Pty, Setup};
use super::support::{PATIENCE, eventually};
use super::{finish_line, stop_half_typed};

#[test]
fn what_a_person_names_outside_the_home_is_completed_saved_logged_and_kept() {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name).display().to_string();
    fs::create_dir(outside.path().join("폴더")).unwrap();
    let args = ["--line-history", &at("lines")];
    let (mut alice, mut bob) = Pty::start_with_bob(&Setup { args: &args, cols: 100, ..Setup::WIDE });
    let threads = alice.fields("NoNewPrivs:").into_iter().zip(alice.fields("Seccomp:"));
    let threads: Vec<_> = threads.collect();
    assert!(threads.len() > 5 && threads.iter().all(|thread| *thread == threads[0]), "{threads:?}");
    bob.types("읽어 보세요");
    alice.sees("bob: 읽어 보세요");
    alice.press(&format!(":save {}\t", at("폴")));
    alice.sees(&format!(":save {}", at("폴더/")));
    alice.press("text\r");
    alice.sees("saved as");
    assert_eq!(fs::read_to_string(at("폴더/text")).unwrap(), "읽어 보세요");
    alice.press(&format!(":log {}\r", at("log")));
    alice.sees("logging to");
    alice.press("네\r");
    bob.hears("alice", 1);
    // The password of a proxy is remembered nowhere, nor is the token of an invitation.
    alice.press(":connect 127.0.0.1:9 --via socks5h://ann:secret@127.0.0.1:9\r");
    alice.sees("the proxy 127.0.0.1:9");
    let invitation =
        format!("rsachat://127.0.0.1:9/?i={}#SHA256:{}", "secretsecretsecretsecg", "A".repeat(43));
    alice.press(&format!(":connect {invitation}\r"));
    alice.sees("cannot reach 127.0.0.1:9");
    alice.press(":log off\r");
    alice.sees("stopped logging");
    eventually("both are written", PATIENCE, || {
        let holds = |name: &str, text| fs::read_to_string(at(name)).is_ok_and(|file| file.contains(text));
        holds("log", "네") && holds("lines", ":log off")
    });
    for name in ["log", "lines"] {
        assert!(!fs::read_to_string(at(name)).unwrap().contains("secret"), "{name}");
    }
}

#[test]
fn ctrl_z_stops_the_script_that_started_the_prompt_as_well() {
    let script =
        "set -m; sh -c '\"$@\"; :' sh \"$@\"; echo stopped with $?; read word; fg; echo left with $?";
    let (mut alice, bob) = Pty::start_with_bob(&Setup { shell: Some(script), ..Setup::WIDE });
    stop_half_typed(&mut alice);
    alice.press("go\r");
    finish_line(&mut alice, &bob);
}

#[test]
fn an_editor_that_is_open_ends_with_the_prompt() {
    let env = [("EDITOR", "echo editing $$; exec sleep 600 #")];
    let mut alice = Pty::start(&Setup { env: &env, ..Setup::WIDE });
    alice.press(":edit\r");
    alice.sees("editing ");
    let screen = alice.screen();
    let id: String =
        screen.rsplit_once("editing ").unwrap().1.chars().take_while(char::is_ascii_digit).collect();
    alice.signal(rustix::process::Signal::TERM);
    assert_eq!(alice.wait_end(), 143);
    eventually("it has ended", PATIENCE, || {
        fs::read_to_string(format!("/proc/{id}/status")).map_or(true, |status| status.contains("State:\tZ"))
    });
}
