//! What site and edge tell of the same workers becomes one table.

use super::*;

fn status() -> Value {
    json!({ "children": [
        { "name": "edge", "status": { "shop": {
            "waiting": 3, "busy": 1, "expired": 1,
            "workers": [{ "pid": 40, "served": 1203, "running": 1, "busy_ms": 1250 }],
        }}},
        { "name": "site shop", "status": {
            "wanted": 2,
            "restarts": { "died": 1, "not_ready": 2 },
            "workers": [
                { "worker": 1, "pid": 40, "state": "ready", "started": 1_000_000_000u64,
                  "memory": 25_270_272, "restarts": 1 },
                { "worker": 2, "pid": null, "state": "waiting", "started": null,
                  "memory": null, "restarts": 2 },
            ],
        }},
    ]})
}

#[test]
fn a_worker_has_what_the_site_and_what_the_edge_know_of_it() {
    let sites = sites(&status(), Stamp(131_000_000_000));
    let text: String = sites.iter().map(describe).collect();
    assert_eq!(
        text,
        "shop  1 of 2 workers ready, 1 busy, 3 waiting\n\
         replaced: died 1, not ready 2\n\
         worker       pid  state       served      busy      memory      age  restarts\n     \
              1        40  ready         1203     1.2 s    24.1 MiB    2 min         1\n     \
              2         -  waiting          -         -           -        -         2\n"
    );
}

#[test]
fn json_has_the_same_and_null_for_what_is_not_known() {
    let sites = sites(&status(), Stamp(131_000_000_000));
    assert_eq!(sites[0]["workers"][0]["busy_ms"], 1250);
    assert_eq!(sites[0]["workers"][0]["age_s"], 130);
    assert_eq!(sites[0]["workers"][1]["served"], Value::Null);
    assert_eq!(sites[0]["queue"]["expired"], 1);
}

#[test]
fn a_site_that_is_still_starting_has_no_workers() {
    let status = json!({ "children": [{ "name": "site shop", "status": null }] });
    let text: String = sites(&status, Stamp(0)).iter().map(describe).collect();
    assert_eq!(text, "shop  0 of 0 workers ready, 0 busy, 0 waiting\n");
}
