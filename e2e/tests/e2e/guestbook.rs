//! The example that a visitor of the project sees first.

use davy_e2e::{Browser, Project, curl, curl_args};

/// The first file below /static/ that the page names with such an ending.
fn linked(page: &str, endings: &[&str]) -> String {
    let names = page.split("/static/").skip(1);
    let mut names = names.filter_map(|rest| rest.split(['"', '\'', ' ', '>', ')', '?']).next());
    let name = names.find(|name| endings.iter().any(|ending| name.ends_with(ending)));
    format!("/static/{}", name.unwrap_or_else(|| panic!("no {endings:?} in {page}")))
}

/// The seconds at the end of a line.
fn seconds(line: &str) -> f64 {
    line.trim_end_matches(" s").split(' ').next_back().unwrap().parse().unwrap()
}

/// What the lines are about, each in its turn.
fn labels(output: &str) -> Vec<&str> {
    let mut labels: Vec<&str> = output.lines().filter_map(|line| line.split(' ').next()).collect();
    labels.dedup();
    labels
}

#[test]
fn what_visitors_write_is_read_back_and_outlives_a_restart() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let first_start = seconds(&davy.ready());
    assert_eq!(labels(&davy.output()), ["found", "deps", "db", "dns", "ready"]);
    let page = curl(&davy.url("/"));
    assert_eq!(page.status, 200);
    assert!(page.text().contains("<form"), "{}", page.text());

    let message = "message=Grüße 🎉 <script>alert(1)</script>";
    let fields = ["--data-urlencode", "name=Zoë", "--data-urlencode", message];
    let posted = curl_args(&[&fields[..], &[&davy.url("/")]].concat());
    assert_eq!((posted.status, posted.header("location")), (303, Some("/")));
    let page = curl(&davy.url("/")).text();
    assert!(page.contains("Zoë"), "{page}");
    assert!(page.contains("Grüße 🎉 &lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    davy.stop();

    let davy = project.up();
    let deps = davy.says("deps     ");
    assert!(deps.contains("unchanged"), "{deps}");
    let second_start = seconds(&davy.ready());
    assert!(second_start < first_start, "{second_start} s after {first_start} s");
    assert!(curl(&davy.url("/")).text().contains("Grüße 🎉"));
    davy.stop();
}

#[test]
fn a_visitor_signs_it_in_a_browser() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let browser = Browser::start();
    browser.open(&davy.url("/"));
    assert_eq!(browser.title(), "Guestbook");
    assert!(browser.text(".empty").starts_with("Nobody yet"));
    assert_eq!(browser.style("body", "margin-top"), "0px", "the style is applied");
    assert!(browser.property("header img", "naturalWidth").as_u64() > Some(0), "a picture");

    let message = "Glück auf! <img src=x onerror=\"document.title = 'broken'\">";
    browser.fill("#name", "Zoë");
    browser.fill("#message", message);
    browser.click("form button");
    assert_eq!(browser.text("article p"), message);
    assert_eq!(browser.text("article b"), "Zoë");
    assert_eq!(browser.title(), "Guestbook", "what visitors write is not run");
    assert_eq!(browser.url(), davy.url("/"));
    browser.screenshot("guestbook");
    davy.stop();
}

#[test]
fn its_stylesheet_and_picture_come_from_the_web_step() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let page = curl(&davy.url("/")).text();
    let style = linked(&page, &[".css"]);
    let answer = curl(&davy.url(&style));
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/css"), "{}", answer.head);
    assert_eq!(answer.text(), project.read(style.trim_start_matches('/')));
    let log = davy.logs("edge", &format!("GET {style} 200 "));
    assert!(log.contains(" web ") && !log.contains(" app "), "{log}");

    let picture = linked(&page, &[".svg", ".png", ".jpg", ".webp", ".avif"]);
    let answer = curl(&davy.url(&picture));
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("image/"), "{}", answer.head);
    davy.stop();
}

#[test]
fn its_files_have_etags_and_ranges() {
    let project = Project::example("guestbook");
    let davy = project.up();
    let style = linked(&curl(&davy.url("/")).text(), &[".css"]);
    let url = davy.url(&style);
    let whole = curl(&url);
    let etag = whole.header("etag").unwrap().to_owned();

    let same = curl_args(&["--header", &format!("If-None-Match: {etag}"), &url]);
    assert_eq!((same.status, same.content.len()), (304, 0));
    assert_eq!(same.header("etag"), Some(&*etag));
    let other = curl_args(&["--header", "If-None-Match: \"other\"", &url]);
    assert_eq!(other.status, 200);

    let length = whole.content.len();
    let part = curl_args(&["--range", "5-9", &url]);
    assert_eq!((part.status, &part.content[..]), (206, &whole.content[5..10]));
    assert_eq!(part.header("content-range"), Some(&*format!("bytes 5-9/{length}")));
    let beyond = curl_args(&["--range", &format!("{length}-"), &url]);
    assert_eq!(beyond.status, 416);
    davy.stop();
}
