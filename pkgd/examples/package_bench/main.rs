//! What packages and generations cost, one piece of work a process; `tests/bench --packages` calls it.
//!
//! ```text
//! cargo build --release -p minos-pkgd --example package_bench
//! package_bench WORK ARGUMENT...
//! ```
//! | work | arguments | what |
//! | --- | --- | --- |
//! | `make` | `DIR PACKAGES [trees]` | signed package files of 200 files each, three versions; also as trees |
//! | `install` | `STATE DIR VERSION` | package files to a durable root: verify, plan, apply |
//! | `verify`, `verify-metadata` | `STATE` | compares the current root with its manifests |
//! | `sysroot`, `query` | `STATE` | a root of 30 packages; questions |
//! | `make-large`, `switch` | `STATE PACKAGES`; `STATE` | a system of 229 files a package; switch of generations |
//! | `make-generations`, `mark` | `STATE PACKAGES`; `STATE` | a hundred generations; mark what 50 of them keep |
//! | `make-killed`, `open` | `DIR MIB`; `DIR/killed` | a database of that size after a kill; open it |
//! | `universe` | `PACKAGES INDEX DIR` | of a Debian `Packages` file an index, and pacman's database unpacked |
//! | `cold`, `warm`, `explain`, `search` | `INDEX WORD...` | the solver and the search |
//!
//! What measures prints one JSON object a line: `work`, `wall_ms`, `cpu_ms`; the median, where it was done more
//! than once. What prepares is a process of its own, so that peak memory is that of the work.

mod content;
mod disk;
mod meter;
mod resolve;
mod system;
mod universe;

use std::path::Path;

use minos_store::Depth;

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Done {
    minos_unpack::run_if_worker();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let at = Path::new;
    match words[..] {
        ["make", dir, packages] => disk::make(at(dir), packages.parse()?, false),
        ["make", dir, packages, "trees"] => disk::make(at(dir), packages.parse()?, true),
        ["install", state, dir, version] => system::install(at(state), at(dir), version.parse()?),
        ["verify", state] => system::verify(at(state), Depth::Content),
        ["verify-metadata", state] => system::verify(at(state), Depth::Metadata),
        ["sysroot", state] => system::sysroot(at(state)),
        ["query", state] => system::query(at(state)),
        ["make-large", state, packages] => system::make_large(at(state), packages.parse()?),
        ["switch", state] => system::switch(at(state)),
        ["make-generations", state, packages] => {
            system::make_generations(at(state), packages.parse()?)
        }
        ["mark", state] => system::mark(at(state)),
        ["make-killed", dir, mebibytes] => system::make_killed(at(dir), mebibytes.parse()?),
        ["open", dir] => system::open(at(dir)),
        ["universe", packages, index, dir] => resolve::universe(at(packages), at(index), at(dir)),
        ["cold", index, name] => resolve::cold(at(index), name),
        ["warm", index, name] => resolve::warm(at(index), name),
        ["explain", index, ref names @ ..] => resolve::explain(at(index), names),
        ["search", index, text] => resolve::search(at(index), text),
        _ => Err("see the head of this file for what it does".into()),
    }
}
