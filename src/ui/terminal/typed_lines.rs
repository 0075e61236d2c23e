//! Standard input without a line editor: where it is a terminal, the sequences are taken out of it.

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Instant;

use mio::Waker;

use super::key_filter::KeyFilter;
use crate::net::lines::Lines;

/// Reads the lines of standard input.
pub(crate) fn typed_lines(waker: Arc<Waker>) -> io::Result<Lines> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    Lines::of_descriptor(input, |reader| TypedInput::new(reader, &io::stdin()), waker)
}

/// Input whose sequences are dropped where a person types it.
pub(crate) struct TypedInput<R> {
    input: R,
    /// `None` where no terminal is read.
    filter: Option<KeyFilter>,
}

impl<R> TypedInput<R> {
    pub(crate) fn new(input: R, source: &impl IsTerminal) -> Self {
        Self { input, filter: source.is_terminal().then(KeyFilter::of_lines) }
    }
}

impl<R: Read> Read for TypedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.input.read(buffer)?;
            let Some(filter) = self.filter.as_mut().filter(|_| read > 0) else { return Ok(read) };
            // Never more than was read.
            let text = filter.feed(buffer.get(..read).unwrap_or_default(), Instant::now());
            if let Some(room) = buffer.get_mut(..text.len()).filter(|room| !room.is_empty()) {
                room.copy_from_slice(&text);
                return Ok(text.len());
            }
        }
    }
}
