//! The line each request leaves in the log, with the time of each step.

use std::fmt::Write;
use std::time::Duration;

use flow::{Step, Text};
use web::Finished;

use crate::logs::printable;

/// `shop 1a2b3c4d5e6f 127.0.0.1 GET /cart 200 5120 B  web 0.1 queue 0.0 app 3.2 answer 0.1 response 0.0  total 3.5 ms`
///
/// A request that failed names its step, in the words of its error page.
pub(crate) fn line(finished: &Finished<'_>) -> String {
    let mut line = String::with_capacity(200);
    let site = finished.site.map_or("-", flow::SiteId::as_str);
    for part in [
        site,
        finished.trace.id.text().as_str(),
        Text::address(finished.client.address.ip()).as_str(),
        finished.method,
        &printable(finished.target),
        finished.status.as_str(),
        Text::number(finished.bytes_sent).as_str(),
    ] {
        line.push_str(part);
        line.push(' ');
    }
    line.push_str("B ");
    let marks = finished.trace.marks();
    for step in [Step::Connect, Step::Web, Step::Queue, Step::App, Step::Answer, Step::Response] {
        if let Some(took) = marks.took(step) {
            line.push(' ');
            line.push_str(step.name());
            line.push(' ');
            push_ms(&mut line, took);
        }
    }
    if let Some(total) = marks.total() {
        line.push_str("  total ");
        push_ms(&mut line, total);
        line.push_str(" ms");
    }
    if let Some(failure) = finished.failure {
        // Writing to a String can't fail.
        let _ = write!(line, "  failed at step {}: {}", failure.step, printable(&failure.cause));
    }
    line
}

/// Milliseconds with one decimal. Whole numbers: floats would cost a tenth of a small request.
fn push_ms(line: &mut String, took: Duration) {
    let tenths = took.as_secs() * 10_000 + u64::from((took.subsec_nanos() + 50_000) / 100_000);
    line.push_str(Text::number(tenths / 10).as_str());
    line.push('.');
    line.push_str(Text::number(tenths % 10).as_str());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flow::{Client, Failure, Mark, RequestId, Scheme, SiteId, Stamp, Trace};
    use http::StatusCode;

    #[test]
    fn a_line_names_the_times_and_the_step_that_failed() {
        let trace = Trace::new(RequestId::new(1, 1));
        for (ms, mark) in
            [(1, Mark::Begun), (2, Mark::Received), (3, Mark::Queued), (9, Mark::Sent)]
        {
            trace.mark(mark, Stamp(ms * 1_000_000));
        }
        let address = "192.0.2.7:1234".parse().unwrap();
        let client = Client { address, local: address, scheme: Scheme::Http };
        let failure =
            Failure::new(Step::Queue, StatusCode::SERVICE_UNAVAILABLE, "no worker\nwas free");
        let line = line(&Finished {
            site: Some(&SiteId::new("shop")),
            host: None,
            method: "GET",
            target: "/a\u{1b}[2J",
            status: StatusCode::SERVICE_UNAVAILABLE,
            bytes_sent: 12,
            client: &client,
            trace: &trace,
            failure: Some(&failure),
        });
        let expected = format!(
            "shop {} 192.0.2.7 GET /a\\u{{1b}}[2J 503 12 B  web 1.0  total 8.0 ms  \
             failed at step queue: no worker\\nwas free",
            trace.id
        );
        assert_eq!(line, expected);
    }
}
