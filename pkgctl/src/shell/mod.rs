//! The prompt on the console.

use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;

/// Runs the shell until it is left.
///
/// # Errors
/// [`Error::Output`] when the terminal is gone.
pub fn run(_context: Context<'_>) -> Result<Exit, Error> {
    Ok(Exit::Ok)
}
