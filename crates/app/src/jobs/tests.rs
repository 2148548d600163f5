//! Jobs with a real shell.

use super::*;
use crate::cron::Schedule;

struct Stage {
    folder: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn new() -> Stage {
        Stage { folder: tempfile::tempdir().unwrap(), lines: Arc::default() }
    }

    fn settings(&self) -> Settings {
        let lines = self.lines.clone();
        Settings {
            own: Arc::new(Own::direct()),
            env: vec![("COLOUR".into(), "red".into())],
            project: self.folder.path().to_owned(),
            state: self.folder.path().join("cron"),
            jobs: BTreeMap::new(),
            cron: BTreeMap::new(),
            output: Arc::new(move |name, line| {
                lines.lock().unwrap().push(format!("{name}: {line}"));
            }),
        }
    }

    fn job(&self, command: &str) -> Jobs {
        let jobs = [("work".to_owned(), command.to_owned())].into();
        Jobs::start(Settings { jobs, ..self.settings() })
    }

    /// A command that is due once an hour.
    fn hourly(&self, command: &str) -> Jobs {
        let all = Schedule { minutes: 1, hours: (1 << 24) - 1, ..every_day() };
        let times = Times::new(all, Some("UTC")).unwrap();
        let cron = [("clean".to_owned(), (times, command.to_owned()))].into();
        Jobs::start(Settings { cron, ..self.settings() })
    }

    async fn says(&self, line: &str) {
        let said = async {
            while !self.lines.lock().unwrap().iter().any(|said| said.contains(line)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let said = tokio::time::timeout(Duration::from_secs(20), said).await;
        said.unwrap_or_else(|_| panic!("no {line:?} in {:?}", self.lines.lock().unwrap()));
    }
}

fn every_day() -> Schedule {
    Schedule { days: u64::MAX, months: u64::MAX, weekdays: 0x7f, ..Schedule::default() }
}

#[tokio::test]
async fn job_runs_in_the_site_s_environment_and_again_when_it_ends() {
    let stage = Stage::new();
    let mut jobs = stage.job("echo $COLOUR >> runs; echo run $(wc -l < runs); exit 3");
    stage.says("work: run 3").await;
    assert_eq!(
        std::fs::read_to_string(stage.folder.path().join("runs")).unwrap().lines().next(),
        Some("red")
    );
    stage.says("work: exit code 3").await;
    let status = &jobs.status()[0];
    assert_eq!((status.name.as_str(), status.kind), ("work", "job"));
    assert_eq!(status.ended.as_deref(), Some("exit code 3"));
    assert!(status.starts >= 3, "{status:?}");
    jobs.drain(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn draining_lets_a_job_finish_and_kills_it_at_the_deadline() {
    let stage = Stage::new();
    let mut jobs =
        stage.job("trap 'echo finishing; exit 0' TERM; echo up; while :; do sleep 0.01; done");
    stage.says("work: up").await;
    jobs.drain(Duration::from_secs(20)).await;
    stage.says("work: finishing").await;

    let deaf = Stage::new();
    let mut jobs = deaf.job("trap '' TERM; echo up; while :; do sleep 0.01; done");
    deaf.says("work: up").await;
    jobs.drain(Duration::from_millis(50)).await;
    assert_eq!(jobs.status()[0].ended.as_deref(), Some("killed by signal 9 (KILL)"));
}

#[tokio::test]
async fn command_that_was_missed_is_made_up_for_once() {
    let stage = Stage::new();
    let state = stage.folder.path().join("cron");
    std::fs::create_dir(&state).unwrap();
    let hours_ago = Timestamp::now() - SignedDuration::from_hours(5);
    std::fs::write(state.join("clean"), hours_ago.to_string()).unwrap();
    let mut jobs = stage.hourly("echo run >> runs; echo cleaned");
    stage.says("clean: cleaned").await;
    stage.says("and is made up for now").await;
    jobs.drain(Duration::from_secs(10)).await;
    assert_eq!(std::fs::read_to_string(stage.folder.path().join("runs")).unwrap(), "run\n");
    let last: Timestamp = std::fs::read_to_string(state.join("clean")).unwrap().parse().unwrap();
    assert!(last > hours_ago + SignedDuration::from_hours(4), "{last}");
}

#[tokio::test]
async fn command_that_never_ran_waits_for_its_time() {
    let stage = Stage::new();
    let mut jobs = stage.hourly("echo run >> runs");
    let next = loop {
        match jobs.status().first().and_then(|status| status.next.clone()) {
            Some(next) => break next.parse::<Timestamp>().unwrap(),
            None => tokio::task::yield_now().await,
        }
    };
    assert!(next > Timestamp::now());
    jobs.drain(Duration::from_secs(10)).await;
    // At the full hour itself it may just have run.
    assert_eq!(jobs.status()[0].starts, 0);
}
