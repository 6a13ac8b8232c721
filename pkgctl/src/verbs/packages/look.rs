//! Verbs that tell about packages.

use minos_proto::{Listing, PackageRequest};

use super::flow::{find, show};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, maybe, one, several, switch};

pub static PLANS: Spec = Spec {
    words: &[maybe("plan", "this one in full")],
    run: Some(|given, context| {
        show(context, PackageRequest::Plans { plan: given.words.first().cloned() })
    }),
    ..Spec::new("plans", "Lists the plans that --dry-run kept, or shows one.")
};

pub static SEARCH: Spec = Spec {
    words: &[
        one("text", "part of a name or description"),
        several("text", "more parts: a package has all of them"),
    ],
    run: Some(|given, context| {
        show(context, PackageRequest::Search { text: given.words.join(" ") })
    }),
    ..Spec::new("search", "Looks for packages in the repositories.")
};

pub static INFO: Spec = Spec {
    words: &[one("package", "its name"), several("package", "more of them")],
    run: Some(|given, context| {
        find(context, PackageRequest::Info { names: given.words.clone() }, Exit::NotFound)
    }),
    ..Spec::new("info", "Tells all about packages: installed, or of the repositories.")
};

/// The lists, by the switch that asks for each.
const LISTINGS: [(&str, Listing); 5] = [
    ("--asked", Listing::Asked),
    ("--unneeded", Listing::Unneeded),
    ("--outdated", Listing::Outdated),
    ("--held", Listing::Held),
    ("--available", Listing::Available),
];

pub static LIST: Spec = Spec {
    flags: &[
        switch("--asked", "those that were asked for"),
        switch("--unneeded", "those that nobody asked for and nothing needs"),
        switch("--outdated", "those with a newer version in a repository"),
        switch("--held", "those that are held"),
        switch("--available", "those of the repositories"),
    ],
    run: Some(list),
    ..Spec::new("list", "Lists packages: the installed ones, or those that a switch names.")
};

pub static FILES: Spec = Spec {
    words: &[one("package", "its name, or NAME=1.2")],
    run: Some(|given, context| show(context, PackageRequest::Files { name: given.word(0) })),
    ..Spec::new(
        "files",
        "Lists the files of a package: the installed one, else the newest there is.",
    )
};

pub static OWNER: Spec = Spec {
    words: &[one("path", "a path in the installed system"), several("path", "more of them")],
    flags: &[switch("--available", "ask the packages of the repositories")],
    run: Some(owner),
    ..Spec::new("owner", "Tells which packages have these paths.")
};

pub static DEPENDS: Spec = Spec {
    words: &[one("package", "its name")],
    flags: &[switch("--all", "all the way, not only the next")],
    run: Some(|given, context| depends(given, context, false)),
    ..Spec::new("depends", "Tells what a package needs.")
};

pub static RDEPENDS: Spec = Spec {
    words: &[one("package", "its name")],
    flags: &[switch("--all", "all the way, not only the next")],
    run: Some(|given, context| depends(given, context, true)),
    ..Spec::new("rdepends", "Tells what needs a package.")
};

pub static WHY: Spec = Spec {
    words: &[one("package", "its name, or NAME>=1.2 for a version")],
    run: Some(|given, context| show(context, PackageRequest::Why { name: given.word(0) })),
    ..Spec::new("why", "Tells why a package is installed, or why it is not.")
};

/// One door for scripts, which then need to know one verb of ours only.
pub static QUERY: Spec = Spec {
    verbs: &[&SEARCH, &INFO, &LIST, &FILES, &OWNER, &DEPENDS, &RDEPENDS, &WHY],
    ..Spec::new("query", "The verbs that only tell, below one name: 'query owner PATH'.")
};

fn list(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let mut wanted = LISTINGS.iter().filter(|(switch, _)| given.has(switch));
    match (wanted.next(), wanted.next()) {
        (None, _) => show(context, PackageRequest::List(Listing::Installed)),
        (Some((_, listing)), None) => show(context, PackageRequest::List(*listing)),
        (Some((one, _)), Some((other, _))) => {
            Err(given.wrong(format!("{one} and {other} are different lists")))
        }
    }
}

/// Paths are those of the installed system, which has no working directory.
fn owner(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let absolute = |path: &String| format!("/{}", path.trim_start_matches('/'));
    let paths = given.words.iter().map(absolute).collect();
    let available = given.has("--available");
    find(context, PackageRequest::Owner { paths, available }, Exit::NotFound)
}

fn depends(given: &Given, context: &mut Context<'_>, reverse: bool) -> Result<Exit, Error> {
    let all = given.has("--all");
    show(context, PackageRequest::Depends { name: given.word(0), reverse, all })
}
