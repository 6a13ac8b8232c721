//! Verbs about generations and sysroots.

use argh::FlagInfo;
use minos_proto::{Field, ImageWish, PackageRequest};

use super::change::{DRY_RUN, YES, consent};
use super::flow::{confirm, look, show};
use crate::context::{Context, unexpected};
use crate::error::Error;
use crate::exit::Exit;
use crate::spec::{Given, Spec, maybe, one, option, several, switch};

const NOTE: FlagInfo<'static> = option("--note", "text", "why, for those who wonder later");

pub static GENERATIONS: Spec = Spec {
    run: Some(|_, context| show(context, PackageRequest::Generations)),
    ..Spec::new("generations", "Lists the generations, newest first.")
};

pub static SWITCH: Spec = Spec {
    words: &[one("generation", "its number")],
    flags: &[YES, DRY_RUN],
    run: Some(switch_to),
    ..Spec::new("switch", "Makes a generation the current one. Shows what changes and asks first.")
};

pub static ROLLBACK: Spec = Spec {
    words: &[maybe("steps", "how many generations back (default 1)")],
    flags: &[YES, DRY_RUN],
    run: Some(rollback),
    ..Spec::new(
        "rollback",
        "Goes back to the generation before. Shows what changes and asks first.",
    )
};

pub static BOOT: Spec = Spec {
    more: "One that is not proven is tried up to three times; if it does not pass its checks, the machine goes back to \
           the last proven one. 'switch' asks for its generation as well.",
    words: &[one("generation", "its number; 0 is the initramfs itself")],
    flags: &[switch("--once", "try it once only")],
    run: Some(boot),
    ..Spec::new("boot", "Boots a generation next time, whichever is current.")
};

pub static IMAGE: Spec =
    Spec { verbs: &[&IMAGE_BUILD], ..Spec::new("image", "Makes disks that boot a generation.") };

static IMAGE_BUILD: Spec = Spec {
    more: "A file must not be there yet. A disk must not be in use, and is confirmed by its serial number, or by its name \
           where it has none: all that is on it is lost.",
    flags: &[
        option("--generation", "n", "which generation"),
        option("--disk", "path", "a new file, or a whole disk"),
        option("--serial", "text", "the disk's serial number"),
        option("--size", "mib", "length of a new file (default: what is needed)"),
        option(
            "--efi",
            "file",
            "a unified kernel image (default: /boot/minos.efi of the generation)",
        ),
    ],
    run: Some(image),
    ..Spec::new("build", "Makes a disk: kernel, and a state with that generation alone.")
};

pub static DIFF: Spec = Spec {
    words: &[
        maybe("generation", "the older one (default: the one before the current)"),
        maybe("generation", "the newer one (default: the current)"),
    ],
    flags: &[switch("--files", "also every path")],
    run: Some(diff),
    ..Spec::new("diff", "Tells what differs between two generations.")
};

pub static PIN: Spec = Spec {
    words: &[one("generation", "its number")],
    flags: &[NOTE],
    run: Some(|given, context| pin(given, context, false)),
    ..Spec::new("pin", "Keeps a generation from being collected.")
};

pub static UNPIN: Spec = Spec {
    words: &[one("generation", "its number")],
    run: Some(|given, context| pin(given, context, true)),
    ..Spec::new("unpin", "Lets a generation be collected again.")
};

pub static SYSROOT: Spec = Spec {
    more: "It is the folder sysroots/NAME below pkgd's state root. Without a name: lists them.",
    words: &[
        maybe("name", "its name; or an absolute path, for a link to it"),
        several("package", "packages it is to have"),
    ],
    flags: &[
        switch("--writable", "files of its own instead of links into the store"),
        switch("--remove", "take the sysroot away"),
    ],
    run: Some(sysroot),
    ..Spec::new("sysroot", "Makes a root of exactly these packages and what they need.")
};

fn switch_to(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let generation = given.needed(0)?;
    let question = format!("Make generation {generation} the current one?");
    travel(given, context, PackageRequest::Switch { generation, dry_run: true }, &question)
}

fn rollback(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let steps = given.maybe(0)?.unwrap_or(1);
    let question = match steps {
        0 => return Err(given.wrong("0 steps back is where the system is".into())),
        1 => "Go back to the generation before the current one?".into(),
        n => format!("Go back {n} generations?"),
    };
    travel(given, context, PackageRequest::Rollback { steps, dry_run: true }, &question)
}

/// Shows what `outlook` says, asks, and goes to the generation that was shown, whatever is current then.
fn travel(
    given: &Given,
    context: &mut Context<'_>,
    outlook: PackageRequest,
    question: &str,
) -> Result<Exit, Error> {
    let sheet = look(context, outlook)?;
    if given.has("--dry-run") {
        return Ok(Exit::Ok);
    }
    let Some(Field::Number(generation)) = sheet.find("to") else { return Err(unexpected()) };
    let generation = generation.unsigned_abs();
    let go = PackageRequest::Switch { generation, dry_run: false };
    confirm(context, None, question, consent(given), go)
}

fn boot(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let tries = u8::from(given.has("--once"));
    show(context, PackageRequest::Boot { generation: given.needed(0)?, tries })
}

fn image(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let need = |option: &str| {
        given
            .value(option)
            .ok_or_else(|| given.wrong(["option '", option, "' is missing"].concat()))
    };
    let generation = given.parse("option '--generation'", need("--generation")?)?;
    let wish = ImageWish {
        generation,
        disk: absolute(need("--disk")?),
        serial: given.value("--serial").map(str::to_owned),
        bytes: given.parsed::<u32>("--size")?.map_or(0, |mib| u64::from(mib) << 20),
        efi: given.value("--efi").map(absolute),
    };
    show(context, PackageRequest::Image(wish))
}

/// A path as pkgd takes it, which knows nothing of where pkgctl was started.
pub(super) fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

fn diff(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let (from, to, files) = (given.maybe(0)?, given.maybe(1)?, given.has("--files"));
    show(context, PackageRequest::Diff { from, to, files })
}

fn pin(given: &Given, context: &mut Context<'_>, release: bool) -> Result<Exit, Error> {
    let note = given.value("--note").unwrap_or_default().to_owned();
    show(context, PackageRequest::Pin { generation: given.needed(0)?, release, note })
}

fn sysroot(given: &Given, context: &mut Context<'_>) -> Result<Exit, Error> {
    let Some((name, packages)) = given.words.split_first() else {
        return show(context, PackageRequest::Sysroots);
    };
    // Without packages pkgd takes the sysroot away: that has to be asked for in words.
    if packages.is_empty() != given.has("--remove") {
        return Err(given.wrong("a sysroot takes packages, or --remove and none".into()));
    }
    let (name, packages, writable) = (name.clone(), packages.to_vec(), given.has("--writable"));
    show(context, PackageRequest::Sysroot { name, packages, writable })
}
