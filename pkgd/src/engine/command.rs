//! What the engine is asked and told.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use minos_model::Digest;
use minos_proto::{BuildOptions, ErrorReport, Reply};

use super::worker::Report;
use crate::recipes::Recipes;
use crate::service::Peer;

/// Where the answer to a request goes.
pub type Answer = SyncSender<Result<Reply, ErrorReport>>;

/// What a connection may ask of the engine.
pub enum Command {
    /// Queue a build.
    Build {
        /// What to build.
        target: String,
        /// How.
        options: BuildOptions,
        /// The recipes it is planned and run with, or why there are none.
        recipes: Result<Arc<Recipes>, ErrorReport>,
        /// The job that this one tries again.
        retry_of: Option<u64>,
        /// Who asked.
        peer: Peer,
        /// Where the answer goes.
        reply: Answer,
    },
    /// Stop a job; answered when that is written down.
    Cancel {
        /// The job.
        job: u64,
        /// Who asked.
        peer: Peer,
        /// Where the answer goes.
        reply: Answer,
    },
    /// Forget outputs that are missing or damaged.
    Forget {
        /// Each with what was found.
        outputs: Vec<(Digest, String)>,
        /// Who asked.
        peer: Peer,
        /// Where the answer goes.
        reply: Answer,
    },
    /// Write a line into the audit trail.
    Audit {
        /// What was done.
        what: String,
        /// Who asked.
        peer: Peer,
        /// Where the answer goes.
        reply: Answer,
    },
    /// A worker has something to say.
    Worker(Report),
    /// pkgd itself was asked to stop. Running steps die with it and go on from their checkpoints at
    /// the next start, exactly as after a kill: there is no other way to stop.
    Stop,
}
