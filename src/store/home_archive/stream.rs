//! Content of a sealed file as a stream of bytes, cut into chunks.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::content::wrong;
use crate::crypto::SealedFile;

const SEALED_CHUNK_BYTES: usize = SealedFile::CHUNK_BYTES + SealedFile::OVERHEAD_BYTES;

/// Seals what is written to it.
pub(super) struct SealingWriter<W> {
    sealed: SealedFile,
    out: W,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> SealingWriter<W> {
    /// Begins the file with its header.
    pub(super) fn new(sealed: SealedFile, mut out: W) -> io::Result<Self> {
        out.write_all(sealed.header())?;
        Ok(Self { sealed, out, chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)) })
    }

    /// Writes the last chunk.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.write_chunk()
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        self.sealed.seal(&mut self.chunk);
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The last chunk is never empty, so a full one waits for what comes behind it.
        if self.chunk.len() == SealedFile::CHUNK_BYTES {
            self.write_chunk()?;
        }
        let room = SealedFile::CHUNK_BYTES - self.chunk.len();
        let (taken, _) = bytes.split_at(room.min(bytes.len()));
        self.chunk.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what is read from it; what does not open is an error of the kind `InvalidData`.
pub(super) struct OpeningReader<'a, R> {
    sealed: &'a mut SealedFile,
    input: R,
    chunk: Zeroizing<Vec<u8>>,
    /// Bytes of the chunk that were read.
    read: usize,
}

impl<'a, R: Read> OpeningReader<'a, R> {
    /// Reads the chunks of a file, which stand behind its header.
    pub(super) fn new(sealed: &'a mut SealedFile, input: R) -> Self {
        sealed.rewind();
        let chunk = Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES));
        Self { sealed, input, chunk, read: 0 }
    }
}

impl<R: Read> Read for OpeningReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.chunk.len() {
            self.read = 0;
            self.chunk.clear();
            (&mut self.input).take(SEALED_CHUNK_BYTES as u64).read_to_end(&mut self.chunk)?;
            if self.chunk.is_empty() {
                return Ok(0);
            }
            let opened = self.sealed.open_chunk(&mut self.chunk);
            opened.map_err(|_| wrong("a part of it was changed"))?;
        }
        let left = self.chunk.get(self.read..).unwrap_or_default();
        let (taken, _) = left.split_at(left.len().min(out.len()));
        let (out, _) = out.split_at_mut(taken.len());
        out.copy_from_slice(taken);
        self.read += taken.len();
        Ok(taken.len())
    }
}
