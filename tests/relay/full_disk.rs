//! Letters from and to homes whose disks are full, or fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::slice;
use std::time::Instant;

use libtest_mimic::Failed;
use rsachat::limits::STORE_RETRY_MS;
use serde_json::{Value, json};

use crate::client::Requests;
use crate::letters::{Person, Side, acquainted};
use crate::site::Site;
use crate::support::{PATIENCE, Process, RSACHAT, eventually};

/// A shell in a namespace with a small disk at `folder`.
fn small_disk(folder: &Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let mount = r#"mount -t tmpfs -o size=1m,mode=700 none "$1" && script=$2 && shift 2 && exec sh -c "$script" "$@""#;
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"])
        .arg(folder)
        .arg(script)
        .arg(folder);
    command
}

/// Whether there can be one.
pub(crate) fn can_be_made() -> bool {
    let mut command = small_disk(Path::new("/tmp"), "true");
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The prompt of a person at a copy of its home, on a disk without any room.
fn starts_without_room(person: &Person, folder: &Path) -> Process {
    let script = r#"umask 77; cp -R "$2" "$0/home" || exit 70
        while head -c 4096 /dev/zero; do :; done 2>/dev/null >> "$0/fill"
        "$1" --home "$0/home" --config "$3" --json; exit $?"#;
    let mut command = small_disk(folder, script);
    command.args([Path::new(RSACHAT), person.home.path(), &person.config]).env_remove("RSACHAT_HOME");
    person.home.start_on(command, Stdio::piped())
}

/// What fills the disk of a process, as it is seen from here.
fn filling(process: &Process, folder: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}/fill", process.id(), folder.display()))
}

pub(crate) fn reader() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, slice::from_ref(&node.at)));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    let mut here = Side::start(alice);
    let mut texts: Vec<_> = (1..=12).map(|number| format!("{number}{}", " x".repeat(8_000))).collect();
    for text in &texts {
        here.writes("bob", text);
    }
    let requests = Requests::watch(&site, &node, "$JS.API.DIRECT.GET.RC");
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    let mut there = Side::of(bob, starts_without_room(bob, folder.path()));
    there.is_told("what alice sends cannot be kept: ");
    // It is tried again, with pauses.
    let few: Vec<_> = (1..=20).map(|number| format!("few {number}")).collect();
    for text in &few {
        here.writes("bob", text);
    }
    let before = requests.count();
    eventually("the letters are asked for again", PATIENCE, || requests.count() > before);
    let looks = began.elapsed().as_millis() as usize / usize::try_from(STORE_RETRY_MS)? + 2;
    assert!(requests.count() <= 100 * looks, "{} requests in {looks} looks", requests.count());
    // What was kept was shown, and the rest is there.
    let shown: Vec<_> = there.shown().into_iter().map(|(text, _)| text).collect();
    assert!(shown.len() < texts.len() && shown == texts[..shown.len()], "{} shown", shown.len());
    texts.extend(few);
    fs::remove_file(filling(&there.process, folder.path()))?;
    there.has_shown(&texts);
    eventually("alice knows", PATIENCE, || here.state_of(texts.last().unwrap()).is_empty());
    assert_eq!(there.quits(), 0);
    Ok(())
}

/// Whether a call of the system can be made to fail.
pub(crate) fn can_fail() -> bool {
    Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success())
}

/// The prompt of a person whose disk fails at a commit.
fn starts_failing(person: &Person, commit: usize) -> Process {
    let inject = format!("inject=fdatasync:error=EIO:when={commit}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &inject, RSACHAT]);
    command.arg("--home").arg(person.home.path()).arg("--config").arg(&person.config);
    command.arg("--json").env_remove("RSACHAT_HOME");
    person.home.start_on(command, Stdio::piped())
}

/// Texts of events of this kind.
fn texts_of(told: &[Value], kind: &str) -> Vec<String> {
    let events = told.iter().filter(|event| event["event"] == kind);
    events.filter_map(|event| Some(event["text"].as_str()?.to_owned())).collect()
}

pub(crate) fn failing() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, slice::from_ref(&node.at)));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    let mut here = Side::start(alice);
    here.writes("bob", "first");
    here.quits();
    let (mut accepted, mut refused, mut read) = (vec!["first".to_owned()], 0, Vec::new());
    // The first of a thread are those of the opening.
    for commit in 5..=9 {
        let mut here = Side::of(alice, starts_failing(alice, commit));
        for line in 1..=4 {
            here.orders(&json!({ "id": line, "say": format!("{commit} {line}"), "to": "bob" }));
            here.process.sees_times(r#""event":"reply""#, line, PATIENCE);
        }
        let kept = texts_of(&here.told(), "queued");
        refused += 4 - kept.len();
        // What the disk did not take of a letter goes on by itself.
        if let Some(last) = kept.last() {
            here.waits_for_state(last, "at the relay");
        }
        accepted.extend(kept);
        here.quits();
        let mut there = Side::of(bob, starts_failing(bob, commit));
        there.earlier = read;
        eventually("the last one is shown", 2 * PATIENCE, || {
            there.shown().iter().any(|(text, _)| Some(text) == accepted.last())
        });
        there.quits();
        read = there.told();
    }
    assert!(refused > 0, "no error was felt");
    // What a disk did of a change that it says it failed to make is not known: one more may come.
    let told = read.iter().filter(|event| event["event"] == "message" && event["again"] != true);
    let shown = texts_of(&told.cloned().collect::<Vec<_>>(), "message");
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len(), "{shown:?}");
    let mut all = texts_of(&read, "message");
    let mut seen = BTreeSet::new();
    all.retain(|text| accepted.contains(text) && seen.insert(text.clone()));
    assert_eq!(all, accepted);
    Ok(())
}

pub(crate) fn opened_later() -> Result<(), Failed> {
    let (site, node) = Site::with_node();
    let people = ["alice", "bob"].map(|name| Person::new(&site, name, slice::from_ref(&node.at)));
    let [alice, bob] = &people;
    acquainted(alice, bob);
    let mut here = Side::start(alice);
    here.writes("bob", "alice 1");
    here.quits();
    let (store, elsewhere) = (bob.home.file("store.redb"), bob.home.file("elsewhere"));
    fs::rename(&store, &elsewhere)?;
    fs::create_dir(&store)?;
    let there = Side::start(bob);
    there.is_told("rsachat tries again every 5 s");
    there.is_told("connected to the relay");
    fs::remove_dir(&store)?;
    fs::rename(&elsewhere, &store)?;
    there.has_shown(&["alice 1".to_owned()]);
    Ok(())
}
