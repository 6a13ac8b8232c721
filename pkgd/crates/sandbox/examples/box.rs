//! Runs one command in a box: `box DIR LAYER[:LAYER...] COMMAND...`, with scratch below DIR.

use minos_sandbox::{
    Build, IdRange, Limits, Network, Sight, Spec, Strength, Upper, run_if_helper, spawn,
};
use std::error::Error;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn Error>> {
    run_if_helper();
    let mut args = env::args_os().skip(1);
    let scratch = PathBuf::from(args.next().ok_or("usage: box DIR LAYERS COMMAND...")?);
    let layers = args.next().ok_or("no layers")?;
    let build = tempdir(&scratch)?;
    let spec = Spec {
        layers: env::split_paths(&layers).collect(),
        plain: 0,
        upper: None,
        build: Build { layers: Vec::new(), upper: Upper { dir: build.clone() } },
        binds: Vec::new(),
        argv: args.collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into())],
        cwd: "/build".into(),
        writable: Vec::new(),
        ids: IdRange { first: 200_000, count: 65_536 },
        limits: Limits::default(),
        hostname: "minos".into(),
        sight: Sight::default(),
        network: Network::None,
        strength: Strength::Full,
        observe: false,
    };
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let exit = spawn(&spec, output)?.wait()?;
    eprintln!("{exit:#?}");
    fs::remove_dir_all(build)?;
    Ok(())
}

fn tempdir(scratch: &std::path::Path) -> io::Result<PathBuf> {
    let dir = scratch.join(format!("box-{}", std::process::id()));
    fs::create_dir(&dir)?;
    Ok(dir)
}
