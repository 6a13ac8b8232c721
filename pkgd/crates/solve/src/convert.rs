//! From a package's manifest to its entry in an index.

use minos_model::{
    Capability, CapabilityKind, CapabilityName, DependencyKind, Digest, Name, PackageManifest,
    Requirement, Target,
};

use crate::index::{Entry, Group, Need, Provide, Term};

/// The entry of `package`, whose file has this digest and length, in repository number `repository`.
///
/// Build dependencies are left out: they are of the recipe's world, not of the installed system.
pub fn entry(package: &PackageManifest, repository: u32, digest: Digest, size: u64) -> Entry {
    let chosen = |wanted: &dyn Fn(&DependencyKind) -> bool| {
        let of_kind = package.dependencies.iter().filter(|d| wanted(&d.kind));
        of_kind
            .map(|d| Need { any: vec![term(&d.requirement)], when: d.condition.as_ref().map(term) })
            .collect::<Vec<_>>()
    };
    let group = |group: &minos_model::package::OptionalGroup| Group {
        name: group.name.to_string(),
        reason: group.reason.clone(),
        needs: chosen(&|kind| *kind == DependencyKind::Group(group.name.clone())),
    };
    Entry {
        name: package.name.to_string(),
        version: package.version.clone(),
        arch: package.arch.as_str().to_owned(),
        description: package.description.clone(),
        repository,
        digest: *digest.as_bytes(),
        size,
        installed_size: package.installed_size(),
        needs: chosen(&|kind| *kind == DependencyKind::Runtime),
        provides: package.provides.iter().map(provide).collect(),
        conflicts: package.conflicts.iter().map(term).collect(),
        replaces: package.replaces.iter().map(term).collect(),
        groups: package.groups.iter().map(group).collect(),
    }
}

/// A requirement as a term of the index.
pub fn term(requirement: &Requirement) -> Term {
    let target = match &requirement.target {
        Target::Package(name) => name.to_string(),
        Target::Capability(name) => target(name),
    };
    Term { target, constraint: requirement.constraint.clone() }
}

/// A capability of kind `cap` by its bare name where a package could have that name, and only there: `cap:role:init`
/// must not become the role, nor `cap:Mail` a text that nothing can be asked for with.
fn target(name: &CapabilityName) -> String {
    let bare = name.kind() == CapabilityKind::Cap && name.name().parse::<Name>().is_ok();
    if bare { name.name().to_owned() } else { name.to_string() }
}

fn provide(capability: &Capability) -> Provide {
    Provide {
        target: target(&capability.id),
        version: capability.version.clone(),
        exclusive: capability.id.kind().is_exclusive(),
    }
}
