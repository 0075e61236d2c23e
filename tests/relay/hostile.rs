//! Hostile relay: it passes on what a client and a real node say to each other, but for letters,
//! with which it does what its conduct says.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes from which on the content of a message is a letter.
const LETTER_BYTES: usize = 2_048;

/// What becomes of a letter on its way to the reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Conduct {
    Honest,
    /// One bit of it is another.
    Flip,
    /// The answer that has it comes twice.
    Repeat,
    /// The first one that ever passed is in its place.
    Old,
    /// One that the reader has written is in its place.
    Reflect,
    /// It comes in the place of the next one.
    Swap,
    /// It is said not to be there.
    Withhold,
}

#[derive(Default)]
struct State {
    conduct: Option<Conduct>,
    deeds: usize,
    /// The first letter to the reader, and the last one of it.
    first: Vec<u8>,
    own: Vec<u8>,
    /// The letter that comes in the place of the next one.
    held: Vec<u8>,
}

/// A relay before a node; its threads end with their connections.
pub(crate) struct HostileRelay {
    pub(crate) at: String,
    state: Arc<Mutex<State>>,
}

impl HostileRelay {
    pub(crate) fn before(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let (state, node) = (Arc::<Mutex<State>>::default(), node.to_owned());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().take(100) {
                let (client, node) = (client.unwrap(), TcpStream::connect(&node).unwrap());
                let (from, to, ours) =
                    (client.try_clone().unwrap(), node.try_clone().unwrap(), Arc::clone(&shared));
                thread::spawn(move || pass_on(from, to, |frame| vec![ours.lock().unwrap().take(&frame)]));
                let theirs = Arc::clone(&shared);
                thread::spawn(move || pass_on(node, client, |frame| theirs.lock().unwrap().give(frame)));
            }
        });
        Self { at, state }
    }

    /// Sets the conduct, and returns how many letters it has been shown to by now.
    pub(crate) fn set(&self, conduct: Conduct) -> usize {
        let mut state = self.state.lock().unwrap();
        state.conduct = Some(conduct);
        state.deeds
    }

    /// Letters that were given to the reader in another way than they came.
    pub(crate) fn deeds(&self) -> usize {
        self.state.lock().unwrap().deeds
    }
}

/// Line of the protocol, with the content that it announces.
struct Frame {
    line: String,
    content: Vec<u8>,
}

impl Frame {
    fn next(from: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut content = Vec::new();
        if ["MSG ", "HMSG ", "PUB ", "HPUB "].iter().any(|verb| line.starts_with(verb)) {
            let bytes = line.split_whitespace().next_back().unwrap().parse::<u64>().unwrap();
            from.by_ref().take(bytes + 2).read_to_end(&mut content)?;
        }
        Ok(Some(Self { line, content }))
    }

    fn bytes(&self) -> Vec<u8> {
        [self.line.as_bytes(), &self.content].concat()
    }

    /// Place of the letter in the content, if it has one.
    fn letter(&self) -> Option<std::ops::Range<usize>> {
        let mut numbers = self.line.split_whitespace().rev();
        let _whole = numbers.next()?;
        let headers = if self.line.starts_with('H') { numbers.next()?.parse().ok()? } else { 0 };
        let letter = headers..self.content.len().checked_sub(2)?;
        (letter.len() >= LETTER_BYTES).then_some(letter)
    }
}

impl State {
    /// Takes what the reader says.
    fn take(&mut self, frame: &Frame) -> Vec<u8> {
        if let Some(letter) = frame.letter() {
            self.own = frame.content[letter].to_vec();
        }
        frame.bytes()
    }

    /// What the reader is told instead of what the node says.
    fn give(&mut self, mut frame: Frame) -> Vec<Vec<u8>> {
        let is_answer = frame.line.contains(" _INBOX_");
        let Some(letter) = frame.letter().filter(|_| is_answer) else { return vec![frame.bytes()] };
        if self.first.is_empty() {
            self.first = frame.content[letter.clone()].to_vec();
        }
        let conduct = self.conduct.unwrap_or(Conduct::Honest);
        self.deeds += usize::from(conduct != Conduct::Honest);
        match conduct {
            Conduct::Honest => {}
            Conduct::Flip => frame.content[letter.start + 1_500 + self.deeds % 500] ^= 1 << (self.deeds % 8),
            Conduct::Repeat => return vec![frame.bytes(), frame.bytes()],
            Conduct::Old => frame = replaced(&frame, letter.start, &self.first),
            Conduct::Reflect => frame = replaced(&frame, letter.start, &self.own),
            Conduct::Swap => {
                let held = std::mem::replace(&mut self.held, frame.content[letter.clone()].to_vec());
                let held = if held.is_empty() { &self.first } else { &held };
                frame = replaced(&frame, letter.start, held);
            }
            Conduct::Withhold => {
                let mut words = frame.line.split_whitespace().skip(1);
                let (subject, sid) = (words.next().unwrap(), words.next().unwrap());
                let status = "NATS/1.0 404 Message Not Found\r\n\r\n";
                let line = format!("HMSG {subject} {sid} {0} {0}\r\n{status}\r\n", status.len());
                return vec![line.into_bytes()];
            }
        }
        vec![frame.bytes()]
    }
}

/// The frame with another letter behind its headers.
fn replaced(frame: &Frame, headers: usize, letter: &[u8]) -> Frame {
    let content = [&frame.content[..headers], letter, b"\r\n"].concat();
    let (before, _whole) = frame.line.trim_end().rsplit_once(' ').unwrap();
    Frame { line: format!("{before} {}\r\n", headers + letter.len()), content }
}

/// Passes frames on until one side has hung up.
fn pass_on(from: TcpStream, mut to: TcpStream, mut change: impl FnMut(Frame) -> Vec<Vec<u8>>) {
    let mut reader = BufReader::new(from);
    while let Ok(Some(frame)) = Frame::next(&mut reader) {
        if change(frame).iter().any(|bytes| to.write_all(bytes).is_err()) {
            break;
        }
    }
    // The other thread sees it too.
    let _ = (to.shutdown(Shutdown::Both), reader.get_ref().shutdown(Shutdown::Both));
}
