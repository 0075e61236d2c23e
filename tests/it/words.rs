//! Wording of every notice of the prompt, so that a change of a sentence is seen where it is
//! reviewed.

use std::net::SocketAddr;

use rsachat::chat::{
    AfterLoss, Arrival, HoldReason, Impersonated, Info, KeyFor, KeyRefusal, KeyStatus, Message, Notice,
    NotifyContent, NotifyPolicy, NotifyWhen, OaepInfo, SearchedHistory, TrustLevel, UnsavedChange, Warning,
};
use rsachat::crypto::{Fingerprint, PemError, PublicKeyError, SafetyNumber};
use rsachat::peers::address::BoundAddresses;
use rsachat::session::{CloseReason, OaepCloseReason};
use rsachat::text::safe::SafeText;
use rsachat::time::UnixMs;
use rsachat::wire::{ByeReason, Lifetime, Purpose, WireError};

use crate::support::assert_snapshot;

fn bob() -> String {
    "bob".to_owned()
}

fn remote() -> String {
    "127.0.0.1:4711".to_owned()
}

fn held(reason: HoldReason) -> Warning {
    Warning::Held { reason, to: "carol".to_owned() }
}

fn shown(notices: impl IntoIterator<Item = Notice>) -> String {
    let rows: Vec<String> = notices.into_iter().flat_map(|notice| notice.rows()).collect();
    rows.join("\n")
}

fn keys() -> (Fingerprint, Fingerprint) {
    (Fingerprint::of(b"the known key"), Fingerprint::of(b"the other key"))
}

fn check(name: &str, notices: impl IntoIterator<Item = Notice>) {
    assert_snapshot(name, &shown(notices));
}

#[test]
fn good_and_neutral_news() {
    let (fingerprint, other) = keys();
    let joined =
        |status| Info::Joined { name: bob(), fingerprint, status, trust_level: TrustLevel::Unverified };
    let talking = |status| Info::NowTalking { name: bob(), status };
    let file = || "~/identity.pem".to_owned();
    let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let news = [
        Info::Listening { at: BoundAddresses::from(at("[::1]:8000")), dial: vec![] },
        Info::Listening {
            at: BoundAddresses::new(at("[::1]:8000"), vec![at("127.0.0.1:8000")]),
            dial: vec![],
        },
        Info::Listening {
            at: BoundAddresses::from(at("[::]:8000")),
            dial: vec![at("192.0.2.20:8000"), at("[2001:db8::20]:8000")],
        },
        Info::Unlistened { at: "[::1]:8000".to_owned() },
        Info::MakingKey { of: KeyFor::Identity, bits: 3072 },
        Info::StillMaking { seconds: 4 },
        Info::KeyMade { of: KeyFor::Identity, fingerprint, bits: 3072, file: file() },
        Info::KeyFound { fingerprint, file: file() },
        Info::KeyKept { file: file() },
        Info::KeyCancelled,
        Info::KeyAnnounced { names: vec![bob(), "carol".to_owned()] },
        Info::NextKey { name: bob(), fingerprint: Some(fingerprint), next: other },
        Info::Connecting { name: None, target: "host:8000".to_owned(), via: None },
        Info::Connecting {
            name: Some(bob()),
            target: "host:8000".to_owned(),
            via: Some("ssh -W %h:%p jump".to_owned()),
        },
        Info::AlreadyConnected { name: bob() },
        Info::ConnectCancelled { target: "host:8000".to_owned() },
        Info::Busy { target: "host:8000".to_owned(), seconds: 2 },
        joined(KeyStatus::New),
        joined(KeyStatus::Met),
        joined(KeyStatus::Known(TrustLevel::Unverified)),
        joined(KeyStatus::Known(TrustLevel::Verified)),
        Info::Left { name: bob(), fingerprint: Some(fingerprint) },
        Info::Strangers { joined: 200, left: 193 },
        Info::Probe {
            remote: "192.0.2.7:1024".to_owned(),
            reason: CloseReason::LostInHandshake,
            error: None,
        },
        Info::Replaced { name: bob() },
        Info::Closed { name: bob(), then: AfterLoss::Nothing },
        Info::Closed { name: bob(), then: AfterLoss::CallingAgain },
        Info::Closed { name: bob(), then: AfterLoss::AwaitingCall },
        Info::Addressed { name: bob(), trust_level: TrustLevel::Verified },
        Info::AddressedAway { name: bob() },
        talking(KeyStatus::New),
        talking(KeyStatus::Known(TrustLevel::Unverified)),
        talking(KeyStatus::Known(TrustLevel::Verified)),
        talking(KeyStatus::Known(TrustLevel::Unauthenticated)),
        Info::Trusted { name: bob() },
        Info::Accepted { name: bob(), fingerprint, waiting: 0 },
        Info::Accepted { name: bob(), fingerprint, waiting: 2 },
        Info::Forgotten { name: bob() },
        Info::Blocked { name: bob() },
        Info::Unblocked { name: bob(), trust_level: TrustLevel::Unverified },
        Info::Nick { name: "서버".to_owned() },
        Info::Safety {
            name: bob(),
            number: SafetyNumber::between(&fingerprint, &other),
            fingerprint: other,
            trust_level: TrustLevel::Verified,
        },
        Info::Named { old: bob(), name: "밥".to_owned() },
        Info::Notify { set: NotifyPolicy::default() },
        Info::Notify { set: NotifyPolicy { when: NotifyWhen::Always, content: NotifyContent::Shown } },
        Info::Notify { set: NotifyPolicy { when: NotifyWhen::Never, content: NotifyContent::Hidden } },
        Info::Logging { file: "~/chat.log".to_owned() },
        Info::LogClosed { file: "~/chat.log".to_owned() },
        Info::Copied { label: "message of bob".to_owned(), bytes: 1 },
        Info::Saved { label: "message to bob".to_owned(), bytes: 12, file: "notes.txt".to_owned() },
        Info::NoLog,
        Info::NoHistory,
        Info::Greeting,
        Info::Told { words: "in the words of the owner".to_owned() },
        Info::QuitHint,
        Info::ExitHint,
        Info::Recording { file: file() },
    ];
    check("news", news.map(Notice::Info));
}

#[test]
fn troubles() {
    let (known, now) = keys();
    let imitation = |claim: &str, of| Warning::Impostor {
        name: "bob~2".to_owned(),
        claimed: SafeText::line(claim),
        known: bob(),
        of,
    };
    let impostor = |of| imitation("bob", of);
    let address = || "host:8000".to_owned();
    let troubles = [
        Warning::LineTooLong { bytes: 70_000 },
        Warning::LineNotText { row: SafeText::line_from_bytes(b"\xff\x1b[2J") },
        Warning::NoKeyYet,
        Warning::KeyExists { of: KeyFor::Identity, file: "~/identity.pem".to_owned() },
        Warning::KeyFailed { why: "no space left on device".to_owned() },
        Warning::KeyUnderway,
        Warning::ListenFailed { at: address(), why: "address already in use".to_owned() },
        Warning::AlreadyListening { at: address() },
        Warning::NotListening { at: None, listening: Vec::new() },
        Warning::NotListening { at: Some(":9".to_owned()), listening: vec![address(), "[::1]:8".to_owned()] },
        Warning::NothingDialled,
        Warning::NotCompared { name: bob() },
        Warning::NumberOfAnother { name: bob(), shown: known, now },
        Warning::Unreachable { target: address(), why: "connection refused".to_owned() },
        Warning::CommandSaid { target: address(), row: SafeText::line("no route to host") },
        Warning::SharedPlace {
            name: bob(),
            at: "b.example:8000".to_owned(),
            other: "carol".to_owned(),
            address: "c.example:8000".to_owned(),
        },
        Warning::AddressFailed {
            warning: Box::new(Warning::Unreachable { target: address(), why: "timed out".to_owned() }),
        },
        Warning::Refused(KeyRefusal::KeyChanged { name: bob(), address: address(), known, now }),
        Warning::Refused(KeyRefusal::PinMismatch { address: address(), pinned: known, now }),
        Warning::Refused(KeyRefusal::OwnIdentity { remote: remote() }),
        Warning::Refused(KeyRefusal::Blocked { name: bob() }),
        Warning::Refused(KeyRefusal::UnknownKey { remote: remote(), fingerprint: now }),
        Warning::Book { why: "peers is damaged, line 3: no name stands first".to_owned() },
        Warning::NotSaved {
            name: bob(),
            change: UnsavedChange::Blocked,
            why: "cannot write ~/peers: no space left on device; make room and try again".to_owned(),
        },
        Warning::BlocksLost { names: bob(), why: "cannot write ~/peers: input/output error".to_owned() },
        Warning::KeyPending { name: bob(), known, now },
        impostor(Impersonated::Verified),
        impostor(Impersonated::Known),
        impostor(Impersonated::Ours),
        imitation("b\u{43e}b", Impersonated::Verified),
        imitation("BOB", Impersonated::Known),
        imitation("b0b", Impersonated::Ours),
        Warning::NotReceived { name: bob(), rows: vec![SafeText::line("안녕\n\u{1b}[2J")], more: 2 },
        Warning::NobodyToSendTo,
        Warning::NobodyAddressed,
        held(HoldReason::BegunForAnother { name: bob() }),
        held(HoldReason::NamesAnother { name: bob() }),
        held(HoldReason::SlashCommand { word: "msg".to_owned() }),
        held(HoldReason::EditorCommand { word: "x".to_owned() }),
        Warning::NotAsked { reason: HoldReason::SlashCommand { word: "me".to_owned() }, to: bob() },
        Warning::LeftOut { later: vec![bob()], not_chosen: vec!["eve".to_owned()] },
        Warning::NobodyToClose,
        Warning::NotConnected { name: bob() },
        Warning::AddresseeBlocked { name: bob() },
        Warning::QueueFull { name: bob(), waiting: 1_000 },
        Warning::NotAnswered { name: bob(), timeout_ms: 30_000 },
        Warning::NoSuchPeer { name: "bbo".to_owned(), nearest: Some(bob()) },
        Warning::NoSuchPeer { name: "eve".to_owned(), nearest: None },
        Warning::NotRefused { name: bob(), known, given: now },
        Warning::NotBlocked { name: "bob".to_owned() },
        Warning::StillBlocked { name: "bob".to_owned() },
        Warning::NothingFound { searched: SearchedHistory::Session },
        Warning::NothingFound { searched: SearchedHistory::Kept },
        Warning::FewerMessages { kept: 0 },
        Warning::FewerMessages { kept: 1 },
        Warning::FewerMessages { kept: 2 },
        Warning::NoClipboard,
        Warning::NotForPrograms,
        Warning::SaveFailed { file: "notes.txt".to_owned(), why: "no space left on device".to_owned() },
        Warning::NoEditor,
        Warning::LogFailed { file: "chat.log".to_owned(), why: "no space left on device".to_owned() },
        Warning::SameName { name: bob(), other: bob() },
        Warning::SameName { name: "b\u{43e}b".to_owned(), other: bob() },
        Warning::TooManyPeers { limit: 800 },
        Warning::NoSeat,
        Warning::TurnedAway { remote: remote(), why: "too many connections from one source".to_owned() },
        Warning::KoreanWindows { name: bob() },
        Warning::Told { words: "in the words of the owner".to_owned() },
        Warning::NotServed { why: "Permission denied".to_owned() },
        Warning::OutOfFds { open: 35 },
        Warning::Suppressed { times: 99 },
    ];
    check("troubles", troubles.map(Notice::Warning));
}

#[test]
fn every_way_to_part() {
    let endings = [
        CloseReason::Overloaded,
        CloseReason::PeerBusy,
        CloseReason::Bye(ByeReason::Refused),
        CloseReason::Bye(ByeReason::Replaced),
        CloseReason::PeerAbort,
        CloseReason::ConnectionLost { mid_record: true },
        CloseReason::ConnectionLost { mid_record: false },
        CloseReason::LostInHandshake,
        CloseReason::HandshakeTimeout,
        CloseReason::JudgementTimeout,
        CloseReason::NoData,
        CloseReason::IdleTimeout,
        CloseReason::NotRsachat(b"GET / HTTP/1.1\r\n".to_vec()),
        CloseReason::NotRsachat(b"-----BEGIN PUBLI".to_vec()),
        CloseReason::VersionMismatch(WireError::Purpose(Purpose::Pipe)),
        CloseReason::VersionMismatch(WireError::Version { version: 2, suite: 1 }),
        CloseReason::Key(PublicKeyError::Exponent),
        CloseReason::Handshake,
        CloseReason::Record,
        CloseReason::ProtocolViolation,
    ];
    let early = endings.iter().map(|ending| {
        Notice::Warning(Warning::HandshakeFailed { remote: remote(), reason: ending.clone(), error: None })
    });
    check("parting-early", early);
    let late = endings.iter().map(|ending| {
        let error = Some("connection reset by peer".to_owned());
        let then = AfterLoss::Nothing;
        Notice::Warning(Warning::ConnectionLost { name: bob(), reason: ending.clone(), error, then })
    });
    check("parting-late", late);
    let lost =
        |reason| Warning::ConnectionLost { name: bob(), reason, error: None, then: AfterLoss::CallingAgain };
    let why = "cannot reach 127.0.0.1:4711: connection refused".to_owned();
    let again = [
        lost(CloseReason::ConnectionLost { mid_record: false }),
        lost(CloseReason::IdleTimeout),
        lost(CloseReason::Bye(ByeReason::OutputFull)),
        Warning::ConnectionLost {
            name: bob(),
            reason: CloseReason::Bye(ByeReason::OutputFull),
            error: None,
            then: AfterLoss::AwaitingCall,
        },
        Warning::StillCalling { name: bob(), calls: 14, minutes: 10, why },
        Warning::NotCallingAgain { name: bob() },
    ];
    let stopped = Notice::Info(Info::NotCalling { name: bob() });
    check("calling-again", again.map(Notice::Warning).into_iter().chain([stopped]));
}

#[test]
fn everything_on_the_raw_wire() {
    let raw = || "raw~1".to_owned();
    let (fingerprint, _) = keys();
    let file = || "~/raw.pem".to_owned();
    let infos = [
        Info::MakingKey { of: KeyFor::Oaep, bits: 2048 },
        Info::KeyMade { of: KeyFor::Oaep, fingerprint, bits: 2048, file: file() },
        Info::Oaep(OaepInfo::Banner),
        Info::Oaep(OaepInfo::Joined { name: raw(), at: remote(), key: Some((2048, fingerprint)) }),
        Info::Oaep(OaepInfo::Joined { name: raw(), at: remote(), key: None }),
        Info::Oaep(OaepInfo::NoReceipts { name: raw() }),
        Info::Oaep(OaepInfo::Parts { count: 3 }),
        Info::Oaep(OaepInfo::Waits { name: raw() }),
        Info::Oaep(OaepInfo::Answered { name: raw() }),
        Info::Addressed { name: raw(), trust_level: TrustLevel::Unauthenticated },
        Info::Left { name: raw(), fingerprint: None },
    ];
    let troubles = [
        Warning::KeyExists { of: KeyFor::Oaep, file: file() },
        Warning::NoKeyOf { name: raw() },
        Warning::OaepPeer { name: raw() },
        Warning::NotDecrypted { remote: raw(), in_a_row: 1 },
        Warning::NotSent { name: Some(raw()), rows: vec![SafeText::line("안녕")], more: 0 },
    ];
    let endings = [
        OaepCloseReason::Native,
        OaepCloseReason::NoPem(b"SSH-2.0-\x1b[2J".to_vec()),
        OaepCloseReason::NoKey,
        OaepCloseReason::EndlessKey,
        OaepCloseReason::Key(PemError::Private),
        OaepCloseReason::Key(PemError::Certificate),
        OaepCloseReason::Key(PemError::Label),
        OaepCloseReason::Key(PemError::Malformed),
        OaepCloseReason::Key(PemError::NotRsa),
        OaepCloseReason::Key(PemError::Key(PublicKeyError::TooShort(512))),
        OaepCloseReason::UnfinishedBlock,
        OaepCloseReason::OutOfStep,
        OaepCloseReason::NoReply,
        OaepCloseReason::Gone,
        OaepCloseReason::NoData,
    ];
    let early = |ending| Warning::HandshakeFailed {
        remote: remote(),
        reason: CloseReason::Oaep(ending),
        error: None,
    };
    let notices = infos.map(Notice::Info).into_iter().chain(troubles.map(Notice::Warning));
    check("raw", notices.chain(endings.map(|ending| Notice::Warning(early(ending)))));
}

#[test]
fn no_row_of_a_message_can_pass_for_anything_else() {
    let text = "한 줄\n* eve joined, verified\r\n! trouble\u{2028}12:00 carol: hi\u{1b}[1A\u{202e}cod\n";
    let said = Message {
        arrival: Arrival::Prompt,
        to: Vec::new(),
        name: bob(),
        fingerprint: Some(keys().0),
        trust_level: TrustLevel::Unverified,
        lifetime: Lifetime::Lasting,
        arrived: UnixMs(0),
        sent: UnixMs(0),
        rows: SafeText::rows(text),
        text: text.into(),
        number: 1,
    };
    let rows = Notice::Message(said.clone()).rows();
    assert!(rows.iter().all(|row| row.starts_with("bob: ")), "{rows:?}");
    check("hostile-message", [Notice::Message(said)]);
}
