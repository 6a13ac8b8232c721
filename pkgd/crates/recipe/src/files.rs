//! The data files of a recipe: patches, configuration files, whatever its scripts read in `$RECIPE_DIR`.

use std::collections::BTreeMap;

use minos_model::Phase;
use minos_model::suggest::nearest;
use toml::Spanned;

use crate::found::MAX_FILE;
use crate::lint::Rule;
use crate::resolve::Resolver;

/// The most files of a recipe.
pub const MAX_FILES: usize = 64;
/// The most bytes of them together. What is larger is a source, and pinned in the lock.
pub const MAX_TOGETHER: u64 = 4 << 20;
/// The longest name, folders included, in bytes.
const MAX_NAME: usize = 255;

impl Resolver<'_> {
    /// The files that `files` names, by name.
    pub(crate) fn files(&mut self, names: &[Spanned<String>]) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for spanned in names {
            let name = spanned.get_ref();
            if let Some((message, hint)) = refused(name) {
                self.say(Rule::BadValue, Some(spanned), message, hint);
            } else if let Some(bytes) = self.file(spanned)
                && files.insert(name.clone(), bytes).is_some()
            {
                let message = format!("file '{name}' is listed twice");
                self.say(Rule::BadValue, Some(spanned), message, "remove one of the two");
            }
        }
        self.bounded(names, &files);
        files
    }

    fn file(&mut self, spanned: &Spanned<String>) -> Option<Vec<u8>> {
        let name = spanned.get_ref();
        let large = |bytes: u64| format!("file '{name}' has {bytes} bytes, more than {MAX_FILE}");
        if let Some(bytes) = self.beside.get(name.as_str()) {
            if bytes.len() as u64 <= MAX_FILE {
                return Some(bytes.to_vec());
            }
            let message = large(bytes.len() as u64);
            self.say(Rule::BadValue, Some(spanned), message, "make it a source");
        } else if let Some(odd) = self.odd_of(name) {
            let message = format!("file '{name}' {odd}");
            let hint = "name regular files of the recipe's folder; large data are sources";
            self.say(Rule::BadValue, Some(spanned), message, hint);
        } else {
            let near = nearest(name, self.beside.keys().copied());
            let hint = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "create it in the recipe's folder, or remove it from 'files'".to_owned(),
            };
            let message = format!("file '{name}' is missing");
            self.say(Rule::MissingFile, Some(spanned), message, &hint);
        }
        None
    }

    fn bounded(&mut self, names: &[Spanned<String>], files: &BTreeMap<String, Vec<u8>>) {
        let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
        let message = if names.len() > MAX_FILES {
            format!("'files' names {} files, more than {MAX_FILES}", names.len())
        } else if bytes > MAX_TOGETHER {
            format!("'files' has {bytes} bytes together, more than {MAX_TOGETHER}")
        } else {
            return;
        };
        self.say(Rule::BadValue, names.first(), message, "make an archive of them, a source");
    }
}

/// Why no file can have this name in `$RECIPE_DIR`, and what to write. Names are words of shell scripts.
fn refused(name: &str) -> Option<(String, &'static str)> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._~/@".contains(&b);
    let inside = name.split('/').all(|part| !part.is_empty() && !part.starts_with(['.', '-', '~']));
    if !inside || name.len() > MAX_NAME || !name.bytes().all(plain) {
        let shown: String = name.chars().take(80).collect();
        let message = format!("'{}' names no file of the recipe's folder", shown.escape_debug());
        return Some((
            message,
            "write a plain relative path such as 'fix.patch' or 'conf/app.conf'",
        ));
    }
    let script = Phase::ALL.iter().any(|phase| name.strip_suffix(".sh") == Some(phase.as_str()));
    if script || name == "recipe.toml" {
        let message = format!("'{name}' cannot be one of 'files'");
        return Some((message, "that name is taken in $RECIPE_DIR; give it another"));
    }
    None
}
