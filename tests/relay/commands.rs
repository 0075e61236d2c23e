//! Ends of the prompt, `send`, `recv` and `serve` where letters go by a relay.

use std::fs;
use std::process::Stdio;

use libtest_mimic::Failed;
use rustix::process::Signal;
use serde_json::Value;

use crate::letters::{Person, acquainted};
use crate::site::{Node, Site, Tls};
use crate::support::{Home, PATIENCE, Process, eventually};

/// A relay of one node, and two people who have met.
fn meet() -> (Site, Vec<Node>, Person, Person) {
    let site = Site::new();
    let node = vec![site.start("n1", &site.configuration("n1", Tls::Without))];
    site.make_streams(&node[0], Tls::Without, 1);
    let at = [node[0].at.clone()];
    let (alice, bob) = (Person::new(&site, "alice", &at), Person::new(&site, "bob", &at));
    acquainted(&alice, &bob);
    (site, node, alice, bob)
}

impl Person {
    /// A command of this person, without input.
    fn runs(&self, args: &[&str]) -> Process {
        self.home.run(&[&["--config", self.config.to_str().unwrap()], args].concat(), Stdio::null())
    }

    /// Runs it to its end, with this exit code. Returns its standard output.
    #[track_caller]
    fn ran(&self, code: i32, args: &[&str]) -> String {
        let mut process = self.runs(args);
        assert_eq!(process.ends(), code, "{args:?}: {}", process.complaints());
        process.output()
    }
}

/// The last object of a command: `done`.
fn done(process: &Process) -> Value {
    let all = process.output() + &process.complaints();
    let mut events = all.lines().filter_map(|row| serde_json::from_str::<Value>(row).ok());
    events.rfind(|event| event["event"] == "done").unwrap()
}

pub(crate) fn quit() -> Result<(), Failed> {
    let (_site, node, alice, bob) = meet();
    // The line was never seen at the relay by the one who typed it.
    for (number, end) in [":quit", "the end of the input"].into_iter().enumerate() {
        let mut here = alice.starts(&[]);
        here.types(":to bob");
        here.types(&format!("line {number}"));
        if end == ":quit" {
            here.types(end);
        }
        here.closes_input();
        assert_eq!(here.ends(), 0, "{end}: {}", here.output());
        here.sees("for bob");
        let row = if number == 0 {
            "1 line for bob is at the relay; it is"
        } else {
            "2 lines for bob are at the relay; they are"
        };
        here.sees(row);
    }
    let mut there = bob.starts(&[]);
    there.sees("line 1");
    there.types(":quit");
    assert_eq!(there.ends(), 0, "{}", there.output());
    // The receipt of both was left before the end.
    let mut here = alice.starts(&[]);
    eventually("bob has both", PATIENCE, || {
        here.types(":outbox");
        here.has_seen("no messages are waiting")
    });
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    // A relay that is gone is not waited for.
    drop(node);
    let mut here = alice.starts(&[]);
    here.sees("no relay is connected");
    here.types(":to bob");
    here.types("not at the relay");
    here.types(":quit");
    assert_eq!(here.ends(), 6, "{}", here.output());
    here.sees("1 line waits for bob; ");
    Ok(())
}

pub(crate) fn send() -> Result<(), Failed> {
    let (site, node, alice, bob) = meet();
    let sent = alice.runs(&["send", "--relay", "bob", "-m", "one", "-m", "two", "--json"]);
    let ends = |mut process: Process, code: i32| {
        assert_eq!(process.ends(), code, "{}{}", process.output(), process.complaints());
        done(&process)
    };
    let said = ends(sent, 0);
    assert_eq!((&said["messages"], &said["receipted"], &said["at_relay"]), (&2.into(), &0.into(), &2.into()));
    let mut piped = alice
        .home
        .run(&["--config", alice.config.to_str().unwrap(), "send", "--relay", "bob", "-v"], Stdio::piped());
    piped.types("three");
    assert_eq!(piped.closes_input().ends(), 0, "{}", piped.complaints());
    piped.complains("1 line for bob is at the relay; it is not acknowledged yet");
    assert_eq!(bob.ran(0, &["recv", "--relay", "--count", "3"]), "one\ntwo\nthree\n");
    // By now they are acknowledged, which only a process learns that runs.
    let mut here = alice.starts(&[]);
    eventually("the receipts are here", PATIENCE, || {
        here.types(":outbox");
        here.has_seen("no messages are waiting")
    });
    // A process that has the home open leaves them.
    let sent = alice.runs(&["send", "--relay", "bob", "-m", "four", "--json"]);
    let said = ends(sent, 0);
    assert_eq!((&said["messages"], &said["receipted"], &said["at_relay"]), (&1.into(), &0.into(), &1.into()));
    here.types(":quit");
    assert_eq!(here.ends(), 0, "{}", here.output());
    assert_eq!(bob.ran(0, &["recv", "--relay", "--from", "alice", "--count", "1"]), "four\n");
    // Nothing that would not come about is waited for.
    alice
        .home
        .run(&["send", "--relay", "bob", "-m", "five"], Stdio::null())
        .ends_saying(3, "the settings name none");
    let stranger = Home::with_key("carol", "test-3.pem").fingerprint();
    alice.home.answer(&["peers", "add", "carol", &stranger]);
    let mut sent = alice.runs(&["send", "--relay", "carol", "-m", "hi"]);
    sent.ends_saying(6, "no letter can be left for carol yet");
    // One that is gone is called to, and what it has not taken stays.
    drop(node);
    let mut sent = alice.runs(&["send", "--relay", "bob", "-m", "five"]);
    sent.ends_saying(6, "1 message is kept in the home");
    assert!(alice.ran(0, &["outbox"]).contains("queued"));
    drop(site);
    Ok(())
}

pub(crate) fn recv() -> Result<(), Failed> {
    let (_site, _node, alice, bob) = meet();
    let texts: Vec<_> = (1..=30).map(|number| format!("line {number}")).collect();
    let mut args = vec!["send", "--relay", "bob"];
    args.extend(texts.iter().flat_map(|text| ["-m", text]));
    alice.ran(0, &args);
    // Each run goes on where the one before has ended.
    let mut read = String::new();
    for _ in 0..3 {
        read += &bob.ran(0, &["recv", "--relay", "--count", "5"]);
    }
    // A command that was killed with its process gets its message again, marked; the others once.
    let (file, go) = (bob.home.file("read"), bob.home.file("go"));
    let script = format!(
        "read -r line; echo \"$line$RSACHAT_AGAIN\" >> {0}; [ \"$line\" != 'line 20' ] || [ -e {1} ] || sleep 600",
        file.display(),
        go.display()
    );
    let run = || bob.runs(&["recv", "--relay", "--from", "alice", "--exec", &script, "--count", "15"]);
    let taken = || fs::read_to_string(&file).unwrap_or_default();
    let mut killed = run();
    eventually("the command has the last line before the kill", PATIENCE, || taken().ends_with("line 20\n"));
    killed.signal(Signal::KILL);
    killed.ends();
    fs::write(&go, "").unwrap();
    let mut rest = bob.runs(&["recv", "--relay", "--exec", &script, "--count", "11"]);
    assert_eq!(rest.ends(), 0, "{}", rest.complaints());
    let (before, behind) = texts.split_at(20);
    let wanted = [before, &["line 20yes".to_owned()], behind].concat().join("\n") + "\n";
    assert_eq!(read + &taken(), wanted);
    // A second one is told that there is a first, and a signal ends that.
    let mut first = bob.runs(&["recv", "--relay", "-v"]);
    first.complains("taking the messages of this home");
    bob.runs(&["recv", "--relay"]).ends_saying(3, "already takes the messages");
    first.signal(Signal::TERM);
    assert_eq!(first.ends(), 143, "{}", first.complaints());
    Ok(())
}

pub(crate) fn serve() -> Result<(), Failed> {
    let (_site, _node, alice, bob) = meet();
    for number in 0..3 {
        let text = format!("line {number}");
        alice.ran(0, &["send", "--relay", "bob", "-m", &text]);
        let mut serving = bob.runs(&["serve"]);
        bob.home.is_served();
        assert_eq!(bob.ran(0, &["recv", "--count", "1"]), format!("{text}\n"));
        serving.signal(Signal::TERM);
        assert_eq!(serving.ends(), 0, "{}", serving.complaints());
    }
    // Two of these lines may be acknowledged by now, and all of them were left.
    let mut here = alice.starts(&[]);
    eventually("bob's receipts have come", PATIENCE, || {
        here.types(":outbox");
        here.has_seen("no messages are waiting")
    });
    here.types(":quit");
    assert_eq!(here.ends(), 0);
    Ok(())
}
