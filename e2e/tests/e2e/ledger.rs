//! The ledger: every part is killed under load, one after the other and in pairs, and afterwards the
//! accounts agree: what visitors were told, what the application did, and what the database holds.
//!
//! What may fail is what was under way at the instant of a kill, and nothing else:
//!
//! ```text
//!               kill(2)
//! ───begun───────▏▏─────ended──▶       under way: it may fail
//!                ▏▏ begun───────ended──▶ held until the part is back: it must not
//! ─ended         ▏▏                    answered before: it must not have failed
//! ```
//! One thing more is under way when the edge dies: its connections. TCP tells a visitor of the end of
//! a connection only later, so a request sent meanwhile over one that the dead edge held is lost with
//! it, though begun after the kill. No server can help that; browsers and proxies send such a request
//! again over a new connection. A connection on which a request begun later was answered is not one
//! of the dead edge's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use davy_e2e::{Davy, Load, Project, Sent, Sql, eventually, processes};
use rustix::process::Signal;

/// `POST /N` writes N down twice: in a file when it is begun, in the database when it is done.
/// There is no key that would hide it if it were done twice.
const APP: &str = r#"
import os, time, pymysql

LOG = os.open("begun.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

def connect():
    return pymysql.connect(
        unix_socket=os.environ["MYSQL_UNIX_SOCKET"], user=os.environ["MYSQL_USER"],
        password=os.environ["MYSQL_PASSWORD"], database=os.environ["MYSQL_DATABASE"],
        ssl_disabled=True)

with connect() as connection, connection.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS done (id BIGINT, KEY (id))")

def application(environ, start_response):
    number = int(environ["PATH_INFO"][1:])
    if environ["REQUEST_METHOD"] == "POST":
        assert int(environ["wsgi.input"].read()) == number
        os.write(LOG, b"%d\n" % number)
        statement = "INSERT INTO done VALUES (%s)"
    else:
        statement = "SELECT COUNT(*) FROM done WHERE id = %s"
    if environ["QUERY_STRING"] == "application":
        time.sleep(number)
    if environ["QUERY_STRING"] == "database":
        statement = "SELECT SLEEP(%s)"
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, (number,))
        connection.commit()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
"#;

fn site(workers: u32) -> Project {
    let settings = format!("workers = {workers}\n");
    let files = [("wsgi.py", APP), ("requirements.txt", "PyMySQL\n"), ("davy.toml", &settings)];
    Project::of("ledger", &files)
}

const PARTS: [&str; 5] = ["edge", "db", "mariadbd", "site ledger", "worker"];

/// A kill of one part.
#[derive(Debug)]
struct Shot {
    part: &'static str,
    /// The kernel took the order between these two.
    before: Instant,
    after: Instant,
}

impl Shot {
    fn at(part: &'static str, pid: u32) -> Shot {
        let before = Instant::now();
        processes::send(pid, Signal::KILL);
        Shot { part, before, after: Instant::now() }
    }

    /// Whether a request was under way at this instant, and so may fail.
    fn may_fail(&self, sent: &Sent) -> bool {
        let lost_with_its_connection = self.part == "edge" && sent.known <= self.after;
        let under_way = sent.begun <= self.after || lost_with_its_connection;
        under_way && sent.ended >= self.before
    }
}

/// A kill of one part or of two at once.
#[derive(Debug)]
struct Kill {
    shots: Vec<Shot>,
    /// How long until all that was killed was ready again.
    back: Duration,
}

impl Kill {
    fn parts(&self) -> String {
        self.shots.iter().map(|shot| shot.part).collect::<Vec<_>>().join(" + ")
    }

    /// How long until somebody who came after it had what needs all parts.
    fn serves(&self, all: &[Sent]) -> Duration {
        let after = self.shots.iter().map(|shot| shot.after).max();
        let came_after = |sent: &&Sent| sent.method == "POST" && Some(sent.begun) > after;
        let served = all.iter().filter(came_after).filter(|sent| sent.succeeded());
        served.map(|sent| sent.ended).min().unwrap() - self.shots[0].before
    }

    fn may_fail(&self, sent: &Sent) -> bool {
        self.shots.iter().any(|shot| shot.may_fail(sent))
    }
}

/// The process ids of all parts, once all of them are ready.
fn all_ready(davy: &Davy<'_>) -> BTreeMap<String, u32> {
    eventually("all parts are ready", WITHIN, || {
        let parts = davy.parts_and_workers();
        (parts.len() == 6).then(|| parts.into_iter().map(|part| (part.name, part.pid)).collect())
    })
}

/// Kills these parts at once, and waits until they are ready again, and until the load has passed
/// them all.
fn kill(davy: &Davy<'_>, load: &Load, parts: &[&'static str], count: usize) -> Kill {
    let old = all_ready(davy);
    // Sometimes the first of the two workers, sometimes the second.
    let name = |part: &&str| match *part {
        "worker" => format!("worker {}", count % 2 + 1),
        part => part.to_owned(),
    };
    let names: BTreeSet<String> = parts.iter().map(name).collect();
    let since = Instant::now();
    let shots = parts.iter().map(|part| Shot::at(part, old[&name(part)])).collect();
    let is_new = |new: &BTreeMap<String, u32>| names.iter().all(|name| new[name] != old[name]);
    let new =
        eventually("what was killed is back", WITHIN, || Some(all_ready(davy)).filter(is_new));
    let back = since.elapsed();
    for (name, pid) in &old {
        let killed = names.contains(name);
        let with_its_site = name.starts_with("worker") && parts.contains(&"site ledger");
        assert!(killed || with_its_site || new[name] == *pid, "{parts:?} took {name} along");
    }
    passes(load, PASS_BETWEEN);
    Kill { shots, back }
}

/// Each part alone, then each pair of them.
fn kill_all_in_turn(davy: &Davy<'_>, load: &Load) -> Vec<Kill> {
    let alone = PARTS.iter().map(|part| vec![*part]);
    let pairs = (0..PARTS.len())
        .flat_map(|one| (one + 1..PARTS.len()).map(move |two| vec![PARTS[one], PARTS[two]]));
    let each = alone.chain(pairs).enumerate();
    each.map(|(count, parts)| kill(davy, load, &parts, count)).collect()
}

/// Sends requests from all sides while everything is killed in turn.
fn kills_under_load(davy: &Davy<'_>) -> (Vec<Kill>, Vec<Sent>) {
    let load = Load::on(davy.http());
    load.during(VISITORS, || {
        passes(&load, PASS_BETWEEN);
        let kills = kill_all_in_turn(davy, &load);
        passes(&load, REQUESTS.saturating_sub(load.answered()));
        kills
    })
}

/// Waits until so many more requests have been answered.
fn passes(load: &Load, more: u64) {
    let all = load.answered() + more;
    eventually("the load goes on", WITHIN, || (load.answered() >= all).then_some(()));
}

/// The numbers in a list of them, each of which stands there once.
fn once(what: &str, list: &str) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    for number in list.lines().map(|line| line.parse().unwrap()) {
        assert!(numbers.insert(number), "{number} was {what} twice");
    }
    numbers
}

/// The rows of the table, as the site's own user reads them.
fn rows(davy: &Davy<'_>) -> String {
    let variables = processes::environ(davy.workers()[0]);
    let site = Sql {
        socket: Path::new(&variables["MYSQL_UNIX_SOCKET"]),
        user: &variables["MYSQL_USER"],
        password: Some(&variables["MYSQL_PASSWORD"]),
    };
    site.run(&format!("SELECT id FROM {}.done", variables["MYSQL_DATABASE"])).unwrap()
}

/// In numbers what happened; cargo test shows it with `--nocapture`, and when the test fails.
#[expect(clippy::print_stderr, reason = "the figures are for people")]
fn show(kills: &[Kill], all: &[Sent]) {
    for kill in kills {
        let failed = all.iter().filter(|sent| !sent.succeeded() && kill.may_fail(sent)).count();
        eprintln!(
            "{:24} back after {:4} ms, serves after {:4} ms, {failed:2} of {VISITORS} failed",
            kill.parts(),
            kill.back.as_millis(),
            kill.serves(all).as_millis()
        );
    }
}

/// No request failed that was not under way at a kill; none was held for longer than davy promises.
fn only_what_was_under_way_failed(kills: &[Kill], all: &[Sent]) {
    let failed: Vec<&Sent> = all.iter().filter(|sent| !sent.succeeded()).collect();
    let wrong = |sent: &&&Sent| !kills.iter().any(|kill| kill.may_fail(sent));
    let wrong: Vec<_> = failed.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{} failed without need: {wrong:#?}, {kills:#?}", wrong.len());
    for shot in kills.iter().flat_map(|kill| &kill.shots) {
        let lost = failed.iter().filter(|sent| shot.may_fail(sent)).count();
        assert!(lost <= VISITORS, "{lost} of {VISITORS} visitors' requests at {shot:?}");
    }
    for sent in all.iter().filter(|sent| sent.succeeded()) {
        assert!(sent.ended - sent.begun < HELD_MAX, "{sent:?}");
    }
}

/// Each POST was done once or not at all, and each that was acknowledged was done.
fn the_accounts_agree(all: &[Sent], begun: &BTreeSet<u64>, done: &BTreeSet<u64>) {
    let posts = || all.iter().filter(|sent| sent.method == "POST");
    let posted: BTreeSet<u64> = posts().map(|sent| sent.id).collect();
    let acknowledged: BTreeSet<u64> =
        posts().filter(|sent| sent.succeeded()).map(|sent| sent.id).collect();
    let lost: Vec<_> = acknowledged.difference(done).collect();
    assert!(lost.is_empty(), "acknowledged, but not done: {lost:?}");
    // What is not acknowledged was under way at a kill, and may be in any of these or in none.
    assert!(done.is_subset(begun) && begun.is_subset(&posted));
}

#[test]
fn whatever_is_killed_under_load_the_accounts_agree() {
    let project = site(2);
    let davy = project.up();
    let (kills, all) = kills_under_load(&davy);
    show(&kills, &all);
    only_what_was_under_way_failed(&kills, &all);
    let begun = once("begun", &project.read("begun.log"));
    let done = once("done", &rows(&davy));
    the_accounts_agree(&all, &begun, &done);
    for kill in &kills {
        let soon = kill.back < BACK_WITHIN && kill.serves(&all) < BACK_WITHIN;
        assert!(soon, "{kill:?} serves after {:?}", kill.serves(&all));
    }
    assert!(recovered(&project), "the words for what must not be after a clean end");
    davy.stop();
}

/// Whether the database had to be repaired by its server.
fn recovered(project: &Project) -> bool {
    project.read(".davy/db/private/mariadbd.log").contains("crash recovery")
}

/// A visitor whose request takes a minute, at the application or at the database.
fn waits(davy: &Davy<'_>, at: &str) -> TcpStream {
    let mut visitor = TcpStream::connect(davy.http()).unwrap();
    write!(visitor, "GET /60?{at} HTTP/1.1\r\nHost: ledger.localhost\r\n\r\n").unwrap();
    visitor
}

#[test]
fn when_the_keeper_is_killed_under_load_the_next_davy_finds_all_in_order() {
    let project = site(4);
    let mut davy = project.up();
    let _waiting = ["application", "database"].map(|at| waits(&davy, at));
    let load = Load::on(davy.http());
    let (killed, all) = load.during(VISITORS, || {
        passes(&load, 1000);
        davy.signal(Signal::KILL);
        Instant::now()
    });
    davy.end();
    // At once, as a service manager would, while the roles of the first still hold its ports.
    let next = project.start();
    eventually("what the killed one left ends", WITHIN, || {
        davy.processes().is_empty().then_some(())
    });
    assert!(killed.elapsed() < ALL_ENDS_WITHIN, "{:?}", killed.elapsed());
    next.ready();
    let log = project.read(".davy/db/private/mariadbd.log");
    assert!(log.contains("Shutdown complete") && !recovered(&project), "{log}");
    let begun = once("begun", &project.read("begun.log"));
    let done = once("done", &rows(&next));
    the_accounts_agree(&all, &begun, &done);
    next.stop();
}

const VISITORS: usize = 16;
const REQUESTS: u64 = 10_000;
/// Requests answered between two kills.
const PASS_BETWEEN: u64 = 200;
const WITHIN: Duration = Duration::from_secs(60);
/// It is a fifth of this; but the machine of a test may be busy with other tests.
const BACK_WITHIN: Duration = Duration::from_secs(5);
const HELD_MAX: Duration = Duration::from_secs(5);
const ALL_ENDS_WITHIN: Duration = Duration::from_secs(2);
