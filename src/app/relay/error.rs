//! Error of a connection to a relay.

use std::io;

use crate::app::error::describe;
use crate::limits::RELAY_ANSWER_MS;
use crate::relay::CodecError;
use crate::text::safe::SafeText;

/// Why a relay cannot be used further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("{}", describe(.0))]
    Unreachable(io::Error),
    #[error("it says nothing for {} s", RELAY_ANSWER_MS / 1_000)]
    Silent,
    #[error("it closed the connection")]
    Closed,
    #[error("it refuses: {0}")]
    Refused(SafeText),
    #[error("it does not speak NATS: it sent {0}")]
    Codec(CodecError),
    #[error("{0}")]
    Tls(rustls::Error),
    #[error("the host is no name that a certificate can have")]
    Host,
}
