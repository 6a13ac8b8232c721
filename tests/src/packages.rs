//! Talking to the package manager, of a host's pkgd or a machine's.

use minos_proto::{
    ErrorReport, Field, Listing, PackageRequest, Proposal, Reply, Request, Sheet, Wish,
};
use minos_qemu::control::{Client, ControlError};

use crate::Daemon;

/// Something that answers requests.
pub trait Asks {
    /// One request.
    ///
    /// # Errors
    /// As pkgd answers.
    fn request(&mut self, request: &Request) -> Result<Reply, ControlError>;
}

impl Asks for Daemon {
    fn request(&mut self, request: &Request) -> Result<Reply, ControlError> {
        self.call(request)
    }
}

impl Asks for Client {
    fn request(&mut self, request: &Request) -> Result<Reply, ControlError> {
        self.call(request)
    }
}

/// A request that is answered with a sheet.
///
/// # Errors
/// pkgd refuses it.
///
/// # Panics
/// The connection fails.
pub fn ask(pkgd: &mut dyn Asks, request: PackageRequest) -> Result<Sheet, ErrorReport> {
    match pkgd.request(&Request::Package(request)) {
        Ok(Reply::Sheet(sheet)) => Ok(sheet),
        Err(ControlError::Refused(report)) => Err(report),
        other => panic!("no sheet: {other:?}"),
    }
}

/// What a wish would do.
///
/// # Errors
/// pkgd refuses it.
///
/// # Panics
/// The connection fails.
pub fn propose(pkgd: &mut dyn Asks, wish: Wish) -> Result<Proposal, ErrorReport> {
    match pkgd.request(&Request::Package(PackageRequest::Propose(wish))) {
        Ok(Reply::Proposal(proposal)) => Ok(proposal),
        Err(ControlError::Refused(report)) => Err(report),
        other => panic!("no proposal: {other:?}"),
    }
}

/// Proposes and carries out.
///
/// # Panics
/// It is refused, or there is nothing to do.
pub fn change(pkgd: &mut dyn Asks, wish: Wish) -> Sheet {
    let proposal = propose(pkgd, wish).expect("an answer");
    let plan = proposal.plan.expect("something to do").to_string();
    ask(pkgd, PackageRequest::Apply { plan }).expect("carried out")
}

/// The wish for these packages.
pub fn install(names: &[&str]) -> Wish {
    Wish { install: names.iter().map(ToString::to_string).collect(), ..Wish::default() }
}

/// Looks at every byte of the installed system, and puts back what is wrong where `repair` says so.
///
/// # Panics
/// pkgd refuses it.
pub fn verify(pkgd: &mut dyn Asks, repair: bool) -> Sheet {
    let request = PackageRequest::Verify { names: Vec::new(), quick: false, repair, booted: false };
    ask(pkgd, request).expect("looked at")
}

/// The column of a grid, as text.
///
/// # Panics
/// There is none.
pub fn column(sheet: &Sheet, grid: &str, name: &str) -> Vec<String> {
    let grid = sheet.grids.iter().find(|g| g.name == grid).expect("the grid");
    let at = grid.columns.iter().position(|c| c.name == name).expect("the column");
    grid.rows.iter().map(|row| text(&row[at])).collect()
}

/// A field as text.
pub fn text(field: &Field) -> String {
    match field {
        Field::Text(text) => text.clone(),
        Field::Number(number) => number.to_string(),
        Field::List(list) => list.iter().map(text).collect::<Vec<_>>().join(","),
        Field::None => String::new(),
        other => format!("{other:?}"),
    }
}

/// The installed packages, each as `NAME VERSION`.
///
/// # Panics
/// pkgd refuses it.
pub fn installed(pkgd: &mut dyn Asks) -> Vec<String> {
    let sheet = ask(pkgd, PackageRequest::List(Listing::Installed)).expect("a list");
    let names = column(&sheet, "packages", "package").into_iter();
    let versions = column(&sheet, "packages", "version");
    names.zip(versions).map(|(name, version)| format!("{name} {version}")).collect()
}
