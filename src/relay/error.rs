//! Error of the codec.

use crate::limits::{RELAY_LINE_BYTES, RELAY_MESSAGE_BYTES};

/// Why bytes are not what a NATS server sends. There is no way on behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// A line that does not end, or is not one of the protocol.
    #[error("a line of more than {RELAY_LINE_BYTES} bytes")]
    LineTooLong,
    /// A message over the limit.
    #[error("a message of more than {RELAY_MESSAGE_BYTES} bytes")]
    MessageTooLong,
    /// Another operation, or one with other arguments.
    #[error("a line that NATS does not have")]
    Line,
    /// An INFO that is not the JSON of one.
    #[error("an INFO that cannot be read")]
    Info,
    /// Headers of another form.
    #[error("headers that cannot be read")]
    Headers,
    /// A message that does not end where its length says.
    #[error("a message that is longer than it says")]
    End,
}
