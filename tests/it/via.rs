//! Calls by a proxy or a command: the name is given to it and looked up nowhere else, and the way is
//! taken again.

use std::fs;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::socks::{Asked, Manners, Socks};
use crate::support::{Home, PATIENCE, Process, eventually, file_with, held_address};

/// A name that no resolver knows (RFC 6761): whoever is reached by it was not looked up here.
const UNKNOWN: &str = "junho.invalid:8000";

fn names_of(socks: &Socks) -> Vec<String> {
    socks.asked().into_iter().map(|asked| asked.address).collect()
}

#[test]
fn two_prompts_talk_through_a_proxy_and_the_way_is_taken_again() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (mut junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let socks = Socks::that(Manners::Connects(at.clone()));
    let mut minji = mine.start(&[]);
    minji.types(&format!(":connect {UNKNOWN} --via {}", socks.url()));
    minji.sees(&format!("connecting to {UNKNOWN} via {}", socks.url()));
    minji.sees("준호 joined, new key");
    minji.types("안녕");
    junho.sees("민지: 안녕");
    minji.types(":peers");
    minji.sees(&format!("{UNKNOWN} via {}", socks.url()));
    // Lost, and called again by itself.
    junho.signal(Signal::KILL);
    minji.sees("; calling again (:close 준호 stops that)");
    minji.types("기다리는 줄");
    junho = theirs.start(&["--listen", &at, "--anybody"]);
    junho.sees("민지: 기다리는 줄");
    assert_eq!(minji.closes_input().ends(), 0);
    let book = fs::read_to_string(mine.file("peers")).unwrap();
    assert!(book.contains(&format!("unverified {UNKNOWN};via={}", socks.url())), "{book}");
    // By its name, by the address alone, and from other commands.
    for args in [&["send", "준호", "-m", "이름으로"][..], &["send", UNKNOWN, "-m", "주소로"]] {
        let mut send = mine.run(args, Stdio::null());
        assert_eq!(send.ends(), 0, "{}", send.complaints());
        junho.sees(args[3]);
    }
    let listed = mine.answer(&["peers", "list"]);
    assert!(listed.contains(&format!("{UNKNOWN} via {}", socks.url())), "{listed}");
    let names = names_of(&socks);
    assert!(names.len() >= 4 && names.iter().all(|name| name == UNKNOWN), "{names:?}");
    let users: Vec<_> = socks.asked().into_iter().map(|asked| asked.login).collect();
    assert!(users.iter().all(Option::is_none), "{users:?}");
}

#[test]
fn calls_that_stand_are_made_by_the_same_way_after_a_restart() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (_junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let socks = Socks::that(Manners::Connects(at));
    let mut minji = mine.start(&[]);
    minji.types(&format!(":connect {UNKNOWN} --via {}", socks.url()));
    minji.sees("준호 joined, new key");
    minji.types(":status");
    minji.sees("connected to 준호, unverified");
    minji.signal(Signal::TERM);
    assert_eq!(minji.ends(), 143);
    let again = mine.start(&[]);
    again.sees("calling 준호 again, as before");
    again.sees("준호 joined");
    assert_eq!(names_of(&socks), [UNKNOWN, UNKNOWN]);
}

#[test]
fn every_command_that_calls_goes_by_the_way() {
    let (junho, at) = Process::listening("준호");
    let socks = Socks::that(Manners::ConnectsByteByByte(at));
    let url = socks.url();
    let home = Home::of("민지");
    let send = ["send", UNKNOWN, "--accept-new", "--via", &url, "-m", "바이트마다"];
    let mut send = home.run(&send, Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    junho.sees("바이트마다");
    let pipes = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (mut there, at) = Home::of("준호").run(&pipes, Stdio::null()).and_where();
    let socks = Socks::that(Manners::Connects(at));
    let pipe = ["pipe", "--connect", UNKNOWN, "--accept-new", "--via", &socks.url()];
    let mut pipe = Home::of("민지").run(&pipe, Stdio::null());
    assert_eq!((pipe.ends(), there.ends()), (0, 0), "{}", pipe.complaints());
    let (_there, at) =
        Home::of("준호").run(&["recv", "--listen", "127.0.0.1:0", "--accept-new"], Stdio::null()).and_where();
    let socks = Socks::that(Manners::Connects(at));
    let recv = ["recv", "--connect", UNKNOWN, "--accept-new", "-v", "--via", &socks.url()];
    Home::of("민지").run(&recv, Stdio::null()).complains("rsachat: connected to ");
    let serve = ["serve", "--connect", UNKNOWN, "--via", &socks.url()];
    Home::of("민지").start(&serve).sees(" joined, new key");
    assert_eq!(names_of(&socks), [UNKNOWN, UNKNOWN]);
}

#[test]
fn the_settings_say_the_way_and_a_flag_wins() {
    let (junho, at) = Process::listening("준호");
    let socks = Socks::that(Manners::WantsLogin(at.clone()));
    let home = Home::of("민지");
    let url = format!("socks5h://minji:s%3Aecret@{}", socks.at);
    let settings = home.private("config.toml", format!("via = \"{url}\"\n"));
    let settings = settings.to_str().unwrap();
    let send = |to: &str, rest: &[&str]| {
        let args = [&["--config", settings, "send", to, "--accept-new", "-m", "설정대로"][..], rest].concat();
        let mut send = home.run(&args, Stdio::null());
        assert_eq!(send.ends(), 0, "{}", send.complaints());
    };
    send(UNKNOWN, &[]);
    let login = Some(("minji".to_owned(), "s:ecret".to_owned()));
    assert_eq!(socks.asked(), [Asked { address: UNKNOWN.to_owned(), login }]);
    send(&at, &["--via", "none"]);
    assert_eq!(socks.asked().len(), 1, "called directly");
    junho.sees_times("설정대로", 2, PATIENCE);
    let shown = home.answer(&["--config", settings, "config", "show"]);
    assert!(shown.contains("via = \"socks5h://minji:...@") && !shown.contains("ecret"), "{shown}");
    // What was called directly once is called so again, where the settings say another way.
    let mut prompt = home.start(&["--config", settings]);
    prompt.types(&format!(":connect {at}"));
    prompt.sees(&format!("connecting to {at}; Ctrl-C cancels"));
    prompt.sees("준호 joined");
    prompt.types(":close");
    prompt.types(&format!(":connect {UNKNOWN}"));
    prompt.sees(&format!("connecting to {UNKNOWN} via socks5h://minji@"));
    prompt.types(":peers");
    prompt.sees(&format!("{UNKNOWN} via socks5h://minji@"));
    assert!(!prompt.output().contains("ecret"), "{}", prompt.output());
}

#[test]
fn each_refusal_of_a_proxy_is_told_in_its_words() {
    let home = Home::of("민지");
    for (manners, words) in [
        (Manners::Refuses(1), "says: general failure (1); is an rsachat running there?"),
        (Manners::Refuses(2), "says: not allowed by its rules (2)"),
        (Manners::Refuses(3), "says: network unreachable (3); is an rsachat running there?"),
        (Manners::Refuses(4), "says: host unreachable (4); is an rsachat running there?"),
        (Manners::Refuses(5), "says: connection refused (5); is an rsachat running there?"),
        (Manners::Refuses(6), "says: the time to live is over (6); is an rsachat running there?"),
        (Manners::Refuses(7), "says: it does not make connections (7)"),
        (Manners::Refuses(8), "says: it does not know this kind of address (8)"),
        (Manners::TakesNobody, ": it takes neither callers without a password nor those with one"),
        (Manners::HangsUpAfter(0), ": it hung up before it answered"),
        (Manners::HangsUpAfter(1), ": it hung up before it answered"),
        (Manners::HangsUpAfter(9), ": it hung up before it answered"),
    ] {
        let socks = Socks::that(manners);
        let send = ["send", UNKNOWN, "--accept-new", "--via", &socks.url(), "-m", "x"];
        let mut send = home.run(&send, Stdio::null());
        send.ends_saying(
            3,
            &format!(
                "cannot reach {UNKNOWN}: the proxy {}{}{words}",
                socks.at,
                if words.starts_with(':') { "" } else { " " }
            ),
        );
    }
    let known = Home::of("준호").fingerprint();
    home.private("peers", format!("# rsachat peer book 2\n준호 {known} unverified {UNKNOWN}\n"));
    let socks = Socks::that(Manners::Refuses(4));
    let mut send = home.run(&["send", "준호", "--via", &socks.url(), "-m", "x"], Stdio::null());
    send.ends_saying(3, "says: host unreachable (4); is 준호's rsachat running?");
}

#[test]
fn a_proxy_that_is_not_there_or_never_answers_is_given_up() {
    let home = Home::of("민지");
    let (_held, at) = held_address();
    let url = format!("socks5h://{at}");
    let mut send = home.run(&["send", UNKNOWN, "--accept-new", "--via", &url, "-m", "x"], Stdio::null());
    send.ends_saying(3, &format!("the proxy {at}: connection refused"));
    let (_silent, at) = crate::support::socket();
    let url = format!("socks5h://{at}");
    let mut send = home.run(&["send", UNKNOWN, "--accept-new", "--via", &url, "-m", "x"], Stdio::null());
    send.ends_saying(3, &format!("the proxy {at}: it has not connected in 10 s"));
}

#[test]
fn an_onion_service_is_never_looked_up() {
    let home = Home::of("민지");
    for args in [
        &["send", "abc.onion", "--accept-new", "-m", "x"][..],
        &["ask", "abc.onion", "-m", "x"],
        &["recv", "--connect", "abc.onion"],
        &["pipe", "--connect", "abc.onion", "--recv-only"],
        &["abc.onion"],
        &["serve", "--connect", "ABC.Onion."],
    ] {
        let mut calls = home.run(args, Stdio::null());
        calls.ends_saying(
            2,
            "abc.onion:8000 is an onion service, which only Tor reaches; add --via socks5h://",
        );
    }
    let mut prompt = home.start(&[]);
    prompt.types(":connect abc.onion");
    prompt.sees("abc.onion:8000 is an onion service, which only Tor reaches");
    prompt.types(":listen abc.onion:0");
    prompt.sees("an onion service is reached through Tor alone");
}

#[test]
fn a_way_that_cannot_be_taken_is_refused_before_anything_is_begun() {
    let home = Home::of("민지");
    for (via, words) in [
        ("socks5://127.0.0.1:9050", "with socks5:// this machine would look names up"),
        ("127.0.0.1:9050", "is no way to call"),
        ("http://127.0.0.1:8080", "http:// is no SOCKS proxy"),
    ] {
        let mut send = home.run(&["send", UNKNOWN, "--via", via, "-m", "x"], Stdio::null());
        send.ends_saying(2, words);
    }
    let mut recv = home.run(&["recv", "--listen", "0", "--via", "socks5h://h:1"], Stdio::null());
    recv.ends_saying(2, "--via is the way of a call");
    let mut prompt = home.start(&[]);
    prompt.types(":connect bob.example --via socks5://h:1");
    prompt.sees("with socks5:// this machine would look names up");
    prompt.types(":connect bob.example --via");
    prompt.sees("write :connect");
}

#[test]
fn the_doctor_walks_each_step_of_a_proxy() {
    let home = Home::of("민지");
    let doctor = |url: &str, code: i32, rows: &[&str]| {
        let args = ["doctor", UNKNOWN, "--via", url, "--listen", "127.0.0.1:0"];
        let mut doctor = home.run(&args, Stdio::null());
        assert_eq!(doctor.ends(), code, "{}", doctor.output());
        for row in rows {
            assert!(doctor.has_seen(row), "{row}: {}", doctor.output());
        }
    };
    let (_junho, at) = Process::listening("준호");
    let socks = Socks::that(Manners::Connects(at));
    let (accepts, url) = (format!("{} accepts the call", socks.at), socks.url());
    doctor(&url, 0, &[&accepts, "the proxy has connected to junho.invalid:8000", "an rsachat, protocol"]);
    let socks = Socks::that(Manners::Refuses(4));
    let accepts = format!("{} accepts the call", socks.at);
    doctor(&socks.url(), 3, &[&accepts, "says: host unreachable (4); is an rsachat running there?"]);
    let (_held, at) = held_address();
    doctor(&format!("socks5h://{at}"), 3, &["cannot be reached: connection refused", "start Tor"]);
    let url = "socks5h://proxy.invalid:1";
    doctor(url, 3, &["proxy.invalid has no address"]);
}

#[test]
fn the_doctor_looks_no_onion_service_up() {
    let mut doctor = Home::of("민지").run(&["doctor", "abc.onion", "--listen", "127.0.0.1:0"], Stdio::null());
    assert_eq!(doctor.ends(), 2, "{}", doctor.output());
    assert!(doctor.has_seen("abc.onion:8000 is an onion service, which only Tor reaches"));
}

/// A command that passes bytes as nc does, and ends with either side.
const NC: &str = "bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat <&0 >&3 & wait -n; kill $(jobs -p); exit 0'";

#[test]
fn two_prompts_talk_through_a_command_which_ends_with_the_connection_and_is_started_again() {
    let (mine, theirs) = (Home::of("민지"), Home::of("준호"));
    let (mut junho, at) = theirs.start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let started = mine.file("started");
    let command = format!("echo $$ >> {}; {NC}", started.display());
    let mut minji = mine.start(&["--via", &command]);
    minji.types(&format!(":connect {at}"));
    minji.sees(&format!("connecting to {at} via echo $$"));
    minji.sees("준호 joined, new key");
    minji.types("명령으로");
    junho.sees("민지: 명령으로");
    junho.signal(Signal::KILL);
    minji.sees("; calling again (:close 준호 stops that)");
    junho = theirs.start(&["--listen", &at, "--anybody"]);
    minji.types("다시");
    junho.sees("민지: 다시");
    assert_eq!(minji.closes_input().ends(), 0);
    let book = fs::read_to_string(mine.file("peers")).unwrap();
    assert!(book.contains(&format!("{at};via=echo%20$$")), "{book}");
    let mut send = mine.run(&["send", "준호", "-m", "이름으로"], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    junho.sees("이름으로");
    let listed = fs::read_to_string(&started).unwrap();
    assert!(listed.lines().count() >= 3, "{listed}");
    for id in listed.lines() {
        let is_gone = || !std::path::Path::new(&format!("/proc/{id}")).exists();
        eventually("the end of the command", PATIENCE, is_gone);
    }
}

#[test]
fn a_pipe_goes_through_a_command() {
    let pipes = ["pipe", "--listen", "127.0.0.1:0", "--accept-new", "--recv-only"];
    let (mut there, at) = Home::of("준호").run(&pipes, Stdio::null()).and_where();
    let pipe = ["pipe", "--connect", &at, "--accept-new", "--via", NC];
    let mut pipe = Home::of("민지").run(&pipe, file_with(b"through"));
    assert_eq!((pipe.ends(), there.ends()), (0, 0), "{}", pipe.complaints());
    assert_eq!(there.raw_output(), b"through");
}

#[test]
fn a_command_that_ends_before_the_handshake_is_named_with_its_code_and_what_it_said() {
    let home = Home::of("민지");
    for (command, words) in [
        ("exit 7 # %h", "the command ended with code 7"),
        ("exec </dev/null >/dev/null; exit 3 # %h", "the command ended with code 3"),
        ("head -c 10 >/dev/null; exit 5 # %h", "the command ended with code 5"),
        ("kill -9 $$ # %h", "the command was killed by a signal"),
        ("no-such-program %h %p", "the command ended with code 127"),
    ] {
        let send = ["send", UNKNOWN, "--accept-new", "--via", command, "-m", "x"];
        let mut send = home.run(&send, Stdio::null());
        assert_ne!(send.ends(), 0, "{command}");
        send.complains(words);
    }
    let command = "printf 'no way \\033[2J there\\n' >&2; exit 1 # %h";
    let mut send = home.run(&["send", UNKNOWN, "--accept-new", "--via", command, "-m", "x"], Stdio::null());
    assert_ne!(send.ends(), 0);
    send.complains(&format!("{UNKNOWN}: the command says: no way \\u{{1b}}[2J there"));
}

#[test]
fn a_host_with_signs_of_a_shell_is_put_into_no_command() {
    let home = Home::of("민지");
    let args = ["send", "[fe80::1%eth0]:8000", "--accept-new", "--via", NC, "-m", "x"];
    let mut send = home.run(&args, Stdio::null());
    send.ends_saying(3, "fe80::1%eth0 cannot be put into a command");
}

#[test]
fn a_confined_prompt_starts_no_command_that_is_typed() {
    let (_junho, at) = Process::listening("준호");
    let mut prompt = Home::of("민지").start(&[]);
    prompt.types(&format!(":connect {at} --via 'cat # %h'"));
    prompt.sees("this rsachat has given up starting commands");
    let mut open = Home::of("민지").start(&["--no-sandbox"]);
    open.types(&format!(r#":connect {at} --via "{}""#, NC.replace('$', r"\$")));
    open.sees("준호 joined, new key");
}

#[test]
fn a_served_home_starts_the_commands_that_it_began_with_and_no_other() {
    let (junho, at) = Process::listening("준호");
    let home = Home::of("민지");
    let (serve, _) = home.run(&["serve", "--listen", "127.0.0.1:0", "--via", NC], Stdio::null()).and_where();
    let mut prompt = home.start(&["attach", "--plain"]);
    prompt.types(&format!(":connect {at} --via 'cat # %h'"));
    prompt.sees("this rsachat has given up starting commands");
    prompt.types(&format!(":connect {at}"));
    prompt.sees("joined, new key");
    junho.sees("joined");
    drop(serve);
}

#[test]
fn the_doctor_runs_the_command() {
    let home = Home::of("민지");
    let (_junho, at) = Process::listening("준호");
    let mut doctor = home.run(&["doctor", &at, "--via", NC, "--listen", "127.0.0.1:0"], Stdio::null());
    assert_eq!(doctor.ends(), 0, "{}", doctor.output());
    assert!(doctor.has_seen("is running") && doctor.has_seen("an rsachat, protocol"), "{}", doctor.output());
    let command = "echo lost >&2; exit 9 # %h";
    let mut doctor = home.run(&["doctor", &at, "--via", command, "--listen", "127.0.0.1:0"], Stdio::null());
    assert_eq!(doctor.ends(), 5, "{}", doctor.output());
    for row in ["it says: lost", "the command ended with code 9"] {
        assert!(doctor.has_seen(row), "{}", doctor.output());
    }
}
