//! How much a solve may do before it gives up.

use core::cell::Cell;

/// Limits of one request. They are counted, not timed, so that the same request gives the same answer on every
/// machine; [`Limits::cancel`] is for the caller who has a clock or a user at the keyboard.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Rounds of propagation in the search. One takes 1 to 5 microseconds.
    pub steps: u64,
    /// Open needs looked at for an explanation. One takes 1 to 10 microseconds.
    pub explain: u64,
    /// How often the search is repeated to find an answer that changes less.
    pub refinements: u32,
    /// Asked now and then; true gives up at once.
    pub cancel: Option<&'a dyn Fn() -> bool>,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self { steps: 40_000, explain: 12_000, refinements: 64, cancel: None }
    }
}

impl core::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { steps, explain, refinements, cancel } = self;
        let cancel = cancel.is_some();
        write!(
            f,
            "Limits({steps} steps, {explain} to explain, {refinements} refinements, {cancel})"
        )
    }
}

/// What is left of a number of steps.
pub struct Budget<'a> {
    left: Cell<u64>,
    used: Cell<u64>,
    cancel: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Budget<'a> {
    /// `steps`, and whom to ask.
    pub fn new(steps: u64, cancel: Option<&'a dyn Fn() -> bool>) -> Self {
        Self { left: Cell::new(steps), used: Cell::new(0), cancel }
    }

    /// Takes one step; false when there is none left.
    pub fn step(&self) -> bool {
        let used = self.used.get() + 1;
        self.used.set(used);
        if used.is_multiple_of(256) && self.cancel.is_some_and(|cancel| cancel()) {
            self.left.set(0);
        }
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }

    /// Steps taken so far.
    pub fn used(&self) -> u64 {
        self.used.get()
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}
