//! Hash of a file, block by block: it grows while bytes pass, and what is known of a beginning is
//! used again when the rest follows.

use sha2::{Digest, Sha256};

/// Bytes of one block; the last one of a file may have fewer.
pub const BLOCK_BYTES: u64 = 4 * 1024 * 1024;

/// Zeros that are hashed at a time.
static ZEROS: [u8; 65_536] = [0; 65_536];

/// SHA-256 of each whole block of a file, from its beginning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockList(Vec<[u8; 32]>);

impl BlockList {
    /// The list of hashes that were kept.
    #[must_use]
    pub fn new(hashes: Vec<[u8; 32]>) -> Self {
        Self(hashes)
    }

    /// The hashes, in the order of their blocks.
    #[must_use]
    pub fn hashes(&self) -> &[[u8; 32]] {
        &self.0
    }

    /// Bytes that it covers.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.len() as u64 * BLOCK_BYTES
    }

    /// What of it lies within the first `bytes` of the file.
    #[must_use]
    pub fn up_to(mut self, bytes: u64) -> Self {
        self.0.truncate(usize::try_from(bytes / BLOCK_BYTES).unwrap_or(usize::MAX));
        self
    }
}

/// Hash of a file as its bytes pass, in order.
#[derive(Clone, Debug)]
pub struct BlockHasher {
    blocks: BlockList,
    /// The block that is not whole.
    hasher: Sha256,
    /// Bytes in it, fewer than [`BLOCK_BYTES`].
    partial: u64,
}

impl BlockHasher {
    /// Goes on behind blocks that are known.
    #[must_use]
    pub fn after(blocks: BlockList) -> Self {
        Self { blocks, hasher: Sha256::new(), partial: 0 }
    }

    /// Bytes that it has seen, those of known blocks included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.bytes() + self.partial
    }

    /// The whole blocks.
    #[must_use]
    pub fn blocks(&self) -> &BlockList {
        &self.blocks
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(BLOCK_BYTES - self.partial).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(now);
            self.partial += now.len() as u64;
            if self.partial == BLOCK_BYTES {
                self.blocks.0.push(self.hasher.finalize_reset().into());
                self.partial = 0;
            }
            bytes = later;
        }
    }

    /// Takes so many zeros. Whole blocks of them cost no hashing: theirs is known.
    pub fn update_zeros(&mut self, mut length: u64) {
        let mut zero_block = None;
        while length > 0 {
            if self.partial == 0 && length >= BLOCK_BYTES {
                self.blocks.0.push(*zero_block.get_or_insert_with(zero_block_hash));
                length -= BLOCK_BYTES;
                continue;
            }
            let now = length.min(BLOCK_BYTES - self.partial).min(ZEROS.len() as u64);
            self.update(ZEROS.get(..usize::try_from(now).unwrap_or_default()).unwrap_or_default());
            length -= now;
        }
    }

    /// SHA-256 over the SHA-256 of every block, the last one included.
    #[must_use]
    pub fn root(mut self) -> [u8; 32] {
        if self.partial > 0 {
            self.blocks.0.push(self.hasher.finalize_reset().into());
        }
        self.blocks.0.iter().fold(Sha256::new(), Sha256::chain_update).finalize().into()
    }
}

/// Hash of a whole block of zeros.
fn zero_block_hash() -> [u8; 32] {
    let mut hasher = Sha256::new();
    for _ in 0..BLOCK_BYTES / ZEROS.len() as u64 {
        hasher.update(ZEROS);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 4 * 1024 * 1024;

    fn root_of(bytes: &[u8]) -> [u8; 32] {
        let hashes: Vec<u8> = bytes.chunks(BLOCK).flat_map(Sha256::digest).collect();
        Sha256::digest(hashes).into()
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn the_root_is_the_hash_over_the_hashes_of_the_blocks_however_the_bytes_come() {
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 77] {
            let all = bytes(count);
            for piece in [32_000, BLOCK / 2 + 1, 3 * BLOCK] {
                let mut hasher = BlockHasher::after(BlockList::default());
                all.chunks(piece).for_each(|piece| hasher.update(piece));
                assert_eq!(hasher.bytes(), count as u64);
                assert_eq!(hasher.root(), root_of(&all), "{count} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_file_goes_on_behind_the_blocks_that_are_known() {
        let all = bytes(2 * BLOCK + 1_000);
        let mut first = BlockHasher::after(BlockList::default());
        first.update(&all[..BLOCK + 500]);
        let known = first.blocks().clone().up_to(BLOCK as u64 + 400);
        assert_eq!(known.bytes(), BLOCK as u64);
        let mut second = BlockHasher::after(BlockList::new(known.hashes().to_vec()));
        second.update(&all[BLOCK..]);
        assert_eq!(second.root(), root_of(&all));
        assert_eq!(first.blocks().clone().up_to(BLOCK as u64 - 1).bytes(), 0);
    }

    #[test]
    fn zeros_are_hashed_as_the_bytes_that_they_stand_for() {
        let zeros = 2 * BLOCK + 70_000;
        let all = [bytes(1_234), vec![0; zeros], bytes(99)].concat();
        let mut hasher = BlockHasher::after(BlockList::default());
        hasher.update(&bytes(1_234));
        hasher.update_zeros(zeros as u64);
        hasher.update(&bytes(99));
        assert_eq!(hasher.root(), root_of(&all));
    }
}
