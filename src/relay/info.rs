//! First words of both sides: the INFO of a server, and the CONNECT of a client.

use serde::{Deserialize, Serialize};

use crate::limits::LETTER_BYTES;

/// First version of a server with direct reading by sequence.
const VERSION_MIN: (u32, u32) = (2, 9);
/// Bytes of the largest message: those of a letter, and what headers add at most.
const PAYLOAD_MIN: u64 = LETTER_BYTES as u64 + 1_024;

/// INFO of a server: what rsachat reads of it. All of it is a claim.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Debug)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the fields of INFO")]
pub struct ServerInfo {
    /// Version of the server, as `2.9.10`.
    pub version: String,
    /// Name of the node.
    pub server_name: String,
    /// Name of the cluster that it belongs to.
    pub cluster: Option<String>,
    /// Whether a log-in is asked for.
    pub auth_required: bool,
    /// Whether the connection has to change to TLS.
    pub tls_required: bool,
    /// Whether it may.
    pub tls_available: bool,
    /// Longest content of a message, in bytes.
    pub max_payload: u64,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Whether it has streams.
    pub jetstream: bool,
    /// What a key of NATS signs to log in.
    pub nonce: Option<String>,
}

impl ServerInfo {
    /// What makes it no relay, if something does.
    #[must_use]
    pub fn shortcoming(&self) -> Option<Shortcoming> {
        if self.version_number().is_none_or(|version| version < VERSION_MIN) {
            Some(Shortcoming::Version)
        } else if !self.headers {
            Some(Shortcoming::Headers)
        } else if !self.jetstream {
            Some(Shortcoming::JetStream)
        } else if self.max_payload < PAYLOAD_MIN {
            Some(Shortcoming::Payload(self.max_payload))
        } else {
            None
        }
    }

    /// The first two numbers of its version.
    fn version_number(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split(['.', '-']).map(|word| word.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }
}

/// What makes a server no relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Shortcoming {
    /// It is too old, or its version is not one.
    #[error("a relay needs nats-server {}.{} or later", VERSION_MIN.0, VERSION_MIN.1)]
    Version,
    /// Messages may have no headers.
    #[error("the server takes no headers")]
    Headers,
    /// It has no streams.
    #[error("JetStream is switched off there, so nothing is kept")]
    JetStream,
    /// It takes messages of so many bytes only.
    #[error("it takes messages of {0} bytes, and a letter may have {PAYLOAD_MIN}")]
    Payload(u64),
}

/// CONNECT of a client.
#[derive(Serialize, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are the fields of CONNECT")]
pub struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    lang: &'static str,
    version: &'static str,
    protocol: u8,
    headers: bool,
    no_responders: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
}

impl<'a> Connect<'a> {
    /// A log-in by a public key and its signature of the nonce in base64url, or without any.
    #[must_use]
    pub fn with_signature(signature: Option<(&'a str, String)>) -> Self {
        let (nkey, sig) = signature.unzip();
        Self {
            verbose: false,
            pedantic: false,
            tls_required: false,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            protocol: 1,
            headers: true,
            no_responders: true,
            nkey,
            sig,
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
