//! The program killed at its N-th call of the system, and refused by it: a key, the book and the
//! store are as before or as after, and what was said to be kept is shown.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::support::{Home, PATIENCE, Process, RSACHAT, eventually, file_with, read};

/// The program at a home, under a tracer that injects a fault into a call.
fn injected(home: &Home, call: &str, fault: &str, when: &str, args: &[&str]) -> Command {
    let plain = home.command(args);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    command.arg("-e").arg(format!("inject={call}:{fault}:when={when}"));
    command.arg(RSACHAT).args(plain.get_args()).env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    command
}

/// Runs a command, killed at each of these calls in turn, until one ends by itself. `prepare` makes
/// the home, `check` looks at what is left, with whether the command has ended well. Returns how
/// many were killed.
fn killed_at_each(
    calls: &[&str],
    args: &[&str],
    prepare: impl Fn() -> Home,
    check: impl Fn(&Home, bool, &str),
) -> usize {
    let mut kills = 0;
    for call in calls {
        for number in 1.. {
            let home = prepare();
            let mut command = injected(&home, call, "signal=KILL", &number.to_string(), args);
            let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let ended = status.unwrap().success();
            check(&home, ended, &format!("{args:?} {call} {number}"));
            if ended {
                break;
            }
            kills += 1;
            assert!(number < 100, "{args:?} never ends well at {call}");
        }
    }
    kills
}

fn ends(home: &Home, args: &[&str]) -> i32 {
    home.run(args, Stdio::null()).ends()
}

pub(crate) fn keygen() -> Result<(), Failed> {
    let new = ["key", "new", "2048"];
    let prepare = || {
        let home = Home::of("민지");
        fs::remove_file(home.file("identity.pem")).unwrap();
        home
    };
    let kills =
        killed_at_each(&["write", "fsync", "fchmod", "renameat"], &new, prepare, |home, ended, what| {
            let is_there = home.file("identity.pem").exists();
            assert!(is_there || !ended, "{what}");
            if !is_there {
                assert_eq!(ends(home, &new), 0, "{what}: it can be made then");
            }
            assert_eq!(ends(home, &["key", "show"]), 0, "{what}: it is whole");
        });
    assert!(kills >= 5, "{kills} kills");
    Ok(())
}

/// A row of the book.
fn row(name: &str, home: &Home) -> String {
    format!("{name} {} verified\n", home.fingerprint())
}

pub(crate) fn book() -> Result<(), Failed> {
    let (junho, hana) = (Home::of("준호"), Home::of("하나"));
    let (before, added) = (row("준호", &junho), row("하나", &hana));
    let prepare = || {
        let home = Home::of("민지");
        home.private("peers", &before);
        home
    };
    let fingerprint = hana.fingerprint();
    let add = ["peers", "add", "하나", &fingerprint];
    let kills = killed_at_each(&["write", "fsync", "renameat"], &add, prepare, |home, ended, what| {
        let listed = home.answer(&["peers", "list"]);
        assert!(listed.contains("준호"), "{what}: {listed}");
        assert!(listed.contains("하나") || !ended, "{what}: {listed}");
        assert_eq!(ends(home, &["peers", "block", "준호"]), 0, "{what}: it can be changed");
    });
    assert!(kills >= 3, "{kills} kills: {added}");
    Ok(())
}

/// Two homes that know each other.
fn acquainted() -> (Home, Home) {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    minji.private("peers", row("준호", &junho));
    junho.private("peers", row("민지", &minji));
    (minji, junho)
}

fn orders(texts: &[String]) -> fs::File {
    let lines = texts.iter().map(|text| format!("{}\n", json!({ "say": text, "to": "준호" })));
    file_with(lines.collect::<String>().as_bytes())
}

/// Whole rows that a program wrote.
fn told(process: &Process) -> Vec<Value> {
    let output = process.output();
    let whole = output.split_inclusive('\n').filter(|row| row.ends_with('\n'));
    whole.map(|row| serde_json::from_str(row).unwrap_or_else(|_| panic!("{row}"))).collect()
}

/// Texts that a program has accepted: on their way, or kept for a peer who is away.
fn accepted_by(process: &Process) -> Vec<String> {
    let told = told(process);
    let of_it = told.iter().filter(|one| one["event"] == "sent" || one["event"] == "queued");
    of_it.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

/// Where a program listens, unless it dies before that.
fn listens_or_ends(process: &mut Process) -> Option<String> {
    let mut listens = false;
    eventually("it listens or has ended", PATIENCE, || {
        let runs = process.is_running();
        listens = process.output().contains("\"event\":\"listening\"") && runs;
        listens || !runs
    });
    listens.then(|| process.listens_at())
}

const LISTEN: [&str; 3] = ["--json", "--listen", "127.0.0.1:0"];

/// Numbered lines of one round, of which the last is typed when nothing disturbs any more.
fn lines(round: &str) -> Vec<String> {
    (1..=3).map(|number| format!("{round} {number}")).collect()
}

/// What was shown holds everything that was accepted, each line in the order of typing, and twice
/// only with a mark.
fn check_shown(shown: &[Value], accepted: &[String], what: &str) {
    let messages: Vec<_> = shown.iter().filter(|one| one["event"] == "message").collect();
    let unmarked: Vec<_> =
        messages.iter().filter(|one| one["again"] != true).map(|one| one["text"].as_str().unwrap()).collect();
    let all: Vec<_> = messages.iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(unmarked.iter().collect::<BTreeSet<_>>().len(), unmarked.len(), "{what}: {unmarked:?}");
    let mut first: Vec<String> = Vec::new();
    for text in all {
        if !first.contains(&text) {
            first.push(text);
        }
    }
    let found: Vec<_> = first.iter().filter(|text| accepted.contains(text)).cloned().collect();
    assert_eq!(found, accepted, "{what}");
}

/// Rounds of calls that are disturbed: each third one of those that are many.
const COMMITS: [(&str, usize); 2] = [("fdatasync", 1), ("pwrite64", 4)];

pub(crate) fn sender() -> Result<(), Failed> {
    let (minji, junho) = acquainted();
    let (mut listens, at) = junho.start(&LISTEN).and_where();
    let (mut accepted, mut kills) = (Vec::new(), 0);
    let connect = ["--json", "--connect", &at];
    for (call, step) in COMMITS {
        for number in (1..200).step_by(step) {
            let round = format!("{call} {number}");
            let command = injected(&minji, call, "signal=KILL", &number.to_string(), &connect);
            let mut sends = minji.start_on(command, orders(&lines(&round)));
            let ended = sends.ends_within(PATIENCE) == 0;
            accepted.extend(accepted_by(&sends));
            if ended {
                break;
            }
            kills += 1;
        }
        let end = [format!("{call} end")];
        let mut sends = minji.run(&connect, orders(&end));
        assert_eq!(sends.ends(), 0, "{}", sends.output());
        accepted.extend(end);
    }
    listens.sees("pwrite64 end");
    assert_eq!(listens.closes_input().ends(), 0);
    check_shown(&told(&listens), &accepted, "kills of who sends");
    assert!(kills >= 6, "{kills} kills");
    Ok(())
}

pub(crate) fn receiver() -> Result<(), Failed> {
    let (minji, junho) = acquainted();
    let (mut accepted, mut shown, mut kills) = (Vec::new(), Vec::new(), 0);
    for (call, step) in COMMITS {
        for number in (1..200).step_by(step) {
            let round = format!("{call} {number}");
            let command = injected(&junho, call, "signal=KILL", &number.to_string(), &LISTEN);
            let mut listens = junho.start_on(command, Stdio::piped());
            // It may die before it listens.
            let Some(at) = listens_or_ends(&mut listens) else {
                kills += 1;
                continue;
            };
            let mut sends = minji.run(&["--json", "--connect", &at], orders(&lines(&round)));
            let ended = sends.ends_within(PATIENCE) == 0;
            accepted.extend(accepted_by(&sends));
            let lives = ended && listens.is_running();
            if lives {
                listens.closes_input();
            }
            let code = listens.ends_within(PATIENCE);
            shown.extend(told(&listens));
            if code == 0 {
                break;
            }
            kills += 1;
        }
        let (mut listens, at) = junho.start(&LISTEN).and_where();
        let end = [format!("{call} end")];
        let mut sends = minji.run(&["--json", "--connect", &at], orders(&end));
        assert_eq!(sends.ends(), 0, "{}", sends.output());
        accepted.extend(end);
        assert_eq!(listens.closes_input().ends(), 0);
        shown.extend(told(&listens));
    }
    check_shown(&shown, &accepted, "kills of who receives");
    assert!(kills >= 6, "{kills} kills");
    Ok(())
}

/// Gives a program orders, each once the one before is answered: each change is a commit. Returns
/// the code with which it ends.
fn one_by_one(program: &mut Process, orders: impl Iterator<Item = Value>) -> i32 {
    for (number, mut order) in (1..).zip(orders) {
        order["id"] = json!(number);
        program.types(&order.to_string());
        program.sees_times(r#""event":"reply""#, number, PATIENCE);
    }
    program.closes_input().ends_within(PATIENCE)
}

pub(crate) fn errors() -> Result<(), Failed> {
    let (minji, junho) = acquainted();
    let (mut listens, at) = junho.start(&LISTEN).and_where();
    let connect = ["--json", "--connect", &at];
    let (mut accepted, mut refused) = (Vec::new(), 0);
    // Each thread counts its own calls: the first are of the opening, on the main thread.
    let once = (1..10).map(|number| ("fdatasync", "EIO", number.to_string()));
    let from = (5..8).map(|number| ("fdatasync", "EIO", format!("{number}+")));
    let full = (1..30).step_by(4).map(|number| ("pwrite64", "ENOSPC", number.to_string()));
    for (call, error, when) in once.chain(from).chain(full) {
        let round = format!("{call} {when}");
        let command = injected(&minji, call, &format!("error={error}"), &when, &connect);
        let mut sends = minji.start_on(command, Stdio::piped());
        let texts = (1..=8).map(|number| json!({ "say": format!("{round} {number}"), "to": "준호" }));
        let code = one_by_one(&mut sends, texts);
        let told = told(&sends);
        let sent = accepted_by(&sends);
        let warnings = told.iter().filter(|one| one["event"] == "warning").count();
        assert!(warnings > 0 || sent.len() == 8, "{round}: {code} {told:#?}");
        refused += 8 - sent.len();
        accepted.extend(sent);
    }
    let end = ["end".to_owned()];
    let mut sends = minji.run(&connect, orders(&end));
    assert_eq!(sends.ends(), 0, "{}", sends.output());
    accepted.extend(end);
    listens.sees(r#""text":"end""#);
    assert_eq!(listens.closes_input().ends(), 0);
    check_shown(&told(&listens), &accepted, "errors of the disk");
    assert!(refused > 0, "no error was felt");
    Ok(())
}

/// Lines that cannot be taken back from the disk wait on, and that is said; those that are dropped
/// are gone.
pub(crate) fn not_taken_back() -> Result<(), Failed> {
    let texts: Vec<_> = (1..=8).map(|number| format!("line {number}")).collect();
    for number in 5..8 {
        let (minji, _) = acquainted();
        assert_eq!(minji.run(&["--json"], orders(&texts)).ends(), 6);
        let command = injected(&minji, "fdatasync", "error=EIO", &format!("{number}+"), &["--json"]);
        let mut drops = minji.start_on(command, Stdio::piped());
        let drop = |line| json!({ "command": "outbox", "arguments": ["drop", "준호", line] });
        let code = one_by_one(&mut drops, ["1", "2", "3", "4", "5", "6", "7", "8"].map(drop).into_iter());
        let times = |words: &str| drops.output().matches(words).count();
        let (dropped, kept) =
            (times("was dropped; it was never sent"), times("nothing to 준호 is taken back: "));
        assert_eq!((code, dropped + kept), (1, 8), "{number}: {}", drops.output());
        assert!(dropped > 0 && kept > 0, "{number}: {}", drops.output());
        let mut lists = minji.start_with_input(&[], file_with(b":outbox\n"));
        assert_eq!(lists.ends(), 6);
        let waiting = texts.iter().filter(|text| lists.output().contains(*text)).count();
        // What a disk did of a change that it says it failed to make is not known.
        assert!(waiting == kept || waiting + 1 == kept, "{number}: {}", lists.output());
    }
    Ok(())
}

/// A home on a disk of 96 KiB: what does not fit comes back, and once there is room lines are kept,
/// with those of before.
pub(crate) fn small(disk: impl Fn(&Path) -> Command) -> Result<(), Failed> {
    let (minji, _) = acquainted();
    let (folder, files) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (before, after) = (lines("a"), lines("b"));
    let texts: Vec<_> = before.iter().chain(&after).map(|text| text.clone() + &"x".repeat(2_000)).collect();
    let (before, after) = texts.split_at(before.len());
    let too_many = before.iter().cycle().take(60).cloned().collect::<Vec<_>>();
    for (name, texts) in [("fills", &too_many[..]), ("goes-on", after)] {
        std::io::copy(&mut orders(texts), &mut fs::File::create(files.path().join(name))?)?;
    }
    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        "$1" --home "$home" --json < "$4/fills"; mount -o remount,size=1m "$2" || exit 71
        exec "$1" --home "$home" --json < "$4/goes-on""#;
    let mut command = disk(folder.path());
    command.args(["sh", "-c", script, "sh", RSACHAT]).args([folder.path(), minji.path(), files.path()]);
    command.env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    let mut prompts = minji.start_on(command, Stdio::null());
    assert_ne!(prompts.ends(), 0, "lines were refused, or wait");
    let told = told(&prompts);
    let first = told.iter().take_while(|one| one["event"] != "done");
    let refused = first.filter(|one| one["kind"] == "not_sent" && one["event"] == "warning");
    let words: Vec<_> = refused.map(|one| one["message"].as_str().unwrap()).collect();
    let full = |words: &&str| {
        words.starts_with("not kept: ") && words.contains("no space left on device; make room")
    };
    assert!(words.iter().all(full), "{words:?}");
    let kept = accepted_by(&prompts);
    assert_eq!(kept.len() + words.len(), 60 + after.len(), "{} kept, {words:?}", kept.len());
    assert!(words.len() > 10 && kept.first() == before.first(), "{}", prompts.complaints());
    assert_eq!(kept[kept.len() - after.len()..], *after, "there is room again");
    Ok(())
}

/// Numbers of the messages in the outbox of a home.
fn waiting(outbox: &str) -> Vec<u64> {
    let is_row = |row: &&str| row.starts_with("준호 ");
    outbox.lines().filter(is_row).map(|row| row.split_whitespace().nth(1).unwrap().parse().unwrap()).collect()
}

/// Lines that are handed over at once to a home on a disk of 96 KiB: the first are kept, as many as
/// there is room for, those of the user as those of a peer, and the others once there is room.
pub(crate) fn first_lines(disk: impl Fn(&Path) -> Command) -> Result<(), Failed> {
    let texts: Vec<_> = (1..=100).map(|number| format!("{number}{}", " x".repeat(150))).collect();
    let send: Vec<_> = ["send", "준호", "--keep"].into_iter().map(str::to_owned).collect();
    let send = texts.iter().fold(send, |args, text| [args, vec!["-m".to_owned(), text.clone()]].concat());
    let send: Vec<_> = send.iter().map(String::as_str).collect();
    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        program=$1; shift 3; "$program" --home "$home" "$@"; code=$?
        "$program" --home "$home" outbox; exit $code"#;
    let (minji, junho) = acquainted();
    let folder = tempfile::tempdir()?;
    let mut command = disk(folder.path());
    command.args(["sh", "-c", script, "sh", RSACHAT]).args([folder.path(), minji.path()]).args(&send);
    command.env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    let mut sends = minji.start_on(command, Stdio::null());
    assert_eq!(sends.ends(), 1, "{}", sends.complaints());
    let kept = waiting(&sends.output());
    assert!((10..100).contains(&kept.len()) && kept.iter().copied().eq(1..=kept.len() as u64), "{kept:?}");
    for number in 1..=100 {
        let is_refused = sends.complaints().contains(&format!("message {number} (\"{number} x"));
        assert_eq!(is_refused, number > kept.len(), "{number} of {kept:?}: {}", sends.complaints());
    }

    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        "$1" --home "$home" serve --json --listen 127.0.0.1:0 < /dev/null &
        read room; mount -o remount,size=1m "$2" || exit 71
        exec "$1" --home "$home" --json"#;
    let mut command = disk(folder.path());
    command.args(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", RSACHAT]);
    command.args([folder.path(), junho.path()]);
    command.env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    let mut serves = junho.start_on(command, Stdio::piped());
    let book = format!("{} {}\n", row("준호", &junho).trim_end(), serves.listens_at());
    minji.private("peers", book);
    assert_eq!(minji.run(&send, Stdio::null()).ends(), 6);
    let outbox = minji.answer(&["outbox"]);
    assert_eq!(waiting(&outbox), (1..=100).collect::<Vec<_>>());
    let states: Vec<_> = outbox.lines().map(|row| row.contains(" delivered ")).skip(1).collect();
    let delivered = states.iter().take_while(|is_delivered| **is_delivered).count();
    assert!((10..100).contains(&delivered) && !states[delivered..].contains(&true), "{outbox}");
    serves.types("room");
    assert_eq!(minji.run(&["send", "--flush"], Stdio::null()).ends(), 0);
    let shown: Vec<_> = told(&serves).into_iter().filter(|one| one["event"] == "message").collect();
    let texts_shown: Vec<_> = shown.iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert_eq!(texts_shown, texts);
    Ok(())
}

/// A home on a disk of 96 KiB that stays as full as it is: what is taken back, and what a peer has
/// got, makes room for as many lines, in the same program and in the next.
pub(crate) fn emptied(disk: impl Fn(&Path) -> Command) -> Result<(), Failed> {
    let (minji, junho) = acquainted();
    let (folder, files) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (mut listens, at) = junho.start(&LISTEN).and_where();
    let too_many: Vec<_> = (0..60).map(|number| format!("line {number}")).collect();
    let drop = json!({ "command": "outbox", "arguments": ["drop", "준호"] });
    let mut fill = String::new();
    orders(&too_many).read_to_string(&mut fill)?;
    fs::write(files.path().join("twice"), format!("{fill}{drop}\n{fill}"))?;
    fs::write(files.path().join("once"), format!("{drop}\n{fill}"))?;
    fs::write(files.path().join("last"), &fill)?;
    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        "$1" --home "$home" --json < "$4/twice"; "$1" --home "$home" --json < "$4/once"
        "$1" --home "$home" --json --connect "$5" < /dev/null || exit 72
        exec "$1" --home "$home" --json < "$4/last""#;
    let mut command = disk(folder.path());
    command.args(["sh", "-c", script, "sh", RSACHAT]).args([folder.path(), minji.path(), files.path()]);
    command.arg(&at).env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    let mut prompts = minji.start_on(command, Stdio::null());
    prompts.ends_within(PATIENCE);
    let told = told(&prompts);
    let is_drop = |one: &Value| one["message"].as_str().is_some_and(|words| words.contains(" dropped; "));
    let mut counts = vec![0];
    for one in &told {
        if is_drop(one) || one["event"] == "connected" {
            counts.push(0);
        }
        *counts.last_mut().unwrap() += usize::from(one["event"] == "queued");
    }
    let [first, behind_drop, restarted, delivered] = counts[..] else { panic!("{counts:?} {told:#?}") };
    assert!([first, behind_drop, restarted, delivered].iter().all(|count| *count >= 10), "{counts:?}");
    let not_kept = told.iter().filter(|one| one["kind"] == "not_kept").count();
    assert_eq!(not_kept, 0, "the store opens again: {told:#?}");
    let shown: Vec<_> = (0..restarted).map(|number| format!("line {number}")).collect();
    listens.sees(&format!(r#""text":"{}""#, shown.last().unwrap()));
    listens.closes_input().ends();
    let told = self::told(&listens);
    let seen: Vec<_> = told.iter().filter_map(|one| one["text"].as_str()).collect();
    assert_eq!(seen, shown, "what waited comes, and once");
    Ok(())
}

/// A served home on a disk of 96 KiB, called or calling, at which nobody looks: its sender keeps
/// what does not fit, and sends it once there is room, without anybody's act.
pub(crate) fn receiver_without_room(disk: impl Fn(&Path) -> Command) -> Result<(), Failed> {
    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        "$1" --home "$home" serve --json "$4" "$5" < /dev/null &
        read room; mount -o remount,size=1m "$2" || exit 71
        exec "$1" --home "$home" --json"#;
    for receiver_calls in [false, true] {
        let (minji, junho) = acquainted();
        let folder = tempfile::tempdir()?;
        let serve = |way: &str, at: &str| {
            let mut command = disk(folder.path());
            command.args(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", RSACHAT]);
            command.args([folder.path(), junho.path()]).args([way, at]);
            command.env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
            junho.start_on(command, Stdio::piped())
        };
        let (mut sends, mut serves) = if receiver_calls {
            let (sends, at) = minji.start(&LISTEN).and_where();
            (sends, serve("--connect", &at))
        } else {
            let serves = serve("--listen", "127.0.0.1:0");
            let at = serves.listens_at();
            let mut sends = minji.start(&["--json"]);
            sends.types(&json!({ "command": "connect", "arguments": [at] }).to_string());
            (sends, serves)
        };
        sends.sees(r#""event":"connected""#);
        let texts: Vec<_> = (1..=60).map(|number| format!("{number}{}", " x".repeat(1_000))).collect();
        let (last, first) = texts.split_last().unwrap();
        let mut says = |text: &String| sends.types(&json!({ "say": text, "to": "준호" }).to_string());
        first.iter().for_each(&mut says);
        serves.sees("what 민지 sends cannot be kept: ");
        sends.sees("준호 could not store what it received: no space left on its disk; your lines wait here");
        sends.types(&json!({ "say": last, "to": "준호" }).to_string());
        sends.types(r#"{"id":1,"command":"outbox"}"#);
        sends.sees(r#""id":1,"event":"reply""#);
        assert!(!sends.has_seen(r#""event":"received""#), "{}", sends.output());
        serves.types("room");
        // It is on the disk, and then seen.
        sends.sees_times(r#""upto":60"#, 2, PATIENCE);
        let told = told(&serves);
        let shown: Vec<_> = told.iter().filter(|one| one["event"] == "message").collect();
        let number = |one: &&Value| one["text"].as_str().unwrap().split(' ').next().unwrap().to_owned();
        let numbers: Vec<_> = shown.iter().map(number).collect();
        assert_eq!(numbers, (1..=60).map(|number: u32| number.to_string()).collect::<Vec<_>>());
    }
    Ok(())
}

/// A home that is served on a full disk: its store opens by itself once there is room.
pub(crate) fn opened_later(disk: impl Fn(&Path) -> Command) -> Result<(), Failed> {
    let (minji, _) = acquainted();
    let folder = tempfile::tempdir()?;
    let script = r#"umask 77; home=$2/home; mkdir "$home" && cp "$3"/identity.pem "$3"/peers "$home" || exit 70
        while head -c 4096 /dev/zero >> "$2/fill"; do :; done
        "$1" --home "$home" serve --json < /dev/null &
        read room; rm "$2/fill"
        read served; exec "$1" --home "$home" attach --json"#;
    let mut command = disk(folder.path());
    command.args(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", RSACHAT]);
    command.args([folder.path(), minji.path()]).env("RSACHAT_CONFIG", "none").env_remove("RSACHAT_HOME");
    let mut serves = minji.start_on(command, Stdio::piped());
    serves.sees("no space left on device; make room; rsachat tries again every 5 s");
    serves.types("room");
    serves.sees("the message store is open: messages are kept from now on");
    serves.types("served");
    serves.types(&json!({ "say": "for later", "to": "준호" }).to_string());
    serves.sees(r#""event":"queued""#);
    Ok(())
}

pub(crate) fn two_at_once() -> Result<(), Failed> {
    for round in 0..4 {
        let (minji, _) = acquainted();
        let mut both = [(); 2].map(|()| minji.start(&["--json"]));
        for (number, prompt) in both.iter_mut().enumerate() {
            prompt.types(&json!({ "id": number, "say": format!("line {number}"), "to": "준호" }).to_string());
        }
        // One has the store, and the other goes by it: each line is kept once.
        for (number, prompt) in both.iter().enumerate() {
            prompt.sees(r#""event":"reply""#);
            let told = told(prompt);
            let own: Vec<_> = told.iter().filter(|one| one["id"] == number).collect();
            let kept = own.iter().any(|one| one["event"] == "queued");
            let replied = own.iter().any(|one| one["event"] == "reply" && one["ok"] == true);
            assert!(kept && replied, "round {round}: {told:#?}");
        }
        for prompt in &mut both {
            prompt.closes_input().ends();
        }
        let mut after = minji.run(&["--json"], file_with(b"{\"command\":\"outbox\"}\n"));
        after.ends();
        assert_eq!(after.output().matches("line ").count(), 2, "{}", after.output());
    }
    Ok(())
}

const QUEUED: &str = r#""event":"queued""#;

pub(crate) fn damaged() -> Result<(), Failed> {
    let (minji, _) = acquainted();
    let keep = |text: &str| {
        let mut prompt = minji.run(&["--json"], orders(&[text.to_owned()]));
        prompt.ends();
        prompt.output()
    };
    assert!(keep("one").contains(QUEUED));
    let store = minji.file("store.redb");
    let whole = fs::read(&store)?;
    let damages: [fn(&mut Vec<u8>); 3] =
        [|bytes| bytes[..512].fill(0x5a), |bytes| bytes.truncate(100), |bytes| bytes[..].reverse()];
    for damage in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        minji.private("store.redb", &bytes);
        let _ = fs::remove_file(minji.file("store.redb.bad"));
        let said = keep("two");
        let warnings = said.lines().filter(|row| row.contains(r#""kind":"not_kept""#)).count();
        assert!(warnings == 1 && said.contains("store.redb.bad"), "{said}");
        assert!(said.contains(QUEUED), "{said}");
        assert!(fs::read(minji.file("store.redb.bad"))? == bytes);
        assert!(!keep("three").contains("not_kept"));
    }
    // What waited cannot be sent, which is no success.
    minji.private("store.redb", b"damaged");
    let flushed = minji.run(&["send", "--flush"], Stdio::null()).ends();
    assert_eq!(flushed, 3);
    assert!(read("docs/STORE.md").contains("store.redb.bad"));
    Ok(())
}
