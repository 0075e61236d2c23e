//! Conversations of `scripts/`, each a test, by the one call of docs/TESTING.md.

use std::process::ExitCode;

use rsachat::cli::{SpawnedPrograms, run_folder};

fn main() -> ExitCode {
    run_folder("scripts", SpawnedPrograms::Refuse)
}
