//! The command line: arguments to requests, results to text or JSON.

mod args;
mod output;
mod size;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use minos_image::cache::Cache;
use minos_image::{Error, Layout, Progress, Result};
use minos_image::{
    all, disk, initramfs, kernel, package, programs, recipes, seed, sizes, sources, sources_image,
    state_disk,
};

pub use args::Args;
use args::Command;
use output::Output;
use terminal::Terminal;

/// Runs one command; the exit status is 0, or 1 after an error was printed.
pub fn main(args: Args) -> ExitCode {
    let json = args.command.json();
    let terminal = Terminal::new();
    let result = layout(&args).and_then(|layout| run(args.command, &layout, &terminal));
    terminal.end();
    output::print(&result, json);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn layout(args: &Args) -> Result<Layout> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = Cache::from_env(variable("XDG_CACHE_HOME"), variable("HOME"))?;
    let here = std::env::current_dir().map_err(Error::io("find", "the current directory"))?;
    let start = args.tree.as_ref().map_or(here.clone(), |tree| here.join(tree));
    let layout = Layout::find(&start, cache)?;
    Ok(match &args.out {
        Some(out) => layout.with_out(here.join(out)),
        None => layout,
    })
}

fn run(command: Command, layout: &Layout, progress: &dyn Progress) -> Result<Output> {
    let one = |artefact| Output::Artefacts(vec![artefact]);
    Ok(match command {
        Command::Kernel(c) => Output::Artefacts(kernel::make(layout, &c.request(), progress)?),
        Command::CheckConfig(c) => Output::Checked(kernel::check(layout, &c.config)?),
        Command::Seed(c) => Output::Artefacts(seed::make(layout, &c.request(), progress)?),
        Command::FetchSources(c) => {
            Output::Artefacts(sources::fetch(layout, &c.request(), progress)?)
        }
        Command::SourcesImage(c) => one(sources_image::make(layout, &c.request(), progress)?),
        Command::CompileRecipes(c) => match &c.target {
            Some(target) => {
                recipes::has_target(&recipes_of(layout, c.recipes.as_deref()), target)?;
                Output::Artefacts(Vec::new())
            }
            None => one(compile_recipes(layout, c.recipes.as_deref(), progress)?),
        },
        Command::Initramfs(c) => {
            let mut request =
                inputs(c.bin_dir.as_deref(), c.recipes_index.as_deref(), layout, progress)?;
            request.init = c.init.clone().unwrap_or(request.init);
            one(initramfs::make(layout, &request)?)
        }
        Command::StateDisk(c) => one(state_disk::make(layout, &c.request())?),
        Command::Disk(c) => Output::Artefacts(disk::make(layout, &c.request(layout), progress)?),
        Command::Efi(c) => one(disk::efi(layout, &c.request(layout), progress)?),
        Command::Package(c) => {
            let request =
                inputs(c.bin_dir.as_deref(), c.recipes_index.as_deref(), layout, progress)?;
            one(package::make(layout, &request)?)
        }
        Command::Report(c) => {
            let programs = c.bin_dir.map_or_else(|| programs::folder(layout), Ok)?;
            Output::Sizes(sizes::report(layout, &programs)?)
        }
        Command::All(c) => Output::Artefacts(all::make(layout, &c.request(), progress)?),
    })
}

fn compile_recipes(
    layout: &Layout,
    dir: Option<&Path>,
    progress: &dyn Progress,
) -> Result<minos_image::Artefact> {
    recipes::make(layout, &recipes_of(layout, dir), progress)
}

/// The folder of recipes, that of the tree where none is named.
fn recipes_of(layout: &Layout, dir: Option<&Path>) -> PathBuf {
    dir.map_or_else(|| layout.tree("pkgd/recipes"), Path::to_path_buf)
}

/// The programs and the recipe index. Without explicit files, those that cargo has built, and an index compiled now.
fn inputs(
    bin_dir: Option<&Path>,
    index: Option<&Path>,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<initramfs::Request> {
    let programs = bin_dir.map_or_else(|| programs::folder(layout), |dir| Ok(dir.to_path_buf()))?;
    let index = match index {
        Some(index) => index.to_path_buf(),
        None => compile_recipes(layout, None, progress)?.path,
    };
    Ok(initramfs::Request::of(&programs, &index))
}
