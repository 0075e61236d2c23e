//! What a join costs: among few and among many peers, and with a small and with a large book.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crypto_bigint::BoxedUint;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::traits::PrivateKeyParts as _;
use rsachat::crypto::Identity;
use rsachat::session::Role;

use crate::caller::{Side, fresh_seed};
use crate::process::Program;
use crate::{Aim, IDLE, Outcome, Peer, REST, Table, ms, percentile};

/// Joins at either end whose time is compared.
const COMPARED: usize = 50;
/// Callers that join at the same time between them.
const CALLERS: usize = 4;
/// Rows of a large book, and strangers that join a listener with it.
const BOOK_ROWS: u32 = 50_000;
const STRANGERS: usize = 20;
/// Seats of the listener; half of them are for strangers.
const SEATS: usize = 10_000;

/// So many peers, with keys of their own and each from a network of its own, join one `recv`.
pub(crate) fn joins(table: &mut Table, folder: &Path, count: usize) -> Outcome<()> {
    let identities = make_identities(count)?;
    // More than half of the seats are given to chosen peers only.
    let known = if count > SEATS / 2 { identities.as_slice() } else { &[] };
    let (listener, address) = receiver(&folder.join("few"), 0, known)?;
    let tenth = (count / 10).max(COMPARED);
    let mut open = Vec::new();
    let one_by_one = |from: usize, open: &mut Vec<TcpStream>| -> Outcome<f64> {
        let mut times = Vec::new();
        for (number, identity) in identities.iter().enumerate().skip(from).take(COMPARED) {
            let begun = Instant::now();
            open.push(join(identity, number, address)?);
            times.push(begun.elapsed());
        }
        Ok(ms(percentile(&mut times, 50)))
    };
    // Joins a second, and processor time of the listener for each, in milliseconds.
    let many = |from: usize, to: usize, open: &mut Vec<TcpStream>| -> Outcome<(f64, f64)> {
        let (begun, ticks) = (Instant::now(), listener.ticks()?);
        let joined: Vec<Outcome<Vec<TcpStream>>> = thread::scope(|scope| {
            let caller = |first: usize| {
                let numbers = (from + first..to).step_by(CALLERS);
                let own = numbers.filter_map(|number| Some((number, identities.get(number)?)));
                own.map(|(number, identity)| join(identity, number, address)).collect()
            };
            let threads: Vec<_> = (0..CALLERS).map(|first| scope.spawn(move || caller(first))).collect();
            threads
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err("a caller panicked".into())))
                .collect()
        });
        for streams in joined {
            open.extend(streams?);
        }
        let number = f64::from(u32::try_from(to - from)?);
        let ticks = f64::from(u32::try_from(listener.ticks()? - ticks)?);
        Ok((number / begun.elapsed().as_secs_f64(), 10.0 * ticks / number))
    };
    let first = one_by_one(0, &mut open)?;
    let early = many(COMPARED, tenth, &mut open)?;
    many(tenth, count / 2, &mut open)?;
    thread::sleep(REST);
    let resident = listener.resident_kib()?;
    many(count / 2, count - tenth, &mut open)?;
    let late = many(count - tenth, count - COMPARED, &mut open)?;
    let last = one_by_one(count - COMPARED, &mut open)?;
    thread::sleep(REST);
    let each = (listener.resident_kib()? - resident) / f64::from(u32::try_from(count - count / 2)?);
    let before = listener.ticks()?;
    thread::sleep(IDLE);
    let ticks = u32::try_from(listener.ticks()? - before)?;
    drop(open);
    table.row(
        &format!("Join of peer {} to {count}, median", count - COMPARED),
        Aim::AtMost(1.2 * first, "ms"),
        last,
        Peer::Ratio(last / first, &format!("the first {COMPARED}, {first:.2} ms")),
    );
    table.row(
        &format!("Joins a second, the last tenth of {count}"),
        Aim::None("a second"),
        late.0,
        Peer::Ratio(late.0 / early.0, &format!("the first tenth, {:.0}", early.0)),
    );
    table.row(
        &format!("Each join, the last tenth of {count}: CPU"),
        Aim::AtMost(1.2 * early.1, "ms"),
        late.1,
        Peer::Ratio(late.1 / early.1, &format!("the first tenth, {:.2} ms", early.1)),
    );
    table.row(
        &format!("Idle, {count} peers, {} s: CPU", IDLE.as_secs()),
        Aim::AtMost(0.0, "ticks"),
        f64::from(ticks),
        Peer::Note("of `recv`"),
    );
    table.row(
        &format!("Each peer of {} to {count}: resident", count / 2),
        Aim::AtMost(7.0, "KiB"),
        each,
        Peer::Note("of `recv`"),
    );
    strangers(table, folder, &identities)
}

fn strangers(table: &mut Table, folder: &Path, identities: &[Identity]) -> Outcome<()> {
    let of_strangers = |rows: u32| -> Outcome<f64> {
        let (_listener, address) = receiver(&folder.join(format!("rows-{rows}")), rows, &[])?;
        let (mut open, mut times) = (Vec::new(), Vec::new());
        for (number, identity) in identities.iter().take(STRANGERS).enumerate() {
            let begun = Instant::now();
            open.push(join(identity, number, address)?);
            times.push(begun.elapsed());
        }
        Ok(ms(percentile(&mut times, 50)))
    };
    let (small, large) = (of_strangers(0)?, of_strangers(BOOK_ROWS)?);
    table.row(
        &format!("Stranger joins with {BOOK_ROWS} rows in the book: more"),
        Aim::AtMost(2.0, "ms"),
        large - small,
        Peer::Ratio(large / small, &format!("without, {small:.2} ms")),
    );
    Ok(())
}

fn join(identity: &Identity, number: usize, address: SocketAddr) -> Outcome<TcpStream> {
    Side::new(Role::Initiator, identity, &format!("peer-{number}"))?.join(source(number)?, address)
}

/// A `recv` for everybody, with a book of so many rows and of these keys, and where it listens.
fn receiver(home: &Path, rows: u32, known: &[Identity]) -> Outcome<(Program, SocketAddr)> {
    let made =
        Command::new(env!("CARGO_BIN_EXE_rsachat")).args(["key", "new", "--home"]).arg(home).output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    let mut book = "# rsachat peer book 2\n".to_owned();
    for row in 0..rows {
        let key = rsachat::crypto::Fingerprint::of(&row.to_be_bytes());
        writeln!(book, "bob-{} {key} unverified", row + 2)?;
    }
    for (number, identity) in known.iter().enumerate() {
        writeln!(book, "peer-{number} {} verified", identity.public().fingerprint())?;
    }
    std::fs::write(home.join("peers"), book)?;
    // Where it listens is told on the standard error, which nobody hears; the port is free a moment before.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsachat"));
    let seats = SEATS.to_string();
    command.arg("--home").arg(home).args(["recv", "--accept-new", "--peers", &seats, "--listen"]);
    let program = Program::start(command.arg(address.to_string()))?;
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    Ok((program, address))
}

/// An address in a network of its own.
fn source(number: usize) -> Outcome<Ipv4Addr> {
    let [high, low] = u16::try_from(number)?.to_be_bytes();
    Ok(Ipv4Addr::new(127, high + 10, low, 1))
}

/// Keys of callers, of the smallest size since only their number matters. Each is another pair out of a few
/// primes: to make thousands of keys would take longer than what is measured.
fn make_identities(count: usize) -> Outcome<Vec<Identity>> {
    let mut rng = fresh_seed()?.rng("key");
    let (mut primes, mut identities) = (Vec::<BoxedUint>::new(), Vec::new());
    while identities.len() < count {
        let key = rsa::PrivateKey::new(&mut rng, rsachat::limits::KEY_BITS_MIN as usize)?;
        for prime in key.primes() {
            let prime = prime.clone().get();
            for other in &primes {
                let key =
                    rsa::PrivateKey::from_p_q(other.clone(), prime.clone(), BoxedUint::from(65_537_u32))?;
                // The product of two of them may be a bit too short.
                identities.extend(Identity::from_pem(&key.to_pkcs8_pem(LineEnding::LF)?, None).ok());
            }
            primes.push(prime);
        }
    }
    identities.truncate(count);
    for identity in &identities {
        // The first private operation of a key also makes what blinds the next ones, which takes
        // three times as long: here all callers are on the machine of the listener, which is measured.
        let _ = identity.decapsulate(&vec![1; identity.public().modulus_bytes()]);
    }
    Ok(identities)
}
