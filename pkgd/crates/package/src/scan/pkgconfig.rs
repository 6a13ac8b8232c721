//! Files of pkg-config (pc(5)): the module, its version, and the modules it names under `Requires`.

use std::collections::HashMap;

use minos_model::package::PackagePath;
use minos_model::{CapabilityKind, Constraint, Version};

use super::Scanner;

/// A value longer than this is cut: variables can contain one another.
const MAX_VALUE: usize = 4096;

/// Whether the path is where pkg-config looks for modules.
pub(super) fn is_one(path: &PackagePath) -> bool {
    let folder = path.parent().unwrap_or_default();
    folder.ends_with(b"/pkgconfig") && path.file_name().ends_with(b".pc")
}

pub(super) fn file(scanner: &mut Scanner, path: &PackagePath, text: &str) {
    let file_name = String::from_utf8_lossy(path.file_name()).into_owned();
    let module = file_name.strip_suffix(".pc").unwrap_or(&file_name);
    let mut variables = HashMap::new();
    let (mut version, mut requires) = (None, String::new());
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(end) = line.find(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c)) else {
            continue;
        };
        let (key, rest) = line.split_at(end);
        let rest = rest.trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            variables.insert(key.to_owned(), expand(value.trim(), &variables));
        } else if let Some(value) = rest.strip_prefix(':') {
            match key {
                "Version" => version = Some(expand(value.trim(), &variables)),
                "Requires" => requires = expand(value.trim(), &variables),
                _ => {}
            }
        }
    }
    let version = version.and_then(|text| match Version::from_semver(&text) {
        Ok(version) => Some(version),
        Err(error) => {
            scanner.note(path, error.to_string());
            None
        }
    });
    scanner.provide(path, CapabilityKind::Pkgconfig, module, version);
    list(scanner, path, &requires);
}

/// Puts the values of variables in the place of `${NAME}`. Each was expanded when it was read.
fn expand(value: &str, variables: &HashMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, behind)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, after)) = behind.split_once('}') else { break };
        out.push_str(variables.get(name).map_or("", String::as_str));
        rest = after;
        if out.len() > MAX_VALUE {
            break;
        }
    }
    out.push_str(rest);
    out.chars().take(MAX_VALUE).collect()
}

/// `gtk >= 4.0 glib-2.0, zlib`: names, each with a comparison or without, between commas or spaces.
fn list(scanner: &mut Scanner, path: &PackagePath, text: &str) {
    let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).peekable();
    while let Some(module) = words.next() {
        let operator = words.next_if(|word| matches!(*word, "=" | "!=" | "<" | "<=" | ">" | ">="));
        let mut constraint = Constraint::ANY;
        if let (Some(operator), Some(version)) = (operator, operator.and_then(|_| words.next())) {
            let version = Version::from_semver(version).map(|v| format!("{operator}{v}"));
            match version.ok().and_then(|text| text.parse().ok()) {
                Some(parsed) => constraint = parsed,
                None => scanner
                    .note(path, format!("the version that it requires of '{module}' is not one")),
            }
        }
        scanner.require(path, CapabilityKind::Pkgconfig, module, constraint);
    }
}
