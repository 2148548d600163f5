//! What pages say, and what they keep to themselves.

use flow::Step;

use super::*;
use crate::Settings;

fn page(format: Format) -> Page {
    let cause = "Traceback /srv/site/app.py davy 0.1";
    let failure = Failure::new(Step::App, StatusCode::INTERNAL_SERVER_ERROR, cause);
    Page::of(&failure, RequestId::new(1, 2), format)
}

#[test]
fn a_page_names_status_step_and_id_and_no_cause() {
    let id = RequestId::new(1, 2).to_string();
    for (format, step) in
        [(Format::Html, "failed at step 7, app"), (Format::Json, "\"step\":\"app\"")]
    {
        let page = page(format);
        assert!(page.content.contains("500 Internal Server Error"), "{}", page.content);
        assert!(page.content.contains(step) && page.content.contains(&id), "{}", page.content);
        assert!(!page.content.contains("Traceback") && !page.content.contains("/srv"));
        assert!(!page.content.contains("http://") && !page.content.contains("https://"));
    }
}

#[test]
fn every_step_has_its_number() {
    let steps = [
        (Step::Browser, 1),
        (Step::Connect, 4),
        (Step::Web, 5),
        (Step::Queue, 6),
        (Step::App, 7),
        (Step::Answer, 8),
        (Step::Response, 9),
    ];
    for (step, number) in steps {
        let failure = Failure::new(step, StatusCode::BAD_GATEWAY, "");
        let page = Page::of(&failure, RequestId::new(1, 2), Format::Html);
        assert!(page.content.contains(&format!("step {number}, {step}")), "{}", page.content);
    }
}

#[test]
fn programs_that_ask_for_json_get_it() {
    for (accept, format) in [
        ("", Format::Html),
        ("Accept: */*\r\n", Format::Html),
        ("Accept: application/json\r\n", Format::Json),
        ("Accept: text/plain, Application/JSON;q=0.5\r\n", Format::Json),
        ("Accept: text/html, application/json\r\n", Format::Html),
        ("Accept: application/jsonp\r\n", Format::Html),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{accept}\r\n");
        let head = Head::parse(text.as_bytes(), &Settings::default()).unwrap();
        assert_eq!(Format::of(&head), format, "{accept}");
    }
}
