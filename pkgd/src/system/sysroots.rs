//! Roots of exactly some packages and what they need.

use minos_model::{Digest, Name};
use minos_proto::{ErrorReport, Field, Sheet};
use minos_solve::index::{self, Repository, Table};
use minos_solve::{Ask, Limits, Request, RequestError, System, Universe, Want};
use minos_store::SysrootMode;

use super::errors::{invalid, on_file, solve_error, system_error};
use super::{Asked, files};

impl Asked<'_> {
    pub(super) fn sysroot(
        &self,
        name: &str,
        packages: &[String],
        writable: bool,
    ) -> Result<Sheet, ErrorReport> {
        let bad = |_| {
            invalid(
                format!("'{name}' cannot be the name of a sysroot"),
                "small letters, digits and '-'",
            )
        };
        let name: Name = name.parse().map_err(bad)?;
        let _changing = self.packages.changing()?;
        let system = self.system()?;
        if packages.is_empty() {
            self.audit(format!("sysroot {name} removed"))?;
            system.remove_sysroot(&name).map_err(|e| system_error(&e))?;
            return self.sysroots();
        }
        self.audit(format!("sysroot {name}: {}", packages.join(" ")))?;
        let members = self.closure(packages)?;
        let mode = if writable { SysrootMode::Copy } else { SysrootMode::Hardlink };
        let made = system.compose(&members, &name, mode).map_err(|e| system_error(&e))?;
        Ok(Sheet::new("sysroot")
            .fact("sysroot", name.to_string())
            .fact("path", made.path.display().to_string())
            .fact("packages", members.len())
            .fact("paths", made.paths)
            .fact("bytes", Field::Bytes(made.bytes))
            .fact("writable", writable))
    }

    /// The packages and what they need, of those that the store has: the system as it is, asked for less.
    fn closure(&self, packages: &[String]) -> Result<Vec<Digest>, ErrorReport> {
        let mut asks = Vec::new();
        for text in packages {
            let want: Want = text.parse().map_err(|e: RequestError| invalid(e.to_string(), ""))?;
            asks.push(Ask::Install(want));
        }
        let mut entries = Vec::new();
        let system = self.system()?;
        for installed in self.installed()? {
            let digest = installed.package.digest;
            let manifest = system.manifest(&digest).map_err(|e| system_error(&e))?;
            entries.push(minos_solve::entry(&manifest, 0, digest, 0));
        }
        let damaged = |e: &dyn std::fmt::Display| {
            on_file("make", "the index of what is installed".as_ref(), e)
        };
        let table = |entries| {
            let list = [Repository { name: "installed".to_owned(), priority: 0 }];
            let bytes = index::build(&list, entries).map_err(|e| damaged(&e))?;
            Table::parse(bytes).map_err(|e| damaged(&e))
        };
        let universe = Universe::new(table(entries)?.into(), table(Vec::new())?);
        let answer = minos_solve::solve(
            &universe,
            &System::default(),
            &Request::of(asks),
            &Limits::default(),
        );
        let answer = answer.map_err(|e| solve_error(&e))?;
        Ok(answer.packages.iter().map(|p| Digest::from_bytes(universe.digest(*p))).collect())
    }

    pub(super) fn sysroots(&self) -> Result<Sheet, ErrorReport> {
        let folder = self.packages.path("sysroots");
        let names = files::names(&folder)?.into_iter().filter(|name| !name.starts_with('.'));
        let row = |name: String| {
            let path = folder.join(&name).display().to_string();
            vec![name.into(), path.into()]
        };
        Ok(Sheet::new("sysroots").grid("sysroots", &["sysroot", "path"], names.map(row).collect()))
    }
}
