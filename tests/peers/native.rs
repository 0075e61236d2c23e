//! Peer written from the specification, `docs/peers/native_peer.py`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use data_encoding::HEXLOWER;
use rsachat::crypto::{
    Bundle, Identity, LetterKey, LetterPair, LetterSide, OfferedKey, SEALED_BYTES, Seed, open_first_letter,
};
use rsachat::session::{Event, RekeyThresholds};
use rsachat::time::{MonoMs, UnixMs};
use rsachat::wire::{
    Chain, Count, Epoch, FirstLetterBody, LetterBody, Lifetime, PairNumber, Record, Resume, Token,
};

use rustix::process::Signal;

use super::{LONG, Python};
use crate::support::caller::Caller;
use crate::support::{Home, Process, eventually, root};

const PEER: &str = "native_peer.py";
const COUNT: usize = 200;

fn fingerprint_in(row: &str) -> &str {
    row.split([' ', ',']).find(|word| word.starts_with("SHA256:")).unwrap()
}

/// Both name the same keys, say and hear, and part in order.
fn talk(mut ours: Process, mut peer: Process) {
    let joined = ours.sees_within("파이 joined, new key", LONG);
    let own = peer.sees("own key");
    assert_eq!(fingerprint_in(&joined), fingerprint_in(&own));
    let connected = peer.sees("connected to 민지 ");
    assert_eq!(fingerprint_in(&connected), ours.home.fingerprint());
    let lines = |of: &str| -> Vec<_> { (1..=COUNT).map(|number| format!("{of} {number} 👋")).collect() };
    let (from_us, from_peer) = (lines("민지"), lines("파이"));
    ours.types(&from_us.join("\n"));
    peer.types(&from_peer.join("\n"));
    ours.types(&"긴".repeat(5_000));
    ours.sees_times(" 파이: ", COUNT, LONG);
    peer.sees_times("민지: ", COUNT + 1, LONG);
    assert_eq!(ours.said_by("파이"), from_peer);
    assert_eq!(peer.rows_after("민지: ")[..COUNT], from_us);
    assert_eq!(peer.rows_after("민지: ").last().unwrap(), &"긴".repeat(5_000));
    // The goodbye of each comes only after every receipt of the other.
    peer.closes_input();
    ours.sees("* 파이 left");
    assert!(!ours.has_seen("not received"));
    assert_eq!(peer.ends(), 0);
}

pub(crate) fn listens(python: &Python) {
    let (peer, at) = python.peer(PEER, &["listen", "127.0.0.1:0", "파이"]).and_where();
    talk(Home::of("민지").start(&["--connect", &at]), peer);
}

/// In the second mode it waits for the preface before it sends message 1.
pub(crate) fn calls(python: &Python) {
    for mode in ["connect", "patient"] {
        let ours = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--anybody"]);
        let peer = python.peer(PEER, &[mode, &ours.listens_at(), "파이"]);
        talk(ours, peer);
    }
}

/// Called by an invitation, which is used up then, and by a knock.
pub(crate) fn is_let_in(python: &Python) {
    let (mut ours, at) = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--ask"]).and_where();
    ours.types(":invite 파이");
    let row = ours.sees("rsachat://");
    let url = row[row.find("rsachat://").unwrap()..].to_owned();
    let joined = "파이 joined by your invitation";
    let mut invited = python.peer(PEER, &["connect", &url, "다른이름"]);
    ours.sees_within(joined, LONG);
    ours.types("안녕");
    invited.sees("민지: 안녕");
    invited.closes_input();
    assert_eq!(invited.ends(), 0);
    // It makes a key of its own each time: another one comes too late.
    let mut late = python.peer(PEER, &["connect", &url]);
    late.sees_within("ended: the other side does not let us in", LONG);
    assert_eq!(late.ends(), 1);
    // A listener with another key is told nothing.
    let (mut hana, elsewhere) = Home::of("하나").start(&["--listen", "127.0.0.1:0"]).and_where();
    let mut lost = python.peer(PEER, &["connect", &url.replace(&at, &elsewhere)]);
    lost.sees_within("ended: the other side has another key than that of the invitation", LONG);
    assert_eq!(lost.ends(), 1);
    hana.is_done_typing();
    assert!(!hana.has_seen("joined"), "{}", hana.output());
    for (number, answer) in [(1, ":admit 1"), (2, ":refuse 2")] {
        let knocks = ["--knock", "나야, 파이", "connect", at.as_str(), "파이"];
        let mut knocking = python.peer(PEER, &knocks);
        ours.sees_within(&format!("\"나야, 파이\" (:admit {number}, :refuse {number})"), LONG);
        ours.types(answer);
        if number == 1 {
            knocking.sees("connected to 민지 ");
            knocking.closes_input();
            assert_eq!(knocking.ends(), 0);
        } else {
            knocking.sees("ended: the other side does not let us in");
            assert_eq!(knocking.ends(), 1);
        }
    }
}

/// Files of every kind, one of which goes on after the peer was killed.
pub(crate) fn takes_files(python: &Python) {
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name);
    fs::create_dir(at("to")).unwrap();
    fs::write(at("to/글.txt"), "mine").unwrap();
    fs::write(at("글.txt"), "안녕\n").unwrap();
    fs::write(at("빈.txt"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    let sparse = File::create(at("disk.img")).unwrap();
    sparse.set_len(9 << 20).unwrap();
    sparse.write_all_at(b"x", 5 << 20).unwrap();
    let movie: Vec<u8> =
        (0..3_000_000_u32).flat_map(|number| number.wrapping_mul(77).to_be_bytes()).collect();
    fs::write(at("영화.mkv"), &movie).unwrap();
    let (mut ours, listens) = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--anybody"]).and_where();
    let (kept, to) = (at("kept"), at("to"));
    let (kept, to) = (kept.to_str().unwrap(), to.to_str().unwrap());
    let peer = || python.peer(PEER, &["--keep", kept, "--files", to, "connect", &listens, "파이"]);
    let first = peer();
    ours.sees_within("파이 joined", LONG);
    for name in ["글.txt", "빈.txt", "disk.img"] {
        ours.types(&format!(":send {} --to 파이", at(name).display()));
        ours.sees_within(&format!("파이 has {name}"), LONG);
        first.sees("received ");
    }
    ours.types(&format!(":send {} --to 파이", at("folder").display()));
    ours.sees("파이 declined folder");
    assert_eq!(fs::read_to_string(at("to/글.txt")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(at("to/글 (2).txt")).unwrap(), "안녕\n");
    assert_eq!(fs::read(at("to/빈.txt")).unwrap(), b"");
    assert!(fs::read(at("to/disk.img")).unwrap() == fs::read(at("disk.img")).unwrap());
    let part = || {
        let names = fs::read_dir(to).unwrap().map(|entry| entry.unwrap());
        names.filter(|entry| entry.path().extension().is_some_and(|name| name == "part")).last()
    };
    ours.types(&format!(":send {} --to 파이", at("영화.mkv").display()));
    let has_begun = || part().is_some_and(|part| part.metadata().unwrap().len() > 1_000_000);
    eventually("the transfer has begun", LONG, has_begun);
    first.signal(Signal::KILL);
    ours.sees("lost 파이");
    let mut second = peer();
    ours.sees_within("파이 has 영화.mkv", LONG);
    assert!(fs::read(at("to/영화.mkv")).unwrap() == movie);
    assert!(part().is_none());
    second.closes_input();
    assert_eq!(second.ends(), 0);
}

/// A caller that re-keys, twice, among texts of both sides.
pub(crate) fn rekeys(python: &Python) {
    let ours = Home::of("민지").start(&["--listen", "127.0.0.1:0", "--anybody"]);
    let peer = python.peer(PEER, &["connect", &ours.listens_at(), "파이"]);
    let (mut ours, mut peer) = (ours, peer);
    ours.sees_within("파이 joined", LONG);
    for round in 1..=2 {
        peer.types(&format!("전 {round}\n:rekey\n중 {round}"));
        ours.types(&format!("도 {round}"));
        peer.sees_within(&format!("re-keyed {round}"), LONG);
        peer.types(&format!("후 {round}"));
        ours.sees(&format!("파이: 후 {round}"));
        ours.types(&format!("네 {round}"));
        peer.sees(&format!("민지: 네 {round}"));
    }
    assert_eq!(ours.said_by("파이"), ["전 1", "중 1", "후 1", "전 2", "중 2", "후 2"]);
    peer.closes_input();
    ours.sees("* 파이 left");
    assert_eq!(peer.ends(), 0);
}

/// A listener, called by a session that re-keys after a few records.
pub(crate) fn is_rekeyed(python: &Python) {
    let (mut peer, at) = python.peer(PEER, &["listen", "127.0.0.1:0", "파이"]).and_where();
    let thresholds = RekeyThresholds { bytes: 4_096, ..RekeyThresholds::default() };
    let mut minji = Caller::with_thresholds(&at, "test-1.pem", "민지", Lifetime::Lasting, thresholds);
    assert!(minji.until(|event| matches!(event, Event::Established { .. })).is_some());
    for number in 1..=100 {
        minji.says(&format!("글 {number}"));
        let acked = Event::Acked { upto: Count::Connection(number) };
        assert!(minji.until(|event| *event == acked).is_some(), "{:?}", minji.events);
    }
    peer.sees_times("민지: 글", 100, LONG);
    peer.sees("re-keyed 5");
    minji.leaves();
    assert_eq!(peer.ends(), 0);
}

/// The epoch of the caller's messages.
const EPOCH: Epoch = Epoch([7; 16]);

const NOTHING: PairNumber = PairNumber { epoch: Epoch::NONE, seq: 0 };

/// A listener that keeps what is not delivered in this file, and a caller that has not resumed.
fn keeping(python: &Python, mode: &str, file: &Path) -> (Process, Caller) {
    let file = file.to_str().unwrap();
    let (peer, at) = python.peer(PEER, &[mode, file, "listen", "127.0.0.1:0", "파이"]).and_where();
    let mut minji = Caller::durable(&at, "test-1.pem", "민지");
    assert!(minji.until(|event| matches!(event, Event::Established { .. })).is_some());
    assert!(minji.session.is_durable());
    (peer, minji)
}

impl Caller {
    /// Says `Resume`: what it has of the peer's messages.
    fn resumes(&mut self, theirs: PairNumber) {
        let PairNumber { epoch: your_epoch, seq: last } = theirs;
        let chain = if last == 0 { Chain::START } else { Chain::UNKNOWN };
        let own = Resume { epoch: EPOCH, oldest: 1, next: 1, your_epoch, last, chain };
        self.session.resume(MonoMs(0), &own).unwrap();
        self.flushes();
    }

    /// The peer's `Resume` of which this holds.
    fn is_told(&mut self, wanted: impl Fn(&Resume) -> bool) -> Resume {
        let is_wanted = |event: &Event| matches!(event, Event::Resumed(resume) if wanted(resume));
        let Some(Event::Resumed(resume)) = self.until(is_wanted) else { panic!("{:?}", self.events) };
        resume
    }

    fn hears(&mut self, wanted: &Event) {
        assert!(self.until(|event| event == wanted).is_some(), "{wanted:?}: {:?}", self.events);
    }

    /// The number of the message with this text.
    fn hears_text(&mut self, wanted: &str) -> Count {
        let is_wanted =
            |event: &Event| matches!(event, Event::Message { text, .. } if text == wanted.as_bytes());
        let Some(Event::Message { count, .. }) = self.until(is_wanted) else { panic!("{:?}", self.events) };
        count
    }

    fn has_heard(&self, wanted: &str) -> bool {
        let is_wanted =
            |event: &Event| matches!(event, Event::Message { text, .. } if text == wanted.as_bytes());
        self.events.iter().any(is_wanted)
    }

    /// Keeps and shows the peer's messages up to this one.
    fn takes(&mut self, upto: PairNumber) {
        self.session.kept(upto);
        self.session.ack(Count::Pair(upto));
        self.flushes();
    }
}

/// Lines of a peer that is cut off come again, with their numbers, to whoever has not got them.
pub(crate) fn sends_again(python: &Python) {
    let home = Home::of("파이");
    let file = home.file("kept.json");
    let (mut peer, mut minji) = keeping(python, "--keep", &file);
    let epoch = minji.is_told(|_| true).epoch;
    let number = |seq| PairNumber { epoch, seq };
    minji.resumes(NOTHING);
    peer.types("하나\n둘\n셋");
    assert_eq!(minji.hears_text("셋"), Count::Pair(number(3)));
    // The first is acknowledged, the second on disk, the third lost with the connection.
    minji.takes(number(1));
    minji.session.kept(number(2));
    minji.flushes();
    peer.sees_within("on their disk up to 2", LONG);
    drop(minji);
    assert_eq!(peer.ends_within(LONG), 1);

    let (mut peer, mut minji) = keeping(python, "--keep", &file);
    let told = minji.is_told(|_| true);
    assert_eq!((told.epoch, told.oldest, told.next), (epoch, 2, 4));
    minji.resumes(number(2));
    assert_eq!(minji.hears_text("셋"), Count::Pair(number(3)));
    assert!(!minji.has_heard("하나"));
    minji.takes(number(3));
    minji.session.send_numbered(1, "넷", UnixMs(0)).unwrap();
    minji.session.skip(2).unwrap();
    let last = PairNumber { epoch: EPOCH, seq: 2 };
    minji.hears(&Event::Kept { upto: last });
    minji.hears(&Event::Acked { upto: Count::Pair(last) });
    peer.sees("민지: 넷");
    peer.closes_input();
    minji.ends();
    assert_eq!(peer.ends_within(LONG), 0);
}

/// A peer that chooses the caller in the middle: the count changes in either direction.
pub(crate) fn resumes_in_the_middle(python: &Python) {
    let home = Home::of("파이");
    let (mut peer, mut minji) = keeping(python, "--keep-when-told", &home.file("kept.json"));
    minji.resumes(NOTHING);
    minji.hears(&Event::ResumeDeclined);
    peer.types("전");
    assert_eq!(minji.hears_text("전"), Count::Connection(1));
    let number = |seq| PairNumber { epoch: EPOCH, seq };
    for (seq, text) in [(1, "하나"), (2, "둘")] {
        minji.session.send_numbered(seq, text, UnixMs(0)).unwrap();
    }
    minji.hears(&Event::Acked { upto: Count::Pair(number(2)) });
    peer.types(":resume\n후");
    let told = minji.is_told(|_| true);
    assert_eq!((told.your_epoch, told.last, told.next), (EPOCH, 2, 1));
    minji.hears(&Event::Kept { upto: number(2) });
    let after = PairNumber { epoch: told.epoch, seq: 1 };
    assert_eq!(minji.hears_text("후"), Count::Pair(after));
    // Not before the Text that counts for the connection is acknowledged.
    minji.session.kept(after);
    minji.session.ack(Count::Connection(1));
    minji.flushes();
    peer.sees_within("on their disk up to 1", LONG);
    minji.takes(after);
    minji.session.send_numbered(3, "셋", UnixMs(0)).unwrap();
    minji.hears(&Event::Acked { upto: Count::Pair(number(3)) });
    peer.sees("민지: 셋");
    peer.closes_input();
    minji.ends();
    assert_eq!(peer.ends_within(LONG), 0);
}

/// A peer whose file is older than what the caller has: it counts anew, and no line is lost.
pub(crate) fn is_restored(python: &Python) {
    let home = Home::of("파이");
    let (mut peer, mut minji) = keeping(python, "--keep", &home.file("kept.json"));
    let epoch = minji.is_told(|_| true).epoch;
    peer.types("하나");
    minji.resumes(PairNumber { epoch, seq: 40 });
    let next = minji.is_told(|resume| resume.epoch != epoch);
    peer.sees("this file is older than what the other side has");
    minji.resumes(PairNumber { epoch: next.epoch, seq: 0 });
    let only = PairNumber { epoch: next.epoch, seq: 1 };
    let is_it = |event: &Event| matches!(event, Event::Message { count, .. } if *count == Count::Pair(only));
    assert!(minji.until(is_it).is_some(), "{:?}", minji.events);
    assert!(minji.has_heard("하나"));
    minji.takes(only);
    peer.closes_input();
    minji.ends();
    assert_eq!(peer.ends_within(LONG), 0);
}

/// The vectors, taken by a program that has nothing else.
pub(crate) fn vectors(python: &Python) {
    let folder = root("tests/vectors");
    let mut check = python.peer("check_vectors.py", &[folder.to_str().unwrap()]);
    assert_eq!(check.ends_within(LONG), 0, "{}", check.complaints());
    for bits in ["2048", "3072"] {
        check.sees(&format!("handshake-{bits} holds"));
    }
    check.sees("letter holds");
    check.sees("first letter holds");
}

/// A bundle and a first letter of each side, read by the other.
pub(crate) fn first_letters(python: &Python) {
    let pem = |name: &str| root(&format!("tests/keys/{name}.pem")).to_str().unwrap().to_owned();
    let [alice, bob] = ["alice-3072", "bob-3070"]
        .map(|name| Identity::from_pem(&std::fs::read_to_string(pem(name)).unwrap(), None).unwrap());
    let own = LetterKey::generate(&Seed::new([1; 32]));
    let (now, expires_ms) = (1_780_000_000_000, 1_780_600_000_000);
    let run = |args: &[&str], input: &[&[u8]]| {
        let mut peer = python.peer("native_peer.py", &[&["first"], args].concat());
        for line in input {
            peer.types(&HEXLOWER.encode(line));
        }
        peer.closes_input();
        assert_eq!(peer.ends_within(LONG), 0, "{}", peer.complaints());
        peer
    };
    let row = |peer: &Process, begin: &str| HEXLOWER.decode(peer.rows_after(begin)[0].as_bytes()).unwrap();
    let epoch = Epoch([5; 16]);
    let letter = LetterBody {
        number: now,
        opened: 0,
        reads: 0,
        key: own.public().as_bytes().try_into().unwrap(),
        expires_ms,
        chain: Chain::START,
        resume: Resume { epoch, oldest: 1, next: 2, your_epoch: Epoch::NONE, last: 0, chain: Chain::START },
        records: vec![Record::Text { seq: 1, time_ms: 9, text: "민지야".into() }],
    };
    let (token, name) = (Token::new([6; 16]), "민지".as_bytes().to_vec());
    let body = FirstLetterBody { token, name, letter };

    // A bundle of the peer, and our letter to it.
    let made = run(&["bundle", &pem("bob-3070"), "7", &expires_ms.to_string()], &[own.public().as_bytes()]);
    let of_bob = bob.public().fingerprint();
    let bundle = Bundle::read(&row(&made, "bundle "), &of_bob, now).unwrap();
    assert_eq!((bundle.number, bundle.offered.expires_ms), (7, expires_ms));
    let content = body.write(bundle.overhead(alice.public())).unwrap();
    let (letter, pair) = bundle.seal(&alice, &content, &Seed::new([3; 32]));
    let reader = run(&["open", &pem("bob-3070"), &HEXLOWER.encode(own.secret())], &[&letter]);
    reader.sees(&format!("writer {}", alice.public().fingerprint()));
    reader.sees("token 06060606060606060606060606060606");
    reader.sees("name 민지");
    assert_eq!(row(&reader, "pair "), pair.secret());
    let text = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], "민지야".as_bytes()].concat();
    reader.sees(&format!("record 2 {}", HEXLOWER.encode(&text)));

    // A bundle of ours, and a letter of the peer to it.
    let ours = Bundle::sign(&bob, 8, &OfferedKey { key: own.public(), expires_ms });
    let writer =
        run(&["seal", &pem("alice-3072"), &of_bob.to_string(), &now.to_string()], &[&ours, &content]);
    writer.sees("number 8");
    let opened = open_first_letter(&bob, &own, &row(&writer, "letter ")).unwrap();
    assert_eq!(opened.writer, *alice.public());
    assert_eq!(row(&writer, "pair "), opened.pair.secret());
    assert_eq!(FirstLetterBody::read(&opened.content), Ok(body));
}

/// A letter of each side to the other, in an inbox of the same name.
pub(crate) fn letters(python: &Python) {
    let pair = |side| LetterPair::new([7; 32].into(), side);
    let [ours, theirs] = [LetterSide::Initiator, LetterSide::Responder];
    let [own, other] = [[1; 32], [2; 32]].map(|seed| LetterKey::generate(&Seed::new(seed)));
    let epoch = Epoch([5; 16]);
    let body = LetterBody {
        number: 1_780_000_000_000,
        opened: 0,
        reads: 0,
        key: own.public().as_bytes().try_into().unwrap(),
        expires_ms: 1_780_000_000_001,
        chain: Chain::START,
        resume: Resume { epoch, oldest: 1, next: 2, your_epoch: Epoch::NONE, last: 0, chain: Chain::START },
        records: vec![Record::Text { seq: 1, time_ms: 9, text: "민지야".into() }],
    };
    let plaintext = body.write(SEALED_BYTES).unwrap();
    let run = |what: &str, writer: LetterSide, key: &[u8], input: &[u8]| {
        let writer_number = writer.direction().to_string();
        let mut peer = python.peer(
            "native_peer.py",
            &["letter", what, &HEXLOWER.encode(&[7; 32]), &writer_number, &HEXLOWER.encode(key)],
        );
        peer.types(&HEXLOWER.encode(input));
        peer.closes_input();
        assert_eq!(peer.ends_within(LONG), 0, "{}", peer.complaints());
        peer.sees(&format!("inbox {}", pair(ours).inbox(writer, 0)));
        peer
    };
    let letter = pair(ours).seal(&other.public(), &plaintext, &Seed::new([3; 32]));
    let reader = run("open", ours, other.secret(), &letter);
    reader.sees("number 1780000000000");
    reader.sees(&format!("key {}", HEXLOWER.encode(own.public().as_bytes())));
    reader.sees(&format!(
        "record 2 {}",
        HEXLOWER.encode(&[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], "민지야".as_bytes()].concat())
    ));
    let writer = run("seal", theirs, own.public().as_bytes(), &plaintext);
    let sealed = writer.rows_after("letter ");
    let opened = pair(ours).open(&own, &HEXLOWER.decode(sealed[0].as_bytes()).unwrap()).unwrap();
    assert_eq!(LetterBody::read(&opened), Ok(body));
}
