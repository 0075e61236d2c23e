//! The committed test keys, by the part they play and their bits, and what it costs to look at one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rsachat::crypto::Identity;

/// A place under `tests/`.
pub(crate) fn path(below_tests: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(below_tests)
}

/// The PEM text of a test key, such as `alice-2048`.
pub(crate) fn pem(name: &str) -> String {
    std::fs::read_to_string(path("keys").join(name).with_extension("pem")).unwrap()
}

/// A test key, read by the code under test.
pub(crate) fn identity(name: &str) -> Identity {
    Identity::from_pem(&pem(name), None).unwrap()
}

/// Processor time that this thread has used: what others do on the machine is not in it.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
