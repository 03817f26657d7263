//! The state of the one screen of the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::view::View;

/// The screen of the process.
static STATE: Mutex<State> = Mutex::new(State::new());

pub(super) struct State {
    pub(super) is_open: bool,
    pub(super) has_keyboard: bool,
    /// The whole last frame, as it is printed when the screen is left.
    pub(super) last: String,
    pub(super) view: View,
}

impl State {
    const fn new() -> Self {
        Self { is_open: false, has_keyboard: false, last: String::new(), view: View::new() }
    }
}

pub(super) fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
