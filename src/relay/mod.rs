//! Relay: the client protocol of NATS and the few requests of `JetStream` that rsachat makes
//! (`docs/RELAY.md`).
//!
//! The state of a connection belongs to the caller; here bytes become operations, and operations
//! bytes.

mod codec;
mod error;
mod headers;
mod info;
mod jetstream;

pub use codec::{ClientOp, Decoder, Message, ServerOp};
pub use error::CodecError;
pub use headers::Headers;
pub use info::{Connect, ServerInfo, VERSION_MIN};
pub use jetstream::{Ack, ApiError, BUNDLES, LETTERS, NO_REQUEST, StreamName, WRONG_LAST_SEQUENCE};
