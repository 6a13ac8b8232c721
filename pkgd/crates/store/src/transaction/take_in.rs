//! Manifests and contents of the packages that come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minos_model::{Digest, Name};

use super::apply::parallel;
use super::hooks::ContentSource;
use super::plan::Plan;
use super::prepare::{Install, Prepared, Wish};
use super::system::System;
use super::{Problem, SystemError};
use crate::fs::Attributes;
use crate::objects::{Ingest, ObjectId, manifest_path, put_bytes};
use crate::packages::{Node, Tree, decode_manifest, encode};

impl System<'_> {
    /// Manifests and contents that the store does not have.
    pub(crate) fn take_in(
        &self,
        wish: &Wish,
        prepared: &Prepared<'_>,
        source: &dyn ContentSource,
    ) -> Result<(), SystemError> {
        let mut ids: Vec<&ObjectId> = Vec::new();
        for change in prepared.changes.values() {
            change.each(|_, old, new| {
                if old != new {
                    ids.extend(new.and_then(Node::object));
                }
            });
        }
        let ingest = Ingest::new(self.fs, ids.into_iter().cloned())?;
        let next = AtomicUsize::new(0);
        let work = || -> Result<(), SystemError> {
            let mut buffer = Vec::new();
            while let Some(install) = wish.install.get(next.fetch_add(1, Ordering::Relaxed)) {
                if ingest.has_failed() {
                    break;
                }
                take_package(&ingest, install, source, &mut buffer);
            }
            Ok(())
        };
        parallel(self.options.threads.min(wish.install.len()), &work)?;
        if ingest.has_failed() {
            let died = || SystemError::Damaged { what: "a thread died".to_owned() };
            return Err(ingest.into_failure().unwrap_or_else(died));
        }
        if let Some(digest) = ingest.missing() {
            let why = "no package delivered it".to_owned();
            return Err(SystemError::Content { digest, why });
        }
        for install in &wish.install {
            let path = manifest_path(&install.digest);
            let there = self.fs.stat(&path).map_err(|e| SystemError::io("look for", &path, e))?;
            if there.is_none() {
                let attributes = Attributes::root(0o600);
                put_bytes(self.fs, &path, &install.bytes, &attributes)?;
            }
        }
        Ok(())
    }
}

/// The wish of a plan, with its manifests.
pub(crate) fn fetch(plan: &Plan, source: &dyn ContentSource) -> Result<Wish, SystemError> {
    let mut install = Vec::with_capacity(plan.install.len());
    for one in &plan.install {
        let content = |why: String| SystemError::Content { digest: one.manifest, why };
        let bytes = source
            .manifest(&one.manifest)
            .map_err(|e| SystemError::of_source(one.manifest, "its manifest", &e))?;
        let manifest = decode_manifest(&bytes, &one.manifest)?;
        // A package has one identity: other bytes that say the same would be another package of that name.
        if encode(&manifest).map_err(content)?.1 != bytes {
            return Err(content("its manifest is not in canonical form".to_owned()));
        }
        let package: Name = manifest.name.clone();
        let tree = Tree::new(manifest, one.accounts.clone()).map_err(|account| {
            SystemError::Refused(vec![Problem::NoAccount { package, account }])
        })?;
        let (digest, reason) = (one.manifest, one.reason);
        install.push(Install { digest, bytes, tree: Arc::new(tree), reason });
    }
    let (remove, reasons) = (plan.remove.clone(), plan.reasons.clone());
    let asked = plan.asked.clone();
    Ok(Wish { install, remove, reasons, asked, override_holds: plan.override_holds })
}

/// One package's contents, as far as they are wanted. What goes wrong is noted in `ingest`.
fn take_package(
    ingest: &Ingest<'_>,
    install: &Install,
    source: &dyn ContentSource,
    buffer: &mut Vec<u8>,
) {
    let package = install.tree.name();
    let named = |error| match error {
        SystemError::Content { digest, why } => {
            SystemError::Content { digest, why: format!("package {package}: {why}") }
        }
        other => other,
    };
    let mut refused = false;
    let wanted = |digest: &Digest| ingest.wants(digest);
    let mut sink = |digest: &Digest, content: &mut dyn std::io::Read| {
        ingest.take(digest, content, buffer).map_err(|error| {
            refused = true;
            ingest.fail(named(error))
        })
    };
    let done = source.contents(&install.digest, &wanted, &mut sink);
    // Where the store refused, the source only passes that on.
    if let Err(error) = done
        && !refused
    {
        let what = format!("the contents of package {package}");
        drop(ingest.fail(SystemError::of_source(install.digest, &what, &error)));
    }
}
