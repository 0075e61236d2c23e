//! Conversations of `scripts/`: each passes, each has its transcript on record in `snapshots/`,
//! each transcript is a script that plays to itself, and together they show every command and every
//! notice.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use regex::Regex;
use rsachat::chat::command::COMMANDS;
use rsachat::script::{Directive, LineKind, Parser, Script, SourceFile, canonical};

use crate::support::{RSACHAT, read, root, with_snapshots};

const CONVERSATIONS: usize = 63;

/// The names of the files of a folder that end so, in order.
fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names
}

fn conversations() -> Vec<String> {
    names(&root("scripts"), ".chat")
}

/// What each script of a folder prints, by its name. One process plays them all, so that each key
/// is made once.
fn played(inside: &Path, folder: &str) -> BTreeMap<String, String> {
    let output = Command::new(RSACHAT).args(["replay", folder]).current_dir(inside).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stderr).unwrap();
    let number = names(&inside.join(folder), ".chat").len();
    assert!(told.starts_with(&format!("{number} passed, ")) && told.lines().count() == 1, "{told}");
    let mut rest = String::from_utf8(output.stdout).unwrap();
    let mut transcripts = BTreeMap::new();
    for name in names(&inside.join(folder), ".chat").into_iter().rev() {
        let header = format!("# {folder}/{name}\n");
        let at = rest.rfind(&header).unwrap_or_else(|| panic!("{name} was not played"));
        assert!(at == 0 || rest[..at].ends_with('\n'), "{name} begins within a line");
        transcripts.insert(name, rest[at + header.len()..].to_owned());
        rest.truncate(at);
    }
    assert!(rest.is_empty(), "before the first script stands {rest:?}");
    transcripts
}

fn transcripts() -> &'static BTreeMap<String, String> {
    static PLAYED: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    PLAYED.get_or_init(|| played(&root(""), "scripts"))
}

fn parsed(path: &Path) -> Script {
    let mut loader = |name: &str, by: &str| {
        let path = Path::new(by).with_file_name(name);
        Ok(SourceFile { name: path.display().to_string(), text: fs::read_to_string(path).unwrap() })
    };
    let source = SourceFile { name: path.display().to_string(), text: fs::read_to_string(path).unwrap() };
    match Parser::new(&mut loader).parse(&source) {
        Ok(script) => script,
        Err((_, faults)) => panic!("{}: {faults:?}", path.display()),
    }
}

fn scripts() -> Vec<(String, Script)> {
    let parse = |name: String| (name.clone(), parsed(&root("scripts").join(&name)));
    conversations().into_iter().map(parse).collect()
}

#[test]
fn every_conversation_passes_and_its_transcript_is_the_one_on_record() {
    with_snapshots(|| {
        insta::glob!("../../scripts", "*.chat", |path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap();
            insta::assert_snapshot!("replay", transcripts()[name]);
        });
    });
}

#[test]
fn a_transcript_plays_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again");
    fs::create_dir(&again).unwrap();
    for (name, transcript) in transcripts() {
        fs::write(again.join(name), transcript).unwrap();
    }
    let once_more = played(folder.path(), "again");
    for (name, transcript) in transcripts() {
        assert!(once_more[name] == *transcript, "{name} again:\n{}", once_more[name]);
    }
}

#[test]
fn every_transcript_on_record_has_its_script() {
    let known: BTreeSet<String> =
        conversations().into_iter().map(|name| format!("replay@{name}.snap")).collect();
    let kept: BTreeSet<String> = names(&root("snapshots"), ".chat.snap").into_iter().collect();
    assert_eq!(kept, known);
}

#[test]
fn a_conversation_says_what_it_tells_and_is_written_in_the_canonical_form() {
    let scripts = scripts();
    assert!(scripts.len() >= CONVERSATIONS, "only {} conversations", scripts.len());
    // The six that the language was designed with.
    for name in ["hello", "keys", "exit", "changed", "long", "vanish"] {
        assert!(root("scripts").join(name).with_extension("chat").is_file(), "{name} is missing");
    }
    for (name, script) in &scripts {
        let text = &script.sources[0].text;
        let story = format!("# {}: ", name.trim_end_matches(".chat"));
        assert!(text.starts_with(&story), "{name} does not begin with {story:?}");
        assert_eq!(canonical(script), *text, "{name}: `rsachat replay --fmt` writes it so");
        // The one whose subject is the making of keys has a seed under which primes come soon.
        let seed = if name == "keys.chat" { 4 } else { 7 };
        let seeded =
            |kind: &LineKind| matches!(kind, LineKind::Directive(Directive::Seed(given)) if *given == seed);
        assert!(script.lines.iter().any(|line| seeded(&line.kind)), "{name} makes keys of its own");
    }
}

#[test]
fn every_command_of_the_prompt_is_typed_in_a_conversation() {
    let all: String = transcripts().values().map(String::as_str).collect();
    for entry in &COMMANDS {
        // Carried out, not asked about: as a whole word after a prompt.
        let typed = Regex::new(&format!(r"(?m)^[^>|\s]*> :{}( |$)", entry.name)).unwrap();
        assert!(typed.is_match(&all), "nobody types :{}", entry.name);
    }
}

/// Each notice of `src/chat/notice.rs` that a closed world can bring about, and what it looks like
/// on a screen.
const SEEN: &[(&str, &str)] = &[
    ("Listening", r"\* listening on "),
    ("Unlistened", r"\* no longer listening on \S+; connected peers stay connected$"),
    ("NotListening", r"! you are not listening on :9, but on \S+ and \S+$"),
    ("NotListening", r"! you are not listening; :listen PORT waits for callers$"),
    ("NothingDialled", r"! nobody has been called in this session yet; "),
    ("MakingKey", r"\* generating a 3072-bit key; "),
    ("KeyMade", r"\* new 2048-bit key, SHA256:"),
    ("KeyFound", r"\* using the key SHA256:\S+ from ~/"),
    ("KeyAnnounced", r"\* announced the next key to bob$"),
    ("NextKey", r"\* alice says that the next key is SHA256:\S+; "),
    ("KeyKept", r"\* the old key is kept as ~/"),
    ("Connecting", r"\* connecting to "),
    ("Connecting", r"\* connecting to alice at \S+; Ctrl-C cancels$"),
    ("AlreadyConnected", r"\* alice is already connected; plain text goes to alice$"),
    ("Joined", r"\* bob joined, new key .*, unverified; compare with "),
    ("Joined", r"\* bob joined, known key, unverified$"),
    ("Joined", r"\* bob joined, verified$"),
    ("Joined", r"\* bob joined by your invitation, new key .*, unverified; compare with "),
    ("Joined", r"\* alice joined, key as in the invitation, unverified; compare with :verify alice$"),
    ("InvitationMade", r"\* invitation 1 for bob, once, open for 24 h \(:invite drop 1 takes it back\):$"),
    ("InvitationMade", r"\* rsachat://alice@127\.0\.0\.1:\S+/\?i=[\w-]{22}#SHA256:\S{43}$"),
    ("InvitationDropped", r"\* invitation 2 is taken back; who has come by it stays in your book$"),
    ("InvitationNone", r"\* no invitation is open; :invite makes one$"),
    ("InvitationNoAddress", r"! not invited: nobody could call; "),
    ("InvitationNoSuchInvitation", r"! there is no invitation 9; "),
    ("InvitationNotTaken", r"! carol came with an invitation that somebody else has used before: SHA256:"),
    (
        "InvitationNotTaken",
        r"! carol came with an invitation that is not kept here, or not any more: SHA256:",
    ),
    ("InvitationNotTaken", r"! carol came with an invitation that has expired: SHA256:"),
    ("InvitationNobodyKnocks", r"! no stranger 2 waits; it may have left$"),
    ("LobbyKnocks", r#"\* a stranger knocks: SHA256:\S{43}, "나야, bob" \(:admit 1, :refuse 1\)$"#),
    ("LobbyKnocked", r"\* knocked at \S+; somebody there has 60 s to answer, Ctrl-C gives up$"),
    ("LobbyGone", r"\* stranger 1 is admitted$"),
    ("LobbyGone", r"\* stranger 2 is refused$"),
    ("LobbyGone", r"\* stranger 3 is gone: nobody has answered in 60 s$"),
    ("LobbyGone", r"\* stranger 4 has left without waiting$"),
    ("HandshakeFailed", r"! \S+ does not take this invitation: "),
    ("HandshakeFailed", r"! \S+ does not admit you$"),
    ("Held", r"! this is an invitation of alice at \S+: Enter connects, "),
    ("Left", r"\* bob left$"),
    ("Replaced", r"\* bob reconnected; "),
    ("Closed", r"\* conversation with bob closed$"),
    ("Addressed", r"\* plain text now goes to "),
    ("AddressedAway", r"\* plain text now goes to bob, who is away; "),
    ("AddressedLater", r"\* plain text now goes to bob, who is away; it is kept until "),
    ("Queued", r"\* queued; bob gets it when you are both connected \(:outbox\)$"),
    ("GoesOut", r"\* bob is back; sending 1 line$"),
    ("GoesOut", r"\* bob is back; sending 3 lines$"),
    ("NotChosen", r"\* alice has not chosen you yet: your lines are kept here only$"),
    ("LeftWaiting", r"\* 1 line waits for bob; the next prompt or rsachat serve sends it when "),
    ("KeptOnceChosen", r"\* :to bob keeps your lines until bob has them$"),
    ("KeepsNothing", r"\* bob's program keeps nothing; "),
    ("NothingWaits", r"\* no messages are waiting$"),
    ("TakenBack", r"\* 2 to bob was dropped; it was never sent$"),
    ("TakenBack", r"\* 2–3 to 민지 were dropped; they were never sent$"),
    ("Settled", r"\* 1 to bob was taken back in time: it never arrived$"),
    ("Settled", r"\* 4 to bob was taken back too late: it had already arrived$"),
    ("TakenBack", r"\* 1 to bob was taken back; when you next connect, "),
    ("NowTalking", r"\* you are now talking to bob \(new key, not verified\)$"),
    (
        "HistoryStays",
        r"\* the conversation with alice stays, if it was kept; rsachat history delete --peer SHA256:",
    ),
    ("Trusted", r"\* bob is marked verified$"),
    ("Accepted", r"\* SHA256:\S+ is now the key of alice, "),
    ("Forgotten", r"\* bob is forgotten$"),
    ("Blocked", r"\* bob is blocked; "),
    ("Unblocked", r"\* bob is no longer blocked, "),
    ("Nick", r"\* new connections will know you as "),
    ("Safety", r"\* safety number with bob: [0-9]{5} "),
    ("Named", r"\* bob is now called 밥$"),
    ("Notify", r"\* you are notified of messages with your name; the text is not shown$"),
    ("Logging", r"\* logging to talk.log; "),
    ("LogClosed", r"\* stopped logging to talk.log$"),
    ("Saved", r"\* message of bob \(14 bytes\) saved as code.txt$"),
    ("SaveFailed", r"! the message was not saved as full: no space left on device$"),
    ("FewerMessages", r"! there are only 2 messages; nothing was copied or saved$"),
    ("NoClipboard", r"! nothing was copied: no terminal with a clipboard is here; "),
    ("NoLog", r"\* there is no log; "),
    ("ExitHint", r"\* to leave, type :quit or press Ctrl-D$"),
    ("NoHistory", r"\* nothing has been said in this session yet$"),
    ("KeyPending", r"! alice presented a different key from the one that you know; "),
    ("NotBlocked", r"! bob is not blocked; nothing was changed$"),
    ("StillBlocked", r"! bob is blocked; :unblock bob first$"),
    ("NothingFound", r"! no match in this (session|or earlier sessions)$"),
    ("NoSuchMessage", r"! message 99 is not kept; "),
    ("NoEditor", r"! `:edit` needs a terminal "),
    ("Notify", r"\* you are notified of every message; the text is shown$"),
    ("QuitHint", r"\* `exit` was sent as text; "),
    ("CommandError", r"! no such command :"),
    ("LineTooLong", r"! a line of [0-9]+ bytes is too long "),
    ("NoKeyYet", r"! no key yet; "),
    ("KeyExists", r"! there is a key in ~/"),
    ("KeyFailed", r"! no new key: cannot use ~/"),
    ("AlreadyListening", r"! you are already listening on .*$"),
    ("ListenFailed", r"! cannot listen on .*: address already in use$"),
    ("Unreachable", r"! cannot reach .*: connection refused$"),
    ("SharedPlace", r"! \S+ leads to where alice answered as \S+, with another key; "),
    ("AddressFailed", r"! cannot reach \S+: connection refused$"),
    ("RefusedKeyChanged", r"! the key at \S+ has CHANGED; "),
    ("RefusedPinMismatch", r"! \S+ has a different key from the pinned one; "),
    ("RefusedOwnIdentity", r"! \S+ uses your own identity; "),
    ("RefusedBlocked", r"! bob is blocked and was refused; "),
    ("RefusedUnknownKey", r"! refused an unknown key from carol: SHA256:"),
    ("Book", r"! ~/peers is damaged, line 2: "),
    ("SameClaim", r"\* two callers claim to be bob; compare keys$"),
    ("Impostor", r"! bob~2 claims to be bob; it is not the bob you know$"),
    ("Impostor", r"! WARNING: Bob~3 claims to be Bob, which only looks like bob; it is NOT "),
    ("Impostor", r"! alice~2 claims to be alice, which is your own name$"),
    ("HandshakeFailed", r"! \S+ did not finish the handshake in 10 s$"),
    ("HandshakeFailed", r"! \S+ refused the handshake: "),
    ("Probe", r"\* \S+ does not speak rsachat; .*; more like this are only counted \(:status\)$"),
    ("HandshakeFailed", r"! \S+ is not compatible: "),
    ("HandshakeFailed", r"! the handshake with \S+ failed; "),
    ("HandshakeFailed", r"! \S+ hung up during the handshake$"),
    ("ConnectionLost", r"! lost alice: connection cut; calling again \(:close alice stops that\)$"),
    ("CallsStand", r"\* calling 민지 again, as before rsachat ended \("),
    ("NotCalling", r"\* no longer calling 민지$"),
    ("StillCalling", r"! still calling 민지 \(13 calls in 10 min\): cannot reach "),
    ("NotCallingAgain", r"! not calling 민지 again; :connect 민지 does that$"),
    ("ConnectionLost", r"! lost bob in the middle of a message$"),
    ("ConnectionLost", r"! lost bob: connection cut \(connection reset by peer\)$"),
    ("ConnectionLost", r"! lost bob: nothing heard for 60 s; "),
    ("ConnectionLost", r"! lost bob: a record failed authentication; "),
    ("ConnectionLost", r"! lost bob: it violated the protocol; "),
    ("ConnectionLost", r"! alice no longer accepts this key$"),
    ("ConnectionLost", r"! alice closed this connection: "),
    ("NotReceived", r"! not acknowledged by bob:$"),
    ("NotReceived", r"!   … and 1 more$"),
    ("NobodyToSendTo", r"! not sent: nobody is connected; "),
    ("NobodyAddressed", r"! not sent: nobody is addressed; "),
    ("Held", r"! /msg is text here; .*: Enter sends to carol, "),
    ("Held", r"! plain text goes to carol, and @bob TEXT to bob: Enter sends to carol, "),
    ("LeftOut", r"! not sent to carol \(joined after the line was begun\) and dave "),
    ("NobodyToClose", r"! no such conversation is open; "),
    ("NotConnected", r"! bob is not connected; nothing was sent; :peers shows where to call$"),
    ("AddresseeBlocked", r"! bob is blocked; nothing was sent; :unblock bob first$"),
    ("NotKept", r"! not kept: .*; nothing was sent to bob$"),
    ("NotKeptFrom", r"! what bob sends cannot be kept: .*; it waits on bob's side until there is room$"),
    ("NotInOutbox", r"! no line 9 waits for bob; "),
    ("History", r"\* messages exchanged with peers in your book stay on disk, sealed, "),
    ("History", r"\* messages are forgotten at the end of the session; "),
    ("NothingIsKept", r"! nothing is kept here: "),
    ("Expired", r#"\{.*"kind":"expired","message":"2 to alice was taken back: it has expired""#),
    ("LinesWait", r"! 3 lines wait for bob, who was not forgotten; "),
    ("StoreUnusable", r"! messages are not kept: cannot write ~/store.redb: no space left on device; "),
    ("StoreOpened", r"\* the message store is open: messages are kept from now on$"),
    ("OlderThanPeer", r"! this home is older than what bob has; "),
    ("MissingHere", r"! 2 lines of bob \(2–3\) were received here once and are no longer in this home$"),
    ("MissingHere", r"! line 2 of bob was received here once and is no longer in this home$"),
    ("PeerOlder", r"! the home of alice is older than what you have exchanged; "),
    ("TwoPlaces", r"! you or alice seem to be in two places: "),
    ("NotAnswered", r#"\{.*"kind":"not_answered","message":"bob has not answered in 30 s""#),
    ("QueueFull", r"! not sent: [0-9]+ messages already wait for bob$"),
    ("NoSuchPeer", r"! no peer is named dave; "),
    ("NoSuchPeer", r"! no peer is named bbo \(did you mean bob\?\)$"),
    ("NotCompared", r"! bob is not marked verified yet: "),
    ("NumberOfAnother", r"! the number that :verify alice showed belongs to another key; "),
    ("NotRefused", r"! no such key was refused for alice; "),
    ("SameName", r"! a peer named alice already exists; "),
    ("TurnedAway", r"! turned away bob: this address calls "),
    ("Suppressed", r"! … and 1 more like this$"),
    ("RawBanner", r"\* raw wire: no authentication, "),
    ("RawJoined", r"\* raw~1 is at .*, raw, 2048-bit key SHA256:"),
    ("RawJoined", r"\* raw~1 is at .*, raw, without a key: "),
    ("RawNoReceipts", r"\* sent to raw~1; the raw wire acknowledges nothing"),
    ("RawParts", r"\* sent as 3 parts$"),
    ("RawWaits", r"\* raw~1 takes one line at a time: "),
    ("NoKeyOf", r"! not sent: raw~1 gave no key, "),
    ("OaepPeer", r"! raw~1 is on the raw wire, "),
    ("NotDecrypted", r"! a message from raw~1 could not be read "),
    ("NotSent", r"! not sent to raw~1:$"),
    ("HandshakeFailed", r"! \S+ speaks the raw wire; "),
    ("HandshakeFailed", r"! \S+ speaks rsachat's own wire, this is the raw one; "),
    ("HandshakeFailed", r"! \S+ said nothing and did not finish the handshake in 10 s; "),
    ("HandshakeFailed", r"! \S+ sent no public key; "),
    ("HandshakeFailed", r"! \S+ did not continue the handshake within 60 s$"),
    ("FileOffered", r"\* offered photos/, 2 files, 73.0 KiB to bob \(:cancel 2\)$"),
    ("FileOffered", r"\* bob is away; notes.txt, 23 bytes is offered when you are both connected "),
    ("FileOffers", r"\* alice offers notes.txt, 23 bytes \(:accept 1, :decline 1\)$"),
    ("FileTaken", r"\* bob takes notes.txt$"),
    ("FileTakenLater", r"\* alice is away; 10 comes when you are both connected$"),
    ("FileTakenAlready", r"\* 7 is accepted already "),
    ("FileNotTaken", r"\* declined movie.mkv from alice$"),
    ("FileDelivered", r"\* bob has movie.mkv "),
    ("FileReceived", r"\* received ~/inbox/notes \(2\).txt from alice "),
    ("FileCancelled", r"\* cancelled movie.mkv with alice$"),
    ("FileCancelled", r"! alice cancelled draft.txt: it changed since it was offered, "),
    ("FileExpired", r"\* the offer of notes.txt has ended: nothing of it has moved for seven days "),
    ("FileDropped", r"\* dropped 1 offer between you and bob$"),
    ("FileLeftUnfinished", r"\* album to bob has not arrived yet; the next prompt or rsachat serve goes on "),
    ("FileNoTransfers", r"\* no files are offered$"),
    ("FileListedLater", r"\* alice is away; what is in 3 is listed when you are both connected$"),
    ("FileNotOffered", r"! nothing.txt is not offered: "),
    ("FileRawWire", r"! the raw wire carries no files$"),
    ("FileStopped", r"! movie.mkv has stopped: there is no room for it; "),
    ("FileNotFinished", r"! movie.mkv from alice has stopped: no room is left in ~/inbox; "),
    ("FileDeclined", r"! bob declined movie.mkv$"),
    ("FileSourceFailed", r"! draft.txt was not sent: "),
    ("FileNotAccepted", r"! notes.txt from alice is not accepted yet: there is no folder "),
    ("FileNoSuchTransfer", r"! no offer has the number 99; "),
    ("FileArrived", r"! 5 has arrived already: it is ~/mine.txt$"),
    ("FileDeclinedBefore", r"! 3 was declined; "),
    ("FileCancelledBefore", r"! 3 was cancelled; "),
    ("FileOwnOffer", r"! 7 is your own offer; "),
];
/// Notices that no script can bring about, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("CommandSaid", "a script has no proxies"),
    ("RefusedWrongPeer", "only `pipe`, `send` and `recv` ask for a person by name"),
    ("OutboxFull", "it takes 10,000 lines"),
    ("NotInTime", "what is on the disk of an actor is shown at once"),
    ("DeliveredAlready", "what is on the disk of an actor is shown at once"),
    ("AtRelay", "a script has no relay"),
    ("RelayHolds", "a script has no relay"),
    ("Dropped", "no process serves the homes of a script"),
    ("NotTakenBack", "a full disk takes what is taken back"),
    ("StoreDamaged", "a replay keeps messages in memory"),
    ("HistoryUnreadable", "a replay keeps messages in memory"),
    ("NotInHistory", "the programs of actors keep messages for each other"),
    ("RefusedNotVerified", "only `pipe`, `send` and `recv` ask for verified peers"),
    ("AddressMoved", "it takes two peers at one address"),
    ("NewSender", "only `send` makes a short-lived connection"),
    ("TooManySenders", "only `send` makes a short-lived connection"),
    ("NotAsked", "who types in a script can be asked"),
    ("InvitationNotAsked", "who types in a script can be asked"),
    ("InvitationTooMany", "it takes 64 invitations"),
    ("InvitationNotMade", "the home of an actor can be written"),
    ("InvitationNotDropped", "the home of an actor can be written"),
    ("InvitationNotAdmitted", "the home of an actor can be written"),
    ("InvitationLobbyFull", "it takes nine callers"),
    ("MetBefore", "the books of actors are of today"),
    ("NotSaved", "the home of an actor can be written"),
    ("BlocksLost", "the home of an actor can be written"),
    ("StillMaking", "keys are made between two moments of the virtual clock"),
    ("KeyUnderway", "keys are made between two moments of the virtual clock"),
    ("KeyCancelled", "Ctrl-C is a key, not a line"),
    ("ConnectCancelled", "Ctrl-C is a key, not a line"),
    ("Told", "no process serves the homes of a script"),
    ("Greeting", "it is for a person at an editor"),
    ("LineNotText", "a script is UTF-8"),
    ("TooManyPeers", "it takes 1,024 connections"),
    ("NoSeat", "it takes 32 callers"),
    ("Strangers", "it takes nine callers"),
    ("Busy", "it takes 33 callers at once"),
    ("KoreanWindows", "a script is UTF-8"),
    ("Copied", "no terminal is in a script"),
    ("NotForPrograms", "no process serves the homes of a script"),
    ("LogFailed", "a script writes no log"),
    ("NotServed", "no process serves the homes of a script"),
    ("OutOfFds", "descriptors are the machine's"),
    ("Recording", "`--record` is an option of the prompt"),
    ("FileSkipped", "no links are in a script"),
    ("FileOfferedAlready", "only `send --file` goes on with what is offered already"),
    ("FileTaking", "only `recv` and the setting `take` accept files without a user"),
    ("FileTooLarge", "only `recv` and the setting `take` accept files without a user"),
    ("FileTakesNoFiles", "each program of a script takes files"),
    ("FileNotReceived", "what an actor receives can be written"),
    ("RelayConnected", "no relay is in a script"),
    ("RelayLost", "no relay is in a script"),
    ("RelayNotLeft", "no relay is in a script"),
    ("RelayNamedRelay", "no invitation of a script names a relay"),
    ("RelayNoFirstLetter", "no relay is in a script"),
    ("RelayFirstLetters", "no relay is in a script"),
    ("RelayAnswered", "no relay is in a script"),
    ("RelayIntroduced", "no relay is in a script"),
    ("RelayNoBundle", "no relay is in a script"),
    ("RawAnswered", "only the tutorial's server answers what nobody can read; ours does not"),
];

#[test]
fn every_notice_that_can_come_up_is_seen_in_a_conversation() {
    let all: String = transcripts().values().map(String::as_str).collect();
    for (_, pattern) in SEEN {
        let row = Regex::new(&format!(r"(?m)^[^>|\s]*\| {pattern}")).unwrap();
        assert!(row.is_match(&all), "nobody sees {pattern}");
    }

    let sources =
        ["notice", "trust_policy", "lobby", "relays"].map(|name| read(&format!("src/chat/{name}.rs")));
    let source = sources.concat();
    let variant = Regex::new(r"(?m)^    ([A-Z]\w*)(?: \{|,$)").unwrap();
    let of = |name: &str| -> BTreeSet<String> {
        let (_, body) = source.split_once(&format!("pub enum {name} {{")).unwrap();
        let body = body.split("\n}").next().unwrap();
        variant.captures_iter(body).map(|found| found[1].to_owned()).collect()
    };
    let raw = of("OaepInfo").into_iter().map(|name| format!("Raw{name}"));
    let refused = of("KeyRefusal").into_iter().map(|name| format!("Refused{name}"));
    let kept = of("DeliveryInfo").into_iter().chain(of("DeliveryWarning"));
    let files = of("FileInfo").into_iter().chain(of("FileWarning")).map(|name| format!("File{name}"));
    let lobby = of("LobbyInfo").into_iter().map(|name| format!("Lobby{name}"));
    let invitations = of("InvitationsInfo").into_iter().chain(of("InvitationWarning"));
    let invitations = invitations.map(|name| format!("Invitation{name}"));
    let relays = of("RelayInfo").into_iter().map(|name| format!("Relay{name}"));
    let nested = raw.chain(refused).chain(kept).chain(files).chain(lobby).chain(invitations).chain(relays);
    let all_there_are: BTreeSet<String> = of("Info").into_iter().chain(of("Warning")).chain(nested).collect();
    let accounted: BTreeSet<String> = SEEN.iter().chain(UNSEEN).map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(accounted, all_there_are, "each notice is in SEEN or in UNSEEN");
}
