//! Relay: the client protocol of NATS and the few requests of `JetStream` that rsachat makes
//! (`docs/RELAY.md`).
//!
//! Sockets belong to the caller; here bytes become operations, and operations bytes.

mod codec;
mod error;
mod headers;
mod info;
mod jetstream;
mod mailbox;

pub use codec::{ClientOp, Decoder, Message, ServerOp};
pub use error::CodecError;
pub use headers::Headers;
pub use info::{Connect, ServerInfo, Shortcoming};
pub use jetstream::{Ack, ApiError, BUNDLES, LETTERS, NO_REQUEST, StreamName, WRONG_LAST_SEQUENCE};
pub use mailbox::{Mailbox, MailboxError, MailboxEvent, Publish, PublishRefusal};
