//! Checks of files below the folder of a run: `@same`, `@absent`, `@expect-file`.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::environment::is_interrupted;
use super::runner::{AfterDifference, Run, RunStop};
use crate::app::error::describe;
use crate::script::{Diagnostic, Expectation, FileCheck, Fragment, Line};
use crate::text::utf8;

/// Most bytes of a file that is compared.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// How files are not as they must be: title and notes.
struct FileDifference {
    message: String,
    notes: Vec<(&'static str, String)>,
}

impl FileDifference {
    fn new(message: String) -> Self {
        Self { message, notes: Vec::new() }
    }
}

impl Run<'_> {
    /// Checks files; in a live run, where programs write when they write, until the timeout.
    pub(super) fn check_file(&mut self, line: &Line, check: &FileCheck) -> Result<(), RunStop> {
        let until = Instant::now() + Duration::from_millis(self.timeout_ms);
        let found = loop {
            let found = self.file_difference(check);
            if found.is_none() || !self.script.is_live() || Instant::now() >= until {
                break found;
            }
            if is_interrupted() {
                return Err(RunStop::Interrupted);
            }
            self.actors.poll(until.min(Instant::now() + Duration::from_millis(20)))?;
        };
        let Some(FileDifference { message, notes }) = found else { return Ok(()) };
        self.report(Diagnostic { notes, ..Diagnostic::new(line.full_span(), message) });
        match self.options.after_difference {
            AfterDifference::Stop => Err(RunStop::Differed),
            AfterDifference::Continue => Ok(()),
        }
    }

    fn file_difference(&mut self, check: &FileCheck) -> Option<FileDifference> {
        match check {
            FileCheck::Absent(path) => match self.read_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                _ => Some(FileDifference::new(format!("{path} is there"))),
            },
            FileCheck::Same(path, other) => {
                let pair = self.read_file(path).map_err(|error| (path, error));
                let pair =
                    pair.and_then(|one| Ok((one, self.read_file(other).map_err(|error| (other, error))?)));
                match pair {
                    Err((path, error)) => Some(unreadable(path, &error)),
                    Ok((one, two)) if one == two => None,
                    Ok((one, two)) => {
                        let at = one.iter().zip(&two).position(|(one, two)| one != two);
                        let at = at.unwrap_or(one.len().min(two.len()));
                        let note =
                            format!("byte {at} of {} and {} is the first that differs", one.len(), two.len());
                        let mut difference = FileDifference::new(format!("{path} and {other} differ"));
                        difference.notes.push(("note", note));
                        Some(difference)
                    }
                }
            }
            FileCheck::Rows { path, rows } => match self.read_file(path) {
                Err(error) => Some(unreadable(path, &error)),
                Ok(bytes) => self.row_difference(path, rows, &bytes),
            },
        }
    }

    fn row_difference(
        &mut self,
        path: &str,
        rows: &[(String, Vec<Fragment>)],
        bytes: &[u8],
    ) -> Option<FileDifference> {
        let Ok(text) = utf8::decode(bytes) else {
            return Some(FileDifference::new(format!("{path} is not UTF-8 text")));
        };
        let (mut shown, mut wanted) = (text.lines(), rows.iter());
        let mut bindings = self.bindings.clone();
        for number in 1.. {
            let (want, got) = (wanted.next(), shown.next());
            let bound = match (want, got) {
                (None, None) => break,
                (Some((_, pattern)), Some(got)) => bindings.matched(&Expectation::Row(pattern.clone()), got),
                _ => None,
            };
            let Some(bound) = bound else {
                let mut difference = FileDifference::new(format!("{path} differs in line {number}"));
                let end = || "(the end of the file)".to_owned();
                let want = want.map_or_else(end, |(row, _)| row.clone());
                let got = got.map_or_else(end, |row| self.substitutions.pattern(row));
                difference.notes.extend([("want", want), ("got", got)]);
                return Some(difference);
            };
            bindings = bound;
        }
        self.bindings = bindings;
        None
    }

    /// Reads a file of the run. What a program has put there instead, a link say, is not followed.
    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        let folder = self.actors.simulation.folder.path();
        let path = folder.join(path);
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(&path)?;
        if !file.metadata()?.is_file() || !path.canonicalize()?.starts_with(folder.canonicalize()?) {
            return Err(io::Error::other("it is not a file of the run"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(io::Error::other(format!("it has more than {FILE_BYTES} bytes")));
        }
        Ok(bytes)
    }
}

fn unreadable(path: &str, error: &io::Error) -> FileDifference {
    match error.kind() {
        io::ErrorKind::NotFound => FileDifference::new(format!("{path} is not there")),
        _ => FileDifference::new(format!("cannot read {path}: {}", describe(error))),
    }
}
