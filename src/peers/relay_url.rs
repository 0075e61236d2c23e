//! Address of a relay, as users write it: `nats://HOST:PORT`, or `tls://HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use super::address::{ListenAt, Target, write_address};
use super::via::{Via, without_passwords};
use crate::text::safe::SafeText;

/// Port of NATS.
const PORT: u16 = 4_222;
const SCHEMES: [(&str, Transport); 2] = [("nats://", Transport::Plain), ("tls://", Transport::Tls)];

/// Address of a relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayUrl {
    /// What its bytes travel in.
    pub transport: Transport,
    /// Name or number.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// What the bytes of a connection to a relay travel in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP alone.
    Plain,
    /// TLS 1.3; nothing is sent without it.
    Tls,
}

/// Error in the address of a relay, with what to write instead.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RelayUrlError {
    /// It begins with something else.
    #[error("{0} is not the address of a relay; write nats://HOST:PORT, or tls://HOST:PORT for one with TLS")]
    Scheme(SafeText),
    /// A user or a password in it.
    #[error(
        "no user or password stands in the address of a relay; relay-key names a file with the key of the log-in"
    )]
    Login,
    /// Its host or port.
    #[error("the address of the relay: {0}")]
    Address(String),
}

impl RelayUrl {
    /// Where it is, by a way.
    #[must_use]
    pub fn target(&self, via: Option<Via>) -> Target {
        Target { host: self.host.clone(), port: self.port, via: via.map(Box::new) }
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        let scheme_error = || RelayUrlError::Scheme(SafeText::line(&without_passwords(text)));
        let known =
            SCHEMES.iter().find_map(|(scheme, transport)| Some((text.strip_prefix(scheme)?, *transport)));
        let (rest, transport) = known.ok_or_else(scheme_error)?;
        if rest.contains('@') {
            return Err(RelayUrlError::Login);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let has_port = rest.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let at = if has_port { rest.to_owned() } else { format!("{rest}:{PORT}") };
        match at.parse::<ListenAt>() {
            Ok(ListenAt { host: Some(host), port: port @ 1.. }) => Ok(Self { transport, host, port }),
            Ok(_) => Err(scheme_error()),
            Err(error) => Err(RelayUrlError::Address(error.to_string())),
        }
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, transport)| *transport == self.transport);
        f.write_str(scheme.map_or("", |(scheme, _)| scheme))?;
        write_address(f, &self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_relay_is_written_as_it_is_read_with_the_port_of_nats() {
        for (text, written) in [
            ("nats://relay.example", "nats://relay.example:4222"),
            ("nats://127.0.0.1:5000/", "nats://127.0.0.1:5000"),
            ("tls://[2001:db8::7]", "tls://[2001:db8::7]:4222"),
            ("tls://[::1]:4223", "tls://[::1]:4223"),
        ] {
            let url: RelayUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), written);
            assert_eq!(written.parse(), Ok(url));
        }
    }

    #[test]
    fn every_other_address_says_what_to_write() {
        for (text, said) in [
            ("relay.example:4222", "write nats://HOST:PORT"),
            ("http://relay.example", "write nats://HOST:PORT"),
            ("nats://", "nats://HOST:PORT"),
            ("nats://relay.example:0", "nats://HOST:PORT"),
            ("nats://bob:secret@relay.example", "relay-key names a file"),
            ("ws://bob:secret@relay.example", "write nats://HOST:PORT"),
            ("nats://relay.example:x", "is not a number"),
            ("tls://re lay", "is not a host name"),
        ] {
            let error = text.parse::<RelayUrl>().unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
