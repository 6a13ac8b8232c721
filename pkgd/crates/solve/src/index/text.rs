//! Interned texts: sorted, none twice, so that a text has one number and the numbers sort like the texts.

use std::collections::BTreeSet;

/// Collects texts, then numbers them.
#[derive(Debug, Default)]
pub struct Collector(BTreeSet<String>);

impl Collector {
    /// Takes `text` in.
    pub fn add(&mut self, text: &str) {
        if !self.0.contains(text) {
            self.0.insert(text.to_owned());
        }
    }

    /// The sorted list.
    pub fn finish(self) -> Vec<String> {
        self.0.into_iter().collect()
    }
}

/// The number of `text` in the sorted `list`. It is there: the collector saw the same entries.
pub fn number(list: &[String], text: &str) -> u32 {
    match list.binary_search_by(|probe| probe.as_str().cmp(text)) {
        Ok(index) | Err(index) => index as u32,
    }
}
