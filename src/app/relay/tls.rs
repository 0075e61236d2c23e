//! TLS of a connection to a relay, between bytes of the socket and those of the protocol.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Error};

use super::error::RelayError;

pub(super) struct TlsStream(ClientConnection);

impl TlsStream {
    pub(super) fn new(config: Arc<ClientConfig>, host: &str) -> Result<Self, RelayError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| RelayError::Host)?;
        ClientConnection::new(config, name).map(Self).map_err(RelayError::Tls)
    }

    /// Name of the cipher suite, once the handshake is over.
    pub(super) fn suite(&self) -> Option<String> {
        let suite = (!self.0.is_handshaking()).then(|| self.0.negotiated_cipher_suite()).flatten()?;
        Some(format!("{:?}", suite.suite()))
    }

    /// Opens bytes of the socket; gives those of the protocol.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            // Its buffer takes what it has room for, and is emptied behind that.
            let read = self.0.read_tls(&mut bytes).map_err(|error| Error::General(error.to_string()))?;
            let state = self.0.process_new_packets()?;
            let start = plain.len();
            plain.resize(start + state.plaintext_bytes_to_read(), 0);
            let rest = plain.get_mut(start..).unwrap_or_default();
            self.0.reader().read_exact(rest).map_err(|error| Error::General(error.to_string()))?;
            if read == 0 {
                break;
            }
        }
        Ok(plain)
    }

    /// Takes bytes of the protocol.
    pub(super) fn seal(&mut self, plain: &[u8]) {
        // It is memory, which takes all.
        let _ = self.0.writer().write_all(plain);
    }

    /// Bytes for the socket.
    pub(super) fn take_sealed(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.0.wants_write() && self.0.write_tls(&mut out).is_ok() {}
        out
    }
}
