//! Figures of a bench for other programs: each bench writes them as JSON beside its table, so that
//! `benches/compare` can set two commits side by side.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

/// Which of two values is the better one.
#[allow(dead_code, reason = "not every bench has both")]
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Lower,
    Higher,
}

#[derive(Serialize)]
struct Measured {
    figure: String,
    value: f64,
    unit: String,
    better: Better,
}

/// What a bench has measured so far.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Report(Vec<Measured>);

impl Report {
    /// Adds a figure, in its unit.
    pub(crate) fn add(&mut self, figure: &str, value: f64, unit: &str, better: Better) {
        self.0.push(Measured { figure: figure.trim().to_owned(), value, unit: unit.to_owned(), better });
    }

    /// Writes them all as one array to `target/tmp/BENCH.json`.
    pub(crate) fn write(&self, bench: &str) -> io::Result<()> {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{bench}.json"));
        fs::write(file, serde_json::to_string_pretty(self)? + "\n")
    }
}
