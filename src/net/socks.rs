//! SOCKS 5 client (RFC 1928, with the login of RFC 1929), without input or output: no byte behind
//! the proxy's answer is ever asked for, since it is the peer's.

use std::net::IpAddr;

use crate::limits::CONNECT_TIMEOUT_MS;

/// What a proxy is asked for.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_debug_implementations, reason = "carries a password")]
pub struct SocksRequest {
    /// The host, as a name that the proxy looks up, or a literal address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// User and password, each of 1 to 255 bytes, for proxies that want them.
    pub login: (Vec<u8>, Vec<u8>),
}

/// Why a proxy has not connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SocksError {
    /// It is no such proxy.
    #[error("it does not answer as a SOCKS 5 proxy does")]
    NotSocks,
    /// It wants to know who calls in another way.
    #[error("it takes neither callers without a password nor those with one")]
    NoMethod,
    /// It refuses user and password.
    #[error("user and password are refused; write socks5h://USER:PASSWORD@HOST:PORT")]
    Login,
    /// It has closed the connection before it answered.
    #[error("it hung up before it answered")]
    HungUp,
    /// It has not answered as long as it might.
    #[error("it has not connected in {} s", CONNECT_TIMEOUT_MS / 1_000)]
    Silent,
    /// Its answer to the request.
    #[error("{} ({reply})", words(*.reply))]
    Refused {
        /// Its number.
        reply: u8,
    },
}

impl SocksError {
    /// Whether the peer may be the reason, and not the proxy.
    #[must_use]
    pub fn is_of_peer(self) -> bool {
        matches!(self, Self::Refused { reply: 1 | 3..=6 })
    }
}

/// RFC 1928, section 6.
fn words(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "the time to live is over",
        7 => "it does not make connections",
        8 => "it does not know this kind of address",
        _ => "unknown error",
    }
}

/// Answer that is awaited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Method,
    Login,
    Reply,
    Connected,
}

pub(super) struct SocksHandshake {
    request: SocksRequest,
    stage: Stage,
    /// The answer as far as it has come.
    answer: Vec<u8>,
    /// Bytes to send.
    output: Vec<u8>,
}

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const WITH_LOGIN: u8 = 2;
const CONNECT: u8 = 1;
const V4: u8 = 1;
const NAME: u8 = 3;
const V6: u8 = 4;

impl SocksHandshake {
    pub(super) fn new(request: SocksRequest) -> Self {
        let output = vec![VERSION, 2, NO_LOGIN, WITH_LOGIN];
        Self { request, stage: Stage::Method, answer: Vec::new(), output }
    }

    /// The bytes to send now.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The number of bytes to read; none once the proxy has connected.
    pub(super) fn wanted(&self) -> usize {
        let whole = match (self.stage, self.answer.as_slice()) {
            (Stage::Connected, _) => 0,
            (Stage::Method | Stage::Login, _) => 2,
            (Stage::Reply, [_, _, _, V4, ..]) => 10,
            (Stage::Reply, [_, _, _, V6, ..]) => 22,
            (Stage::Reply, [_, _, _, NAME, length, ..]) => 7 + usize::from(*length),
            (Stage::Reply, [_, _, _, _, ..]) => 5,
            (Stage::Reply, _) => 4,
        };
        whole - self.answer.len()
    }

    /// Takes at most as many bytes as are wanted.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), SocksError> {
        self.answer.extend_from_slice(bytes);
        match (self.stage, self.answer.as_slice()) {
            (Stage::Method | Stage::Reply, [version, ..]) if *version != VERSION => {
                return Err(SocksError::NotSocks);
            }
            (Stage::Method, [_, NO_LOGIN]) | (Stage::Login, [_, 0]) => self.ask(),
            (Stage::Method, [_, WITH_LOGIN]) => self.log_in(),
            (Stage::Method, [_, _]) => return Err(SocksError::NoMethod),
            (Stage::Login, [_, _]) => return Err(SocksError::Login),
            (Stage::Reply, [_, reply, ..]) if *reply != 0 => {
                return Err(SocksError::Refused { reply: *reply });
            }
            (Stage::Reply, [_, _, _, kind, ..]) if ![V4, NAME, V6].contains(kind) => {
                return Err(SocksError::NotSocks);
            }
            (Stage::Reply, [_, _, _, _, ..]) if self.wanted() == 0 => {
                (self.stage, self.answer) = (Stage::Connected, Vec::new());
            }
            _ => {}
        }
        Ok(())
    }

    fn log_in(&mut self) {
        (self.stage, self.answer) = (Stage::Login, Vec::new());
        let (user, password) = &self.request.login;
        self.output = vec![LOGIN_VERSION];
        for field in [user, password] {
            self.output.push(length(field));
            self.output.extend_from_slice(field);
        }
    }

    fn ask(&mut self) {
        (self.stage, self.answer) = (Stage::Reply, Vec::new());
        self.output = vec![VERSION, CONNECT, 0];
        match self.request.host.parse() {
            Ok(IpAddr::V4(ip)) => {
                self.output.push(V4);
                self.output.extend(ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                self.output.push(V6);
                self.output.extend(ip.octets());
            }
            Err(_) => {
                self.output.extend([NAME, length(self.request.host.as_bytes())]);
                self.output.extend_from_slice(self.request.host.as_bytes());
            }
        }
        self.output.extend(self.request.port.to_be_bytes());
    }
}

/// Length of a field; names of hosts and logins are no longer than that.
fn length(field: &[u8]) -> u8 {
    u8::try_from(field.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn handshake(host: &str) -> SocksHandshake {
        let login = (b"ann".to_vec(), b"pw".to_vec());
        SocksHandshake::new(SocksRequest { host: host.to_owned(), port: 8_000, login })
    }

    /// Gives the answers in pieces of such sizes, never more than is wanted; what was sent, and the
    /// outcome, with the bytes that were left.
    fn run(host: &str, answers: &[u8], sizes: &[usize]) -> (Vec<u8>, Result<Vec<u8>, SocksError>) {
        let (mut handshake, mut rest) = (handshake(host), answers);
        let mut sent = handshake.take_output();
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(1));
        while handshake.wanted() > 0 {
            let size = sizes.next().unwrap().clamp(1, handshake.wanted());
            let (now, later) = rest.split_at(size.min(rest.len()));
            assert!(!now.is_empty(), "the answers are too short");
            if let Err(error) = handshake.take(now) {
                return (sent, Err(error));
            }
            sent.extend(handshake.take_output());
            rest = later;
        }
        (sent, Ok(rest.to_vec()))
    }

    const OPEN: [u8; 2] = [5, 0];

    #[test]
    fn a_name_goes_to_the_proxy_as_it_is_and_an_address_as_its_bytes() {
        let reply = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for (host, field) in [
            ("abc.onion", [&[3, 9][..], b"abc.onion"].concat()),
            ("192.0.2.7", vec![1, 192, 0, 2, 7]),
            ("::1", [&[4][..], &[0; 15], &[1]].concat()),
        ] {
            let (sent, result) = run(host, &[&OPEN[..], &reply, b"peer"].concat(), &[]);
            assert_eq!(sent, [&[5, 2, 0, 2, 5, 1, 0][..], &field, &[0x1f, 0x40]].concat());
            assert_eq!(result.unwrap(), b"peer", "what follows is the peer's");
        }
    }

    #[test]
    fn a_proxy_that_asks_who_calls_is_told() {
        let reply = [5, 0, 0, 3, 1, b'h', 0, 1];
        let (sent, result) = run("h", &[&[5, 2, 1, 0][..], &reply].concat(), &[]);
        assert_eq!(&sent[4..12], [&[1, 3][..], b"ann", &[2], b"pw"].concat());
        assert_eq!(result, Ok(Vec::new()));
    }

    #[test]
    fn every_refusal_has_its_words() {
        for (answers, said) in [
            (&[4, 0][..], "it does not answer as a SOCKS 5 proxy does"),
            (b"HTTP/1.1 400", "it does not answer as a SOCKS 5 proxy does"),
            (&[5, 0xff], "it takes neither callers without a password nor those with one"),
            (&[5, 2, 1, 1], "user and password are refused; write socks5h://USER:PASSWORD@HOST:PORT"),
            (&[5, 0, 5, 1], "general failure (1)"),
            (&[5, 0, 5, 2], "not allowed by its rules (2)"),
            (&[5, 0, 5, 3], "network unreachable (3)"),
            (&[5, 0, 5, 4], "host unreachable (4)"),
            (&[5, 0, 5, 5], "connection refused (5)"),
            (&[5, 0, 5, 6], "the time to live is over (6)"),
            (&[5, 0, 5, 7], "it does not make connections (7)"),
            (&[5, 0, 5, 8], "it does not know this kind of address (8)"),
            (&[5, 0, 5, 0xf0], "unknown error (240)"),
            (&[5, 0, 5, 0, 0, 9], "it does not answer as a SOCKS 5 proxy does"),
        ] {
            assert_eq!(run("h", answers, &[]).1.unwrap_err().to_string(), said);
        }
    }

    proptest! {
        #[test]
        fn an_answer_means_the_same_however_it_is_split(
            method in prop::sample::select(vec![&[5, 0][..], &[5, 2, 1, 0], &[5, 2, 1, 9], &[5, 1]]),
            reply in 0_u8..10,
            end in prop::sample::select(vec![&[1, 0, 0, 0, 0, 0, 0][..], &[3, 2, 104, 105, 0, 0], &[4; 19], &[2]]),
            sizes in prop::collection::vec(1_usize..9, 0..30),
        ) {
            let answers = [method, &[5, reply, 0], end, b"peer"].concat();
            prop_assert_eq!(run("h", &answers, &sizes), run("h", &answers, &[]));
        }
    }
}
