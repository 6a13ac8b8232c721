//! Answers of a pkgd that has something to tell.

use minos_model::{Digest, Failure, FailureClass, JobState, Metrics, Phase, Stage, StepState};
use minos_proto::{
    Attempt, AuditLine, Check, CheckState, Event, EventBody, Field, JobReport, KeyChange,
    LintReport, Loss, PackageRequest, PlanReport, PlanStep, Proposal, RecipeReport, Recorded,
    Reply, Request, RunningStep, Sheet, Status, StepReport, VerifyReport, Wish,
};

use super::Wire;

/// Answers every request as a healthy pkgd would; job 7 builds two steps and ends well, job 8 fails, job 9
/// compares and finds a difference.
pub fn healthy(request: &Request, wire: &mut Wire) {
    match request {
        Request::Status => wire.reply(Reply::Status(status())),
        Request::Plan { target, .. } => wire.reply(Reply::Plan(plan(target))),
        Request::Build { target, .. } => {
            let job = match &**target {
                "bad" => 8,
                "twice" => 9,
                _ => 7,
            };
            wire.reply(Reply::Started { job });
        }
        Request::Retry { job } => wire.reply(Reply::Started { job: *job }),
        Request::Jobs { .. } => {
            wire.reply(Reply::Jobs(vec![job(8, JobState::Failed), job(7, JobState::Running)]));
        }
        Request::Job { job } => wire.reply(ended(job.unwrap_or(7))),
        Request::Watch { job } => watch(wire, job.unwrap_or(7)),
        Request::Attempts { .. } => wire.reply(Reply::Attempts(vec![attempt()])),
        Request::Log { offset, .. } => wire.reply(log(*offset)),
        Request::Cancel { .. } | Request::Shutdown { .. } => wire.reply(Reply::Done),
        Request::RecipeList => wire.reply(Reply::Recipes(recipes())),
        Request::RecipeShow { .. } => {
            let files = vec![("recipe.toml".into(), "name = \"m4\"\n".into())];
            wire.reply(Reply::Recipe { recipe: recipes().remove(0), files });
        }
        Request::RecipeLint { .. } => wire.reply(Reply::Lints(Vec::new())),
        Request::Events { .. } => wire.reply(Reply::Events(journal())),
        Request::Audit { .. } => wire.reply(Reply::Audit(vec![audit_line()])),
        Request::Verify { repair, .. } => wire.reply(Reply::Verified(verified(*repair))),
        Request::Package(request) => package(request, wire),
        Request::Compared { .. } => {
            let row = vec!["m4".into(), "differs".into()];
            let sheet = Sheet::new("comparison").grid("steps", &["step", "result"], vec![row]);
            wire.reply(Reply::Sheet(Sheet { alarm: true, ..sheet }));
        }
        Request::Costs { page: true, .. } => wire.reply(Reply::Page("<h1>m4</h1>\n".into())),
        Request::Costs { .. } => {
            let row = vec!["m4".into(), "1.00".into()];
            let sheet = Sheet::new("costs").grid("steps", &["step", ">sbu"], vec![row]);
            wire.reply(Reply::Sheet(sheet));
        }
        // The suite of m4 went well, any other did not.
        Request::Tests { step, .. } => {
            let row = vec!["checks/12".into(), "FAIL".into()];
            let sheet = Sheet::new("tests").grid("failures", &["test", "result"], vec![row]);
            wire.reply(Reply::Sheet(Sheet { alarm: step.to_string() != "m4", ..sheet }));
        }
        Request::Doctor => wire.reply(Reply::Doctor(vec![check(CheckState::Good)])),
    }
}

/// Answers of the package manager: a plan for every wish but that for `nothing`.
fn package(request: &PackageRequest, wire: &mut Wire) {
    match request {
        PackageRequest::Propose(wish) => wire.reply(Reply::Proposal(proposal(wish))),
        PackageRequest::Apply { .. } => {
            wire.progress("unpacking", 1, 2);
            wire.progress("switching", 2, 2);
            let sheet = Sheet::new("applied").fact("generation", 7u64);
            wire.reply(Reply::Sheet(sheet.note("Generation 7 is the current one.")));
        }
        PackageRequest::Plans { .. } => wire.reply(Reply::Sheet(changes())),
        PackageRequest::Switch { generation, dry_run: true } => {
            wire.reply(Reply::Sheet(outlook(*generation)));
        }
        PackageRequest::Rollback { steps, dry_run: true } => {
            wire.reply(Reply::Sheet(outlook(7 - u64::from(*steps))));
        }
        PackageRequest::Keys(Some(KeyChange::Revoke { dry_run: true, .. })) => {
            wire.reply(Reply::Sheet(Sheet::new("key").fact("key", "8f".repeat(16))));
        }
        _ => wire.reply(Reply::Sheet(Sheet::new("sample"))),
    }
}

/// What a switch from generation 7 would change.
fn outlook(to: u64) -> Sheet {
    let row = vec!["zlib".into(), "1.3.1-1".into(), "1.3-1".into()];
    Sheet::new("switch").fact("from", 7u64).fact("to", to).fact("paths_changed", 12u64).grid(
        "packages",
        &["package", "before", "after"],
        vec![row],
    )
}

fn proposal(wish: &Wish) -> Proposal {
    if wish.install == ["nothing"] {
        return Proposal { plan: None, sheet: Sheet::new("plan").note("Nothing is to be done.") };
    }
    Proposal { plan: Some(plan_digest()), sheet: changes() }
}

/// The plan that is always proposed.
pub fn plan_digest() -> Digest {
    Digest::of(b"plan")
}

fn changes() -> Sheet {
    let row = vec!["install".into(), "zlib".into(), Field::None, "1.3.1-1".into()];
    Sheet::new("plan")
        .fact("install", 1u64)
        .fact("download", Field::Bytes(1 << 20))
        .fact("size", Field::Change(3 << 20))
        .grid("changes", &["change", "package", "from", "to"], vec![row])
}

pub fn status() -> Status {
    Status {
        server: "pkgd 0.1.0".into(),
        kernel: "6.12.9".into(),
        host_mode: false,
        landlock_abi: 6,
        refuses: None,
        uptime_ms: 192_000,
        active_jobs: 1,
        outputs: 12,
        free_bytes: 4 << 30,
        last_boot: Some("powered off on request".into()),
        changing: None,
    }
}

pub fn plan(target: &str) -> PlanReport {
    let step = PlanStep {
        step: "m4".parse().unwrap(),
        version: "1.4.19".parse().unwrap(),
        stage: Stage::Demo,
        cached: false,
        reason: "never built before".into(),
        expected_ms: 60_000,
        critical: true,
    };
    let target = target.into();
    PlanReport { target, steps: vec![step], expected_ms: 60_000, critical_ms: 60_000, took_us: 9 }
}

pub fn job(id: u64, state: JobState) -> JobReport {
    JobReport {
        id,
        target: "lfs/demo".into(),
        state,
        created_ms: 1_763_696_820_000,
        finished_ms: state.is_final().then_some(1_763_696_940_000),
        steps: 2,
        built: 1,
        cached: 1,
        failed: u32::from(state == JobState::Failed),
        resumed: 0,
        compares: id == 9,
    }
}

pub fn ended(id: u64) -> Reply {
    let state = if id == 8 { JobState::Failed } else { JobState::Done };
    let m4 = if id == 8 { StepState::Failed(failure()) } else { StepState::Built };
    let step = |name: &str, state| StepReport {
        step: name.parse().unwrap(),
        state,
        output: Some(Digest::of(name.as_bytes())),
        size: 1 << 20,
        files: 31,
        metrics: metrics(),
        attempt: Some(3),
        weak_sandbox: false,
        tests: None,
    };
    let steps = vec![step("zlib", StepState::Cached), step("m4", m4)];
    Reply::Job { job: job(id, state), steps }
}

/// A watch as pkgd sends it: where the job stands, what happens, the end.
pub fn watch(wire: &mut Wire, id: u64) {
    wire.reply(Reply::Job { job: job(id, JobState::Running), steps: Vec::new() });
    for (n, body) in story(id).into_iter().enumerate() {
        wire.event(event(id, n as u64, body));
    }
}

pub fn event(job: u64, seconds: u64, body: EventBody) -> Event {
    Event { job, at_ms: 1_763_696_820_000 + seconds * 1000, body }
}

pub fn story(id: u64) -> Vec<EventBody> {
    let m4 = || "m4".parse().unwrap();
    let output = Digest::of(b"m4");
    let (last, state) = if id == 8 {
        (EventBody::StepFailed { step: m4(), failure: failure() }, JobState::Failed)
    } else {
        (EventBody::StepBuilt { step: m4(), output, metrics: metrics() }, JobState::Done)
    };
    vec![
        EventBody::StepCached { step: "zlib".parse().unwrap(), output },
        EventBody::StepStarted { step: m4(), attempt: 3 },
        EventBody::PhaseStarted { step: m4(), phase: Phase::Build, resumed: false },
        progress(),
        EventBody::PhaseDone { step: m4(), phase: Phase::Build, metrics: metrics() },
        last,
        EventBody::JobFinished { state },
    ]
}

/// The story of job 8 as the state keeps it.
pub fn journal() -> Vec<Recorded> {
    let kept = |body: &EventBody| {
        !matches!(body, EventBody::Progress { .. } | EventBody::PhaseStarted { .. })
    };
    let queued = EventBody::JobQueued { target: "lfs/demo".into() };
    let bodies = std::iter::once(queued).chain(story(8).into_iter().filter(kept));
    (1..).zip(bodies).map(|(n, body)| Recorded { number: n, event: event(8, n, body) }).collect()
}

pub fn audit_line() -> AuditLine {
    let what = "build lfs/demo (pkgctl 0.1.0)".into();
    AuditLine { number: 5, at_ms: 1_763_696_820_000, uid: Some(0), pid: Some(77), what }
}

pub fn verified(repaired: bool) -> VerifyReport {
    let why = "/state/outputs/x/tree is not there".into();
    let lost = vec![Loss { output: Digest::of(b"m4"), step: "m4".parse().unwrap(), why }];
    VerifyReport { outputs: 2, paths: 62, contradictions: Vec::new(), lost, repaired, quick: false }
}

pub fn progress() -> EventBody {
    let running = RunningStep {
        step: "m4".parse().unwrap(),
        phase: Some(Phase::Build),
        elapsed_ms: 30_000,
        left_ms: Some(30_000),
        cpu_ms: 55_000,
        memory_kib: 100_000,
    };
    EventBody::Progress { done: 1, total: 2, running: vec![running], left_ms: Some(30_000) }
}

pub fn failure() -> Failure {
    Failure {
        class: FailureClass::OutOfMemory,
        phase: Some(Phase::Build),
        what: "cc1 was killed".into(),
        hint: "give the machine more memory".into(),
    }
}

pub fn metrics() -> Metrics {
    Metrics { wall_ms: 61_000, user_us: 99_000_000, max_rss_kib: 51_200, ..Metrics::default() }
}

pub const LOG: &str = "configure: ok\nmake: ok\n\x1b[31mred\x1b[0m\nlast line\n";

pub fn attempt() -> Attempt {
    Attempt {
        id: 3,
        job: 7,
        step: "m4".parse().unwrap(),
        started_ms: 1_763_696_820_000,
        finished_ms: Some(1_763_696_881_000),
        failure: None,
        log_bytes: LOG.len() as u64,
        phases: Vec::new(),
    }
}

/// The log in pieces of ten bytes.
pub fn log(offset: u64) -> Reply {
    let rest = &LOG.as_bytes()[(offset as usize).min(LOG.len())..];
    let bytes = rest[..rest.len().min(10)].to_vec();
    Reply::Log { attempt: attempt(), end: bytes.len() < 10, bytes }
}

pub fn recipes() -> Vec<RecipeReport> {
    let recipe = |name: &str, stage| RecipeReport {
        step: name.parse().unwrap(),
        version: "1.4.19".parse().unwrap(),
        stage,
        description: "a package that is described at such length that one line cannot hold it"
            .into(),
        groups: vec!["lfs/demo".into()],
        needs: Vec::new(),
        sbu_centi: 40,
    };
    vec![recipe("m4", Stage::Demo), recipe("gcc:pass1", Stage::Cross)]
}

pub fn check(state: CheckState) -> Check {
    Check { name: "landlock".into(), state, found: "ABI 6".into(), hint: "boot another".into() }
}

pub fn lint(error: bool) -> LintReport {
    LintReport {
        error,
        file: "demo/m4/recipe.toml".into(),
        line: 3,
        what: "unknown key 'sorces'".into(),
        hint: String::new(),
    }
}
