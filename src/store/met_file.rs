//! File of the peers that called and were not chosen, which several processes change.

use std::path::PathBuf;

use super::safe_file::{self, Access};
use super::{Home, StoreError};
use crate::peers::met::{MetChange, MetPeers};

/// Bytes of the file that are read: more than the longest list has.
pub(super) const MET_BYTES: u64 = 65_536;

/// Name of the file.
pub(super) const NAME: &str = "peers.met";

fn path(home: &Home) -> PathBuf {
    home.path().join(NAME)
}

/// The list as it is now. Nothing is trusted for it: one that cannot be read is empty.
pub(crate) fn read(home: &Home) -> MetPeers {
    let text = home.check().and_then(|()| safe_file::read_text(&path(home), MET_BYTES, Access::Public));
    text.ok().flatten().map_or_else(MetPeers::default, |text| MetPeers::parse(&text))
}

/// Applies changes to the list on disk, in one write, unless another process holds the lock of the
/// home: no call is worth a wait. Returns the new list.
pub(crate) fn change(home: &Home, changes: &[MetChange]) -> Result<MetPeers, StoreError> {
    let _lock = home.try_lock()?;
    let before = read(home);
    let mut met = before.clone();
    for change in changes {
        met.apply(change);
    }
    if met != before {
        safe_file::write(&path(home), met.to_string().as_bytes(), home.durability())?;
    }
    Ok(met)
}
