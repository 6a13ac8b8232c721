//! The command line and console shell of MinOS.
//!
//! [`cli`] turns words into a verb, [`verbs`] ask pkgd through [`client`], [`render`] turns answers
//! into text, [`shell`] is the prompt on the console. Only [`client`], [`sys`] and the shell's
//! `terminal` touch the world outside; everything else is a function from values to values.

pub mod cli;
pub mod client;
pub mod context;
pub mod error;
pub mod exit;
pub mod grammar;
pub mod render;
pub mod shell;
pub mod spec;
pub mod sys;
pub mod verbs;
pub mod words;
