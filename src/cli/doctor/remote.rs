//! What is looked at on the way to another machine: name, addresses, who answers, and whether each side would take
//! the other's key.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Doctor;
use super::probe::{Caller, KeyDecision, ProbeOutcome, ProbeResult, call};
use super::report::{DoctorReport, Finding};
use crate::app::error::describe;
use crate::app::error::{AppError, code};
use crate::app::keyring;
use crate::app::resolve::of_family;
use crate::chat::display::version_and_suite;
use crate::chat::{AcceptPolicy, DialOptions, Origin, Protocol, Refusal, Warning, judge};
use crate::crypto::{Identity, PublicKey};
use crate::limits::{ADDRESSES_TRIED, HANDSHAKE_TIMEOUT_MS, KEY_BITS_MIN, LOOKUP_TIMEOUT_MS};
use crate::net::Net;
use crate::net::background::BackgroundTask;
use crate::peers::address::Target;
use crate::peers::book::{Book, Trust};
use crate::session::CloseReason;
use crate::text::safe::SafeText;
use crate::wire::{Purpose, WireError};

/// Bytes of a stranger's first words that are shown.
const SHOWN_BYTES: usize = 80;

/// Looks at everything on the way to `target`.
pub(crate) fn look(
    doctor: &Doctor<'_>,
    net: &mut Net,
    target: &Target,
    book: Option<&Book>,
    report: &mut DoctorReport,
) -> Result<(), AppError> {
    let addrs = match look_up(doctor, net, target) {
        Ok(addrs) => addrs,
        Err(finding) => return report.add(&finding),
    };
    if target.host.parse::<std::net::IpAddr>().is_err() {
        let list: Vec<_> = addrs.iter().map(|addr| addr.ip().to_string()).collect();
        report.add(&Finding::ok("name", format!("{} is {}", target.host, list.join(", "))))?;
    }
    let caller = caller(doctor)?;
    let judge = |key: &PublicKey| match (&doctor.own, book) {
        (Some(_), Some(book)) if objection(doctor, book, target, key).is_ok() => KeyDecision::GoOn,
        _ => KeyDecision::HangUp,
    };
    let mut failed = Vec::new();
    for addr in addrs {
        let seen = call(net, addr, &caller, &judge)?;
        if let ProbeOutcome::Unreachable(error) = &seen.outcome {
            failed.push((addr, describe(error), error.kind()));
            continue;
        }
        for (addr, why, _) in &failed {
            let finding = Finding::warning("address", format!("{addr} cannot be reached: {why}"));
            report.add(&finding.advise("each call tries it first and loses time; -4 or -6 chooses"))?;
        }
        report.add(&Finding::ok("address", format!("{addr} takes the call")))?;
        for finding in heard(doctor, target, book, &seen) {
            report.add(&finding)?;
        }
        return Ok(());
    }
    for (addr, why, kind) in failed {
        let finding = Finding::problem(code::MACHINE, "address", format!("{addr} cannot be reached: {why}"));
        report.add(&finding.advise(unreached(kind)))?;
    }
    Ok(())
}

fn objection(doctor: &Doctor<'_>, book: &Book, target: &Target, key: &PublicKey) -> Result<(), Refusal> {
    let own = doctor.own.as_ref().map(|own| own.public().fingerprint());
    let (accept, protocol) = (AcceptPolicy::Anyone, Protocol::Native);
    let target = target.clone();
    let dial = DialOptions { target, family: doctor.family, pin: doctor.pin, accept, protocol };
    judge(book, own, &Origin::Outbound(dial), key.fingerprint())
}

/// Who we are to the other side. Without a key of our own, one for this call alone: it is never sent, since
/// the other side's key comes first and we go no further.
fn caller(doctor: &Doctor<'_>) -> Result<Caller, AppError> {
    let made = || Identity::generate(KEY_BITS_MIN, &mut keyring::seed().rng("key")).map(Arc::new);
    let identity = doctor.own.clone().map_or_else(made, Ok);
    let identity = identity.map_err(|error| AppError::new(code::FAILED, error.to_string()))?;
    Ok(Caller { identity, name: doctor.name.clone() })
}

fn look_up(doctor: &Doctor<'_>, net: &mut Net, target: &Target) -> Result<Vec<SocketAddr>, Finding> {
    let failed = |why: &str| {
        Finding::problem(code::MACHINE, "name", format!("{} has no address: {why}", target.host)).advise(
            "check the spelling and the network, or use the number that the other side's `ip address` shows",
        )
    };
    let (host, port) = (target.host.clone(), target.port);
    let work = move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    let errand =
        BackgroundTask::start("lookup", net.waker(), work).map_err(|error| failed(&describe(&error)))?;
    let patience = Instant::now() + Duration::from_millis(LOOKUP_TIMEOUT_MS);
    let found = loop {
        match errand.finished() {
            Some(Ok(found)) => break found,
            Some(Err(panicked)) => return Err(failed(&panicked.to_string())),
            None if Instant::now() >= patience => break Err(io::ErrorKind::TimedOut.into()),
            None => net.wait(Some(patience), &mut Vec::new()).map_err(|error| failed(&describe(&error)))?,
        }
    };
    let mut addrs = found.map_err(|error| failed(&describe(&error)))?;
    addrs.retain(|addr| of_family(*addr, doctor.family));
    addrs.truncate(ADDRESSES_TRIED);
    if addrs.is_empty() {
        return Err(failed("it has none of that kind").advise("leave -4 or -6 out"));
    }
    Ok(addrs)
}

fn unreached(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => {
            "the machine is there, but nobody listens on that port, or its firewall says no: on the other side, \
             rsachat --listen PORT, then call the port that it prints"
        }
        io::ErrorKind::TimedOut => {
            "no answer at all: the machine is off, the address is another one, or a firewall or router on the way \
             drops the call; behind a router, the other side has to forward the port"
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "this machine knows no way there: check its own network, and -4 where it has no IPv6"
        }
        _ => "check the address and the network",
    }
}

/// What is to be said of who answered.
fn heard(doctor: &Doctor<'_>, target: &Target, book: Option<&Book>, seen: &ProbeResult) -> Vec<Finding> {
    match (&seen.outcome, &seen.met) {
        (_, Some(key)) => native(doctor, target, book, key, seen),
        (ProbeOutcome::SpokeFirst | ProbeOutcome::Ended(CloseReason::NotRsachat(_), _), None) => vec![stranger(&seen.heard)],
        (ProbeOutcome::Ended(CloseReason::VersionMismatch(error), _), None) => vec![mismatch(*error)],
        (ProbeOutcome::Ended(CloseReason::NoData, _), None) => vec![
            Finding::problem(code::LOST, "answer", format!("it takes calls but says nothing, for {} s", HANDSHAKE_TIMEOUT_MS / 1_000))
                .advise("something that is no rsachat may listen there, or it hangs: check the port with the other side"),
        ],
        (ProbeOutcome::HungUp, None) => vec![
            Finding::problem(code::LOST, "answer", "it hung up before anybody spoke")
                .advise("it may have too many callers, or turn this address away: try again, then ask the other side"),
        ],
        (ProbeOutcome::Ended(ending, why), None) => vec![ended("answer", target, ending, why.as_deref())],
        (ProbeOutcome::Unreachable(_) | ProbeOutcome::Stopped | ProbeOutcome::Agreed, None) => Vec::new(),
    }
}

/// Somebody who is no rsachat, by the first words.
fn stranger(heard: &[u8]) -> Finding {
    let first = heard.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let shown = SafeText::line_from_bytes(first.get(..SHOWN_BYTES).unwrap_or(first));
    let begins = format!("it begins with \"{shown}\"");
    let not = |what: &str| {
        Finding::problem(code::REFUSED, "answer", format!("{what}, not an rsachat: {begins}"))
            .advise("check the port with the other side")
    };
    match heard {
        [b'-', b'-', b'-', b'-', b'-', b'B', b'E', b'G', b'I', b'N', ..] => {
            let found = format!("a PEM key, so it speaks the raw wire of the Python tutorial: {begins}");
            Finding::problem(code::REFUSED, "answer", found)
                .advise("call it with --wire oaep, which authenticates nobody, or have the other side listen without that")
        }
        [b'S', b'S', b'H', b'-', ..] => not("an SSH server"),
        [b'H', b'T', b'T', b'P', b'/', ..] => not("a web server"),
        [0x15 | 0x16, 3, ..] => not("something that speaks TLS"),
        _ => not("something else"),
    }
}

fn mismatch(error: WireError) -> Finding {
    let problem = |found: String| Finding::problem(code::REFUSED, "answer", found);
    match error {
        WireError::Purpose(Purpose::Pipe) => {
            problem("an rsachat that waits for a pipe, not for a conversation".to_owned())
                .advise("call it with rsachat pipe, or have the other side start rsachat --listen PORT")
        }
        WireError::Purpose(theirs) => problem(format!("an rsachat that wants a {theirs}")),
        error => problem(format!("an rsachat of another kind: {error}; this is {}", version_and_suite()))
            .advise("both sides need versions of rsachat that fit: compare rsachat --version"),
    }
}

/// An rsachat whose key is known: versions and purposes agree.
fn native(
    doctor: &Doctor<'_>,
    target: &Target,
    book: Option<&Book>,
    key: &PublicKey,
    seen: &ProbeResult,
) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(
        "answer",
        format!("an rsachat, protocol {}, for conversations", version_and_suite()),
    )];
    findings.push(trust(doctor, target, book, key));
    findings.push(match &seen.outcome {
        ProbeOutcome::Agreed => Finding::ok("handshake", "done; the other side takes your key").advise(
            "we hung up before the conversation stood; the other side may see a handshake that ended",
        ),
        ProbeOutcome::Ended(CloseReason::PeerAbort, _) => {
            let problem = Finding::problem(code::REFUSED, "handshake", "the other side refuses your key");
            match &doctor.own {
                Some(own) => problem.advise(format!(
                    "it takes known keys only, or has blocked yours; tell it your fingerprint, {}",
                    own.public().fingerprint()
                )),
                None => problem,
            }
        }
        ProbeOutcome::Ended(ending, why) => ended("handshake", target, ending, why.as_deref()),
        _ if doctor.own.is_none() => {
            Finding::warning("handshake", "not tried to its end, since you have no key that can be used")
        }
        _ => Finding::warning("handshake", "not tried to its end; nothing was sent to that key"),
    });
    findings
}

/// What our book makes of the key.
fn trust(doctor: &Doctor<'_>, target: &Target, book: Option<&Book>, key: &PublicKey) -> Finding {
    let now = key.fingerprint();
    let Some(book) = book else {
        return Finding::warning("trust", format!("{now}, which nobody can judge without the book"));
    };
    if let Err(refusal) = objection(doctor, book, target, key) {
        return Finding::problem(code::REFUSED, "trust", Warning::Refused(refusal).sentence());
    }
    match book.by_fingerprint(&now) {
        Some(peer) if peer.trust == Trust::Verified => {
            Finding::ok("trust", format!("{now}, the key of {}, verified", peer.name))
        }
        Some(peer) => Finding::ok("trust", format!("{now}, the key of {}, unverified", peer.name))
            .advise(format!("compare it when you are connected: :verify {}", peer.name)),
        None if doctor.pin == Some(now) => Finding::ok("trust", format!("{now}, as pinned")),
        None => Finding::warning("trust", format!("{now} is new to you; it would be taken at first sight"))
            .advise("ask the other side for its fingerprint (:showkey); --pin takes that one only"),
    }
}

fn ended(what: &'static str, target: &Target, ending: &CloseReason, why: Option<&str>) -> Finding {
    let code = match ending {
        CloseReason::HandshakeTimeout
        | CloseReason::NoData
        | CloseReason::LostInHandshake
        | CloseReason::ConnectionLost { .. }
        | CloseReason::IdleTimeout => code::LOST,
        _ => code::REFUSED,
    };
    let trouble = Warning::HandshakeFailed {
        remote: target.to_string(),
        reason: ending.clone(),
        error: why.map(str::to_owned),
    };
    Finding::problem(code, what, trouble.sentence())
}
