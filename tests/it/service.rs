//! The unit for systemd (`docs/SERVICE.md`).

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Home, PATIENCE, Process, eventually, read};

fn started_by_unit() -> Vec<String> {
    let unit = read("docs/rsachat.service");
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    let mut words = command.split(' ').map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("%h/.cargo/bin/rsachat"));
    words.collect()
}

#[test]
fn the_command_of_the_unit_serves_and_the_signal_of_the_unit_ends_it_with_0() {
    let args = started_by_unit();
    let args: Vec<_> =
        args.iter().map(|word| if word == "8000" { "127.0.0.1:0" } else { word.as_str() }).collect();
    assert!(read("docs/rsachat.service").contains("\nKillSignal=SIGTERM\n"));
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (mut serves, _) = Home::of("민지").run(&args, Stdio::null()).and_where();
        serves.signal(signal);
        assert_eq!(serves.ends(), 0, "{signal:?}");
    }
}

/// A service of 민지, at a port of its own or at one that was its own before.
fn serves(home: &Home, at: &str) -> (Process, String) {
    home.run(&["serve", "--name", "민지", "--listen", at], Stdio::null()).and_where()
}

#[test]
fn who_called_a_service_that_is_restarted_calls_it_again() {
    let (home, theirs) = (Home::of("민지"), Home::of("준호"));
    let (mut minji, at) = serves(&home, "127.0.0.1:0");
    let mut junho = theirs.start(&[]);
    junho.types(&format!(":connect {at}"));
    junho.sees("민지 joined");
    for number in 1..=2 {
        minji.signal(Signal::TERM);
        assert_eq!(minji.ends(), 0);
        let stopped = "lost 민지: rsachat was stopped there; calling again (:close 민지 stops that)";
        junho.sees_times(stopped, number, PATIENCE);
        (minji, _) = serves(&home, &at);
        junho.sees_times("민지 joined, known key", number, PATIENCE);
    }
    // Who leaves is not called.
    junho.types(":close");
    minji.sees("준호 left");
    assert_eq!(junho.closes_input().ends(), 0);
}

#[test]
fn a_service_that_is_restarted_calls_whom_it_had_called_unless_that_was_ended() {
    let (home, at) = (Home::of("민지"), "127.0.0.1:0");
    let (mut junho, to_junho) = Process::listening("준호");
    let mut minji =
        home.run(&["serve", "--name", "민지", "--connect", &to_junho, "--listen", at], Stdio::null());
    for (number, signal) in [(1, Signal::KILL), (2, Signal::TERM)] {
        junho.sees_times("민지 joined", number, PATIENCE);
        minji.sees("준호 joined");
        // On disk: whom it has called, and behind that a line that was received.
        eventually("준호 is in the book", PATIENCE, || {
            std::fs::read_to_string(home.file("peers")).is_ok_and(|book| book.contains("준호"))
        });
        home.answer(&["send", "준호", "-m", "are you there?"]);
        minji.signal(signal);
        minji.ends();
        (minji, _) = serves(&home, at);
        minji.sees("calling 준호 again, as before rsachat ended (:close 준호 stops that)");
    }
    junho.sees_times("민지 joined", 3, PATIENCE);
    let mut attached = home.start(&["--plain"]);
    attached.types(":close 준호");
    attached.sees("conversation with 준호 closed");
    minji.signal(Signal::TERM);
    minji.ends();
    (minji, _) = serves(&home, at);
    minji.signal(Signal::TERM);
    assert_eq!(minji.ends(), 0);
    assert!(!minji.has_seen("calling"), "{}", minji.output());
    assert_eq!(junho.closes_input().ends(), 0);
}
