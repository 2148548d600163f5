//! `davy trace`: one request through the nine steps, its statements among them.

use std::collections::BTreeSet;

use davy_e2e::{Project, curl};
use serde_json::Value;

#[test]
fn a_request_is_followed_from_dns_to_sql_and_back() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let ran = davy.run(&["trace", "/"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let steps =
        ["browser", "dns", "record", "connect", "web", "queue", "app", "answer", "response"];
    for (number, step) in (1..).zip(steps) {
        assert!(ran.stdout.contains(&format!("\n{number} {step}")), "{step}: {}", ran.stdout);
    }
    for text in ["www.foobar.com. 60 IN A 8.8.8.8", "  db ", "FROM entries", "slowest: "] {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }

    let ran = davy.run(&["trace", "--json", "http://www.foobar.com/?page=1"]);
    let trace: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&trace["status"], &trace["path"]), (&200.into(), &"/?page=1".into()));
    let worker = trace["worker"].as_u64().unwrap();
    assert!(davy.workers().iter().any(|pid| u64::from(*pid) == worker), "{trace}");
    let statements = trace["statements"].as_array().unwrap();
    assert!(!statements.is_empty() && statements.iter().all(|one| one["sure"] == true), "{trace}");
    let within = |inner: &Value, outer: &Value| {
        let end =
            |span: &Value| span["from_us"].as_u64().unwrap() + span["took_us"].as_u64().unwrap();
        inner["from_us"].as_u64() >= outer["from_us"].as_u64() && end(inner) <= end(outer) + 1
    };
    let app = &trace["steps"]["app"];
    assert!(statements.iter().all(|one| within(one, app)), "{trace}");
    // The line in the log has the same id.
    let id = trace["request"].as_str().unwrap();
    davy.logs("edge", &format!("{id} 127.0.0.1 GET /?page=1 200"));
    davy.stop();
}

#[test]
fn values_do_not_show_and_each_request_has_its_own_statements() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let before: BTreeSet<u32> = davy.workers().into_iter().collect();
    for n in 0..5 {
        curl(&davy.url(&format!("/?n={n}")));
    }
    let trace = |words: &[&str]| -> Value {
        let ran = davy.run(words);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    let counts: BTreeSet<usize> = (0..5)
        .map(|_| trace(&["trace", "--json", "/"])["statements"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts.len(), 1, "the same page asks the same statements: {counts:?}");
    let style = trace(&["trace", "--json", "/static/style.css"]);
    assert_eq!((&style["worker"], &style["statements"]), (&Value::Null, &Value::Array(vec![])));
    assert_eq!(davy.workers().into_iter().collect::<BTreeSet<u32>>(), before);
    davy.stop();
}

#[test]
fn what_can_not_be_traced_says_why() {
    let project = Project::of("still", &[("index.html", "hello")]);
    let ran = project.run(&["trace", "/"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("davy does not run in"), "{ran:?}");
    let davy = project.start_with(&["--trace", "off"]);
    davy.ready();
    let ran = davy.run(&["trace", "/"]);
    assert!(ran.stderr.contains("--trace off"), "{ran:?}");
    assert_eq!(ran.code, Some(1));
    davy.stop();
}
