//! Addresses to listen on and to dial, as users write them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits::PORT_DEFAULT;
use crate::text::safe::SafeText;
pub use target::{Target, is_onion};

mod target;

/// Between an address of the book and the way to it.
const VIA: &str = ";via=";

/// Address family to use: `-4`, `-6` or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Family {
    /// Both kinds.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Address to listen on: `8000`, `:8000`, `host:8000`, `[::1]:8000`, or a host alone for the
/// default port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenAt {
    /// The host in its canonical form; none means every address of this machine.
    pub host: Option<String>,
    /// The TCP port; 0 lets the machine choose.
    pub port: u16,
}

/// Addresses of one listener: a name can have several, and all have one port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundAddresses {
    first: SocketAddr,
    others: Vec<SocketAddr>,
}

impl BoundAddresses {
    /// The address, and others after it.
    #[must_use]
    pub fn new(first: SocketAddr, others: Vec<SocketAddr>) -> Self {
        Self { first, others }
    }

    /// The port of them all.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.first.port()
    }

    /// Every address, at least one.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl From<SocketAddr> for BoundAddresses {
    fn from(first: SocketAddr) -> Self {
        Self::new(first, Vec::new())
    }
}

impl fmt::Display for BoundAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.others.iter().try_for_each(|other| write!(f, " and {other}"))
    }
}

/// Error in an address, which it names, with what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", fault.sentence(text))]
pub struct AddressError {
    text: SafeText,
    fault: AddressFault,
}

/// Fault of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AddressFault {
    /// The text is empty.
    Empty,
    /// There is only a port where a host is needed.
    NoHost,
    /// The part behind the last colon is no port.
    Port,
    /// Port 0 cannot be dialled.
    PortZero,
    /// It is no IPv6 address between brackets.
    Brackets,
    /// It is the address of a page, as `http://host:port/`.
    Url,
    /// Digits and dots do not make an IPv4 address.
    V4,
    /// A character does not occur in host names.
    Host,
    /// The way behind it cannot be read.
    Via,
}

impl AddressFault {
    fn sentence(self, text: &SafeText) -> String {
        let example = format!("write host:port, for example localhost:{PORT_DEFAULT}");
        match self {
            Self::Empty => format!("no address; {example}"),
            Self::NoHost => format!("{text} is a port without a host; {example}"),
            Self::Port => format!("the port in {text} is not a number from 0 to 65535; {example}"),
            Self::PortZero => {
                format!("nobody answers on port 0, as in {text}; name the port that the other side printed")
            }
            Self::Brackets => {
                format!("{text} is not an IPv6 address in brackets; write [::1]:{PORT_DEFAULT}")
            }
            Self::Url => format!(
                "{text} has http:// before the address or / after it; write host:port alone, for example localhost:{PORT_DEFAULT}"
            ),
            Self::V4 => format!(
                "{text} is not an IPv4 address; write four numbers from 0 to 255, for example 127.0.0.1"
            ),
            Self::Host => format!(
                "{text} is not a host name, which has letters, digits, dots and -; write other scripts in their xn-- form"
            ),
            Self::Via => {
                format!("the way in {text} cannot be read; write {VIA}socks5h://HOST:PORT, or nothing")
            }
        }
    }

    fn of(self, text: &str) -> AddressError {
        AddressError { text: SafeText::line(text), fault: self }
    }
}

impl FromStr for ListenAt {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |fault: AddressFault| fault.of(text);
        if is_digits(text) {
            return Ok(Self { host: None, port: port(text).map_err(error)? });
        }
        let (host, port) = parts(text).map_err(error)?;
        Ok(Self { host: Some(host).filter(|h| !h.is_empty()), port })
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(f, self.host.as_deref().unwrap_or_default(), self.port)
    }
}

pub(super) fn write_address(f: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
}

/// Host and port; the host is empty when only `:port` was written.
fn parts(text: &str) -> Result<(String, u16), AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    if text.contains('/') {
        return Err(AddressFault::Url);
    }
    if let Some(inner) = text.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or(AddressFault::Brackets)?;
        let host = v6(host).ok_or(AddressFault::Brackets)?;
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((host, port(digits)?)),
            None if rest.is_empty() => Ok((host, PORT_DEFAULT)),
            None => Err(AddressFault::Brackets),
        };
    }
    if let Some(host) = v6(text) {
        return Ok((host, PORT_DEFAULT));
    }
    match text.split_once(':') {
        None => Ok((host(text)?, PORT_DEFAULT)),
        Some((_, digits)) if digits.contains(':') => {
            // Whoever wrote more than numbers did not mean an IPv6 address.
            let is_v6 = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.%".contains(&byte));
            Err(if is_v6 { AddressFault::Brackets } else { AddressFault::Port })
        }
        Some(("", digits)) => Ok((String::new(), port(digits)?)),
        Some((name, digits)) => Ok((host(name)?, port(digits)?)),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Strict: `parse` alone would take `+80`.
fn port(digits: &str) -> Result<u16, AddressFault> {
    if is_digits(digits) { digits.parse().map_err(|_| AddressFault::Port) } else { Err(AddressFault::Port) }
}

/// An IPv6 address in its canonical form (RFC 5952), with the zone a link-local one needs; one that
/// is mapped from IPv4 as that.
fn v6(text: &str) -> Option<String> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    let address: Ipv6Addr = address.parse().ok()?;
    match zone {
        None => Some(address.to_canonical().to_string()),
        Some(zone) if !zone.is_empty() && zone.bytes().all(in_host) => Some(format!("{address}%{zone}")),
        Some(_) => None,
    }
}

fn host(text: &str) -> Result<String, AddressFault> {
    if text.len() > 253 || text.starts_with(['-', '.']) || text.ends_with("..") || !text.bytes().all(in_host)
    {
        return Err(AddressFault::Host);
    }
    // `010.0.0.1`, `127.1` and `1` mean different machines to different resolvers (URL Standard,
    // 3.5).
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if is_digits(last) && text.parse::<Ipv4Addr>().is_err() {
        return Err(AddressFault::V4);
    }
    Ok(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase())
}

fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};
    use std::str::FromStr;

    use crate::peers::address::{AddressError, ListenAt, Target};

    fn check<T: FromStr<Err = AddressError> + Display + PartialEq + Debug>(text: &str, expected: &str) {
        match text.parse::<T>() {
            Ok(address) => {
                assert_eq!(address.to_string(), expected);
                assert_eq!(expected.parse(), Ok(address), "{text}");
            }
            Err(error) => {
                assert_eq!(format!("{:?}", error.fault), expected, "{text:?}");
                assert!(error.to_string().contains(text), "{error}");
            }
        }
    }

    #[test]
    fn every_form_of_a_listening_address_is_read() {
        for (text, expected) in [
            ("8000", ":8000"),
            (":0", ":0"),
            ("LocalHost:9", "localhost:9"),
            ("localhost", "localhost:8000"),
            ("[::1]:0", "[::1]:0"),
            ("::1", "[::1]:8000"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("70000", "Port"),
            ("host:http", "Port"),
            ("", "Empty"),
            ("[::1", "Brackets"),
            ("tcp://:8000", "Url"),
        ] {
            check::<ListenAt>(text, expected);
        }
    }

    #[test]
    fn every_form_of_a_dialled_address_is_read() {
        for (text, expected) in [
            ("Example.ORG", "example.org:8000"),
            ("example.org.:9", "example.org:9"),
            ("[::ffff:1.2.3.4]:9", "1.2.3.4:9"),
            ("example.org:9", "example.org:9"),
            ("1.2.3.4", "1.2.3.4:8000"),
            ("[0:0::1]:7", "[::1]:7"),
            ("::1", "[::1]:8000"),
            ("fe80::1%eth0", "[fe80::1%eth0]:8000"),
            ("8000", "NoHost"),
            (":8000", "NoHost"),
            ("host:0", "PortZero"),
            ("host:", "Port"),
            ("host:+80", "Port"),
            ("1.2.3", "V4"),
            ("1.2.3.256:80", "V4"),
            ("[host]:80", "Brackets"),
            ("a:b:c", "Brackets"),
            ("localhost:8000:9", "Port"),
            ("http://localhost:8000", "Url"),
            ("localhost:8000/", "Url"),
            ("http://[::1]:8000/chat", "Url"),
            ("bob smith", "Host"),
            ("--known", "Host"),
            ("예제.kr", "Host"),
            ("a,b", "Host"),
        ] {
            check::<Target>(text, expected);
        }
    }

    #[test]
    fn a_fault_names_the_address_and_says_what_to_write() {
        let error = "\u{1b}:x".parse::<Target>().unwrap_err().to_string();
        assert!(error.starts_with("\\u{1b}:x is not a host name"), "{error}");
        let error = "8000".parse::<Target>().unwrap_err().to_string();
        assert_eq!(error, "8000 is a port without a host; write host:port, for example localhost:8000");
    }
}
