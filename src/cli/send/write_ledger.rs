//! What is known of messages on the raw wire, which has no receipts: that the socket has taken them. It knows neither
//! the messages nor the socket.

/// Messages that sockets have taken, one connection after the other.
#[derive(Debug, Default)]
pub(crate) struct WriteLedger {
    messages: u64,
    /// Messages and bytes of connections before this one that no socket took.
    lost: Lost,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    messages: u64,
    bytes: usize,
}

impl WriteLedger {
    /// How many there are, when so many were sent and so many bytes have not been taken, both since the beginning. As
    /// long as one byte waits nothing is said of the messages behind the last that is sure.
    pub(crate) fn count(&mut self, sent: u64, unsent_bytes: usize) -> u64 {
        if unsent_bytes <= self.lost.bytes {
            self.messages = sent.saturating_sub(self.lost.messages);
        }
        self.messages
    }

    /// The next connection begins: what has not been taken by now never will be.
    pub(crate) fn begin(&mut self, sent: u64, unsent_bytes: usize) {
        self.lost = Lost { messages: sent.saturating_sub(self.messages), bytes: unsent_bytes };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_socket_has_not_taken_is_not_written_and_is_not_counted_for_the_next_connection() {
        let mut written = WriteLedger::default();
        assert_eq!([written.count(0, 0), written.count(3, 0), written.count(5, 512)], [0, 3, 3]);
        assert_eq!(written.count(5, 0), 5);
        assert_eq!(written.count(7, 300), 5);
        // The connection is lost with these two, which are sent again.
        written.begin(7, 300);
        assert_eq!([written.count(7, 300), written.count(8, 556), written.count(9, 300)], [5, 5, 7]);
    }
}
