//! `rsachat recv --files` and `rsachat send --file`: files between programs without a person.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::events::schema::schema;
use crate::support::{Home, PATIENCE, Process, eventually};

/// Bytes that are not received before somebody is killed: the receiver has 8 MiB at a time.
const BYTES: u32 = 24 << 20;

fn content() -> Vec<u8> {
    (0..BYTES / 4).flat_map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

/// Folder with what is sent, and an empty one for what is received.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        let folders = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folders.from("")).unwrap();
        fs::create_dir(folders.to("")).unwrap();
        folders
    }

    fn from(&self, name: &str) -> PathBuf {
        self.0.path().join("from").join(name)
    }

    fn to(&self, name: &str) -> PathBuf {
        self.0.path().join("to").join(name)
    }

    fn holds(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.from(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// Names of what was received, in their order.
    fn received(&self) -> Vec<String> {
        let entries = fs::read_dir(self.to("")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Whether the part of a transfer is there.
fn has_begun(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().ends_with(".part")
    })
}

fn receives(home: &Home, folders: &Folders, args: &[&str]) -> Process {
    let to = folders.to("");
    let all = [&["recv", "--name", "하나", "--files", to.to_str().unwrap()], args].concat();
    home.run(&all, Stdio::null())
}

#[test]
fn files_and_folders_are_received_beside_what_is_there_until_there_are_as_many_as_asked_for() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    fs::write(folders.to("메모.txt"), "old").unwrap();
    let (note, other) = (folders.holds("메모.txt", "new"), folders.holds("a/메모.txt", "other"));
    folders.holds("사진/서울/하나.jpg", "jpg");
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--count", "3"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut minji = minji.start(&["--connect", &at]);
    let photos = folders.from("사진");
    minji.types(&format!(":send {note} {other} {}", photos.display()));
    assert_eq!(recv.ends(), 0, "{}", recv.complaints());
    minji.sees("has 사진");
    assert_eq!(folders.received(), ["메모 (2).txt", "메모 (3).txt", "메모.txt", "사진"]);
    assert_eq!(fs::read_to_string(folders.to("메모.txt")).unwrap(), "old");
    let read = |name: &str| fs::read_to_string(folders.to(name)).unwrap();
    let mut both = [read("메모 (2).txt"), read("메모 (3).txt")];
    both.sort();
    assert_eq!(both, ["new", "other"]);
    assert_eq!(read("사진/서울/하나.jpg"), "jpg");
    let output = recv.output();
    let mut printed: Vec<_> = output.lines().collect();
    printed.sort_unstable();
    let expected =
        ["메모 (2).txt", "메모 (3).txt", "사진"].map(|name| folders.to(name).display().to_string());
    assert_eq!(printed, expected);
}

#[test]
fn what_is_too_large_is_declined_with_the_reason_and_the_next_is_taken() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let (large, small) = (folders.holds("large", [b'x'; 2_049]), folders.holds("small", [b'x'; 2_048]));
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--max", "2 KiB", "--count", "1"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut minji = minji.start(&["--connect", &at]);
    minji.types(&format!(":send {large} {small}"));
    minji.sees("declined large: it is larger than is taken there");
    assert_eq!(recv.ends(), 0);
    recv.complains("offers large, 2.0 KiB: declined, at most 2.0 KiB are taken");
    assert_eq!(folders.received(), ["small"]);
}

#[test]
fn nothing_is_taken_of_whom_no_text_would_be_taken() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let file = folders.holds("file", "x");
    let (recv, at) = receives(&hana, &folders, &["--listen", "127.0.0.1:0"]).and_where();
    assert_eq!(minji.start_having_typed(&["--connect", &at], &format!(":send {file}\n")).ends(), 4);
    recv.complains("has a key that is not in your book");
    // Chosen, and not verified: so it is for texts.
    hana.answer(&["peers", "add", "민지", &minji.fingerprint()]);
    minji.answer(&["peers", "add", "하나", &hana.fingerprint()]);
    let mut sends = minji.start(&["--connect", &at]);
    sends.types(&format!(":send {file}"));
    sends.sees("has file");
    assert_eq!(folders.received(), ["file"]);
}

#[test]
fn a_recv_of_files_that_was_killed_goes_on_when_it_is_run_again() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let file = folders.holds("영화.mkv", content());
    let (mut sends, at) = minji.start(&["--listen", "127.0.0.1:0"]).and_where();
    let args = ["--connect", &at, "--accept-new", "--count", "1"];
    let mut recv = receives(&hana, &folders, &args);
    sends.sees("하나 joined");
    sends.types("@하나 파일이에요");
    sends.types(&format!(":send {file} --to 하나"));
    eventually("the transfer has begun", PATIENCE, || has_begun(&folders.to("")));
    recv.signal(Signal::KILL);
    recv.ends();
    sends.sees("lost 하나");
    let mut again = receives(&hana, &folders, &args);
    assert_eq!(again.ends(), 0, "{}", again.complaints());
    sends.sees("has 영화.mkv");
    assert_eq!(folders.received(), ["영화.mkv"]);
    assert!(fs::read(folders.to("영화.mkv")).unwrap() == content());
}

#[test]
fn a_recv_of_files_says_before_it_begins_what_is_in_its_way() {
    let (hana, folders) = (Home::of("하나"), Folders::new());
    let none = folders.to("none");
    let run = |args: &[&str]| hana.run(&[&["recv"], args].concat(), Stdio::null());
    let none = none.to_str().unwrap();
    run(&["--listen", "127.0.0.1:0", "--files", none]).ends_saying(3, "there is no such folder");
    run(&["--files", none]).ends_saying(2, "--listen");
    run(&["--listen", "127.0.0.1:0", "--max", "1k"]).ends_saying(2, "--files");
    run(&["--listen", "127.0.0.1:0", "--files", none, "--max", "1 MB"]).ends_saying(2, "100 MiB");
    run(&["--listen", "127.0.0.1:0", "--files", none, "--wire", "oaep"]).ends_saying(2, "--wire");
    let _owner = hana.serves();
    let to = folders.to("");
    let mut recv = run(&["--listen", "127.0.0.1:0", "--files", to.to_str().unwrap()]);
    recv.ends_saying(3, "serves this home, and gets its files");
}

fn sends(home: &Home, at: &str, args: &[&str]) -> Process {
    home.run(&[&["send", "--name", "민지", "--accept-new", at], args].concat(), Stdio::null())
}

#[test]
fn send_ends_well_once_each_file_and_folder_is_on_the_other_disk_under_its_name() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let note = folders.holds("메모 1.txt", "안녕");
    folders.holds("사진/서울/하나.jpg", "jpg");
    let photos = folders.from("사진").display().to_string();
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--count", "4"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut both = sends(&minji, &at, &["--file", &note, "--file", &photos]);
    assert_eq!(both.ends(), 0, "{}", both.complaints());
    assert_eq!(sends(&minji, &at, &["--file", &note, "--as", "새 이름.txt"]).ends(), 0);
    // The receiver may stand last, and what has arrived before is sent once more if it is asked for.
    let last = minji.run(&["send", "--accept-new", "--file", &note, &at], Stdio::null());
    assert_eq!([{ last }.ends(), recv.ends()], [0, 0]);
    assert_eq!(folders.received(), ["메모 1 (2).txt", "메모 1.txt", "사진", "새 이름.txt"]);
    assert_eq!(fs::read_to_string(folders.to("새 이름.txt")).unwrap(), "안녕");
    assert!(both.output().is_empty() && !both.complaints().contains("rsachat:"), "{}", both.complaints());
}

/// Has a send of files end in the middle, and checks that the same command goes on with it.
fn goes_on_after(signal: Signal, code: i32) {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let file = folders.holds("영화.mkv", content());
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--count", "1"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut cut = sends(&minji, &at, &["--file", &file, "-v"]);
    cut.complains("takes 영화.mkv");
    cut.signal(signal);
    assert_eq!(cut.ends(), code);
    let mut again = sends(&minji, &at, &["--file", &file, "-v"]);
    assert_eq!([again.ends(), recv.ends()], [0, 0], "{}", again.complaints());
    again.complains("going on with 영화.mkv, 24.0 MiB");
    assert_eq!(folders.received(), ["영화.mkv"]);
    assert!(fs::read(folders.to("영화.mkv")).unwrap() == content());
}

#[test]
fn a_send_of_files_that_was_killed_goes_on_when_it_is_run_again() {
    goes_on_after(Signal::KILL, 137);
}

#[test]
fn a_send_of_files_that_was_interrupted_goes_on_when_it_is_run_again() {
    goes_on_after(Signal::INT, 130);
}

#[test]
fn a_file_that_has_changed_since_a_send_was_cut_off_is_sent_anew() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let file = folders.holds("영화.mkv", content());
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--count", "1"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut cut = sends(&minji, &at, &["--file", &file]);
    eventually("the transfer has begun", PATIENCE, || has_begun(&folders.to("")));
    cut.signal(Signal::KILL);
    cut.ends();
    fs::write(&file, "another").unwrap();
    let mut again = sends(&minji, &at, &["--file", &file]);
    assert_eq!([again.ends(), recv.ends()], [0, 0], "{}", again.complaints());
    assert_eq!(folders.received(), ["영화.mkv"]);
    assert_eq!(fs::read_to_string(folders.to("영화.mkv")).unwrap(), "another");
}

#[test]
fn a_decline_a_cancel_and_a_wait_without_an_answer_end_a_send_with_their_codes_and_words() {
    let (minji, folders) = (Home::of("민지"), Folders::new());
    let file = folders.holds("영화.mkv", content());
    let (mut hana, at) = Process::listening("하나");
    let send = |args: &[&str]| sends(&minji, &at, &[&["--file", &file], args].concat());
    // Who was only met is told what to do.
    let mut met = send(&[]);
    met.ends_saying(1, "declined 영화.mkv: files are taken only from peers that were chosen there");
    hana.types(":to 민지");
    hana.sees("plain text now goes to 민지");
    let mut declined = send(&[]);
    hana.sees("offers 영화.mkv, 24.0 MiB (:accept 1, :decline 1)");
    hana.types(":decline 1");
    declined.ends_saying(1, "declined 영화.mkv");
    declined.complains("the file has not arrived");
    // What nobody accepts is taken back.
    send(&["--timeout", "1s"]).ends_saying(5, "nothing has moved");
    hana.sees("민지 cancelled 영화.mkv");
    let mut cancelled = send(&[]);
    hana.sees("(:accept 3, :decline 3)");
    hana.types(&format!(":accept 3 {}", folders.to("").display()));
    hana.types(":cancel 3");
    cancelled.ends_saying(1, "cancelled 영화.mkv");
    assert!(!has_begun(&folders.to("")));
}

#[test]
fn a_send_of_files_says_before_it_calls_anybody_what_is_in_its_way() {
    let (minji, folders) = (Home::of("민지"), Folders::new());
    let file = folders.holds("file", "x");
    let none = folders.from("none").display().to_string();
    let run = |args: &[&str]| minji.run(&[&["send"], args].concat(), Stdio::null());
    run(&["127.0.0.1:1", "--file", &none]).ends_saying(3, "no such file or directory");
    run(&["127.0.0.1:1", "--file", "/dev/null"]).ends_saying(3, "neither a file nor a folder");
    run(&["--file", &file]).ends_saying(2, "nobody is named whom the file is sent to");
    run(&["nobody", "--file", &file]).ends_saying(1, "nobody");
    run(&["127.0.0.1:1", "--file", &file, "-m", "x"]).ends_saying(2, "--message");
    run(&["127.0.0.1:1", "--file", &file, "--as", "a/b"]).ends_saying(2, "write one name");
    run(&["127.0.0.1:1", "--file", &file, &file, "--as", "a"]).ends_saying(2, "--as names one file");
    run(&["127.0.0.1:1", "--file", &file, "--wire", "oaep"]).ends_saying(2, "--wire");
    run(&["127.0.0.1:1", "--file", &file]).ends_saying(3, "connection refused");
    let _owner = minji.serves();
    run(&["127.0.0.1:1", "--file", &file]).ends_saying(3, "serves this home, and sends its files");
}

/// Settings with one rule.
fn taking(home: &Home, rule: &str) -> String {
    let config = home.private("config.toml", format!("take = [{rule}]\n"));
    config.display().to_string()
}

#[test]
fn a_rule_of_the_settings_accepts_what_a_verified_peer_offers_and_nothing_else() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let (small, large) = (folders.holds("small", [b'x'; 1_024]), folders.holds("large", [b'x'; 1_025]));
    let to = folders.to("of 하나");
    let rule = format!("{{from = \"하나\", max = \"1 KiB\", dir = \"{}\"}}", to.display());
    let config = taking(&minji, &rule);
    minji.answer(&["peers", "add", "하나", &hana.fingerprint()]);
    hana.answer(&["peers", "add", "민지", &minji.fingerprint()]);
    let serve = ["--config", &config, "serve", "--listen", "127.0.0.1:0"];
    let (mut serve, at) = minji.run(&serve, Stdio::null()).and_where();
    let mut send = hana.run(&["send", &at, "--file", &small], Stdio::null());
    assert_eq!(send.ends(), 0, "{}", send.complaints());
    assert_eq!(fs::read(to.join("small")).unwrap().len(), 1_024);
    // What is larger waits for a person.
    let large = ["send", &at, "--file", &large, "--timeout", "1s"];
    hana.run(&large, Stdio::null()).ends_saying(5, "nothing has moved");
    serve.signal(Signal::TERM);
    serve.ends();
    // At a prompt the same rules hold; an unverified peer needs one that says so.
    for (rule, code) in [("", 5), (", verified = false", 0)] {
        let config = taking(&minji, &format!("{{from = \"하나\"{rule}, dir = \"{}\"}}", to.display()));
        let book = minji.file("peers");
        let unverified = fs::read_to_string(&book).unwrap().replace(" verified", " unverified");
        minji.private("peers", unverified);
        let (mut prompt, at) = minji.start(&["--config", &config, "--listen", "127.0.0.1:0"]).and_where();
        let send = ["send", &at, "--file", &small, "--timeout", "2s"];
        assert_eq!(hana.run(&send, Stdio::null()).ends(), code, "{rule}");
        prompt.types(":quit");
        prompt.ends();
    }
    assert!(to.join("small (2)").exists());
}

#[test]
fn a_rule_of_the_settings_that_is_wrong_or_accepts_nothing_is_named() {
    let minji = Home::of("민지");
    for (rule, said) in [
        ("{dir = \"/tmp\"}", "from is missing"),
        ("{form = \"bob\"}", "did you mean from?"),
        ("{from = \"bob\", max = \"1 MB\"}", "max: write bytes"),
        ("{from = \"bob\", dir = \"here\"}", "dir: a path begins with /"),
        ("{from = \"bob\", verified = \"no\"}", "verified: true or false is expected"),
        ("\"bob\"", "a rule like"),
    ] {
        let config = taking(&minji, rule);
        minji.run(&["--config", &config, "config", "check"], Stdio::null()).ends_saying(2, said);
    }
    let rule = "{from = \"bob\", max = \"1048576 bytes\", dir = \"/tmp\"}";
    let config = taking(&minji, rule);
    let shown = minji.answer(&["--config", &config, "config", "show"]);
    assert!(shown.contains(&format!("take = [{rule}]")), "{shown}");
    let mut doctor = minji.run(&["--config", &config, "doctor"], Stdio::null());
    doctor.ends();
    assert!(doctor.output().contains("bob is not in your book"), "{}", doctor.output());
}

/// States of transfers that a program was told, but for how far they are, and the offers.
fn told(process: &Process, is_json_on_stdout: bool) -> Vec<serde_json::Map<String, serde_json::Value>> {
    let text = if is_json_on_stdout { process.output() } else { process.complaints() };
    let events = schema().check(&text);
    let is_told = |event: &serde_json::Map<String, serde_json::Value>| {
        (event["event"] == "file" && event["state"] != "moving") || event["event"] == "offer"
    };
    events.into_iter().filter(is_told).collect()
}

#[test]
fn programs_are_told_each_offer_and_each_state_of_a_transfer() {
    let (minji, hana, folders) = (Home::of("민지"), Home::of("하나"), Folders::new());
    let file = folders.holds("메모.txt", "안녕");
    let args = ["--listen", "127.0.0.1:0", "--accept-new", "--count", "1", "--json"];
    let (mut recv, at) = receives(&hana, &folders, &args).and_where();
    let mut send = sends(&minji, &at, &["--file", &file, "--json"]);
    assert_eq!([send.ends(), recv.ends()], [0, 0]);
    let states = |events: &[serde_json::Map<String, serde_json::Value>]| -> Vec<String> {
        events.iter().map(|event| event["state"].as_str().unwrap().to_owned()).collect()
    };
    let (outgoing, received) = (told(&send, false), told(&recv, false));
    assert_eq!(states(&outgoing), ["offered", "accepted", "filed"]);
    assert_eq!(states(&received), ["accepted", "filed"]);
    assert_eq!(received[1]["path"], folders.to("메모.txt").display().to_string());
    assert_eq!([&received[1]["bytes"], &outgoing[2]["bytes"]], [6, 6]);
    // At a prompt, orders answer the offer.
    let mut prompt = minji.start(&["--json", "--listen", "127.0.0.1:0"]);
    let at = prompt.listens_at();
    prompt.sees("listening");
    let mut send = hana.run(&["send", "--accept-new", &at, "--file", &file], Stdio::null());
    prompt.sees("\"event\":\"offer\"");
    let offer = told(&prompt, true).remove(0);
    assert_eq!([&offer["name"], &offer["from"]], ["메모.txt", "하나"]);
    prompt.types(&format!(r#"{{"id":1,"command":"decline","arguments":["{}"]}}"#, offer["number"]));
    send.ends_saying(1, "declined 메모.txt");
    prompt.sees("\"state\":\"declined\"");
    told(&prompt, true);
}
