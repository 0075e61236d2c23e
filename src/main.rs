//! Binary of rsachat; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    rsachat::cli::run()
}
