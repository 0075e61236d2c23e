//! What the process may hold and leave behind: descriptors, core files. Knows nothing of their use.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one and returns what holds from now on; `None` is
/// no limit. To be called where no line editor runs: its `select` cannot see descriptors past 1,023.
///
/// # Errors
/// What the system says when it refuses; the old limit then still holds.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current)
}

/// Lets a crash leave no core file: it would hold keys.
///
/// # Errors
/// What the system says; lowering a limit is always allowed.
pub fn leave_no_core() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
