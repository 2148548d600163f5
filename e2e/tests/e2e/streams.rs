//! Large contents, both ways: they arrive complete, and pass through the edge without piling up in
//! it.

use std::fs;

use davy_e2e::{Project, curl_args, processes};

/// `GET` sends the numbers from 0 on, eight bytes each; `PUT` keeps what comes in a file.
const APP: &str = r#"
import array, sys

BLOCKS, NUMBERS = 800, 8192

def block(n):
    numbers = array.array("Q", range(n * NUMBERS, (n + 1) * NUMBERS))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()

def application(environ, start_response):
    if environ["REQUEST_METHOD"] == "GET":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (block(n) for n in range(BLOCKS))
    with open("upload", "wb") as upload:
        while piece := environ["wsgi.input"].read(65536):
            upload.write(piece)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(environ.get("CONTENT_LENGTH")).encode()]
"#;

const MIB: usize = 1024 * 1024;
const ANSWER_BYTES: usize = 50 * MIB;
const UPLOAD_BYTES: usize = 20 * MIB;
/// More than buffers need, less than contents that pile up.
const EDGE_GROWS_KIB_MAX: u64 = 8 * 1024;

/// The numbers from 0 on, eight bytes each.
fn numbers(bytes: usize) -> Vec<u8> {
    (0..bytes as u64 / 8).flat_map(u64::to_be_bytes).collect()
}

fn site() -> Project {
    Project::of("streams", &[("wsgi.py", APP), ("davy.toml", "workers = 1\n")])
}

#[test]
fn a_long_answer_reaches_a_slow_visitor_complete() {
    let project = site();
    let davy = project.up();
    let edge = davy.pid_of("edge");
    let before = processes::peak_kib(edge);
    let answer = curl_args(&["--limit-rate", "12M", &davy.url("/")]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content.len(), ANSWER_BYTES);
    assert!(answer.content == numbers(ANSWER_BYTES), "the content is not what was sent");
    let grown = processes::peak_kib(edge) - before;
    assert!(grown < EDGE_GROWS_KIB_MAX, "the edge grew by {grown} KiB");
    davy.stop();
}

#[test]
fn uploads_with_and_without_a_length_arrive_complete() {
    let project = site();
    let content = numbers(UPLOAD_BYTES);
    fs::write(project.path("content"), &content).unwrap();
    let davy = project.up();
    let edge = davy.pid_of("edge");
    let before = processes::peak_kib(edge);
    let file = project.path("content").display().to_string();
    for (field, length) in [
        ("Accept: */*", UPLOAD_BYTES.to_string()),
        ("Transfer-Encoding: chunked", UPLOAD_BYTES.to_string()),
    ] {
        let answer = curl_args(&["--header", field, "--upload-file", &file, &davy.url("/")]);
        assert_eq!((answer.status, answer.text()), (200, length), "{field}");
        assert!(fs::read(project.path("upload")).unwrap() == content, "{field}: not complete");
        fs::remove_file(project.path("upload")).unwrap();
    }
    let grown = processes::peak_kib(edge) - before;
    assert!(grown < EDGE_GROWS_KIB_MAX, "the edge grew by {grown} KiB");
    davy.stop();
}
