//! Sandbox: what a confined process cannot do, and that each front end is confined and does its work
//! all the same. Where the kernel has no Landlock, what needs it is listed as ignored, by name.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails there")]
#![allow(clippy::print_stderr, reason = "this is the runner of its tests")]
#![expect(clippy::unnecessary_wraps, reason = "a trial returns a result")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "what the program does, without its events")]
#[path = "../src/app/sandbox.rs"]
mod sandbox;
#[path = "support/mod.rs"]
mod support;

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};
use nix::libc;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, test_kill_process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::Value;

use self::sandbox::{Confinement, Reach};
use self::support::{Home, PATIENCE, Process, RSACHAT, eventually};

/// First argument of this program as a process that confines itself to the second; the third is a
/// folder of others.
const CONFINED: &str = "--confined";
/// The same as one that becomes the program, on a kernel without Landlock; its arguments follow.
const OLD_KERNEL: &str = "--old-kernel";
/// The same as one that says by its exit code whether this kernel has a whole sandbox.
const PROBE: &str = "--probe";
/// Fields of proc(5) that show a sandbox, and what they say in one.
const FIELDS: [(&str, &str); 2] = [("NoNewPrivs:", "1"), ("Seccomp:", "2")];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [first, home, others] = &arguments[..]
        && first == CONFINED
    {
        confined(Path::new(home), Path::new(others));
        return ExitCode::SUCCESS;
    }
    if let [first, arguments @ ..] = &arguments[..]
        && first == OLD_KERNEL
    {
        old_kernel(arguments);
    }
    if let [first] = &arguments[..]
        && first == PROBE
    {
        return ExitCode::from(u8::from(
            sandbox::confine(&env::temp_dir(), &Reach::default()) != Confinement::Whole,
        ));
    }
    let probed = Command::new(env::current_exe().unwrap()).arg(PROBE).status().unwrap();
    let has_both = probed.success();
    if !has_both {
        eprintln!("what needs both parts of the sandbox was not tested: this kernel lacks one");
    }
    let whole =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(name, test).with_ignored_flag(!has_both);
    let tests = vec![
        whole("a_confined_process_reaches_its_home_and_the_system_and_nothing_else", refuses),
        whole("each_front_end_that_starts_nothing_is_confined_in_all_its_threads", front_ends),
        whole("a_prompt_is_confined_and_logs_and_saves_where_it_is_told_to", prompts),
        whole("confined_prompts_send_and_receive_files_where_their_users_say", files),
        whole("a_confined_recv_of_files_writes_where_it_is_told_and_nowhere_else", receives_files),
        whole("a_confined_send_sends_files_of_the_system_and_refuses_what_is_no_file", sends_files),
        whole("a_confined_serve_goes_on_with_what_was_offered_at_a_prompt", serves_files),
        whole("a_prompt_that_is_killed_leaves_no_process_behind", killed),
        whole("a_prompt_whose_second_process_is_killed_says_so_and_goes_on", bereft),
        whole("a_confined_receiver_runs_its_command_and_kills_it_with_all_that_it_started", commands),
        whole("an_owner_writes_a_log_in_its_home_with_local_times_and_says_what_to_do_elsewhere", log),
        whole("a_home_that_is_made_and_a_word_on_standard_error_before_leave_it_whole", begins),
        whole("a_kernel_without_landlock_still_refuses_calls_and_says_what_is_missing", old),
        whole("a_program_and_a_person_are_told_of_the_sandbox", told),
        Trial::test("without_the_sandbox_nothing_is_given_up_and_status_says_why", without),
        Trial::test("a_name_is_looked_up_and_signals_are_heeded", names_and_signals),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn refuses() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (home, others) = (folder.path().join("home"), folder.path().join(".ssh"));
    fs::create_dir(&home)?;
    fs::create_dir(&others)?;
    fs::write(home.join("key"), "own")?;
    fs::write(others.join("key"), "secret")?;
    let ran = Command::new(env::current_exe()?).arg(CONFINED).arg(&home).arg(&others).output()?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned().into());
    }
    assert_eq!(fs::read_dir(&others)?.count(), 1, "nothing was made there");
    Ok(())
}

/// What a confined process tries, in its first thread and in a later one.
fn confined(home: &Path, others: &Path) {
    assert_eq!(sandbox::confine(home, &Reach::default()), Confinement::Whole);
    attempts(home, others);
    thread::scope(|scope| scope.spawn(|| attempts(home, others)).join().unwrap());
}

fn attempts(home: &Path, others: &Path) {
    let refused = |what: &str, result: io::Result<()>| {
        let why = result.expect_err(what);
        assert_eq!(why.kind(), ErrorKind::PermissionDenied, "{what}: {why}");
    };
    refused("read a file", fs::read(others.join("key")).map(drop));
    refused("read through the home", fs::read(home.join("../.ssh/key")).map(drop));
    refused("list a folder", fs::read_dir(others).map(drop));
    refused("list the root", fs::read_dir("/").map(drop));
    refused("make a file", File::create(others.join("new")).map(drop));
    refused("write into a file", File::options().append(true).open(others.join("key")).map(drop));
    refused("remove a file", fs::remove_file(others.join("key")));
    refused("make a file beside the home", File::create(home.join("../new")).map(drop));
    refused("write what it may read", File::options().append(true).open("/etc/hosts").map(drop));
    refused("read what another process has", fs::read("/proc/1/environ").map(drop));
    refused("run a program", Command::new("/bin/true").status().map(drop));
    refused("run its own", Command::new("/proc/self/exe").status().map(drop));
    refused("signal another process", test_kill_process(getppid().unwrap()).map_err(io::Error::from));
    let packets = socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, None);
    refused("make a socket of packets", packets.map(drop));

    let (file, renamed) = (home.join("file"), home.join("renamed"));
    fs::write(&file, "text").unwrap();
    fs::rename(&file, &renamed).unwrap();
    assert_eq!(fs::read_to_string(&renamed).unwrap(), "text");
    fs::remove_file(&renamed).unwrap();
    let socket = home.join("socket");
    let local = UnixListener::bind(&socket).unwrap();
    UnixStream::connect(&socket).unwrap();
    drop(local);
    fs::remove_file(&socket).unwrap();
    File::open(home).unwrap().sync_all().unwrap();
    File::options().write(true).open("/dev/null").unwrap().write_all(b"x").unwrap();
    fs::read("/proc/self/status").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(("localhost", 1).to_socket_addrs().unwrap().next().is_some());
    kill_process(getpid(), Signal::CONT).unwrap();
}

/// A field of proc(5) in each thread of a process.
fn fields(id: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    // A thread may end meanwhile.
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let value = |status: String| {
        status.lines().find_map(|row| row.strip_prefix(field)).map(str::trim).map(str::to_owned)
    };
    statuses.filter_map(value).collect()
}

fn is_confined(process: &Process) -> bool {
    FIELDS.iter().all(|(field, wanted)| {
        let values = fields(process.id(), field);
        !values.is_empty() && values.iter().all(|value| value == wanted)
    })
}

fn front_ends() -> Result<(), Failed> {
    let (minji, junho, hana) = (Home::of("민지"), Home::of("준호"), Home::of("하나"));
    let receives = ["--listen", "127.0.0.1:0", "--accept-new"];
    let (recv, at) = junho.run(&[&["recv"], &receives[..]].concat(), Stdio::null()).and_where();
    let mut sends = minji.run(&["send", &at, "--accept-new"], Stdio::piped());
    sends.types("안녕");
    recv.sees("안녕");
    let asks = hana.run(&["ask", &at, "--accept-new", "-m", "왜"], Stdio::null());
    recv.sees("왜");
    assert!([&recv, &sends, &asks].into_iter().all(is_confined));
    drop(asks);
    sends.closes_input();
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());

    let (mut pipe, at) = junho.run(&[&["pipe"], &receives[..]].concat(), Stdio::piped()).and_where();
    let other = minji.run(&["pipe", "--connect", &at, "--accept-new", "--recv-only"], Stdio::null());
    pipe.types("bytes");
    other.sees("bytes");
    assert!([&pipe, &other].into_iter().all(is_confined));

    let serve = hana.run(&["serve", "--listen", "127.0.0.1:0"], Stdio::null());
    serve.listens_at();
    let taker = hana.run(&["recv"], Stdio::null());
    eventually("a taker is confined", PATIENCE, || is_confined(&taker));
    assert!(is_confined(&serve));
    Ok(())
}

/// Processes that a process has started.
fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    // A thread may end meanwhile.
    let lists = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// The second process of a confined one.
fn second(process: &Process) -> u32 {
    let children = children(process.id());
    assert_eq!(children.len(), 1, "{children:?}");
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", children[0])).unwrap();
    assert!(arguments.starts_with("rsachat-broker\0"), "{arguments}");
    children[0]
}

fn is_gone(id: u32) -> bool {
    // One that nobody has waited for yet has ended too.
    fs::read_to_string(format!("/proc/{id}/status")).map_or(true, |status| status.contains("State:\tZ"))
}

fn prompts() -> Result<(), Failed> {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir()?);
    let at = |name: &str| outside.path().join(name);
    let recording = at("recording.chat");
    let (mut owner, address) =
        minji.start(&["--listen", "127.0.0.1:0", "--record", recording.to_str().unwrap()]).and_where();
    let mut caller = hana.start(&["--json", "--connect", &address]);
    let mut face = minji.run(&["attach"], Stdio::piped());
    owner.sees("하나 joined");
    assert!([&owner, &caller, &face].into_iter().all(is_confined));
    caller.types(r#"{"say":"안녕"}"#);
    owner.sees("안녕");
    face.sees("안녕");
    caller.types(&format!(r#"{{"command":"log","arguments":["{}"]}}"#, at("of program").display()));
    caller.sees("logging to");
    owner.types(&format!(":save {}", at("of owner").display()));
    owner.sees("saved as");
    owner.types(&format!(":save {}", at("of owner").display()));
    owner.sees("that file exists already; choose another name");
    owner.types(&format!(":save {}/none/x", outside.path().display()));
    owner.sees("there is no folder");
    face.types(&format!(":save {}", at("of face").display()));
    face.sees("saved as");
    face.types(&format!(":log {}", at("of both").display()));
    owner.sees("logging to");
    face.types("@하나 네");
    caller.sees("네");
    for file in ["of owner", "of face"] {
        assert_eq!(fs::read_to_string(at(file))?, "안녕");
    }
    for log in ["of program", "of both"] {
        eventually("the log has what was said", PATIENCE, || {
            fs::read_to_string(at(log)).is_ok_and(|log| log.contains("네"))
        });
    }
    eventually("what was said is recorded", PATIENCE, || {
        fs::read_to_string(&recording).is_ok_and(|recording| recording.contains("안녕"))
    });
    for file in ["of owner", "of both"] {
        assert_eq!(fs::metadata(at(file))?.permissions().mode() & 0o777, 0o600);
    }
    Ok(())
}

fn files() -> Result<(), Failed> {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir()?);
    let at = |name: &str| outside.path().join(name);
    fs::create_dir_all(at("사진/서울"))?;
    fs::create_dir(at("받은 것"))?;
    let photo: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    fs::write(at("사진/서울/하나.jpg"), &photo)?;
    fs::write(at("영화.mkv"), &photo)?;
    let (mut owner, address) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut caller = hana.start(&["--connect", &address]);
    owner.sees("하나 joined");
    assert!([&owner, &caller].into_iter().all(is_confined));
    // Of somebody who was only met nothing is taken.
    caller.types("안녕");
    owner.sees("안녕");
    owner.types("@하나 보내 주세요");
    caller.sees("보내 주세요");
    caller.types(&format!(":send {} {}", at("사진").display(), at("영화.mkv").display()));
    owner.sees("하나 offers 사진/, 1 file, 11.4 MiB (:accept 1, :decline 1)");
    owner.sees("하나 offers 영화.mkv, 11.4 MiB (:accept 2, :decline 2)");
    owner.types(&format!(":accept 1 {}", at("받은 것").display()));
    owner.types(&format!(":accept 2 {}", at("받은 것/영화.mkv").display()));
    owner.types("@하나 오는 중이에요?");
    caller.sees("오는 중이에요?");
    caller.sees("민지 has 사진");
    caller.sees("민지 has 영화.mkv");
    owner.sees(&format!("received {} from 하나", at("받은 것/영화.mkv").display()));
    assert!(fs::read(at("받은 것/사진/서울/하나.jpg"))? == photo);
    assert!(fs::read(at("받은 것/영화.mkv"))? == photo);
    Ok(())
}

fn receives_files() -> Result<(), Failed> {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir()?);
    let at = |name: &str| outside.path().join(name);
    fs::create_dir_all(at("사진/서울"))?;
    fs::create_dir(at("받은 것"))?;
    fs::write(at("사진/서울/하나.jpg"), "jpg")?;
    let to = at("받은 것");
    let receives = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--files", to.to_str().unwrap()];
    let (recv, address) = minji.run(&receives, Stdio::null()).and_where();
    let mut caller = hana.start(&["--connect", &address]);
    caller.types(&format!(":send {}", at("사진").display()));
    caller.sees("has 사진");
    assert!(is_confined(&recv));
    recv.sees(&at("받은 것/사진").display().to_string());
    assert_eq!(fs::read_to_string(at("받은 것/사진/서울/하나.jpg"))?, "jpg");
    // Another face of the home has no more of the disk than that.
    let mut face = minji.run(&["attach", "--plain"], Stdio::piped());
    face.types(&format!(":send {} --to 하나", at("사진").display()));
    face.sees("is not offered: rsachat recv is confined to");
    Ok(())
}

fn sends_files() -> Result<(), Failed> {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir()?);
    let (to, fifo) = (outside.path().join("받은 것"), outside.path().join("fifo"));
    fs::create_dir(&to)?;
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0)?;
    let receives = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--files", to.to_str().unwrap()];
    let (recv, at) = hana.run(&receives, Stdio::null()).and_where();
    let send = |file: &str| minji.run(&["send", "--accept-new", &at, "--file", file], Stdio::null());
    for no_file in [fifo.to_str().unwrap(), "/dev/zero", "/dev/null"] {
        send(no_file).ends_saying(3, "is neither a file nor a folder");
    }
    // It says that it is empty, and is made as it is read.
    let mut sends = send("/proc/version");
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());
    recv.sees(&to.join("version").display().to_string());
    assert_eq!(fs::read(to.join("version"))?, fs::read("/proc/version")?);
    Ok(())
}

fn serves_files() -> Result<(), Failed> {
    let (minji, hana, outside) = (Home::of("민지"), Home::of("하나"), tempfile::tempdir()?);
    let from = outside.path().join("메모.txt");
    fs::write(&from, "안녕")?;
    minji.answer(&["peers", "add", "하나", &hana.fingerprint()]);
    hana.answer(&["peers", "add", "민지", &minji.fingerprint()]);
    let mut offers = minji.start(&[]);
    offers.types(&format!(":send {} --to 하나", from.display()));
    offers.sees("is offered when you are both connected");
    offers.types(":quit");
    offers.ends();
    let (serve, at) = minji.serves();
    assert!(is_confined(&serve));
    let mut takes = hana.start(&["--connect", &at]);
    takes.sees("offers 메모.txt");
    takes.types(&format!(":accept 1 {}", outside.path().join("새_이름.txt").display()));
    takes.sees("received");
    assert_eq!(fs::read_to_string(outside.path().join("새_이름.txt"))?, "안녕");
    Ok(())
}

fn killed() -> Result<(), Failed> {
    let (mut owner, _) = Process::listening("민지");
    let mut recv = Home::of("준호").run(
        &["recv", "--listen", "127.0.0.1:0", "--accept-new", "--exec", "echo run $$; sleep 600"],
        Stdio::null(),
    );
    let at = recv.listens_at();
    let sends = Home::of("하나").run(&["send", &at, "--accept-new", "-m", "x"], Stdio::null());
    let command = recv.sees("run ").rsplit_once("run ").unwrap().1.trim().parse().unwrap();
    let seconds = [second(&owner), second(&recv)];
    owner.signal(Signal::KILL);
    recv.signal(Signal::KILL);
    assert_eq!([owner.ends(), recv.ends()], [137, 137]);
    for id in [seconds[0], seconds[1], command] {
        eventually("it has ended", PATIENCE, || is_gone(id));
    }
    drop(sends);
    Ok(())
}

fn bereft() -> Result<(), Failed> {
    let (hana, minji) = (Home::of("하나"), Home::of("민지"));
    let (mut owner, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let face = minji.run(&["attach", "--json"], Stdio::piped());
    face.sees("state");
    let words = "the process that opens files and your editor has ended (rsachat-broker)";
    for process in [&owner, &face] {
        let id = Pid::from_raw(second(process).cast_signed()).unwrap();
        kill_process(id, Signal::KILL)?;
        process.sees(words);
    }
    owner.types(&format!(":log {}", hana.file("log").display()));
    owner.sees(&format!("cannot log to {}: {words}; start rsachat again", hana.file("log").display()));
    let mut caller = hana.start(&["--connect", &at]);
    caller.types("아직 있어요?");
    owner.sees("아직 있어요?");
    assert!(!hana.file("log").exists());

    let exec = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--exec", "cat"];
    let mut recv = Home::of("준호").run(&exec, Stdio::null());
    let at = recv.listens_at();
    kill_process(Pid::from_raw(second(&recv).cast_signed()).unwrap(), Signal::KILL)?;
    let mut sends = Home::of("수아").run(&["send", &at, "--accept-new", "-m", "x"], Stdio::null());
    assert_ne!(sends.ends(), 0, "nothing was acknowledged");
    assert_eq!(recv.ends(), 1, "{}", recv.complaints());
    recv.complains("the process that runs the command of --exec has ended (rsachat-broker)");
    Ok(())
}

fn commands() -> Result<(), Failed> {
    let (minji, outside) = (Home::of("민지"), tempfile::tempdir()?);
    let file = outside.path().join("received");
    // It writes where its receiver cannot, and has what a person's own command has.
    let script = format!(
        "cat >> {0}; echo \"$RSACHAT_FROM $RSACHAT_VERIFIED ${{RSACHAT_AGAIN-first}}\" >> {0}; \
         grep -E 'NoNewPrivs|SigBlk' /proc/self/status; ls -l /proc/self/fd | wc -l; \
         case $(tail -n 2 {0}) in *late*) sleep 600 & echo $! > {0}.child; wait;; esac",
        file.display()
    );
    let arguments = ["recv", "--listen", "127.0.0.1:0", "--accept-new", "--reply", "--exec-timeout", "2s"];
    let recv = Home::of("준호").run(&[&arguments[..], &["--exec", &script]].concat(), Stdio::null());
    let at = recv.listens_at();
    assert!(is_confined(&recv));
    let asked = ["--name", "minji", "ask", &at, "--accept-new", "-m", "안녕"];
    let answer = minji.answer(&asked[2..]);
    assert_eq!(answer, "SigBlk:\t0000000000000000\\u{a}NoNewPrivs:\t0\\u{a}5\n");
    let received = fs::read_to_string(&file)?;
    assert!(received.starts_with("안녕") && received.trim_end().ends_with("no first"), "{received}");
    let mut late = minji.run(&["send", &at, "--accept-new", "-m", "late"], Stdio::null());
    assert_ne!(late.ends(), 0);
    recv.complains("the command took longer than --exec-timeout and was killed");
    let child = fs::read_to_string(outside.path().join("received.child"))?.trim().parse()?;
    eventually("what the command has started has ended", PATIENCE, || is_gone(child));
    Ok(())
}

fn log() -> Result<(), Failed> {
    let (minji, hana) = (Home::of("민지"), Home::of("하나"));
    let mut command = hana.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("TZ", "Asia/Seoul");
    let serve = hana.start_on(command, Stdio::null());
    let at = serve.listens_at();
    let mut face = hana.run(&["attach"], Stdio::piped());
    let (inside, outside) = (hana.file("log"), minji.file("log"));
    face.types(&format!(":log {}", outside.display()));
    let why = face.sees("cannot log to");
    let words = format!("rsachat serve is confined to {}; name a file there", hana.path().display());
    assert!(why.contains(&words) && why.contains("--no-sandbox"), "{why}");
    face.types(&format!(":log {}", inside.display()));
    face.sees("logging to");
    face.types(":status");
    face.sees("confined: no files but the home and those of the system, and no commands");
    let _caller = minji.start(&["--connect", &at]);
    eventually("the log has a row with the time of Seoul", PATIENCE, || {
        fs::read_to_string(&inside).is_ok_and(|log| log.contains("+09:00 "))
    });
    assert!(!outside.exists());
    Ok(())
}

fn begins() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("home");
    fs::create_dir(&home)?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755))?;
    let other = Home::of("준호");
    for (home, says) in [(home, "was open to others"), (folder.path().join("new"), "")] {
        let mut command = Command::new(RSACHAT);
        command.arg("--home").arg(&home).args(["recv", "--json", "--listen", "127.0.0.1:0"]);
        command.env("RSACHAT_CONFIG", "none");
        let recv = other.start_on(command, Stdio::null());
        recv.complains(says);
        assert!(recv.complains("\"sandbox\"").contains("\"confined\":\"yes\""), "{}", recv.complaints());
        if says.is_empty() {
            // Its key is made by then.
            recv.listens_at();
            assert!(home.join("identity.pem").is_file());
        }
        assert!(is_confined(&recv));
    }
    Ok(())
}

/// Becomes the program with a filter that answers as a kernel without Landlock does.
fn old_kernel(arguments: &[String]) -> ! {
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let rules = [(libc::SYS_landlock_create_ruleset, Vec::new())].into();
    let target = env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, target).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
    panic!("{}", Command::new(RSACHAT).args(arguments).exec());
}

fn old() -> Result<(), Failed> {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let on_old = |home: &Home, arguments: &[&str]| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.arg(OLD_KERNEL).arg("--home").arg(home.path()).args(arguments).env("RSACHAT_CONFIG", "none");
        home.start_on(command, Stdio::null())
    };
    let arguments = ["recv", "-v", "--listen", "127.0.0.1:0", "--accept-new", "--count", "1"];
    let (mut recv, at) = on_old(&junho, &arguments).and_where();
    recv.complains("rsachat: partly confined: this kernel has no Landlock");
    let filters = |id| fields(id, "Seccomp_filters:").iter().map(|count| count.parse().unwrap()).collect();
    let (own, its): (Vec<u32>, Vec<u32>) = (filters(std::process::id()), filters(recv.id()));
    assert!(its.iter().all(|count| *count == own[0] + 2), "that of this test, and its own: {its:?}");
    let mut sends = minji.run(&["send", &at, "--accept-new", "-m", "안녕"], Stdio::null());
    assert_eq!([sends.ends(), recv.ends()], [0, 0], "{}", recv.complaints());
    let doctor = on_old(&minji, &["doctor", "--listen", "127.0.0.1:0"]);
    doctor.sees(
        "send, ask, recv without --exec, pipe and serve are partly confined: this kernel has no Landlock",
    );
    doctor.sees("no problems found");
    let exec = ["recv", "-v", "--listen", "127.0.0.1:0", "--exec", "true"];
    let exec = on_old(&minji, &exec);
    exec.complains("rsachat: not confined: this kernel has no Landlock");
    assert!(children(exec.id()).is_empty(), "it starts commands itself");
    Ok(())
}

fn told() -> Result<(), Failed> {
    let junho = Home::of("준호");
    let recv = junho.run(&["recv", "--json", "--listen", "127.0.0.1:0"], Stdio::null());
    let event: Value = serde_json::from_str(&recv.complains("\"sandbox\""))?;
    assert_eq!((&event["event"], &event["confined"]), (&"sandbox".into(), &"yes".into()));
    let exec = ["recv", "-v", "--listen", "127.0.0.1:0", "--exec", "true"];
    let exec = Home::of("하나").run(&exec, Stdio::null());
    exec.complains("rsachat: confined; a second process runs the command of --exec, and no other");
    let mut prompt = Process::start("도윤", &[]);
    prompt.types(":status");
    prompt.sees("confined; a second process opens what you name, and your editor");
    let serve = Home::of("민지").run(&["serve", "--json", "--listen", "127.0.0.1:0"], Stdio::null());
    let event: Value = serde_json::from_str(&serve.sees("\"sandbox\""))?;
    assert_eq!(event["confined"], "yes");
    let said = Home::of("수아").answer(&["doctor", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("ok       sandbox    commands that talk to peers are confined: "), "{said}");
    Ok(())
}

fn without() -> Result<(), Failed> {
    let own = fields(std::process::id(), "Seccomp:").remove(0);
    let is_free = |process: &Process| {
        fields(process.id(), "NoNewPrivs:").iter().all(|value| value == "0")
            && fields(process.id(), "Seccomp:").iter().all(|value| *value == own)
    };
    let junho = Home::of("준호");
    let recv = junho.run(&["--no-sandbox", "recv", "-v", "--listen", "127.0.0.1:0"], Stdio::null());
    recv.complains("rsachat: not confined: --no-sandbox, or sandbox = false in the settings");
    let exec = ["--no-sandbox", "recv", "--listen", "127.0.0.1:0", "--exec", "true"];
    let exec = Home::of("하나").run(&exec, Stdio::null());
    exec.listens_at();
    let minji = Home::of("민지");
    let settings = minji.private("config.toml", "sandbox = false\n");
    let mut command = minji.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("RSACHAT_CONFIG", settings);
    let serve = minji.start_on(command, Stdio::null());
    serve.listens_at();
    let mut prompt = Process::start("수아", &["--no-sandbox"]);
    prompt.types(":status");
    prompt.sees("not confined: --no-sandbox, or sandbox = false in the settings");
    assert!([&recv, &exec, &serve, &prompt].into_iter().all(is_free));
    assert!([&exec, &prompt].into_iter().all(|process| children(process.id()).is_empty()));
    Ok(())
}

fn names_and_signals() -> Result<(), Failed> {
    let (minji, junho) = (Home::of("민지"), Home::of("준호"));
    let (mut recv, at) =
        junho.run(&["recv", "--listen", "127.0.0.1:0", "--accept-new"], Stdio::null()).and_where();
    let by_name = at.replace("127.0.0.1", "localhost");
    recv.signal(Signal::WINCH);
    let mut sends = minji.run(&["send", &by_name, "-4", "--accept-new", "-m", "이름으로"], Stdio::null());
    assert_eq!(sends.ends(), 0, "{}", sends.complaints());
    recv.sees("이름으로");
    recv.signal(Signal::TERM);
    assert_eq!(recv.ends(), 143, "{}", recv.complaints());
    Ok(())
}
