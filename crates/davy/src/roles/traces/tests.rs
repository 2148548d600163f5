//! Which statements belong to which request, and what is remembered.

use std::net::{IpAddr, Ipv4Addr};

use flow::{Client, RequestId, Scheme, Trace};
use http::StatusCode;

use super::*;
use crate::trace::told::Tracing;

fn run(worker: u32, started: u64, ended: u64) -> Run {
    Run { worker, started: Stamp(started), ended: Stamp(ended) }
}

fn query(pid: u32, begun: u64, text: &str) -> Query {
    let (begun, ended) = (Stamp(begun), Stamp(begun + 1));
    Query { pid, begun, ended, text: text.into(), rows: 1, error: None }
}

fn told(run_: Run, runs: &[Run], queries: &[Query]) -> Vec<(String, bool)> {
    let (runs, queries) = (runs.iter().copied().collect(), queries.iter().cloned().collect());
    let statements = join(run_, &runs, &queries);
    statements.into_iter().map(|told| (told.query.text, told.sure)).collect()
}

#[test]
fn a_statement_belongs_to_the_request_its_worker_was_at_when_it_began() {
    let queries = [
        query(7, 9, "before"),
        query(7, 10, "first"),
        query(8, 15, "of another worker"),
        query(7, 20, "last"),
        query(7, 21, "after"),
    ];
    let own = run(7, 10, 20);
    let runs = [own, run(8, 10, 20), run(7, 21, 30)];
    assert_eq!(told(own, &runs, &queries), [("first".into(), true), ("last".into(), true)]);
}

#[test]
fn a_statement_that_fits_two_requests_of_one_worker_is_marked() {
    let (own, other) = (run(7, 10, 20), run(7, 15, 25));
    let queries = [query(7, 12, "own"), query(7, 17, "of either")];
    let runs = [own, other];
    assert_eq!(told(own, &runs, &queries), [("own".into(), true), ("of either".into(), false)]);
}

fn addresses() -> Told {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    Told::Addresses { http: address, dns: address, tracing: Tracing::On }
}

/// A request of worker 7 from this port, that started and ended then.
fn note(traces: &Traces, port: u16, started: u64, ended: u64) {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let client = Client { address, local: address, scheme: Scheme::Http };
    let trace = Trace::new(RequestId::new(1, 1));
    trace.hand_to(7);
    trace.mark(Mark::Started, Stamp(started));
    trace.mark(Mark::Ended, Stamp(ended));
    traces.note(&Finished {
        site: None,
        host: None,
        method: "GET",
        target: "/",
        status: StatusCode::OK,
        bytes_sent: 5,
        client: &client,
        trace: &trace,
        failure: None,
    });
}

async fn hear(channel: &Channel) -> Told {
    let heard = timeout(Duration::from_secs(20), channel.receive::<Told>()).await;
    heard.expect("it comes within 20 s").unwrap().expect("the edge is there").0
}

#[tokio::test]
async fn the_watched_request_is_told_with_all_its_statements_once_they_have_passed() {
    let traces = Traces::telling(addresses());
    let (db, theirs) = Channel::pair().unwrap();
    tokio::spawn(traces.clone().attend_database(Channel::from_fd(theirs).unwrap()));
    let (console, theirs) = Channel::pair().unwrap();
    tokio::spawn(traces.clone().attend_console(Channel::from_fd(theirs).unwrap()));
    console.send(&Wish::Addresses, &[]).await.unwrap();
    assert_eq!(hear(&console).await, addresses());
    let passed = Passed { queries: vec![query(7, 5, "before")], missed: 3, flushed: 0 };
    db.send(&passed, &[]).await.unwrap();
    while traces.past().missed == 0 {
        tokio::task::yield_now().await;
    }

    console.send(&Wish::Watch("127.0.0.1:4000".parse().unwrap()), &[]).await.unwrap();
    let flushed = |flush: Flush| Passed { flushed: flush.number, ..Passed::default() };
    let (flush, _) = db.receive::<Flush>().await.unwrap().unwrap();
    assert!(flush.listening);
    db.send(&flushed(flush), &[]).await.unwrap();
    assert_eq!(hear(&console).await, Told::Watching);
    note(&traces, 4001, 1, 9);
    note(&traces, 4000, 10, 20);
    let (flush, _) = db.receive::<Flush>().await.unwrap().unwrap();
    let own: Vec<Query> = (11..31).map(|begun| query(7, begun, "x")).collect();
    db.send(&Passed { queries: own, missed: 2, flushed: flush.number }, &[]).await.unwrap();
    assert!(matches!(hear(&console).await, Told::Visited(told) if told.worker == Some(7)));
    let mut statements = 0;
    let missed = loop {
        match hear(&console).await {
            Told::Statements(some) => statements += some.len(),
            Told::End { missed } => break missed,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((statements, missed), (10, 2), "what was missed before does not count");
    let (flush, _) = db.receive::<Flush>().await.unwrap().unwrap();
    assert!(!flush.listening, "nobody watches any more");
}

#[test]
fn the_past_is_bounded() {
    let traces = Traces::telling(addresses());
    note(&traces, 1, 1, 2);
    assert_eq!(traces.past().runs.len(), 0, "nobody watches");
    let _watching = Watching::begin(&traces.0.watching);
    for n in 0..RUNS_MAX as u64 + 10 {
        note(&traces, 1, n + 1, n + 2);
        let queries = vec![query(7, n, "x")];
        traces.pass(Passed { queries, missed: 0, flushed: 0 });
    }
    let past = traces.past();
    assert_eq!((past.runs.len(), past.queries.len()), (RUNS_MAX, QUERIES_MAX));
}
