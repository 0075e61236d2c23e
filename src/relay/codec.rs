//! Codec of the NATS client protocol: bytes of a server to operations, and those of a client to
//! bytes (docs.nats.io, "Client Protocol").
//!
//! A server is not believed: a line and a message have bounds, and a length is compared with its
//! bound before anything is kept for it.

use std::str;

use super::error::CodecError;
use super::headers::Headers;
use super::info::{Connect, ServerInfo};
use crate::limits::{RELAY_LINE_BYTES, RELAY_MESSAGE_BYTES};

const CRLF: &[u8] = b"\r\n";

/// What a server says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerOp {
    /// About itself: first of all, and again when something changes.
    Info(Box<ServerInfo>),
    /// A message of a subscription.
    Message(Message),
    /// It asks for a PONG.
    Ping,
    /// The answer to a PING.
    Pong,
    /// An operation was taken; only servers that were asked to be verbose say so.
    Ok,
    /// An operation was refused, or the connection is about to end.
    Error(String),
}

/// A message of a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where it was published.
    pub subject: String,
    /// Number of the subscription that it belongs to.
    pub sid: u64,
    /// Where an answer is expected.
    pub reply: Option<String>,
    /// Its headers; empty without any.
    pub headers: Headers,
    /// Its content.
    pub payload: Vec<u8>,
}

/// First line of a message whose content is awaited.
#[derive(Debug)]
struct Head {
    subject: String,
    sid: u64,
    reply: Option<String>,
    header_bytes: usize,
    total_bytes: usize,
}

/// Receive buffer that splits the byte stream of a server into operations.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the front of the buffer that were taken already.
    taken: usize,
    /// Bytes behind them that hold no end of a line.
    searched: usize,
    head: Option<Head>,
    failed: Option<CodecError>,
}

impl Decoder {
    /// Adds bytes that have arrived, in whatever pieces. Between two calls, [`take`](Self::take) is
    /// called until it gives `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that have arrived and were not taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Takes the next operation; `None` until more has arrived.
    ///
    /// # Errors
    /// [`CodecError`], and the same one from then on.
    pub fn take(&mut self) -> Result<Option<ServerOp>, CodecError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        self.next().inspect_err(|error| self.failed = Some(*error))
    }

    fn next(&mut self) -> Result<Option<ServerOp>, CodecError> {
        let head = match self.head.take() {
            Some(head) => head,
            None => match self.line()? {
                None => return Ok(None),
                Some(Line::Op(op)) => return Ok(Some(op)),
                Some(Line::Head(head)) => head,
            },
        };
        let Some(whole) = self.buffered().get(..head.total_bytes + CRLF.len()) else {
            self.head = Some(head);
            return Ok(None);
        };
        let content = whole.strip_suffix(CRLF).ok_or(CodecError::End)?;
        let (headers, payload) = content.split_at_checked(head.header_bytes).ok_or(CodecError::Line)?;
        let headers = if headers.is_empty() { Headers::default() } else { Headers::read(headers)? };
        let payload = payload.to_vec();
        self.taken += head.total_bytes + CRLF.len();
        let Head { subject, sid, reply, .. } = head;
        Ok(Some(ServerOp::Message(Message { subject, sid, reply, headers, payload })))
    }

    fn line(&mut self) -> Result<Option<Line>, CodecError> {
        let buffered = self.buffer.get(self.taken..).unwrap_or_default();
        let unsearched = buffered.get(self.searched..).unwrap_or_default();
        let end = unsearched.windows(CRLF.len()).position(|pair| pair == CRLF).map(|at| self.searched + at);
        let Some(end) = end else {
            // The last byte may be the first of an end.
            self.searched = buffered.len().saturating_sub(1);
            let is_too_long = buffered.len() > RELAY_LINE_BYTES + 1;
            return if is_too_long { Err(CodecError::LineTooLong) } else { Ok(None) };
        };
        if end > RELAY_LINE_BYTES {
            return Err(CodecError::LineTooLong);
        }
        let line = parse_line(buffered.get(..end).unwrap_or_default())?;
        self.taken += end + CRLF.len();
        self.searched = 0;
        Ok(Some(line))
    }
}

/// Form of a message: MSG or HMSG.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    WithHeaders,
}

enum Line {
    Op(ServerOp),
    Head(Head),
}

fn parse_line(line: &[u8]) -> Result<Line, CodecError> {
    let (word, rest) = match line.iter().position(u8::is_ascii_whitespace) {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    let rest = rest.trim_ascii();
    let op = match (word, rest) {
        (b"PING", b"") => ServerOp::Ping,
        (b"PONG", b"") => ServerOp::Pong,
        (b"+OK", b"") => ServerOp::Ok,
        (b"INFO", json) => {
            ServerOp::Info(Box::new(serde_json::from_slice(json).map_err(|_| CodecError::Info)?))
        }
        (b"-ERR", text) => {
            let text = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'")).unwrap_or(text);
            ServerOp::Error(String::from_utf8_lossy(text).into_owned())
        }
        (b"MSG", arguments) => return head(arguments, Form::Plain).map(Line::Head),
        (b"HMSG", arguments) => return head(arguments, Form::WithHeaders).map(Line::Head),
        _ => return Err(CodecError::Line),
    };
    Ok(Line::Op(op))
}

fn head(arguments: &[u8], form: Form) -> Result<Head, CodecError> {
    let arguments = str::from_utf8(arguments).map_err(|_| CodecError::Line)?;
    let mut words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let total_bytes = number(words.pop())?;
    let header_bytes = match form {
        Form::Plain => 0,
        Form::WithHeaders => number(words.pop())?,
    };
    let (subject, sid, reply) = match words[..] {
        [subject, sid] => (subject, sid, None),
        [subject, sid, reply] => (subject, sid, Some(reply.to_owned())),
        _ => return Err(CodecError::Line),
    };
    if total_bytes > RELAY_MESSAGE_BYTES as u64 {
        return Err(CodecError::MessageTooLong);
    }
    if header_bytes > total_bytes {
        return Err(CodecError::Line);
    }
    let size = |bytes: u64| usize::try_from(bytes).map_err(|_| CodecError::MessageTooLong);
    Ok(Head {
        subject: subject.to_owned(),
        sid: number(Some(sid))?,
        reply,
        header_bytes: size(header_bytes)?,
        total_bytes: size(total_bytes)?,
    })
}

/// A number of digits alone.
fn number(word: Option<&str>) -> Result<u64, CodecError> {
    let digits = word.filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(CodecError::Line)
}

/// What a client says. Subjects are those of this program, which have no blanks.
#[derive(Debug)]
pub enum ClientOp<'a> {
    /// The log-in, which answers INFO.
    Connect(&'a Connect<'a>),
    /// It asks for a PONG.
    Ping,
    /// The answer to a PING.
    Pong,
    /// Messages of a subject are wanted.
    Subscribe {
        /// The subject; `*` stands for one word of it, a last `>` for all that follow.
        subject: &'a str,
        /// Number that their messages bear.
        sid: u64,
    },
    /// They are not wanted any more.
    Unsubscribe {
        /// The number of the subscription.
        sid: u64,
    },
    /// A message.
    Publish {
        /// Where it goes.
        subject: &'a str,
        /// Where an answer is expected.
        reply: Option<&'a str>,
        /// Its headers; empty without any.
        headers: Headers,
        /// Its content.
        payload: &'a [u8],
    },
}

impl ClientOp<'_> {
    /// Appends the bytes of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = match self {
            Self::Connect(connect) => format!("CONNECT {}", connect.json()),
            Self::Ping => "PING".to_owned(),
            Self::Pong => "PONG".to_owned(),
            Self::Subscribe { subject, sid } => format!("SUB {subject} {sid}"),
            Self::Unsubscribe { sid } => format!("UNSUB {sid}"),
            Self::Publish { subject, reply, headers, payload } => {
                let target =
                    reply.map_or_else(|| (*subject).to_owned(), |reply| format!("{subject} {reply}"));
                let headers = headers.bytes();
                let total = headers.len() + payload.len();
                let line = if headers.is_empty() {
                    format!("PUB {target} {total}\r\n")
                } else {
                    format!("HPUB {target} {} {total}\r\n", headers.len())
                };
                for part in [line.as_bytes(), &headers, payload, CRLF] {
                    out.extend_from_slice(part);
                }
                return;
            }
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(CRLF);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<ServerOp>, CodecError> {
        read_in_pieces(bytes, bytes.len().max(1))
    }

    fn read_in_pieces(bytes: &[u8], size: usize) -> Result<Vec<ServerOp>, CodecError> {
        let mut decoder = Decoder::default();
        let mut ops = Vec::new();
        for piece in bytes.chunks(size) {
            decoder.push(piece);
            while let Some(op) = decoder.take()? {
                ops.push(op);
            }
        }
        Ok(ops)
    }

    fn message(reply: Option<&str>, headers: Headers, payload: &[u8]) -> ServerOp {
        let (subject, reply) = ("rc.in.a".to_owned(), reply.map(str::to_owned));
        ServerOp::Message(Message { subject, sid: 1, reply, headers, payload: payload.to_vec() })
    }

    /// What servers of versions 2.9.10 and 2.15.1 were seen to say, here one behind the other.
    const SAID: &[u8] = b"INFO {\"server_id\":\"N\",\"version\":\"2.9.10\",\"host\":\"localhost\",\"nonce\":\"x\",\"jetstream\":true} \r\n\
        PING\r\nPONG\r\n+OK\r\n-ERR 'Permissions Violation for Publish to \"a\"'\r\n\
        MSG rc.in.a 1 12\r\nhello\r\nthere\r\nMSG rc.in.a 1 r.1 0\r\n\r\n\
        HMSG rc.in.a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
        HMSG rc.in.a  1 r.1 47 49\r\nNATS/1.0 404 Message Not Found\r\nKey: \tvalue\r\n\r\nhi\r\n";

    fn heard() -> Vec<ServerOp> {
        let info = ServerInfo {
            version: "2.9.10".to_owned(),
            nonce: Some("x".to_owned()),
            jetstream: true,
            ..ServerInfo::default()
        };
        let not_found =
            Headers { status: Some(404), text: "Message Not Found".to_owned(), fields: Vec::new() };
        vec![
            ServerOp::Info(Box::new(info)),
            ServerOp::Ping,
            ServerOp::Pong,
            ServerOp::Ok,
            ServerOp::Error("Permissions Violation for Publish to \"a\"".to_owned()),
            message(None, Headers::default(), b"hello\r\nthere"),
            message(Some("r.1"), Headers::default(), b""),
            message(None, Headers { status: Some(503), ..Headers::default() }, b""),
            message(Some("r.1"), not_found.with("Key", "value"), b"hi"),
        ]
    }

    #[test]
    fn what_a_server_says_is_understood_however_it_is_split() {
        for size in 1..SAID.len() {
            assert_eq!(read_in_pieces(SAID, size).as_ref(), Ok(&heard()), "pieces of {size}");
        }
    }

    #[test]
    fn what_no_server_says_is_an_error_and_stays_one() {
        let too_long = format!("MSG a 1 {}\r\n", RELAY_MESSAGE_BYTES + 1);
        for (bytes, error) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], CodecError::Line),
            (b"\r\n", CodecError::Line),
            (b"PINGxyz\r\n", CodecError::Line),
            (b"PING x\r\n", CodecError::Line),
            (b"INFO {\"version\":1}\r\n", CodecError::Info),
            (b"MSG a 1\r\n", CodecError::Line),
            (b"MSG a b c d 1\r\n", CodecError::Line),
            (b"MSG a 1 -1\r\n", CodecError::Line),
            (b"MSG a 1 +1\r\n", CodecError::Line),
            (b"MSG a x 1\r\nx\r\n", CodecError::Line),
            (b"MSG a 1 99999999999999999999999\r\n", CodecError::Line),
            (b"MSG a 1 18446744073709551615\r\n", CodecError::MessageTooLong),
            (too_long.as_bytes(), CodecError::MessageTooLong),
            (b"MSG \xff 1 1\r\n", CodecError::Line),
            (b"HMSG a 1 3 2\r\n", CodecError::Line),
            (b"MSG a 1 1\r\nxZZ", CodecError::End),
            (b"HMSG a 1 4 4\r\nNATS\r\n", CodecError::Headers),
            (b"HMSG a 1 15 15\r\nNATS/1.0 x0\r\n\r\n\r\n", CodecError::Headers),
        ] {
            assert_eq!(read(bytes), Err(error), "{}", String::from_utf8_lossy(bytes));
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            while decoder.take().is_ok() {}
            decoder.push(b"PING\r\n");
            assert_eq!(decoder.take(), Err(error), "nothing is understood behind it");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up_at_its_bound() {
        let mut decoder = Decoder::default();
        let mut pushed = 0;
        while decoder.take() == Ok(None) {
            decoder.push(&[b'x'; 1_000]);
            pushed += 1_000;
        }
        assert_eq!(decoder.take(), Err(CodecError::LineTooLong));
        assert!(pushed <= RELAY_LINE_BYTES + 1_001, "{pushed}");
    }

    #[test]
    fn what_a_client_says_has_its_bytes() {
        let said = |op: &ClientOp<'_>| {
            let mut out = Vec::new();
            op.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(said(&ClientOp::Ping), "PING\r\n");
        assert_eq!(said(&ClientOp::Subscribe { subject: "a.>", sid: 7 }), "SUB a.> 7\r\n");
        assert_eq!(said(&ClientOp::Unsubscribe { sid: 7 }), "UNSUB 7\r\n");
        let plain =
            ClientOp::Publish { subject: "a", reply: None, headers: Headers::default(), payload: b"hi" };
        assert_eq!(said(&plain), "PUB a 2\r\nhi\r\n");
        let headers = Headers::default().with("K", "v");
        let rich = ClientOp::Publish { subject: "a", reply: Some("b"), headers, payload: b"hi" };
        assert_eq!(said(&rich), "HPUB a b 18 20\r\nNATS/1.0\r\nK: v\r\n\r\nhi\r\n");
        let connect = Connect::with_signature(Some(("UA", "sig".to_owned())));
        let line = said(&ClientOp::Connect(&connect));
        assert!(
            line.starts_with("CONNECT {\"")
                && line.contains("\"nkey\":\"UA\"")
                && line.contains("\"sig\":\"sig\"")
        );
        assert!(!said(&ClientOp::Connect(&Connect::with_signature(None))).contains("nkey"));
    }

    proptest! {
        #[test]
        fn any_bytes_mean_the_same_however_they_are_split(
            bytes in prop::collection::vec(prop::sample::select(b"MSGHPINO+K-ER {}'a01 \r\n".to_vec()), 0..200),
            size in 1_usize..9,
        ) {
            prop_assert_eq!(read_in_pieces(&bytes, size), read(&bytes));
        }
    }
}
