//! Programs that a script starts: what is seen of them, what they cannot do, and that none is left.

use std::fs;
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::Signal;

use super::fixture::{Played, Written, command, replay, run};
use crate::support::{Home, PATIENCE, Process, assert_snapshot, eventually, file_with, root};

fn spawn(script: &str) -> Played {
    replay(&format!("@timeout 60s\n{script}"), &["--allow-spawn"])
}

/// A run that goes on.
fn started(script: &[u8]) -> Process {
    let mut command = command("-");
    command.arg("--allow-spawn");
    Home::of("민지").start_on(command, file_with(script))
}

/// Number after a word in what was printed.
fn number(out: &str, word: &str) -> i32 {
    let (_, rest) = out.split_once(word).unwrap_or_else(|| panic!("no {word} in {out}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Whether a process runs. One that has ended may wait for somebody to reap it.
fn runs(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

fn is_gone(pid: i32) {
    eventually("the program is gone", PATIENCE, || !runs(pid));
}

#[test]
fn scripts_with_programs_of_others_pass() {
    for name in ["python", "ncat", "prompt"] {
        let mut command = command(root("scripts/spawn").join(name).with_extension("chat"));
        command.arg("--allow-spawn");
        run(command, b"").passes();
    }
}

#[test]
fn nothing_is_started_without_leave_and_a_check_lists_what_would_be() {
    let written = Written::new("@spawn sh touch here\n:hello\n@include part.inc\n@actors alice\n");
    let script = "@actors alice\n@include part.inc\nalice> :status\n@spawn sh touch 'here and'  there\n";
    written.put("story.chat", script);
    written.put("part.inc", "@spawn bob printf \u{1b}[2J${alice.port}\n");
    let mistake = written.replay(&["story.chat", "--allow-spawn"]);
    assert_eq!(mistake.code, 2, "{}", mistake.err);
    written.put("part.inc", "@spawn bob printf \u{1b}[2J\n");
    let listed = written.replay(&["--check", "story.chat"]);
    assert_eq!(listed.code, 2);
    let list =
        "part.inc:1: bob would run: printf \\u{1b}[2J\nstory.chat:4: sh would run: touch 'here and'  there\n";
    assert_eq!(listed.out, list);
    for args in [&["story.chat"][..], &["story.chat", "--update"], &["story.chat", "--keep-going"]] {
        let refused = written.replay(args);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{}", refused.err);
        assert!(refused.err.contains("--allow-spawn"), "{}", refused.err);
    }
    assert_eq!(written.replay(&["--check", "story.chat", "--allow-spawn"]).code, 0);
    assert_eq!(written.replay(&["--fmt", "story.chat"]).code, 0);
    assert_eq!(written.text(), script, "blanks within a quote mean something");
}

#[test]
fn a_command_is_words_and_no_shell_reads_them() {
    let script = "@set two a b\n@spawn p printf '%s\\n' '$HOME' ${two} \"it's; rm\" x\\ y > z\n";
    let rows = "p| $HOME\np| a b\np| it's; rm\np| x y\np| >\np| z\np|* exited 0\n";
    spawn(&format!("{script}{rows}")).passes();
    assert_eq!(spawn("@spawn p ''\n").code, 3);
    assert_eq!(spawn("@spawn p 'open\n").code, 2);
    assert_eq!(spawn("@spawn p\n").code, 2);
    let missing = spawn("@spawn p no-such-program\n");
    assert_eq!(missing.code, 3);
    assert!(missing.err.contains("cannot run no-such-program: no such file or directory"), "{}", missing.err);
}

#[test]
fn a_program_has_a_clean_environment_and_a_home_of_its_own() {
    let script = "@env EXTRA=one two ${here}\n@spawn p sh -c 'pwd; echo ~; env | sort'\np|~ ~\np|~ ~\n\
        p|~ EXTRA=one two /.*\np|~ HOME=~\np|~ LANG=C.UTF-8\np|~ PATH=.*\n";
    let out = spawn(script).passes();
    assert!(!out.contains("CARGO") && !out.contains("/tmp/rsachat-replay"), "{out}");
    let script = "@spawn own rsachat --home . --listen 127.0.0.1:0\n@ready own listening on (?<at>\\S+)\n\
        @spawn other rsachat --home . --name other --connect ${at}\nother|~ \\* .* joined, .*\n\
        own| * other joined, $*\nother> 안녕\nown|~ (..:.. )?other: 안녕\nother> :quit\nother|* exited 0\n";
    spawn(script).passes();
}

#[test]
fn a_home_is_kept_over_a_start_and_emptied_by_a_fresh_one() {
    let script = "@spawn p sh -c 'ls; touch file'\np|* exited 0\n@start p\np| file\np|* exited 0\n\
        @start p fresh\np|! file\np|* exited 0\n@spawn p echo other\np| other\n";
    spawn(script).passes();
}

#[test]
fn signals_and_ends_are_told() {
    let traps =
        "@spawn p sh -c 'trap \"echo got USR1; exit 5\" USR1; echo up; while :; do sleep 0.01; done'\n";
    spawn(&format!("{traps}@ready p up\n@kill p USR1\np| got USR1\np|* exited 5\n")).passes();
    spawn("@spawn p sleep 1000\n@kill p\np|* killed TERM\n").passes();
    spawn("@spawn p sleep 1000\n@kill p SIGKILL\np|* killed KILL\n").passes();
    let gone = spawn("@spawn p true\np|* exited 0\np> hello\n");
    assert_eq!(gone.code, 1);
    assert!(gone.err.contains("p is not there: it has left"), "{}", gone.err);
    for (mistake, words) in [
        ("@spawn p true\n@kill p rst\n", "its connections are its own"),
        ("@spawn p true\n@kill p FUNNY\n", "no signal `FUNNY`"),
        ("@actors a\na> hi\n@kill a HUP\n@spawn p true\n", "it gets no signals"),
        ("@actors a p\np> hi\n@spawn p true\n", "p is not started yet"),
        ("@spawn p true\n@say p hi\n", "it has no `@say`"),
        ("@actors a\n@ready a up\n@spawn p true\n", "a is not a program"),
        ("@spawn p true\n@tick 1s\n", "this is for a closed world"),
        (":status\n@spawn p true\n", "`@actors` names the other participants"),
    ] {
        let played = spawn(mistake);
        assert_eq!(played.code, 2, "{mistake}");
        assert!(played.err.contains(words), "{mistake}: {}", played.err);
    }
}

#[test]
fn a_terminal_has_rows_a_size_and_keys_and_pipes_have_only_the_end_of_their_input() {
    let script = "@env PS1=say: \n@spawn p pty 37x11 sh\n@ready p ^say:$\np> stty size; tput cols; test -t 2 && echo $$TERM\n\
        p| 11 37\np| 37\np| xterm-256color\np| say:\n@draft p ech$key{backspace}ho one$key{left}$key{left}\np> \np| one\np| say:\n\
        p> cat\np> hi\np| hi\np| hi\n@draft p $key{ctrl-c}\np|~ .*\\^C\n@ready p ^say:$\np> $key{ctrl-d}\np|* exited $*\n";
    spawn(script).passes();
    spawn("@spawn p pty 20x5 sh -c 'printf %s 1234567890123456789012345; printf x; exec sleep 9'\np| 12345678901234567890\np| 12345x\n").passes();
    spawn("@spawn p cat\np> one\np| one\n@draft p two$key{ctrl-d}\np| two\np|* exited 0\n").passes();
    for (mistake, words) in [
        ("@spawn p cat\np> $key{tab}\n", "keys are only for programs"),
        ("@spawn p cat\np> $key{ctrl-d}x\n", "keys are only for programs"),
        ("hi $key{tab}\n", "`$$key{` is the text"),
        ("@spawn p pty 80x24 cat\np> $key{tabs}\n", "no such key"),
        ("@spawn p pty 80 cat\n", "not a terminal size"),
        ("@spawn p pty 0x24 cat\n", "not a terminal size"),
        ("@spawn p pty 80x24\n", "write @spawn NAME COMMAND"),
    ] {
        let played = spawn(mistake);
        assert_eq!(played.code, 2, "{mistake}");
        assert!(played.err.contains(words), "{mistake}: {}", played.err);
    }
}

/// A transcript of a closed world as a script of prompts on terminals so wide. What differs from one
/// run to the next has to be the same wherever it is the same in the closed world.
fn on_terminals(transcript: &str, columns: u16) -> String {
    let program = |actor: &str| {
        format!("@spawn {actor} pty {columns}x50 rsachat --home . --name {actor}\n@ready {actor} {actor} +>$")
    };
    // A prompt says this by itself.
    let rows: Vec<&str> =
        transcript.lines().filter(|row| !row.contains("* you are now talking to")).collect();
    on_programs(&rows.join("\n"), &program)
}

/// The same as a script of these programs.
fn on_programs(transcript: &str, program: &dyn Fn(&str) -> String) -> String {
    let fingerprint = Regex::new("SHA256:[A-Za-z0-9+/]{43}").unwrap();
    let port = Regex::new(r"\\\$\\\{(\w+)\\\.(port)\\\}").unwrap();
    let mut fingerprints: Vec<&str> = fingerprint.find_iter(transcript).map(|found| found.as_str()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    let pattern = |row: &str| {
        let mut row = port.replace_all(&regex::escape(row), "(?<$1.$2>[0-9]+)").replace("\\~/", "./");
        row = row.replace("~/", "./");
        for (number, fingerprint) in fingerprints.iter().enumerate() {
            let group = format!("(?<key{number}>SHA256:[A-Za-z0-9+/]{{43}})");
            row = row.replace(&regex::escape(fingerprint), &group);
        }
        // A real machine has addresses that others call.
        if row.contains("listening on ") { row + "(?: \\(others call .*)?" } else { row }
    };
    // Rows of a screen have their time and their column; rows of notices do not.
    let behind_time = |row: &str| match row.strip_prefix("00:00") {
        Some(rest) => format!("..:..{}", pattern(rest)),
        None if ["\n@width ", "\n@plain ", "\n@json "].iter().any(|face| transcript.contains(face)) => {
            pattern(row)
        }
        None => format!("..:.. +{}", pattern(row)),
    };
    let mut script = vec!["@timeout 60s".to_owned()];
    for line in transcript.lines() {
        match (line.strip_prefix("@actors "), line.split_once("| ")) {
            (Some(actors), _) => script.extend(actors.split(' ').map(program)),
            (_, Some((actor, row))) => script.push(format!("{actor}|~ {}", behind_time(row))),
            _ if line.starts_with('@') => {}
            _ => script.push(line.to_owned()),
        }
    }
    script.join("\n") + "\n"
}

#[test]
fn our_prompt_on_a_terminal_shows_what_the_closed_world_shows() {
    for name in ["hello", "nick", "exit"] {
        let closed = run(command(root("scripts").join(name).with_extension("chat")), b"").passes();
        let script = on_terminals(&closed, 400);
        assert!(script.matches("|~ ").count() > 8, "{script}");
        let played = replay(&script, &["--allow-spawn"]);
        assert_eq!(played.code, 0, "{}\n{script}", played.err);
    }
}

#[test]
fn a_screen_of_a_script_has_the_rows_of_a_real_terminal_as_wide() {
    let story = "@seed 7\n@actors alice bob\n@width 90\nalice> :listen 0\n\
        bob> :connect 127.0.0.1:${alice.port}\n\
        alice> 안녕하세요, 밥. 이 글은 아흔 칸 화면에서 두 줄이 되고, 둘째 줄은 이름 아래가 아니라 글 아래에서 시작합니다.\n\
        bob> hi\nbob> :quit\n";
    let closed = replay(story, &[]).passes();
    assert!(
        closed.contains("\nbob| 00:00 alice: 안녕하세요,") && closed.contains("\nbob|              "),
        "{closed}"
    );
    let played = replay(&on_terminals(&closed, 90), &["--allow-spawn"]);
    assert_eq!(played.code, 0, "{}", played.err);
}

#[test]
fn a_plain_actor_reads_and_shows_what_the_plain_prompt_does() {
    let story = "@seed 7\n@lenient\n@actors alice 밥\n@plain alice 밥\nalice> :listen 0\n\
        @together\n밥> :connect 127.0.0.1:${alice.port}\n밥> 기다린 글\n@end\n\
        alice> hi, 밥\nalice> /quit\n밥> :last\n밥> :helo\n밥> :quit\n";
    let closed = replay(story, &[]).passes();
    for row in
        ["alice| 00:00 밥 says: 기다린 글", "밥| 00:00 alice says: hi, 밥", "밥| 00:00 problem: no such"]
    {
        assert!(closed.contains(&format!("\n{row}")), "{row} in\n{closed}");
    }
    // On terminals, as an actor is; nothing says that the program has started, and nothing has to.
    let program = |actor: &str| format!("@spawn {actor} pty 400x50 rsachat --plain --home . --name {actor}");
    let played = replay(&on_programs(&closed, &program), &["--allow-spawn"]);
    assert_eq!(played.code, 0, "{}\n{}", played.err, on_programs(&closed, &program));
}

#[test]
fn a_json_actor_reads_and_writes_what_the_prompt_for_programs_does() {
    // An empty line does nothing, and lets each look around before its first order.
    let story = "@seed 7\n@lenient\n@actors 봇 밥\n@json 봇 밥\n봇>\n밥>\n\
        봇> {\"id\":1,\"command\":\"listen\",\"arguments\":[\"0\",\"--anybody\"]}\n\
        @together\n밥> {\"id\":\"a\",\"command\":\"connect\",\"arguments\":[\"127.0.0.1:${봇.port}\"]}\n\
        밥> {\"id\":\"b\",\"say\":\"안녕\\n:quit\"}\n@end\n봇> {\"say\":\"hi\",\"to\":\"밥\"}\n\
        봇> {\"id\":2,\"say\":\"hi\",\"to\":\"carol\"}\n밥> hello\n밥> [1]\n밥> {\"id\":3,\"sya\":\"x\"}\n\
        밥> {\"id\":4,\"command\":\"trust\",\"arguments\":[\"봇\"]}\n밥> {\"command\":\"status\"}\n\
        밥> {\"id\":5,\"command\":\"quit\"}\n";
    let closed = replay(story, &[]).passes();
    let events = Regex::new(r#"(?m)^봇\| .*"event":"(?:connected|message|sent|received|left)""#).unwrap();
    assert_eq!(events.find_iter(&closed).count(), 5, "{closed}");
    assert!(closed.contains(r#""event":"done","code":1}"#), "{closed}");
    let program = |actor: &str| format!("@spawn {actor} rsachat --json --home . --name {actor}");
    let script = on_programs(&closed, &program);
    let changing = Regex::new(r#"2000\\-01\\-01T00:00:00\\.000Z|[0-9]{5}(?:","[0-9]{5})+"#).unwrap();
    let script = changing.replace_all(&script, ".*");
    // A real machine has addresses to dial.
    let script = script.replace(r#"[0-9]+)"\}"#, r#"[0-9]+)".*\}"#);
    // A real process says whether it is confined.
    let script =
        script.replace(r#"end of the session"\]"#, r#"end of the session","(not )?confined[^"]*"\]"#);
    let played = replay(&script, &["--allow-spawn"]);
    assert_eq!(played.code, 0, "{}\n{script}", played.err);
}

#[test]
fn a_row_that_never_comes_is_told_with_the_last_rows_and_the_state_of_the_program() {
    let written = Written::new(
        "@timeout 60s\n@spawn p sh -c 'seq 30; printf unfinished; sleep 1000'\n@ready p ^unfinished$\n\
         @timeout 200ms\n@wait 1ms\np| 31\n",
    );
    let lives = written.replay(&["story.chat", "--allow-spawn", "--quiet"]);
    written.put("story.chat", "@timeout 60s\n@spawn p sh -c 'echo started; kill -SEGV $$$$'\np| ready\n");
    let begin = Instant::now();
    let died = written.replay(&["story.chat", "--allow-spawn", "--quiet"]);
    assert!(begin.elapsed() < Duration::from_secs(30), "who has ended is not waited for");
    assert_eq!((lives.code, died.code), (1, 1));
    assert_snapshot("replay-spawn-timeout", &format!("{}{}", lives.err, died.err));
}

#[test]
fn an_update_takes_what_a_program_has_shown_with_patterns_and_adds_no_rows() {
    let script = |port: &str, got: &str| {
        format!(
            "@timeout 60s\n@spawn p sh -c 'echo first; echo up at 127.0.0.1:4711; read x; echo got $$x; read x'\n\
             p| up at 127.0.0.1:{port}\np> one\np| got {got}\n"
        )
    };
    let written = Written::new(&script("1234", "two"));
    let played = written.replay(&["story.chat", "--allow-spawn", "--update", "--timeout", "3s"]);
    assert_eq!(played.code, 0, "{}", played.err);
    assert_eq!(written.text(), script("$*", "one"));
    assert_eq!(written.replay(&["story.chat", "--allow-spawn", "--quiet"]).code, 0);
}

#[test]
fn an_update_masks_what_the_script_says_differs() {
    let script = |row: &str| {
        format!(
            "@timeout 60s\n@mask [0-9.]+ ms\n@mask id-\\w+ = id\n@spawn p sh -c 'echo job id-$$$$ took 5.2 ms; read x'\np| {row}\n"
        )
    };
    let written = Written::new(&script("job id-1 took 3.1 ms"));
    let played = written.replay(&["story.chat", "--allow-spawn", "--update", "--timeout", "3s"]);
    assert_eq!(played.code, 0, "{}", played.err);
    assert_eq!(written.text(), script("job ${id} took $*"));
    assert_eq!(written.replay(&["story.chat", "--allow-spawn", "--quiet"]).code, 0);
    let closed = replay("@mask x\n:status\n", &[]);
    assert_eq!(closed.code, 2);
    assert!(closed.err.contains("a mask is for a live world"), "{}", closed.err);
}

#[test]
fn control_bytes_of_a_program_reach_neither_terminal_nor_transcript() {
    let script =
        "@spawn p printf 'a\\033[2J\\rb\\007\\n\\377\\nalice> :quit\\033]0;x\\n'\np|* exited 0\np| never\n";
    let played = spawn(script);
    assert_eq!(played.code, 1);
    let is_safe = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
    assert!(is_safe(&played.out) && is_safe(&played.err), "{:?}{:?}", played.out, played.err);
    assert!(played.out.contains("p| a\\u{1b}[2J\\u{d}b\\u{7}\np| \\xff\n"), "{}", played.out);
}

#[test]
fn endless_output_is_bounded_and_the_script_goes_on() {
    let script = b"@timeout 60s\n@spawn p yes 0123456789012345678901234567890123456789\np|~ 0.*\n\
        @spawn z cat /dev/zero\n@wait 1s\n@spawn q echo over\nq| over\n@wait 600s\n";
    let mut process = started(script);
    process.sees("q| over");
    assert!(process.memory_kib("VmHWM") < 200 * 1024, "{} KiB", process.memory_kib("VmHWM"));
    process.signal(Signal::TERM);
    assert_eq!(process.ends(), 143);
}

#[test]
fn nothing_is_left_of_programs_that_ignore_sigterm_or_leave_children_behind() {
    // The last line is a difference.
    for (end, code) in [("", 0), ("q| never\n", 1)] {
        let script = "@spawn p sh -c 'trap \"\" TERM; sleep 1000 & echo child $!; echo self $$$$; while :; do sleep 1; done'\n\
            @ready p self\n@spawn q sh -c 'sleep 1000 & echo other $!; exit 4'\nq|* exited 4\n";
        let begin = Instant::now();
        let played = spawn(&format!("{script}{end}"));
        assert_eq!(played.code, code, "{}", played.err);
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
        for word in ["child ", "self ", "other "] {
            is_gone(number(&played.out, &format!("| {word}")));
        }
    }
}

#[test]
fn an_interrupt_ends_every_program_also_when_it_is_pressed_twice() {
    let script =
        b"@timeout 600s\n@spawn p sh -c 'trap \"\" TERM INT; echo self $$$$; while :; do sleep 1; done'\n\
        @ready p self\n@wait 600s\n";
    for presses in [1, 3] {
        let mut process = started(script);
        let pid = number(&process.sees("p| self "), "p| self ");
        assert!(runs(pid));
        for _ in 0..presses {
            process.signal(Signal::TERM);
        }
        assert_eq!(process.ends(), 143);
        is_gone(pid);
    }
}
