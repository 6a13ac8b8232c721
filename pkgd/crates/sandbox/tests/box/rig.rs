//! A tiny root of busybox and the attacker, and boxes over it.

use crate::attack;
use minos_sandbox::{
    Build, Child, Exit, IdRange, Limits, Network, Sight, Spec, Strength, Upper, spawn,
};
use std::fs::{self, DirBuilder, File};
use std::io::{PipeReader, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Applets that the scripts use, linked to busybox in `/bin` of the box.
const APPLETS: &str = "cat chmod chown cp dd echo find hostname id kill ln ls mkdir mkfifo mv rm sed \
                       setsid sh sleep stat tar touch true truncate";

/// A directory of its own and the description of a box in it.
pub struct Rig {
    dir: TempDir,
    boxes: u32,
    pub spec: Spec,
}

/// What a box did.
pub struct Outcome {
    pub exit: Exit,
    /// Standard output and standard error.
    pub text: String,
}

impl Outcome {
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.exit.status.success(), "{:?}\n{}", self.exit, self.text);
        self.text
    }
}

/// A range of ids for each box of a test run.
fn ids() -> IdRange {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = (id() << 4).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) & 0xfff;
    IdRange { first: 0x6000_0000 + (number << 16), count: 1 << 16 }
}

fn busybox() -> &'static Path {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    places.into_iter().find(|path| path.exists()).expect("needs busybox-static")
}

impl Rig {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("minos-box-").tempdir().unwrap();
        let layer = dir.path().join("layer");
        fs::create_dir_all(layer.join("bin")).unwrap();
        fs::create_dir_all(layer.join("sub/dir")).unwrap();
        fs::copy(busybox(), layer.join("bin/busybox")).unwrap();
        for applet in APPLETS.split_whitespace() {
            symlink("busybox", layer.join("bin").join(applet)).unwrap();
        }
        fs::copy("/proc/self/exe", layer.join("bin").join(attack::ARGV0)).unwrap();
        for file in ["canary", "sub/dir/file"] {
            fs::write(layer.join(file), "canary\n").unwrap();
            fs::set_permissions(layer.join(file), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let spec = Spec {
            layers: vec![layer],
            plain: 1,
            upper: None,
            build: Build { layers: Vec::new(), upper: Upper { dir: PathBuf::new() } },
            binds: Vec::new(),
            argv: Vec::new(),
            env: vec![("PATH".into(), "/bin".into())],
            cwd: "/build".into(),
            writable: Vec::new(),
            ids: ids(),
            limits: Limits::default(),
            hostname: "minos".into(),
            sight: Sight::default(),
            network: Network::None,
            strength: Strength::Full,
            observe: false,
        };
        Self { dir, boxes: 0, spec }
    }

    /// With an upper on `/`, where Landlock allows writing below `prefix`.
    pub fn installing(prefix: &str) -> Self {
        let mut rig = Self::new();
        rig.spec.upper = Some(Upper { dir: PathBuf::new() });
        rig.spec.writable = vec![prefix.into()];
        rig
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn layer(&self) -> PathBuf {
        self.dir.path().join("layer")
    }

    /// Makes a fresh directory that only root may enter.
    pub fn private(&self, name: &str) -> PathBuf {
        let path = self.dir().join(name);
        DirBuilder::new().mode(0o700).create(&path).unwrap();
        path
    }

    /// Starts a program in a new box.
    pub fn start(&mut self, argv: &[&str]) -> (Child, PipeReader) {
        self.boxes += 1;
        let dir = |what: &str| self.private(&format!("{what}{}", self.boxes));
        let build = Upper { dir: dir("build") };
        let root = self.spec.upper.is_some().then(|| Upper { dir: dir("root") });
        self.spec.build.upper = build;
        self.spec.upper = root;
        self.spec.argv = argv.iter().map(Into::into).collect();
        let (reader, writer) = std::io::pipe().unwrap();
        let child = spawn(&self.spec, writer.into()).unwrap_or_else(|error| panic!("{error}"));
        (child, reader)
    }

    /// Runs a program in a new box to its end.
    pub fn run(&mut self, argv: &[&str]) -> Outcome {
        let (child, mut reader) = self.start(argv);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        let exit = child.wait().unwrap();
        Outcome { exit, text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Runs a shell script.
    pub fn shell(&mut self, script: &str) -> Outcome {
        self.run(&["/bin/sh", "-c", script])
    }

    /// Has a group of acts tried from inside; every one must be answered as it should.
    #[track_caller]
    pub fn attack(&mut self, group: &str) {
        let outcome = self.run(&["/bin/attack", "group", group]);
        assert!(outcome.text.contains("tried all"), "{:?}\n{}", outcome.exit, outcome.text);
        outcome.expect_success();
    }

    pub fn set_env(&mut self, name: &str, value: impl ToString) {
        self.spec.env.push((name.into(), value.to_string().into()));
    }
}

/// Reads one line of a box's output.
pub fn line(reader: &mut PipeReader) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while reader.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

/// This program as the attacker, on the host, as user `uid` with no other group.
pub fn outside_as(uid: u32, arguments: &[&str]) -> std::process::Output {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(attack::ARGV0).args(arguments).uid(uid).gid(uid).output().unwrap()
}

/// Everything about every file below `dir`, the time of the last change of its inode included.
pub fn snapshot(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut queue = vec![dir.to_owned()];
    while let Some(path) = queue.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            queue.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let mut content = Vec::new();
        if meta.is_file() && meta.len() < 4096 {
            File::open(&path).unwrap().read_to_end(&mut content).unwrap();
        }
        lines.push(format!(
            "{} {:o} {}:{} {} links {} changed {}.{} {content:?}",
            path.display(),
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.len(),
            meta.nlink(),
            meta.ctime(),
            meta.ctime_nsec(),
        ));
    }
    lines.sort();
    lines
}
