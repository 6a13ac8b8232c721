//! Python: the interpreter's version, modules, and distributions (core metadata, PEP 566; names as PEP 503).

use minos_model::package::{FileKind, PackageFile, PackagePath};
use minos_model::{CapabilityKind, Constraint, Version};

use super::Scanner;

/// `3.12` and the rest of `usr/lib/python3.12/site-packages/x`.
fn below_lib(path: &PackagePath) -> Option<(&str, &str)> {
    let path = str::from_utf8(path.as_bytes()).ok()?;
    let rest =
        path.strip_prefix("usr/lib/python").or_else(|| path.strip_prefix("usr/lib64/python"))?;
    let (version, rest) = rest.split_once('/')?;
    is_version(version).then_some((version, rest))
}

/// `3.12`: two numbers.
fn is_version(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor))
}

/// What a path tells: `usr/bin/python3.12` is the interpreter; what is below its library needs it.
pub(super) fn path(scanner: &mut Scanner, file: &PackageFile) {
    let path = &file.path;
    if let Some(version) = path.as_bytes().strip_prefix(b"usr/bin/python")
        && let Ok(version) = str::from_utf8(version)
        && is_version(version)
    {
        scanner.provide(path, CapabilityKind::Cap, "python-abi", version.parse::<Version>().ok());
    }
    let Some((version, rest)) = below_lib(path) else { return };
    if file.kind == FileKind::Directory {
        return;
    }
    if let Ok(constraint) = format!("={version}").parse() {
        scanner.require(path, CapabilityKind::Cap, "python-abi", constraint);
    }
    if let Some(module) = rest.strip_prefix("site-packages/").and_then(module) {
        scanner.provide(path, CapabilityKind::Cap, &format!("python({module})"), None);
    }
}

/// The module that a file below `site-packages` makes importable: `a.py`, `a/__init__.py`, `a.cpython-312.so`.
fn module(path: &str) -> Option<&str> {
    let identifier =
        |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let name = match path.split_once('/') {
        Some((package, "__init__.py")) => package,
        Some(_) => return None,
        None if path.ends_with(".py") || path.ends_with(".so") => path.split('.').next()?,
        None => return None,
    };
    identifier(name).then_some(name)
}

/// Whether it is the metadata of an installed distribution.
pub(super) fn is_metadata(path: &PackagePath) -> bool {
    let folder = path.parent().unwrap_or_default();
    path.file_name() == b"METADATA" && folder.ends_with(b".dist-info") && below_lib(path).is_some()
}

pub(super) fn metadata(scanner: &mut Scanner, path: &PackagePath, text: &str) {
    // The header ends at the first empty line; the description follows.
    let fields = || {
        text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "))
    };
    let field = |name: &str| fields().find(|(key, _)| *key == name).map(|(_, value)| value.trim());
    if let Some(name) = field("Name") {
        let version = field("Version").and_then(|text| Version::from_semver(text).ok());
        let name = format!("python-dist({})", normalized(name));
        scanner.provide(path, CapabilityKind::Cap, &name, version);
    }
    for (_, value) in fields().filter(|(key, _)| *key == "Requires-Dist") {
        // What stands behind `;` says when it counts: an extra, another system, an older Python.
        if value.contains(';') {
            continue;
        }
        let name = value.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).next();
        let name = format!("python-dist({})", normalized(name.unwrap_or_default()));
        scanner.require(path, CapabilityKind::Cap, &name, Constraint::ANY);
    }
}

/// Lower case; runs of `-`, `_` and `.` are one `-`.
fn normalized(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}
