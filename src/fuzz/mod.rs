//! Bodies of the fuzz targets (`fuzz/README.md`): for each a function of bytes, which panics where
//! a law does not hold. `cargo test` replays the kept inputs of `fuzz/corpus`.

#![allow(missing_docs, reason = "a target is called by its name alone")]
#![allow(clippy::missing_panics_doc, reason = "a broken law is a panic")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a target that cannot go on has found something"
)]

mod chat;
mod choices;
mod keys;
mod letters;
mod model;
mod peers;
mod pipe;
mod raw;
mod relay;
mod requests;
mod script;
mod session;
mod side;
pub(crate) mod text;
mod wire;

pub use chat::chat;
pub use keys::keys;
pub use letters::letters;
pub use model::model;
pub use peers::peers;
pub use pipe::pipe;
pub use raw::raw;
pub use relay::relay;
pub use requests::requests;
pub use script::script;
pub use session::{handshake, session};
pub use text::text;
pub use wire::wire;

pub(crate) use choices::Choices;

pub fn delivery(data: &[u8]) {
    crate::delivery::model::play_any(data);
}

pub fn store(data: &[u8]) {
    crate::store::message_store::read_and_write_any(data);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic::catch_unwind;
    use std::path::Path;

    /// Hands a target its kept inputs; a failure names the file.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let (path, bytes) = entry.map(|entry| (entry.path(), fs::read(entry.path()).unwrap())).unwrap();
            assert!(catch_unwind(|| run(&bytes)).is_ok(), "a law is broken by {}", path.display());
            count += 1;
        }
        assert!(count > 0, "no input in {}", folder.display());
    }

    /// A test for each target.
    macro_rules! replayed {
        ($($target:ident)*) => { $(
            #[test]
            fn $target() {
                replay(stringify!($target), super::$target);
            }
        )* };
    }

    replayed!(chat delivery handshake keys letters model peers pipe raw relay requests script session store text wire);
}
