//! Where a long job says how far it is. The library only ever reports here.

/// Listens to a job.
pub trait Progress {
    /// Something was begun or ended; always shown.
    fn step(&self, text: &str);
    /// The job is alive; a listener may drop most of these.
    fn tick(&self, text: &str);
}

/// Listens to nothing.
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _text: &str) {}
    fn tick(&self, _text: &str) {}
}
