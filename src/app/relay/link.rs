//! One connection to a relay on the event loop of sockets, with or without TLS.

use std::sync::Arc;

use rustls::ClientConfig;

use super::error::RelayError;
use super::tls::TlsStream;
use crate::ids::ConnId;
use crate::net::Net;

/// Connection to a relay.
pub(crate) struct RelayLink {
    pub(crate) conn: ConnId,
    tls: Option<TlsStream>,
}

impl RelayLink {
    /// One that stands, or is being made.
    pub(crate) fn new(conn: ConnId) -> Self {
        Self { conn, tls: None }
    }

    /// Begins TLS, which the relay awaits behind its INFO.
    pub(crate) fn start_tls(
        &mut self,
        net: &mut Net,
        config: Arc<ClientConfig>,
        host: &str,
    ) -> Result<(), RelayError> {
        self.tls = Some(TlsStream::new(config, host)?);
        self.send_sealed(net);
        Ok(())
    }

    /// Name of the cipher suite, once the handshake of TLS is over.
    pub(crate) fn suite(&self) -> Option<String> {
        self.tls.as_ref()?.suite()
    }

    /// Bytes of the protocol in those of the socket.
    pub(crate) fn receive(&mut self, net: &mut Net, bytes: Vec<u8>) -> Result<Vec<u8>, RelayError> {
        let Some(tls) = &mut self.tls else { return Ok(bytes) };
        let plain = tls.receive(&bytes).map_err(RelayError::Tls);
        // An alert goes out too.
        self.send_sealed(net);
        plain
    }

    /// Sends bytes of the protocol.
    pub(crate) fn send(&mut self, net: &mut Net, bytes: Vec<u8>) {
        match &mut self.tls {
            None => net.send(self.conn, bytes),
            Some(tls) => {
                tls.seal(&bytes);
                self.send_sealed(net);
            }
        }
    }

    fn send_sealed(&mut self, net: &mut Net) {
        let bytes = self.tls.as_mut().map(TlsStream::take_sealed).unwrap_or_default();
        if !bytes.is_empty() {
            net.send(self.conn, bytes);
        }
    }
}
