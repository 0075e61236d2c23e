//! Sending side of a pipe's connection, shared by the stream and the control records. Frames go out
//! in the order in which they are sealed, so sealing and writing happen under one lock.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::session::pipe::SendHalf;
use crate::wire::ByeReason;
use crate::wire::data_frame::DataFrame;

/// Record that is not part of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    Ping(u64),
    Pong(u64),
    Stored(u64),
    /// The last record.
    Bye(ByeReason),
}

pub(crate) struct FrameSender {
    writer: Mutex<FrameWriter>,
    controls: Mutex<VecDeque<Control>>,
    queued: Condvar,
}

struct FrameWriter {
    outgoing: SendHalf,
    stream: TcpStream,
}

/// Result of a send.
pub(crate) enum SendStatus {
    /// The frames are with the kernel.
    Written,
    /// Nothing can be sent any more: `Bye` was sent, or the key is used up.
    Closed,
}

impl FrameSender {
    pub(crate) fn new(outgoing: SendHalf, stream: TcpStream) -> Self {
        let writer = FrameWriter { outgoing, stream };
        Self { writer: Mutex::new(writer), controls: Mutex::default(), queued: Condvar::new() }
    }

    /// Queues a control record. It goes out with the next frames of the stream, or by
    /// [`FrameSender::run_controls`].
    pub(crate) fn queue(&self, control: Control) {
        lock(&self.controls).push_back(control);
        self.queued.notify_one();
    }

    /// Sends control records as they are queued, up to `Bye`: on a thread of its own, since a peer
    /// that does not read makes it wait.
    pub(crate) fn run_controls(&self) -> io::Result<()> {
        loop {
            let controls = lock(&self.controls);
            let controls = self.queued.wait_while(controls, |controls| controls.is_empty());
            drop(controls.unwrap_or_else(PoisonError::into_inner));
            if let SendStatus::Closed = self.send_controls(&mut lock(&self.writer))? {
                return Ok(());
            }
        }
    }

    /// Sends frames whose stream bytes are in their places; all but the last are full.
    pub(crate) fn send_data(&self, frames: &mut [DataFrame], filled: &[usize]) -> io::Result<SendStatus> {
        let mut writer = lock(&self.writer);
        if let SendStatus::Closed = self.send_controls(&mut writer)? {
            return Ok(SendStatus::Closed);
        }
        let mut bytes = 0;
        for (frame, filled) in frames.iter_mut().zip(filled) {
            let Some(length) = writer.outgoing.data(frame, *filled) else { return Ok(SendStatus::Closed) };
            bytes += length;
        }
        writer.stream.write_all(frames.as_flattened().get(..bytes).unwrap_or_default())?;
        Ok(SendStatus::Written)
    }

    /// Ends the stream; `set_total` gets its length before the end is sent.
    pub(crate) fn send_end(&self, set_total: impl FnOnce(u64)) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        set_total(writer.outgoing.sent());
        if let Some(end) = writer.outgoing.end() {
            writer.stream.write_all(&end)?;
        }
        Ok(())
    }

    fn send_controls(&self, writer: &mut FrameWriter) -> io::Result<SendStatus> {
        // The queue is not locked while a record is written: queueing never waits for the peer.
        while let Some(control) = self.next_control() {
            let record = match control {
                Control::Ping(number) => writer.outgoing.ping(number),
                Control::Pong(number) => writer.outgoing.pong(number),
                Control::Stored(total) => writer.outgoing.stored(total),
                Control::Bye(reason) => writer.outgoing.bye(reason),
            };
            let Some(record) = record else { return Ok(SendStatus::Closed) };
            writer.stream.write_all(&record)?;
            if let Control::Bye(_) = control {
                return Ok(SendStatus::Closed);
            }
        }
        Ok(SendStatus::Written)
    }

    fn next_control(&self) -> Option<Control> {
        lock(&self.controls).pop_front()
    }
}

/// A panic leaves nothing half changed, so a poisoned lock is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
