//! First words of both sides: the INFO of a server, and the CONNECT of a client.

use serde::{Deserialize, Serialize};

/// First version of a server with direct reading by sequence.
pub const VERSION_MIN: (u32, u32) = (2, 9);

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
    /// The first two numbers of its version.
    #[must_use]
    pub fn version_number(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split(['.', '-']).map(|word| word.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }
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
