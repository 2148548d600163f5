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
//! a connection only later, so a request sent meanwhile is lost with it, though begun after the kill.
//! No server can help that; browsers and proxies send such a request again over a new connection.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use davy_e2e::{Davy, Load, Project, Sent, Sql, eventually, processes};
use rustix::process::Signal;

/// `POST /N` writes N down twice: in a file when it is begun, in the database when it is done.
/// There is no key that would hide it if it were done twice.
const APP: &str = r#"
import os, pymysql

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
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement, (number,))
        connection.commit()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
"#;

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
        let lost_with_its_connection = self.part == "edge" && sent.heard <= self.after;
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
    let passed = load.answered() + PASS_BETWEEN;
    eventually("the load goes on", WITHIN, || (load.answered() >= passed).then_some(()));
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
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| load.visit())).collect();
        let killing = scope.spawn(|| {
            eventually("the load begins", WITHIN, || (load.answered() > 100).then_some(()));
            let kills = kill_all_in_turn(davy, &load);
            eventually("the load is complete", WITHIN, || {
                (load.answered() > REQUESTS).then_some(())
            });
            kills
        });
        let kills = killing.join();
        // Also if the killing failed: or the visitors would never rest.
        load.finish();
        let all = visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()).collect();
        (kills.unwrap(), all)
    })
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
        socket: std::path::Path::new(&variables["MYSQL_UNIX_SOCKET"]),
        user: &variables["MYSQL_USER"],
        password: Some(&variables["MYSQL_PASSWORD"]),
    };
    site.run(&format!("SELECT id FROM {}.done", variables["MYSQL_DATABASE"])).unwrap()
}

/// In numbers what happened, shown with `--nocapture`.
fn show(kills: &[Kill], all: &[Sent]) {
    for kill in kills {
        let failed: Vec<&Sent> =
            all.iter().filter(|sent| !sent.succeeded() && kill.may_fail(sent)).collect();
        let last = kill.shots.last().unwrap();
        let mut how = BTreeMap::new();
        for sent in &failed {
            *how.entry(format!("{:?} {}", sent.outcome, sent.begun > last.after)).or_insert(0) += 1;
        }
        let held = all.iter().filter(|sent| {
            sent.succeeded() && sent.begun > last.after && sent.begun < last.after + kill.back
        });
        let longest = held.map(|sent| sent.ended - sent.begun).max().unwrap_or_default();
        let shots: Vec<_> = kill.shots.iter().map(|s| s.after - s.before).collect();
        eprintln!(
            "{:28} back {:4} ms, failed {} held {} ms {how:?} {shots:?}",
            kill.parts(),
            kill.back.as_millis(),
            failed.len(),
            longest.as_millis()
        );
        if failed.len() > 16 {
            for f in &failed {
                eprintln!(
                    "   {:?} heard {:?} begun {:?} ended {:?}",
                    f.outcome,
                    rel(f.heard, last),
                    rel(f.begun, last),
                    rel(f.ended, last)
                );
            }
        }
    }
}
fn rel(at: Instant, s: &Shot) -> f64 {
    if at > s.before {
        (at - s.before).as_secs_f64() * 1e3
    } else {
        -(s.before - at).as_secs_f64() * 1e3
    }
}

#[test]
fn whatever_is_killed_under_load_the_accounts_agree() {
    let project = Project::of(
        "ledger",
        &[("wsgi.py", APP), ("requirements.txt", "PyMySQL\n"), ("davy.toml", "workers = 2\n")],
    );
    let davy = project.up();
    let (kills, all) = kills_under_load(&davy);
    show(&kills, &all);
    let begun = once("begun", &project.read("begun.log"));
    let done = once("done", &rows(&davy));

    let mut wrong = Vec::new();
    for sent in all.iter().filter(|sent| !sent.succeeded()) {
        if !kills.iter().any(|kill| kill.may_fail(sent)) {
            let last = kills.iter().rev().find(|kill| kill.shots[0].after < sent.begun);
            wrong.push(format!(
                "{sent:?}, {:?} after {:?}",
                last.map(|kill| sent.begun - kill.shots[0].after),
                last.map(|kill| kill.parts())
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} failed without being under way at a kill: {wrong:#?}",
        wrong.len()
    );
    let posts = || all.iter().filter(|sent| sent.method == "POST");
    for sent in posts().filter(|sent| sent.succeeded()) {
        assert!(begun.contains(&sent.id) && done.contains(&sent.id), "{sent:?} is lost");
    }
    let posted: BTreeSet<u64> = posts().map(|sent| sent.id).collect();
    assert!(done.is_subset(&begun) && begun.is_subset(&posted));
    for kill in &kills {
        assert!(kill.back < BACK_WITHIN, "{kill:?}");
    }
    let longest = all
        .iter()
        .filter(|sent| sent.succeeded())
        .max_by_key(|sent| sent.ended - sent.begun)
        .unwrap();
    assert!(longest.ended - longest.begun < HELD_MAX, "{longest:?}");
    davy.stop();
}

const VISITORS: usize = 16;
const REQUESTS: u64 = 10_000;
/// Requests answered between two kills.
const PASS_BETWEEN: u64 = 200;
const WITHIN: Duration = Duration::from_secs(60);
/// davy promises a second; the machine of a test may be busy with others.
const BACK_WITHIN: Duration = Duration::from_secs(3);
const HELD_MAX: Duration = Duration::from_secs(5);
