//! `JetStream`: the two streams of a relay, and the answers to what is published into them.

use serde::Deserialize;

/// Stream of a relay, and the subjects that belong to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamName {
    /// Its name.
    pub name: &'static str,
    /// What its subjects begin with.
    pub prefix: &'static str,
}

/// Inboxes (`docs/PROTOCOL.md`, 12.1).
pub const LETTERS: StreamName = StreamName { name: "RC", prefix: "rc.in." };
/// Bundles (`docs/PROTOCOL.md`, 12.1).
pub const BUNDLES: StreamName = StreamName { name: "RK", prefix: "rc.key." };

/// Number of the error when a stream is not at the sequence that a message expects.
pub const WRONG_LAST_SEQUENCE: u32 = 10_071;

/// Number of the error when a stream has no room for a message.
pub(super) const STORE_FAILED: u32 = 10_077;

impl StreamName {
    /// Subject of an inbox or a bundle.
    #[must_use]
    pub fn subject(self, token: &str) -> String {
        format!("{}{token}", self.prefix)
    }

    /// Subject of requests for single messages, which any replica answers.
    #[must_use]
    pub fn direct_get(self) -> String {
        format!("$JS.API.DIRECT.GET.{}", self.name)
    }

    /// Requests that a log-in of a relay must not be allowed to make: they delete, change, or list
    /// the inboxes of everybody. Each as it stands in permissions, and as it can be tried.
    ///
    /// Servers of 2.15 take a purge whose content they do not understand for a purge of everything,
    /// so what would delete a stream or empty it is tried on one that does not exist: `absent` is a
    /// name that nobody has used.
    #[must_use]
    pub fn forbidden(self, absent: &str) -> [(String, String); 6] {
        let api = |verb: &str, name: &str| format!("$JS.API.{verb}.{name}");
        let harmless = ["STREAM.MSG.DELETE", "STREAM.UPDATE", "STREAM.INFO", "CONSUMER.CREATE"];
        let [msg_delete, update, info, consumer] = harmless.map(|verb| {
            let subject = api(verb, self.name);
            (subject.clone(), subject)
        });
        let absent = format!("{}-{absent}", self.name);
        let [purge, delete] =
            ["STREAM.PURGE", "STREAM.DELETE"].map(|verb| (api(verb, "*"), api(verb, &absent)));
        [purge, delete, msg_delete, update, info, consumer]
    }
}

/// Content of such a request, which no server can read: it is the beginning of an object alone.
pub const NO_REQUEST: &[u8] = b"{";

/// Answer to a message that was published into a stream.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Debug)]
#[serde(default)]
pub struct Ack {
    /// The stream that it came to.
    pub stream: String,
    /// Its place there, from 1.
    pub seq: u64,
    /// Why it was not taken.
    pub error: Option<ApiError>,
}

/// Error of `JetStream`.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Debug)]
#[serde(default)]
pub struct ApiError {
    /// Its number.
    pub err_code: u32,
    /// In words of the server.
    pub description: String,
}

impl Ack {
    /// Reads an answer; `None` if it is not one.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_deletes_all_is_tried_on_a_stream_that_is_there() {
        for stream in [LETTERS, BUNDLES] {
            for (shown, tried) in stream.forbidden("x") {
                let verb = tried.rsplit_once('.').unwrap();
                let deletes_all = tried.contains("STREAM.PURGE") || tried.contains("STREAM.DELETE");
                let name = if deletes_all { format!("{}-x", stream.name) } else { stream.name.to_owned() };
                assert_eq!(verb.1, name);
                assert_eq!(shown.rsplit_once('.').unwrap().0, verb.0);
            }
        }
    }
}
