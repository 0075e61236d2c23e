//! Resource limits of the process: open descriptors and core files (`setrlimit`).

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one and returns the limit now in force;
/// `None` is no limit. Only for processes without a line editor, whose `select` cannot see
/// descriptors past 1,023.
///
/// # Errors
/// The system's refusal; the old limit then still holds.
pub fn raise_fd_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(getrlimit(Resource::Nofile).current)
}

/// Disables core files: one would hold keys.
///
/// # Errors
/// The system's refusal; lowering a limit is always allowed.
pub fn disable_core_dumps() -> io::Result<()> {
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}
