//! The unit for systemd (`docs/SERVICE.md`).

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{Home, read};

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
    let (mut serves, _) = Home::of("민지").run(&args, Stdio::null()).and_where();
    assert!(read("docs/rsachat.service").contains("\nKillSignal=SIGTERM\n"));
    serves.signal(Signal::TERM);
    assert_eq!(serves.ends(), 0);
}
