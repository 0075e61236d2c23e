//! Upload side of a pipe: the sender that stream and control records share, and the thread that
//! reads standard input.

use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::progress::Counters;
use crate::app::keyring;
use crate::session::pipe::SendHalf;
use crate::wire::ByeReason;
use crate::wire::data_frame::{DATA_AT, DATA_BYTES, DATA_FRAME_BYTES, DataFrame};

/// Record that is not part of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    Ping(u64),
    Pong(u64),
    Stored(u64),
    /// Our part of a re-keying, if it is due.
    Rekey,
    /// The last record.
    Bye(ByeReason),
}

/// Control records that wait, the last of each kind: a peer that asks and never reads costs nothing
/// more. A later `Stored` covers an earlier one, and so does a `Pong`.
#[derive(Default)]
struct OwedControls {
    ping: Option<u64>,
    pong: Option<u64>,
    stored: Option<u64>,
    rekey: Option<()>,
    bye: Option<ByeReason>,
}

impl OwedControls {
    fn put(&mut self, control: Control) {
        match control {
            Control::Ping(number) => self.ping = Some(number),
            Control::Pong(number) => self.pong = Some(number),
            Control::Stored(total) => self.stored = Some(total),
            Control::Rekey => self.rekey = Some(()),
            Control::Bye(reason) => self.bye = Some(reason),
        }
    }

    fn is_empty(&self) -> bool {
        let Self { ping, pong, stored, rekey, bye } = self;
        ping.is_none() && pong.is_none() && stored.is_none() && rekey.is_none() && bye.is_none()
    }

    /// The next record; `Bye` is the last.
    fn take(&mut self) -> Option<Control> {
        let rekey = self.rekey.take().map(|()| Control::Rekey);
        rekey
            .or_else(|| self.stored.take().map(Control::Stored))
            .or_else(|| self.pong.take().map(Control::Pong))
            .or_else(|| self.ping.take().map(Control::Ping))
            .or_else(|| self.bye.take().map(Control::Bye))
    }
}

pub(crate) struct FrameSender {
    counters: Arc<Counters>,
    writer: Mutex<FrameWriter>,
    controls: Mutex<OwedControls>,
    queued: Condvar,
    /// Bytes of our stream that were sealed: at most so much can be confirmed.
    sealed: AtomicU64,
}

struct FrameWriter {
    outgoing: SendHalf,
    stream: TcpStream,
}

pub(crate) enum SendStatus {
    /// The frames are with the kernel.
    Written,
    /// Nothing can be sent any more: `Bye` was sent, or the key is used up.
    Closed,
}

impl FrameSender {
    pub(crate) fn new(outgoing: SendHalf, stream: TcpStream, counters: Arc<Counters>) -> Self {
        let writer = FrameWriter { outgoing, stream };
        Self {
            counters,
            writer: Mutex::new(writer),
            controls: Mutex::default(),
            queued: Condvar::new(),
            sealed: AtomicU64::new(0),
        }
    }

    /// Queues a control record in the place of one of its kind that still waits. It goes out with
    /// the next frames of the stream, or by [`FrameSender::run_controls`].
    pub(crate) fn queue(&self, control: Control) {
        lock(&self.controls).put(control);
        self.queued.notify_one();
    }

    /// Bytes of our stream that were sealed, whether the kernel has taken them or not.
    pub(crate) fn sealed(&self) -> u64 {
        self.sealed.load(Ordering::SeqCst)
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
        // Before they can arrive anywhere.
        self.sealed.store(writer.outgoing.sent(), Ordering::SeqCst);
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

    /// Sends our part of a re-keying, if it is due, and then what is owed.
    fn send_controls(&self, writer: &mut FrameWriter) -> io::Result<SendStatus> {
        let now = self.counters.now();
        if writer.outgoing.is_rekey_due(now)
            && let Some(records) = writer.outgoing.rekey(now, &keyring::seed())
        {
            writer.stream.write_all(&records)?;
        }
        // The controls are not locked while a record is written: queueing never waits for the peer.
        while let Some(control) = self.next_control() {
            let record = match control {
                Control::Rekey => continue,
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
        lock(&self.controls).take()
    }
}

/// A panic leaves nothing half changed, so lock poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Frames that are read, sealed and written together: as measured, more leave the caches and fewer
/// wake more often.
const FRAMES: usize = 2;
/// Blocks of frames: one is read, one is sent, one waits.
const BLOCKS: usize = 3;

#[derive(Debug)]
pub(crate) enum UploadEnd {
    /// The input has ended, and the stream with it.
    StreamEnded,
    /// `Bye` was sent meanwhile.
    Closed,
    InputFailed(io::Error),
    /// The connection takes nothing more; the download reports why.
    SocketFailed,
}

/// Frames on their way from the input to the sender, and back to be filled again.
struct Block {
    bytes: Vec<u8>,
    /// Stream bytes of each frame that is used.
    filled: Vec<usize>,
    more: io::Result<More>,
}

/// Sends the whole input. Another thread reads ahead, since a read takes nearly as long as a write.
pub(crate) fn run(
    input: impl Read + AsFd + Send + 'static,
    sender: &FrameSender,
    counters: &Counters,
) -> UploadEnd {
    let (full, to_send) = sync_channel(BLOCKS);
    let (empty, to_fill) = sync_channel(BLOCKS);
    for _ in 0..BLOCKS {
        let bytes = vec![0; FRAMES * DATA_FRAME_BYTES];
        // The channel has room for all, and its other end is here.
        let _ = empty.send(Block { bytes, filled: Vec::with_capacity(FRAMES), more: Ok(More::Yes) });
    }
    let reader =
        thread::Builder::new().name("input".into()).spawn(move || read_blocks(input, &to_fill, &full));
    if let Err(error) = reader {
        return UploadEnd::InputFailed(error);
    }
    // The reader passes on its last block before it ends.
    while let Ok(mut block) = to_send.recv() {
        if !block.filled.is_empty() {
            let (frames, _) = block.bytes.as_chunks_mut::<DATA_FRAME_BYTES>();
            match sender.send_data(frames, &block.filled) {
                Ok(SendStatus::Written) => counters.add_sent(block.filled.iter().sum()),
                Ok(SendStatus::Closed) => return UploadEnd::Closed,
                Err(_) => return UploadEnd::SocketFailed,
            }
        }
        match block.more {
            Ok(More::Yes) => {}
            Ok(More::No) => {
                return match sender.send_end(|total| _ = counters.total.set(total)) {
                    Ok(()) => UploadEnd::StreamEnded,
                    Err(_) => UploadEnd::SocketFailed,
                };
            }
            Err(error) => return UploadEnd::InputFailed(error),
        }
        // A reader that has ended needs no block.
        let _ = empty.send(Block { more: Ok(More::Yes), ..block });
    }
    UploadEnd::InputFailed(io::ErrorKind::UnexpectedEof.into())
}

fn read_blocks(mut input: impl Read + AsFd, to_fill: &Receiver<Block>, full: &SyncSender<Block>) {
    while let Ok(mut block) = to_fill.recv() {
        block.filled.clear();
        let (frames, _) = block.bytes.as_chunks_mut::<DATA_FRAME_BYTES>();
        block.more = fill(&mut input, frames, &mut block.filled);
        let is_last = !matches!(block.more, Ok(More::Yes));
        if full.send(block).is_err() || is_last {
            return;
        }
    }
}

/// Whether more input may follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum More {
    Yes,
    No,
}

/// Waits for something to read, then takes what is there, frame by frame.
fn fill(
    input: &mut (impl Read + AsFd),
    frames: &mut [DataFrame],
    filled: &mut Vec<usize>,
) -> io::Result<More> {
    for frame in frames {
        let room = frame.get_mut(DATA_AT..DATA_AT + DATA_BYTES).unwrap_or_default();
        let mut bytes = 0;
        while let Some(free) = room.get_mut(bytes..).filter(|free| !free.is_empty()) {
            if (bytes > 0 || !filled.is_empty()) && !is_ready(input) {
                break;
            }
            match input.read(free) {
                Ok(0) => {
                    filled.extend(Some(bytes).filter(|bytes| *bytes > 0));
                    return Ok(More::No);
                }
                Ok(read) => bytes += read,
                // What was read before is sent first; the error comes again.
                Err(_) if bytes > 0 || !filled.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if bytes == 0 {
            return Ok(More::Yes);
        }
        filled.push(bytes);
        if bytes < room.len() {
            return Ok(More::Yes);
        }
    }
    Ok(More::Yes)
}

/// Whether a read returns at once, also with the end or an error.
fn is_ready(input: &impl AsFd) -> bool {
    let mut wanted = [PollFd::new(input, PollFlags::IN)];
    poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn filled_by(bytes: usize) -> (Vec<usize>, More) {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&vec![7; bytes]).unwrap();
        drop(writer);
        let mut block = vec![0; FRAMES * DATA_FRAME_BYTES];
        let (frames, _) = block.as_chunks_mut::<DATA_FRAME_BYTES>();
        let mut filled = Vec::new();
        let mut reader = reader;
        let more = fill(&mut reader, frames, &mut filled).unwrap();
        (filled, more)
    }

    #[test]
    fn controls_that_wait_are_one_of_each_kind_and_bye_is_the_last() {
        let mut owed = OwedControls::default();
        for number in 0..1_000 {
            owed.put(Control::Bye(ByeReason::Leaving));
            owed.put(Control::Pong(number));
            owed.put(Control::Stored(number));
            owed.put(Control::Ping(number));
            owed.put(Control::Rekey);
        }
        let controls: Vec<_> = std::iter::from_fn(|| owed.take()).collect();
        let bye = Control::Bye(ByeReason::Leaving);
        let last = [Control::Stored(999), Control::Pong(999), Control::Ping(999), bye];
        assert_eq!(controls, [&[Control::Rekey], &last[..]].concat());
        assert!(owed.is_empty());
    }

    #[test]
    fn an_input_fills_frame_after_frame_and_ends_where_it_ends() {
        assert_eq!(filled_by(0), (vec![], More::No));
        assert_eq!(filled_by(1), (vec![1], More::No));
        assert_eq!(filled_by(65_000), (vec![65_000], More::No));
        assert_eq!(filled_by(DATA_BYTES + 1), (vec![DATA_BYTES, 1], More::No));
    }

    #[test]
    fn what_is_there_does_not_wait_for_more() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"a line\n").unwrap();
        let mut block = vec![0; FRAMES * DATA_FRAME_BYTES];
        let (frames, _) = block.as_chunks_mut::<DATA_FRAME_BYTES>();
        let mut filled = Vec::new();
        assert_eq!(fill(&mut reader, frames, &mut filled).unwrap(), More::Yes);
        assert_eq!(filled, [7]);
        assert_eq!(&frames[0][DATA_AT..DATA_AT + 7], b"a line\n");
    }
}
