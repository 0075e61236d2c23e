//! The outgoing side of a pipe's connection, shared by who sends the stream and who sends everything else.
//! What is sealed first goes out first, so sealing and writing are done under one lock.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::session::pipe::SendHalf;
use crate::wire::ByeReason;
use crate::wire::data_frame::DataFrame;

/// A record that is not of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    Ping(u64),
    Pong(u64),
    Stored(u64),
    /// The last one.
    Bye(ByeReason),
}

pub(crate) struct FrameSender {
    writer: Mutex<Writer>,
    words: Mutex<VecDeque<Control>>,
    spoken: Condvar,
}

struct Writer {
    outgoing: SendHalf,
    stream: TcpStream,
}

/// What came of a try to send.
pub(crate) enum Sent {
    /// It is with the kernel.
    Gone,
    /// It is not: the goodbye was said, or the key is used up.
    Closed,
}

impl FrameSender {
    pub(crate) fn new(outgoing: SendHalf, stream: TcpStream) -> Self {
        let writer = Writer { outgoing, stream };
        Self { writer: Mutex::new(writer), words: Mutex::default(), spoken: Condvar::new() }
    }

    /// Puts a word in the queue. Who sends the stream takes it along, and so does [`FrameSender::speak`].
    pub(crate) fn post(&self, word: Control) {
        locked(&self.words).push_back(word);
        self.spoken.notify_one();
    }

    /// Sends words as they are posted, up to the goodbye: for a thread of its own, since a peer that does not
    /// read makes it wait.
    pub(crate) fn speak(&self) -> io::Result<()> {
        loop {
            let words = locked(&self.words);
            drop(
                self.spoken
                    .wait_while(words, |words| words.is_empty())
                    .unwrap_or_else(PoisonError::into_inner),
            );
            let mut writer = locked(&self.writer);
            if let Sent::Closed = self.take_along(&mut writer)? {
                return Ok(());
            }
        }
    }

    /// Sends frames whose stream bytes stand in their places; all but the last are full.
    pub(crate) fn data(&self, frames: &mut [DataFrame], filled: &[usize]) -> io::Result<Sent> {
        let mut writer = locked(&self.writer);
        if let Sent::Closed = self.take_along(&mut writer)? {
            return Ok(Sent::Closed);
        }
        let mut bytes = 0;
        for (frame, filled) in frames.iter_mut().zip(filled) {
            let Some(length) = writer.outgoing.data(frame, *filled) else { return Ok(Sent::Closed) };
            bytes += length;
        }
        writer.stream.write_all(frames.as_flattened().get(..bytes).unwrap_or_default())?;
        Ok(Sent::Gone)
    }

    /// Ends the stream; its total is told before that.
    pub(crate) fn end(&self, told: impl FnOnce(u64)) -> io::Result<()> {
        let mut writer = locked(&self.writer);
        told(writer.outgoing.sent());
        if let Some(end) = writer.outgoing.end() {
            writer.stream.write_all(&end)?;
        }
        Ok(())
    }

    fn take_along(&self, writer: &mut Writer) -> io::Result<Sent> {
        // The lock of the words is not held while one is written: posting never waits for the peer.
        while let Some(word) = self.next() {
            let record = match word {
                Control::Ping(number) => writer.outgoing.ping(number),
                Control::Pong(number) => writer.outgoing.pong(number),
                Control::Stored(total) => writer.outgoing.stored(total),
                Control::Bye(reason) => writer.outgoing.bye(reason),
            };
            let Some(record) = record else { return Ok(Sent::Closed) };
            writer.stream.write_all(&record)?;
            if let Control::Bye(_) = word {
                return Ok(Sent::Closed);
            }
        }
        Ok(Sent::Gone)
    }

    fn next(&self) -> Option<Control> {
        locked(&self.words).pop_front()
    }
}

/// Nothing is left half changed by a panic, so a poisoned lock is as good as another.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
