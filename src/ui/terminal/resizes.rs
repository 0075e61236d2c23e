//! Signal that the screen has another size (SIGWINCH). One thread takes it, so that none is missed:
//! it puts the cursor back where the line ends, and has the line painted anew.
//!
//! rustyline reads the signal behind all keys that it has read already. What those paint would be
//! laid out for one size and cleared for another, a row higher with each of them. So it is told
//! only when no key waits ([`tell_editor`]), and is taken to have the size of before until then.
//!
//! rustyline clears as many rows above the cursor as the line has. tmux may put the cursor into any
//! row above it as it wraps wide characters anew (`grid_reflow_join` as of 3.7), and those rows may
//! be messages. Nothing but the line is in the last rows of the screen, or nothing at all.

use std::io;
use std::os::unix::thread::JoinHandleExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::{SigSet, Signal, raise};

use super::editor_state::{CursorPlace, EditorShared, EventSender};
use super::reflow::{self, SETTLING};
use super::screen_sizes::Columns;
use super::terminal_guard;
use crate::app::os;
use crate::render::Size;
use crate::ui::size::size;

/// Interval at which the size is asked for while it may change, shorter than that at which tmux
/// tells one.
const SIZE_POLL: Duration = Duration::from_millis(50);
/// Pause between two signals to a thread that is to end.
const END_SIGNAL_PAUSE: Duration = Duration::from_millis(5);

/// Owner of the thread that takes the signal, which every other thread blocks.
pub(crate) struct Resizes {
    is_closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Resizes {
    pub(crate) fn start(events: Arc<EventSender>) -> io::Result<Self> {
        let is_closing = Arc::<AtomicBool>::default();
        let closing = Arc::clone(&is_closing);
        let thread =
            thread::Builder::new().name("resizes".into()).spawn(move || take_all(&closing, &events))?;
        Ok(Self { is_closing, thread: Some(thread) })
    }
}

impl Drop for Resizes {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // It may wait for a size to hold.
            thread.thread().unpark();
            // Again and again: the system drops one that waits where rustyline takes its handler
            // away, and that handler takes one which comes while the thread lets it.
            while !thread.is_finished() {
                // The cast is for musl, whose C library has a pointer there.
                let _ = pthread_kill(thread.as_pthread_t() as Pthread, Signal::SIGWINCH);
                thread::sleep(END_SIGNAL_PAUSE);
            }
            // A panic there has been reported by its hook.
            let _ = thread.join();
        }
    }
}

fn take_all(closing: &AtomicBool, events: &EventSender) {
    let signal = SigSet::from(Signal::SIGWINCH);
    while signal.wait().is_ok() && !closing.load(Ordering::SeqCst) {
        settle_size(events.shared());
        events.shared().gate.release();
        events.report_stale_prompt();
    }
}

/// Tells rustyline of another size: its handler runs in this thread, which is the editor's. It asks
/// for the size before it reads another key.
pub(super) fn tell_editor() -> nix::Result<()> {
    let signal = SigSet::from(Signal::SIGWINCH);
    raise(Signal::SIGWINCH)?;
    signal.thread_unblock()?;
    signal.thread_block()
}

/// Takes note of a size, on a terminal that tells it late once it has held. Output and keys wait
/// until then: what they write would stand where the line stood before. The end of the program
/// unparks the thread.
fn settle_size(shared: &EditorShared) {
    shared.gate.hold();
    let (known, mut told) = (shared.sizes.settled(), size());
    let mut is_rewrapped = told.cells != known.cells;
    let mut rows = if told.rows < known.rows { LineRows::MayBeGone } else { LineRows::Kept };
    if shared.reflows && is_rewrapped {
        // At once: tmux drops rows below the cursor when the screen becomes lower.
        go_to_end(shared);
    }
    while let Some(size) = next_size(shared, told) {
        go_to_end(shared);
        // Other sizes may have come between the two.
        is_rewrapped = true;
        if [told.rows, size.rows] != [known.rows; 2] {
            rows = LineRows::MayBeGone;
        }
        told = size;
    }
    match rows {
        rows if shared.reflows && is_rewrapped => find_line(shared, rows),
        LineRows::MayBeGone => make_room(shared),
        LineRows::Kept => {}
    }
    shared.sizes.note_settled();
}

/// What has become of the rows of the line below the cursor, which tmux may have put too high: it
/// drops them as the window becomes lower.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineRows {
    Kept,
    MayBeGone,
}

/// The next size before this one has held, on a terminal that tells it late.
fn next_size(shared: &EditorShared, told: Size) -> Option<Size> {
    let since = Instant::now();
    while shared.reflows && !shared.is_closing() && size() == told {
        thread::park_timeout(SETTLING.checked_sub(since.elapsed())?.min(SIZE_POLL));
    }
    Some(size()).filter(|size| shared.reflows && *size != told)
}

/// Moves the cursor into the last row of the screen, or has the next read begin there.
fn go_to_end(shared: &EditorShared) {
    if shared.is_read() {
        write(reflow::TO_LAST_ROW);
    } else {
        shared.set_cursor(CursorPlace::Unknown);
    }
}

/// Puts the cursor where the line has it if it ends in the last row of the screen. Where that is
/// not known or rows of the line may be gone, it is left, and painted anew below everything.
fn find_line(shared: &EditorShared, rows_below: LineRows) {
    if !shared.is_read() {
        return shared.set_cursor(CursorPlace::Unknown);
    }
    let (known, line) = (shared.sizes.settled(), shared.line().painted.clone());
    let (below, column, rows) = line.place();
    let (place, sequence) = if rows_below == LineRows::MayBeGone || line.columns == Columns::AtLeast {
        shared.row_above().forget();
        (CursorPlace::BelowAll, reflow::leave(rows.min(known.rows.max(size().rows))))
    } else {
        (CursorPlace::Found, reflow::TO_LAST_ROW.to_owned() + &reflow::up(below) + &reflow::to_column(column))
    };
    shared.set_cursor(place);
    write(&sequence);
}

/// Makes sure that the rows of the line below its cursor are there: a terminal that has become
/// lower may have dropped them, and the editor goes down before it clears upwards.
fn make_room(shared: &EditorShared) {
    let line = shared.line().painted.clone();
    let (below, column, rows) = line.place();
    let below = if line.columns == Columns::Known { below } else { rows };
    if shared.is_read() && below > 0 {
        write(&("\n".repeat(below) + &reflow::up(below) + &reflow::to_column(column)));
    }
}

/// Writes at once or not at all: the end of the program waits for this thread.
fn write(sequence: &str) {
    if !terminal_guard::is_stopped() {
        // The editor finds a terminal that is gone.
        let _ = os::print(sequence);
    }
}
