//! Instructions of a function of this test, counted by valgrind's callgrind in a process of its own: the
//! same number on every run of the same build, unlike time.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;

/// Name of what is to be counted, in the environment of the process that callgrind watches.
const VARIABLE: &str = "RSACHAT_COUNTED_OPERATION";

/// Whether callgrind is installed.
pub fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok()
}

/// What this process is to do, if callgrind watches it.
pub fn watched() -> Option<String> {
    env::var(VARIABLE).ok()
}

/// Function by whose name callgrind finds what is to be counted.
#[inline(never)]
pub fn counted_operation(operation: impl FnOnce()) {
    operation();
}

/// Instructions of each call of [`counted_operation`], in their order, of a process of this test.
pub fn instructions(operation: &str) -> Result<Vec<u64>, Failed> {
    let folder = tempfile::tempdir()?;
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*::counted_operation"])
        .arg("--dump-after=*::counted_operation")
        .arg(format!("--callgrind-out-file={}", folder.path().join("calls").display()))
        .arg(env::current_exe()?)
        .env(VARIABLE, operation)
        .stdin(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("callgrind ended with {status}").into());
    }
    counts(folder.path())
}

/// Counts of the files that callgrind has written, one for each call.
fn counts(folder: &Path) -> Result<Vec<u64>, Failed> {
    let mut counts = BTreeMap::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let number = path.extension().and_then(|number| number.to_str()?.parse::<u32>().ok());
        let text = fs::read_to_string(&path)?;
        let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
        if let (Some(number), Some(total)) = (number, total) {
            counts.insert(number, total);
        }
    }
    Ok(counts.into_values().collect())
}
