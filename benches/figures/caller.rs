//! Callers without a program: sessions of the library on a socket, two sessions joined by values, and a
//! caller that only ever sends wrong third messages.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use rand::TryRng as _;
use rsachat::crypto::handshake::initiator;
use rsachat::crypto::{Identity, PublicKey, Seed, encapsulate};
use rsachat::session::{Event, Output, RekeyThresholds, Role, Session, SessionConfig};
use rsachat::time::MonoMs;
use rsachat::wire::{
    Durability, FileTransfer, LENGTH_BYTES, Letters, Lifetime, PREFACE_BYTES, Preface, Purpose, begin_frame,
    end_frame,
};
use socket2::{Domain, Socket, Type};

use crate::Outcome;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One side of a conversation with its own key.
pub(crate) struct Side<'a> {
    session: Session,
    identity: &'a Identity,
}

impl<'a> Side<'a> {
    pub(crate) fn new(role: Role, identity: &'a Identity, name: &str) -> Outcome<Self> {
        let own = SessionConfig {
            key: identity.public().clone(),
            name: name.to_owned(),
            purpose: Purpose::Chat,
            lifetime: Lifetime::Lasting,
            durability: Durability::Connection,
            file_transfer: FileTransfer::Unsupported,
            letters: Letters::Unsupported,
            introduction: None,
            rekeying: RekeyThresholds::default(),
        };
        Ok(Self { session: Session::new(role, own, fresh_seed()?, MonoMs(0)), identity })
    }

    /// Does all work that is due, whoever the peer is, and gives what is to be sent.
    fn sent(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(bytes) => sent.extend(bytes),
                Output::Job(job) => self.session.handle_job(MonoMs(0), job.run(self.identity)),
                Output::Event(Event::PeerKey(_)) => self.session.accept_key(MonoMs(0)),
                Output::WantSeed | Output::Event(_) => {}
            }
        }
        sent
    }

    /// Meets a listener and keeps the conversation open as long as what is returned.
    pub(crate) fn join(mut self, from: Ipv4Addr, to: SocketAddr) -> Outcome<TcpStream> {
        let mut stream = dial(from, to)?;
        let mut bytes = vec![0; 8_192];
        while !self.session.is_established() {
            stream.write_all(&self.sent())?;
            let count = stream.read(&mut bytes)?;
            if count == 0 {
                return Err("the listener hung up".into());
            }
            self.session.handle_bytes(MonoMs(0), bytes.get(..count).unwrap_or_default());
        }
        stream.write_all(&self.sent())?;
        Ok(stream)
    }
}

/// A whole handshake of two sides in this thread, key checks included.
pub(crate) fn meet(one: &Identity, other: &Identity) -> Outcome<()> {
    let mut dialler = Side::new(Role::Initiator, one, "one")?;
    let mut listener = Side::new(Role::Responder, other, "other")?;
    for _ in 0..8 {
        listener.session.handle_bytes(MonoMs(0), &dialler.sent());
        dialler.session.handle_bytes(MonoMs(0), &listener.sent());
    }
    if dialler.session.is_established() && listener.session.is_established() {
        Ok(())
    } else {
        Err("no handshake".into())
    }
}

/// Calls once, up to a third message that is whole and well sealed but whose OAEP ciphertext is wrong: the
/// listener spends an RSA opening on it and learns nothing. Waits for the end that follows.
pub(crate) fn send_wrong_proof(
    own: &PublicKey,
    listener: &PublicKey,
    from: Ipv4Addr,
    to: SocketAddr,
) -> Outcome<()> {
    let seed = fresh_seed()?;
    let preface = Preface::new(Purpose::Chat).to_bytes();
    let mut stream = dial(from, to)?;
    let (message, state) = initiator::write_message_1(own, &seed);
    stream.write_all(&[preface.as_slice(), &framed(&message)?].concat())?;

    stream.read_exact(&mut [0; PREFACE_BYTES])?;
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    let (_, state) = state.read_message_2(&preface.repeat(2), &answer)?;

    let mut sealed = encapsulate(listener, &seed);
    if let Some(last) = sealed.ciphertext.last_mut() {
        *last ^= 1;
    }
    let (message, _) = state.write_message_3(sealed);
    stream.write_all(&framed(&message)?)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A connection from one loopback address.
fn dial(from: Ipv4Addr, to: SocketAddr) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::V4(SocketAddrV4::new(from, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn framed(message: &[u8]) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let at = begin_frame(&mut bytes);
    bytes.extend_from_slice(message);
    end_frame(&mut bytes, at)?;
    Ok(bytes)
}

/// Thirty-two random bytes from the system.
pub(crate) fn fresh_seed() -> Outcome<Seed> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    Ok(Seed::new(bytes))
}
