//! Every notice of the prompt in its words, so that a change of a sentence is seen where it is reviewed.

use rsachat::chat::{
    Acquaintance, Assurance, Claimed, Content, Info, KeyFor, Notice, Notify, RawInfo, Said, Trouble, When,
};
use rsachat::crypto::{Fingerprint, KeyFault, PemFault, SafetyNumber};
use rsachat::session::{Ending, RawEnding};
use rsachat::text::safe::SafeText;
use rsachat::wire::{ByeReason, Purpose, WireFault};

fn bob() -> String {
    "bob".to_owned()
}

fn whom() -> String {
    "127.0.0.1:4711".to_owned()
}

fn shown(notices: impl IntoIterator<Item = Notice>) -> String {
    let rows: Vec<String> = notices.into_iter().flat_map(|notice| notice.rows()).collect();
    rows.join("\n")
}

fn keys() -> (Fingerprint, Fingerprint) {
    (Fingerprint::of(b"the known key"), Fingerprint::of(b"the other key"))
}

fn check(name: &str, notices: impl IntoIterator<Item = Notice>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown(notices)));
}

#[test]
fn good_and_neutral_news() {
    let (fingerprint, other) = keys();
    let joined = |known| Info::Joined { name: bob(), fingerprint, known };
    let file = || "~/identity.pem".to_owned();
    let news = [
        Info::Listening { at: "[::1]:8000".parse().expect("an address") },
        Info::MakingKey { of: KeyFor::Identity, bits: 3072 },
        Info::StillMaking { seconds: 4 },
        Info::KeyMade { of: KeyFor::Identity, fingerprint, bits: 3072, file: file() },
        Info::KeyFound { fingerprint, file: file() },
        Info::KeyKept { file: file() },
        Info::KeyCancelled,
        Info::Connecting { target: "host:8000".to_owned() },
        Info::ConnectCancelled { target: "host:8000".to_owned() },
        joined(Acquaintance::New),
        joined(Acquaintance::Known(Assurance::Unverified)),
        joined(Acquaintance::Known(Assurance::Verified)),
        Info::Left { name: bob() },
        Info::Replaced { name: bob() },
        Info::Closed { name: bob() },
        Info::Addressed { name: bob(), assurance: Assurance::Verified },
        Info::Trusted { name: bob() },
        Info::Accepted { name: bob(), fingerprint },
        Info::Forgotten { name: bob() },
        Info::Blocked { name: bob() },
        Info::Unblocked { name: bob() },
        Info::Nick { name: "서버".to_owned() },
        Info::Safety { name: bob(), number: SafetyNumber::between(&fingerprint, &other), fingerprint: other },
        Info::Named { old: bob(), name: "밥".to_owned() },
        Info::Notify { set: Notify::default() },
        Info::Notify { set: Notify { when: When::Always, content: Content::Shown } },
        Info::Notify { set: Notify { when: When::Never, content: Content::Hidden } },
        Info::Logging { file: "~/chat.log".to_owned() },
        Info::LogClosed { file: "~/chat.log".to_owned() },
        Info::NoLog,
        Info::NothingSaid,
        Info::Greeting,
        Info::QuitHint,
        Info::HowToLeave,
        Info::Recording { file: file() },
    ];
    check("news", news.map(Notice::Info));
}

#[test]
fn troubles() {
    let (known, now) = keys();
    let imitation = |claim: &str, of| Trouble::Impostor {
        name: "bob-2".to_owned(),
        claimed: SafeText::line(claim),
        known: bob(),
        of,
    };
    let impostor = |of| imitation("bob", of);
    let address = || "host:8000".to_owned();
    let troubles = [
        Trouble::LineTooLong { bytes: 70_000 },
        Trouble::LineNotText { row: SafeText::line_from_bytes(b"\xff\x1b[2J") },
        Trouble::NoKeyYet,
        Trouble::KeyExists { of: KeyFor::Identity, file: "~/identity.pem".to_owned() },
        Trouble::KeyFailed { why: "no space left on device".to_owned() },
        Trouble::KeyUnderway,
        Trouble::ListenFailed { at: address(), why: "address already in use".to_owned() },
        Trouble::AlreadyListening { at: address() },
        Trouble::Unreachable { target: address(), why: "connection refused".to_owned() },
        Trouble::Changed { name: bob(), address: address(), known, now },
        Trouble::PinDiffers { address: address(), pinned: known, now },
        Trouble::Ourselves { whom: whom() },
        Trouble::BlockedCaller { name: bob() },
        Trouble::UnknownCaller { whom: whom(), fingerprint: now },
        Trouble::Book { why: "peers is damaged, line 3: no name stands first".to_owned() },
        impostor(Claimed::Verified),
        impostor(Claimed::Known),
        impostor(Claimed::Ours),
        imitation("b\u{43e}b", Claimed::Verified),
        imitation("BOB", Claimed::Known),
        imitation("b0b", Claimed::Ours),
        Trouble::NotReceived { name: bob(), rows: vec![SafeText::line("안녕\n\u{1b}[2J")], more: 2 },
        Trouble::NobodyToSendTo,
        Trouble::NobodyToClose,
        Trouble::NotConnected { name: bob() },
        Trouble::QueueFull { name: bob(), waiting: 1_000 },
        Trouble::NoSuchPeer { name: "bbo".to_owned(), nearest: Some(bob()) },
        Trouble::NoSuchPeer { name: "eve".to_owned(), nearest: None },
        Trouble::NotRefused { name: bob() },
        Trouble::NotBlocked { name: "bob".to_owned() },
        Trouble::StillBlocked { name: "bob".to_owned() },
        Trouble::NothingFound,
        Trouble::NoEditor,
        Trouble::LogFailed { file: "chat.log".to_owned(), why: "no space left on device".to_owned() },
        Trouble::SameName { name: bob() },
        Trouble::TooManyPeers { limit: 800 },
        Trouble::TurnedAway { whom: whom(), why: "too many connections from one source".to_owned() },
        Trouble::Famine { open: 35 },
        Trouble::Suppressed { times: 99 },
    ];
    check("troubles", troubles.map(Notice::Trouble));
}

#[test]
fn every_way_to_part() {
    let endings = [
        Ending::Overloaded,
        Ending::Bye(ByeReason::Refused),
        Ending::Bye(ByeReason::Replaced),
        Ending::Alert,
        Ending::Cut { midway: true },
        Ending::Cut { midway: false },
        Ending::CutEarly,
        Ending::HandshakeTimeout,
        Ending::Mute,
        Ending::Silent,
        Ending::Stranger(b"GET / HTTP/1.1\r\n".to_vec()),
        Ending::Stranger(b"-----BEGIN PUBLI".to_vec()),
        Ending::Mismatch(WireFault::Purpose(Purpose::Pipe)),
        Ending::Mismatch(WireFault::Version { version: 2, suite: 1 }),
        Ending::Key(KeyFault::Exponent),
        Ending::Handshake,
        Ending::Record,
        Ending::Protocol,
    ];
    let early = endings
        .iter()
        .map(|ending| Notice::Trouble(Trouble::Early { whom: whom(), ending: ending.clone(), why: None }));
    check("parting-early", early);
    let late = endings.iter().map(|ending| {
        let why = Some("connection reset by peer".to_owned());
        Notice::Trouble(Trouble::Lost { name: bob(), ending: ending.clone(), why })
    });
    check("parting-late", late);
}

#[test]
fn everything_on_the_raw_wire() {
    let raw = || "raw-1".to_owned();
    let (fingerprint, _) = keys();
    let file = || "~/raw.pem".to_owned();
    let infos = [
        Info::MakingKey { of: KeyFor::RawWire, bits: 2048 },
        Info::KeyMade { of: KeyFor::RawWire, fingerprint, bits: 2048, file: file() },
        Info::Raw(RawInfo::Banner),
        Info::Raw(RawInfo::Joined { name: raw(), at: whom(), key: Some((2048, fingerprint)) }),
        Info::Raw(RawInfo::Joined { name: raw(), at: whom(), key: None }),
        Info::Raw(RawInfo::NoReceipts { name: raw() }),
        Info::Raw(RawInfo::Parts { count: 3 }),
        Info::Raw(RawInfo::Waits { name: raw() }),
        Info::Raw(RawInfo::Answered { name: raw() }),
        Info::Addressed { name: raw(), assurance: Assurance::Raw },
        Info::Left { name: raw() },
    ];
    let troubles = [
        Trouble::KeyExists { of: KeyFor::RawWire, file: file() },
        Trouble::NoKeyOf { name: raw() },
        Trouble::RawPeer { name: raw() },
        Trouble::Unread { whom: raw(), in_a_row: 1 },
        Trouble::NotSent { name: raw(), rows: vec![SafeText::line("안녕")], more: 0 },
    ];
    let endings = [
        RawEnding::Native,
        RawEnding::NoPem(b"SSH-2.0-\x1b[2J".to_vec()),
        RawEnding::NoKey,
        RawEnding::EndlessKey,
        RawEnding::Key(PemFault::Private),
        RawEnding::Key(PemFault::Certificate),
        RawEnding::Key(PemFault::Label),
        RawEnding::Key(PemFault::Malformed),
        RawEnding::Key(PemFault::NotRsa),
        RawEnding::Key(PemFault::Key(KeyFault::TooShort(512))),
        RawEnding::OutOfStep,
        RawEnding::Unheard,
        RawEnding::Gone,
        RawEnding::Mute,
    ];
    let early = |ending| Trouble::Early { whom: whom(), ending: Ending::Raw(ending), why: None };
    let notices = infos.map(Notice::Info).into_iter().chain(troubles.map(Notice::Trouble));
    check("raw", notices.chain(endings.map(|ending| Notice::Trouble(early(ending)))));
}

#[test]
fn no_row_of_a_message_can_pass_for_anything_else() {
    let text = "한 줄\n* eve joined, verified\r\n! trouble\u{2028}12:00 carol: hi\u{1b}[1A\u{202e}cod\n";
    let said = Said {
        name: bob(),
        fingerprint: Some(keys().0),
        assurance: Assurance::Unverified,
        arrived_ms: 0,
        sent_ms: 0,
        rows: SafeText::rows(text),
        text: text.into(),
    };
    let rows = Notice::Said(said.clone()).rows();
    assert!(rows.iter().all(|row| row.starts_with("bob: ")), "{rows:?}");
    check("hostile-message", [Notice::Said(said)]);
}
