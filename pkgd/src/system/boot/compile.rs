//! A boot plan from what stands in a root: the enabled services of its packages, and the checks.

use std::collections::BTreeMap;
use std::io;

use minos_proto::bootplan::{
    BootPlan, CHECKS, CheckSpec, Command, MAX_DEADLINE_MS, PlanError, SERVICES, ServiceSpec, What,
};

use super::order::order;
use super::program::Programs;
use super::root::Root;
use super::unit::{self, Check, Service};

/// Where packages have the files of their services.
pub const SERVICE_FILES: &str = "usr/lib/minos/services";
/// Where packages have the files of their checks.
pub const CHECK_FILES: &str = "usr/lib/minos/checks";
/// Where the user has theirs. They follow the machine.
pub const USER_CHECKS: &str = "etc/minos/checks";
/// Where the lists of the packages' services stand, one file a package.
pub const LISTS: &str = "etc/minos/services.d";
/// Where the user says otherwise, one file a service. They follow the machine.
pub const USER_SERVICES: &str = "etc/minos/services";
/// The longest file of one of these.
const MAX_FILE: u64 = 16 << 10;
/// The longest file with the host name.
const MAX_HOSTNAME: u64 = 256;
/// The host name of a machine without one.
const HOSTNAME: &str = "minos";
/// How long pkgd has to open the state, in milliseconds; init waits as long for it.
const PKGD_MS: u32 = 300_000;
/// How long a look at all paths of the root may take, in seconds. pkgctl waits as long for its answer: there is none
/// before the last path.
const ROOT_S: u32 = 300;
/// How long the console has to answer.
const CONSOLE_MS: u32 = 60_000;
/// Has pkgd look at kind, size, owner and mode of all that the generation has that runs; the initramfs's, since no
/// generation has to bring it.
const PKGCTL: &str = "/run/initramfs/bin/pkgctl";
/// Where a generation that brings its own pkgd has what was built with it. The initramfs may be older and speak to
/// another version.
const OWN_PKGCTL: &str = "/usr/bin/pkgctl";

/// A service with the name and the package it has.
struct Enabled {
    package: String,
    service: Service,
}

/// Compiles the plan of the generation whose root this is.
///
/// # Errors
/// Why the generation could not boot as it is meant to; in words that name service and package.
pub fn compile(root: &Root) -> Result<BootPlan, String> {
    let services = services(root)?;
    let mut programs = Programs::new(root);
    for (name, enabled) in &services {
        let of = || of(name, &enabled.package);
        let program = enabled.service.command.program();
        programs.check(program).map_err(|why| format!("{}: {why}", of()))?;
    }
    let after = waits(&services)?;
    let sorted = order(&after)
        .map_err(|cycle| format!("the services {} wait for each other", cycle.join(", behind ")))?;
    let own = services.contains_key("pkgd") && programs.check(OWN_PKGCTL).is_ok();
    let mut checks = builtin_checks(if own { OWN_PKGCTL } else { PKGCTL })?;
    checks.extend(required(&sorted, &services)?);
    for (name, path, check) in check_files(root)? {
        let program = check.command.program();
        programs.check(program).map_err(|why| format!("check {name} (/{path}): {why}"))?;
        if checks.iter().any(|other| other.name == name.as_str()) {
            return Err(format!("check {name} (/{path}): another check has this name"));
        }
        let what = What::Command(check.command);
        checks.push(check_spec(&name, what, check.deadline_ms)?);
    }
    let specs = sorted.iter().filter_map(|name| Some((name, services.get(name)?)));
    let specs: Vec<ServiceSpec> =
        specs.map(|(name, enabled)| spec(name, enabled, &sorted)).collect::<Result<_, _>>()?;
    plan(hostname(root).map_err(|e| format!("/etc/hostname: {e}"))?, &specs, &checks)
}

/// How a service is called in a complaint.
fn of(name: &str, package: &str) -> String {
    format!("service {name} of package {package}")
}

/// The enabled services, by name.
fn services(root: &Root) -> Result<BTreeMap<String, Enabled>, String> {
    let on = |path: &str, e: io::Error| format!("/{path}: {e}");
    let mut found = BTreeMap::new();
    for package in root.names(LISTS).map_err(|e| on(LISTS, e))? {
        let path = format!("{LISTS}/{package}");
        let bytes = root.read(&path, MAX_FILE).map_err(|e| on(&path, e))?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        for (name, word) in text.lines().filter_map(|line| line.rsplit_once(' ')) {
            if !is_enabled(root, name, word)? {
                continue;
            }
            let service =
                service(root, name).map_err(|why| format!("{}: {why}", of(name, &package)))?;
            found.insert(name.to_owned(), Enabled { package: package.clone(), service });
        }
    }
    if found.len() > SERVICES {
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let (count, names) = (names.len(), names.join(", "));
        return Err(format!("{count} services are enabled, at most {SERVICES} can be: {names}"));
    }
    Ok(found)
}

/// The user's word counts, else the package's. What the user says of a service that no package has is never asked for.
fn is_enabled(root: &Root, name: &str, word: &str) -> Result<bool, String> {
    let path = format!("{USER_SERVICES}/{name}");
    let own = text(root, &path).map_err(|e| format!("/{path}: {e}"))?;
    match own.as_deref().map_or(word, str::trim) {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => {
            let other = other.lines().next().unwrap_or_default().escape_debug();
            Err(format!("/{path} says '{other}': write 'enabled' or 'disabled'"))
        }
    }
}

/// The service `name` by the file that describes it in `root`.
///
/// # Errors
/// There is no such file, or it is none of a service, in words.
pub fn service(root: &Root, name: &str) -> Result<Service, String> {
    unit::check_name(name)?;
    let path = format!("{SERVICE_FILES}/{name}.toml");
    let text = text(root, &path).map_err(|e| format!("/{path}: {e}"))?;
    let text = text.ok_or_else(|| format!("/{path} is not in the root"))?;
    Service::parse(&text).map_err(|why| format!("/{path}: {why}"))
}

fn text(root: &Root, path: &str) -> io::Result<Option<String>> {
    let bytes = root.read(path, MAX_FILE)?;
    bytes.map(|bytes| String::from_utf8(bytes).map_err(io::Error::other)).transpose()
}

/// Names that each service waits for. All must be enabled: a name that is wrong would be no order at all.
fn waits(services: &BTreeMap<String, Enabled>) -> Result<BTreeMap<&str, Vec<&str>>, String> {
    let mut after = BTreeMap::new();
    for (name, Enabled { package, service }) in services {
        if let Some(other) = service.after.iter().find(|other| !services.contains_key(*other)) {
            let of = of(name, package);
            return Err(format!(
                "{of} starts behind '{other}', which no enabled service is called"
            ));
        }
        after.insert(name.as_str(), service.after.iter().map(String::as_str).collect());
    }
    Ok(after)
}

/// What every generation has to pass.
fn builtin_checks(pkgctl: &str) -> Result<Vec<CheckSpec>, String> {
    let wait = ROOT_S.to_string();
    let verify = Command::new([pkgctl, "--timeout", &wait, "verify", "--booted", "--quick"]);
    let verify = verify.map_err(|e| e.to_string())?;
    Ok(vec![
        check_spec("pkgd", What::PkgdReady, PKGD_MS)?,
        check_spec("root", What::Command(verify), ROOT_S * 1000)?,
        check_spec("console", What::ConsoleAnswered, CONSOLE_MS)?,
    ])
}

/// One check for each service that a good generation must have up.
fn required(
    sorted: &[String],
    services: &BTreeMap<String, Enabled>,
) -> Result<Vec<CheckSpec>, String> {
    let mut checks = Vec::new();
    for (index, name) in (0_u8..).zip(sorted) {
        let Some(Enabled { package, service }) = services.get(name).filter(|e| e.service.required)
        else {
            continue;
        };
        if ["pkgd", "root", "console"].contains(&name.as_str()) {
            return Err(format!(
                "{}: it is checked anyway, leave 'required' out",
                of(name, package)
            ));
        }
        checks.push(check_spec(name, What::ServiceUp(index), service.deadline_ms)?);
    }
    Ok(checks)
}

/// The checks of packages, then those of the user: name, path and what it says.
fn check_files(root: &Root) -> Result<Vec<(String, String, Check)>, String> {
    let mut found = Vec::new();
    for folder in [CHECK_FILES, USER_CHECKS] {
        let names = root.names(folder).map_err(|e| format!("/{folder}: {e}"))?;
        for name in names.iter().filter_map(|name| name.strip_suffix(".toml")) {
            let path = format!("{folder}/{name}.toml");
            let failed = |why: String| format!("check /{path}: {why}");
            unit::check_name(name).map_err(failed)?;
            let text = text(root, &path).map_err(|e| failed(e.to_string()))?;
            let check = Check::parse(&text.unwrap_or_default()).map_err(failed)?;
            found.push((name.to_owned(), path, check));
        }
    }
    Ok(found)
}

fn check_spec(name: &str, what: What, deadline_ms: u32) -> Result<CheckSpec, String> {
    let name = name.try_into().map_err(|_| format!("check {name}: its name is too long"))?;
    Ok(CheckSpec { name, what, deadline_ms })
}

fn spec(name: &str, enabled: &Enabled, sorted: &[String]) -> Result<ServiceSpec, String> {
    let Enabled { package, service } = enabled;
    let long = |_| format!("{}: its name is too long", of(name, package));
    let bit = |other: &String| sorted.iter().position(|n| n == other).map_or(0, |at| 1_u32 << at);
    Ok(ServiceSpec {
        name: name.try_into().map_err(long)?,
        kind: service.kind,
        command: service.command.clone(),
        after: service.after.iter().map(bit).fold(0, |all, bit| all | bit),
        deadline_ms: service.deadline_ms,
        restart_limit: service.restart_limit,
        notify: service.notify,
    })
}

fn hostname(root: &Root) -> io::Result<String> {
    let bytes = root.read("etc/hostname", MAX_HOSTNAME)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned())
}

fn plan(
    hostname: String,
    services: &[ServiceSpec],
    checks: &[CheckSpec],
) -> Result<BootPlan, String> {
    if checks.len() > CHECKS {
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        let (count, names) = (names.len(), names.join(", "));
        return Err(format!("there are {count} checks, at most {CHECKS} can be: {names}"));
    }
    let gate: u32 = checks.iter().map(|check| check.deadline_ms).fold(0, u32::saturating_add);
    let mut plan = BootPlan {
        hostname: hostname.as_str().try_into().unwrap_or_default(),
        services: services.iter().cloned().collect(),
        checks: checks.iter().cloned().collect(),
        // Each check has its own deadline; together they have as long as these add up to.
        gate_ms: gate.min(MAX_DEADLINE_MS),
    };
    if plan.check() == Err(PlanError::Hostname) {
        plan.hostname = HOSTNAME.try_into().unwrap_or_default();
    }
    match plan.check() {
        Ok(()) => Ok(plan),
        Err(PlanError::Count) => {
            Err("two services are logins: one console has room for one".to_owned())
        }
        Err(error) => Err(format!("the boot plan: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::bootplan::What;

    use super::builtin_checks;

    /// On a busy machine with a large root pkgctl gave up after its usual 30 seconds, long before the check's time
    /// was over, and a good generation was left behind.
    #[test]
    fn the_look_at_the_root_is_waited_for_as_long_as_the_check_has() {
        let checks = builtin_checks(super::PKGCTL).unwrap();
        let root = checks.iter().find(|check| check.name == "root").unwrap();
        let What::Command(command) = &root.what else { panic!("{root:?}") };
        let words: Vec<&str> = command.words().collect();
        let at = words.iter().position(|word| *word == "--timeout").unwrap();
        assert_eq!(words[at + 1].parse::<u32>().unwrap() * 1000, root.deadline_ms);
    }
}
