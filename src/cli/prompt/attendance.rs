//! Attendance of a prompt: somebody at it, or nobody.

use crate::app::error::code;

/// Whether somebody is at the prompt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attendance {
    /// A person or a program.
    Attended,
    /// Nobody: it serves the home.
    Unattended,
}

impl Attendance {
    /// Exit code of a session that ended with `code`: lines that wait for their receivers are what
    /// a service is for.
    pub(super) fn code(self, code: u8) -> u8 {
        match (self, code) {
            (Self::Unattended, code::QUEUED) => 0,
            (_, code) => code,
        }
    }
}
