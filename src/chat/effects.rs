//! Effect queue of the core, with the rate limit of warnings that any caller can cause.

use std::collections::VecDeque;

use super::file_io::FileRequest;
use super::io::Effect;
use super::notice::{Info, Notice, Warning};
use crate::ids::FaceId;
use crate::time::MonoMs;

/// Effects that were asked for and not yet polled.
#[derive(Default)]
pub(crate) struct Effects {
    queue: VecDeque<Effect>,
    /// Face whose input is handled: what answers it goes there alone.
    pub(crate) cause: Option<FaceId>,
    limiter: RateLimiter,
    /// The same for those that only programs are told.
    counted: RateLimiter,
    /// Whether a line was not understood or not taken, since this was last reset.
    pub(crate) has_mistake: bool,
}

impl Effects {
    pub(crate) fn push(&mut self, effect: Effect) {
        self.queue.push_back(effect);
    }

    /// Asks for something of the disk; writes to one transfer that follow each other go together.
    pub(crate) fn push_file(&mut self, request: FileRequest) {
        let request = match self.queue.back_mut() {
            Some(Effect::File(before)) => before.add(request),
            _ => Some(request),
        };
        self.queue.extend(request.map(Effect::File));
    }

    pub(crate) fn pop(&mut self) -> Option<Effect> {
        self.queue.pop_front()
    }

    /// Place in the queue, for [`Effects::take_since`].
    pub(crate) fn mark(&self) -> usize {
        self.queue.len()
    }

    /// Takes back what was shown since a mark.
    pub(crate) fn take_since(&mut self, mark: usize) -> Vec<Notice> {
        let taken = self.queue.drain(mark.min(self.queue.len())..);
        let notices = taken.filter_map(|effect| match effect {
            Effect::Show(notice, None) | Effect::ShowTo(_, notice) => Some(notice),
            _ => None,
        });
        notices.collect()
    }

    pub(crate) fn show(&mut self, notice: Notice) {
        match self.cause.filter(|_| !notice.is_for_all()) {
            Some(face) => self.push(Effect::ShowTo(face, notice)),
            None => self.push(Effect::Show(notice, None)),
        }
    }

    pub(crate) fn info(&mut self, info: Info) {
        self.show(Notice::Info(info));
    }

    pub(crate) fn warn(&mut self, warning: Warning) {
        self.has_mistake |= warning.is_of_mistake();
        self.show(Notice::Warning(warning));
    }

    /// Shows a warning that any caller can cause, at most one a second; the rest is counted.
    pub(crate) fn warn_limited(&mut self, warning: Warning, now: MonoMs) {
        if self.limiter.admits(now) {
            self.warn(warning);
        }
    }

    /// Tells programs a warning that any caller can cause, at most one a second; the rest is
    /// counted.
    pub(crate) fn tell_counted(&mut self, warning: Warning, now: MonoMs) {
        if self.counted.admits(now) {
            self.show(Notice::Counted(warning));
        }
    }

    /// Shows how many warnings were held back, once that is due.
    pub(crate) fn handle_timeout(&mut self, now: MonoMs) {
        if let Some(times) = self.limiter.take_suppressed(now) {
            self.warn(Warning::Suppressed { times });
        }
        if let Some(times) = self.counted.take_suppressed(now) {
            self.show(Notice::Counted(Warning::Suppressed { times }));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<MonoMs> {
        self.limiter.poll_timeout().into_iter().chain(self.counted.poll_timeout()).min()
    }
}

/// Rate limiter of warnings.
#[derive(Default)]
struct RateLimiter {
    last_shown: Option<MonoMs>,
    suppressed: u64,
}

impl RateLimiter {
    /// Time between two warnings, in milliseconds.
    const INTERVAL_MS: u64 = 1_000;

    fn admits(&mut self, now: MonoMs) -> bool {
        let admitted = self.last_shown.is_none_or(|shown| now >= shown + Self::INTERVAL_MS);
        if admitted {
            self.last_shown = Some(now);
        } else {
            self.suppressed += 1;
        }
        admitted
    }

    fn take_suppressed(&mut self, now: MonoMs) -> Option<u64> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        self.last_shown = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Moment at which the count of suppressed warnings is due.
    fn poll_timeout(&self) -> Option<MonoMs> {
        (self.suppressed > 0).then(|| self.last_shown.unwrap_or_default() + Self::INTERVAL_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_strangers_come_once_a_second_and_the_rest_as_a_count() {
        let mut limiter = RateLimiter::default();
        let shown = |limiter: &mut RateLimiter, ms| limiter.admits(MonoMs(ms));
        assert_eq!(limiter.poll_timeout(), None);
        assert!(shown(&mut limiter, 5_000));
        assert!(!shown(&mut limiter, 5_999) && !shown(&mut limiter, 5_999));
        assert_eq!(
            (limiter.poll_timeout(), limiter.take_suppressed(MonoMs(5_999))),
            (Some(MonoMs(6_000)), None)
        );
        assert_eq!(limiter.take_suppressed(MonoMs(6_000)), Some(2));
        // The count was a row as well.
        assert!(!shown(&mut limiter, 6_999) && shown(&mut limiter, 7_000));
        assert_eq!(limiter.take_suppressed(MonoMs(8_000)), Some(1));
        assert_eq!(limiter.take_suppressed(MonoMs(9_000)), None);
    }
}
