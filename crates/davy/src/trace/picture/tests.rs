//! Pictures of journeys whose every moment is known.

use flow::{Mark, Query, RequestId, Stamp, Trace};

use super::*;
use crate::trace::journey::{Names, Stamps};
use crate::trace::told::Visited;
use crate::trace::visit::{Response, Target};

const MS: u64 = 1_000_000;

/// A request of 32 ms, so that a column is a millisecond.
fn journey(marks: &[(Mark, u64)], statements: &[(u64, u64, &str)]) -> Journey {
    let trace = Trace::new(RequestId::new(1, 1));
    marks.iter().for_each(|(mark, ms)| trace.mark(*mark, Stamp((100 + ms) * MS)));
    let at = |ms: u64| Stamp((100 + ms) * MS);
    let answered = dns::Answered {
        rcode: "NOERROR".into(),
        records: vec!["www.foobar.com. 60 IN A 8.8.8.8".into()],
    };
    let statements = statements.iter().map(|(begun, ended, text)| Statement {
        query: Query {
            pid: 7,
            begun: at(*begun),
            ended: at(*ended),
            text: (*text).into(),
            rows: 2,
            error: None,
        },
        sure: true,
    });
    Journey {
        target: Target {
            host: "www.foobar.com".into(),
            authority: "www.foobar.com".into(),
            path: "/".into(),
        },
        stamps: Stamps { begun: at(0), named: at(2), connecting: at(2), ended: at(32) },
        names: Names { server: "127.0.0.1:5300".parse().unwrap(), answered: Ok(answered) },
        http: "127.0.0.1:8080".parse().unwrap(),
        response: Response {
            status_line: "HTTP/1.1 200 OK".into(),
            location: None,
            bytes: 512,
            connecting: at(2),
        },
        visited: Visited {
            id: RequestId::new(1, 1),
            site: Some("shop".into()),
            status: 200,
            bytes_sent: 512,
            marks: trace.marks(),
            worker: Some(7),
            failure: None,
        },
        statements: statements.collect(),
        missed: 0,
    }
}

const WHOLE: [(Mark, u64); 8] = [
    (Mark::Accepted, 3),
    (Mark::Received, 4),
    (Mark::Queued, 5),
    (Mark::Handed, 6),
    (Mark::Started, 7),
    (Mark::Ended, 27),
    (Mark::Answered, 28),
    (Mark::Sent, 30),
];

#[test]
fn each_step_has_its_line_and_each_statement_stands_below_the_application() {
    let mut journey = journey(&WHOLE, &[(8, 10, "SELECT ?"), (11, 26, "UPDATE a SET b = ?")]);
    journey.statements[0].sure = false;
    journey.statements[1].query.error = Some("1146 (42S02)".into());
    let id = journey.visited.id;
    let expected = format!(
        "GET http://www.foobar.com/   HTTP/1.1 200 OK
request {id}   to davy's own web server at 127.0.0.1:8080, not to the address in DNS

1 browser                                                  asks for www.foobar.com
2 dns           2.00 ms  ##                                www.foobar.com at 127.0.0.1:5300
3 record                                                   www.foobar.com. 60 IN A 8.8.8.8
4 connect       2.00 ms    ##                              127.0.0.1:8080 with Host: www.foobar.com
5 web           1.00 ms      #                             shop
6 queue         1.00 ms       #
7 app          20.00 ms         ####################       worker 7
  db            2.00 ms          ##                        SELECT ?   2 rows   (perhaps of another request)
  db           15.00 ms             ###############        UPDATE a SET b = ?   error 1146 (42S02)
8 answer        2.00 ms                             ##
9 response      2.00 ms                              ##    512 bytes
  total        32.00 ms  ################################

slowest: db, 2 statements: 17.00 ms of 32.00 ms; the longest 15.00 ms: UPDATE a SET b = ?
"
    );
    let shown = lines(&journey, Style::Plain);
    let squeezed = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(squeezed(&shown), squeezed(&expected), "\n{shown}");
}

#[test]
fn a_file_takes_no_worker_and_the_slowest_step_is_named() {
    let marks = [(Mark::Accepted, 3), (Mark::Received, 4), (Mark::Answered, 5), (Mark::Sent, 30)];
    let mut journey = journey(&marks, &[]);
    journey.visited.worker = None;
    let shown = lines(&journey, Style::Blocks);
    assert!(shown.contains("shop, answered here"), "{shown}");
    assert!(shown.contains("7 app") && shown.contains("not taken"), "{shown}");
    assert!(shown.ends_with("slowest: response: 25.00 ms of 32.00 ms\n"), "{shown}");
    assert!(shown.contains('█'));
}

#[test]
fn a_failure_stands_at_its_step_and_text_from_outside_stays_text() {
    let mut journey = journey(&WHOLE, &[(8, 9, "SELECT\u{1b}[2J")]);
    journey.visited.failure = Some((Step::App, "KeyError:\n'x'".into()));
    journey.names.answered = Ok(dns::Answered { rcode: "REFUSED".into(), records: Vec::new() });
    let shown = lines(&journey, Style::Plain);
    assert!(shown.contains("failed: KeyError:\\n'x'"), "{shown}");
    assert!(shown.contains("none: REFUSED"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(shown.contains("slowest: app, the site's own code: 19.00 ms"), "{shown}");
}

#[test]
fn programs_get_the_same_in_json() {
    let journey = journey(&WHOLE, &[(8, 10, "SELECT ?")]);
    let value = json(&journey);
    assert_eq!(value["steps"]["app"], json!({ "from_us": 7_000, "took_us": 20_000 }));
    assert_eq!(value["statements"][0]["took_us"], 2_000);
    assert_eq!(value["total_us"], 32_000);
}
