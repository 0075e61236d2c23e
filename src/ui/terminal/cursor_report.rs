//! Report of the cursor's place (ECMA-48, CPR): the editor asks for it, the filter of the input
//! reads the answer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::rows::Place;
use crate::app::os;

const ASK: &str = "\x1b[6n";
/// Longest wait for an answer. A terminal that gives none is not asked again.
const ANSWER_WITHIN_MS: u64 = 300;

/// State of the question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Nobody reads answers, or none came.
    #[default]
    Silent,
    Answers,
    Asked,
    Told(Place),
}

#[derive(Default)]
pub(crate) struct CursorReport {
    state: Mutex<State>,
    told: Condvar,
}

impl CursorReport {
    /// From now on answers are read.
    pub(super) fn enable(&self) {
        *self.lock() = State::Answers;
    }

    /// The answer of the terminal.
    pub(super) fn tell(&self, place: Place) {
        let mut state = self.lock();
        if *state == State::Asked {
            *state = State::Told(place);
            self.told.notify_all();
        }
    }

    /// Asks where the cursor stands. `None` where the terminal does not say it.
    pub(super) fn ask(&self) -> Option<Place> {
        let mut state = self.lock();
        if *state != State::Answers {
            return None;
        }
        *state = State::Asked;
        drop(state);
        // A terminal that is gone does not answer.
        let _ = os::print(ASK);
        let limit = Duration::from_millis(ANSWER_WITHIN_MS);
        let waited = self.told.wait_timeout_while(self.lock(), limit, |state| *state == State::Asked);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let State::Told(place) = *state else {
            *state = State::Silent;
            return None;
        };
        *state = State::Answers;
        Some(place)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
