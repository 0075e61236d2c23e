//! Committed test keys, by the part they play and their bits, and what it costs to look at one.

use std::time::Duration;

use rsachat::crypto::Identity;

use crate::support::read;

/// The PEM text of a test key, such as `alice-2048`.
pub(crate) fn pem(name: &str) -> String {
    read(&format!("tests/keys/{name}.pem"))
}

/// A test key, read by the code under test.
pub(crate) fn identity(name: &str) -> Identity {
    Identity::from_pem(&pem(name), None).unwrap()
}

/// The modulus of a good key.
pub(crate) fn good() -> Vec<u8> {
    let blob = identity("alice-2048").public().blob().to_vec();
    blob[blob.len() - 256..].to_vec()
}

/// Processor time that this thread has used: what others do on the machine is not in it.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
