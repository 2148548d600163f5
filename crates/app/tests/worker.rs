//! The real worker process on small WSGI applications, driven by frames.

mod client;

use client::{
    ABORT, CREDIT, DATA, END, Frame, GOAWAY, HELLO, NO_CONTENT, REQUEST, RESPONSE, Worker, frame,
    text, text_of, variables,
};
use rustix::process::Signal;
use std::io::Write;

/// Answers by path; wrapped in the standard library's validator where `validated` says so.
const APP: &str = r#"
import io, os, sys, time
count = 0

def app(environ, start_response):
    global count
    count += 1
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("the reason é")
    headers = [("Content-Type", "text/plain"), ("X-Count", str(count))]
    if path == "/write":
        write = start_response("201 Created", headers)
        write(b"one ")
        write(b"two ")
        return [b"three"]
    if path == "/endless":
        start_response("200 OK", headers)
        return (b"x" * 65536 for _ in iter(int, 1))
    if path == "/five":
        start_response("200 OK", headers)
        return [b"5" * (5 * 1024 * 1024)]
    if path == "/parts":
        start_response("200 OK", headers)
        return (("part %d\n" % n).encode() for n in range(3))
    if path == "/broken":
        start_response("200 OK", headers)
        return (b"a" if n == 0 else 1 // 0 * b"" for n in range(2))
    if path == "/stdin":
        start_response("200 OK", headers)
        return [repr((sys.stdin.read(), os.readlink("/proc/self/fd/0"))).encode()]
    size, content = 0, environ["wsgi.input"]
    while True:
        piece = content.read(10_000)
        if not piece:
            break
        assert set(piece) == {ord("b")}
        size += len(piece)
    start_response("200 OK", headers)
    return [b"read %d" % size]
"#;

const VALIDATED: &str = "
from wsgiref.validate import validator

@validator
def app(environ, start_response):
    content = environ['wsgi.input'].read(4) + environ['wsgi.input'].readline()
    environ['wsgi.errors'].write('noted\\n')
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [content, b' seen']
";

#[test]
fn small_answer_comes_with_its_stamps() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    let before = flow::Stamp::now().0;
    peer.get(1, "/");
    let answer = peer.answer(1);
    assert_eq!((answer.status, text_of(&answer.content).as_str()), (200, "read 0"));
    assert_eq!(answer.head, "Content-Type text/plain X-Count 1 ");
    assert!(before < answer.started && answer.started <= answer.ended);
    assert!(answer.ended < flow::Stamp::now().0, "the same clock as the edge's");
}

#[test]
fn standard_librarys_validator_finds_no_fault() {
    let worker = Worker::start(VALIDATED);
    let mut peer = worker.connect();
    peer.post(1, "/");
    peer.send(DATA, 0, 1, b"first line\nsecond");
    peer.send(END, 0, 1, b"");
    assert_eq!(text_of(&peer.answer(1).content), "first line\n seen");
    peer.get(2, "/");
    assert_eq!(text_of(&peer.answer(2).content), " seen");
    peer.send(REQUEST, NO_CONTENT, 3, &variables("HEAD", "/", ""));
    assert_eq!(text_of(&peer.answer(3).content), "");
    assert_eq!(worker.stderr(), "00c0ffee0000 noted\n".repeat(3));
}

#[test]
fn content_longer_than_the_window_is_read_as_credit_comes() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.post(1, "/");
    let (mut left, mut credit) = (1_000_000_usize, 65_536_usize);
    while left > 0 {
        while credit == 0 {
            let granted = peer.read().unwrap();
            assert_eq!((granted.kind, granted.stream), (CREDIT, 1), "{}", text(&granted));
            credit += u32::from_be_bytes(granted.payload.try_into().unwrap()) as usize;
            assert!(credit <= 65_536, "never more than one window");
        }
        let piece = left.min(credit).min(9_999);
        peer.send(DATA, 0, 1, &vec![b'b'; piece]);
        (left, credit) = (left - piece, credit - piece);
    }
    peer.send(END, 0, 1, b"");
    let mut next = peer.read().unwrap();
    while next.kind == CREDIT {
        next = peer.read().unwrap();
    }
    assert!(next.kind == RESPONSE && text(&next).ends_with("read 1000000"), "{}", text(&next));
}

#[test]
fn long_answer_waits_for_credit_and_frames_are_read_meanwhile() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/five");
    let response = peer.read().unwrap();
    let head = u32::from_be_bytes(response.payload[10..14].try_into().unwrap()) as usize;
    let (mut got, mut credit) = (response.payload.len() - 14 - head, 262_144);
    let size = 5 * 1024 * 1024;
    while got < size {
        if got == credit {
            // The worker waits now: it must still take in a request, and the giving up of it.
            peer.get(u32::try_from(got).unwrap(), "/");
            peer.abort(u32::try_from(got).unwrap());
            let aborted = peer.read().unwrap();
            assert_eq!((aborted.kind, aborted.stream as usize), (ABORT, got));
            peer.credit(1, 300_000);
            credit += 300_000;
        }
        let data = peer.read().unwrap();
        assert_eq!((data.kind, data.stream), (DATA, 1));
        got += data.payload.len();
        assert!(got <= credit, "{got} bytes came for a credit of {credit}");
    }
    assert_eq!((got, peer.read().unwrap().kind), (size, END));
}

#[test]
fn exception_is_aborted_with_its_reason_and_shown_under_the_requests_id() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/raise");
    let aborted = peer.read().unwrap();
    let (stamps, reason) = aborted.payload.split_at(16);
    assert_eq!((aborted.kind, text_of(reason).as_str()), (ABORT, "RuntimeError: the reason é"));
    let (started, ended) = stamps.split_at(8);
    assert!(started < ended && started != [0; 8], "it says when it ran");
    let stderr = worker.stderr();
    assert!(stderr.starts_with("00c0ffee0000 the request failed\n"), "{stderr}");
    assert!(stderr.lines().all(|line| line.starts_with("00c0ffee0000 ")), "{stderr}");
    peer.get(2, "/");
    assert_eq!(peer.answer(2).status, 200, "the worker goes on");
}

#[test]
fn exception_after_the_head_cuts_the_answer() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/broken");
    assert_eq!(peer.read().unwrap().kind, RESPONSE);
    assert_eq!(peer.read().unwrap().kind, ABORT);
}

#[test]
fn generators_and_write_are_sent_piece_by_piece() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/parts");
    assert!(text(&peer.read().unwrap()).ends_with("part 0\n"));
    assert_eq!(text(&peer.read().unwrap()), "part 1\n");
    assert_eq!(text(&peer.read().unwrap()), "part 2\n");
    assert_eq!(peer.read().unwrap().kind, END);
    peer.get(2, "/write");
    let answer = peer.answer(2);
    assert_eq!((answer.status, text_of(&answer.content).as_str()), (201, "one two three"));
}

#[test]
fn head_gets_the_head_alone_even_of_an_endless_answer() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.send(REQUEST, NO_CONTENT, 1, &variables("HEAD", "/endless", ""));
    let answer = peer.answer(1);
    assert_eq!((answer.status, answer.content.len()), (200, 0));
}

#[test]
fn cancelled_request_stops_and_the_worker_is_free() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/endless");
    peer.abort(1);
    let last = loop {
        let frame = peer.read().unwrap();
        if !matches!(frame.kind, RESPONSE | DATA) {
            break frame;
        }
    };
    assert_eq!((last.kind, last.stream), (ABORT, 1));
    peer.credit(1, 1_000);
    peer.get(2, "/");
    assert_eq!(peer.answer(2).status, 200, "late credit for an ended stream is dropped");
    assert_eq!(worker.stderr(), "", "a visitor that goes is no error");
}

#[test]
fn cancelled_while_its_content_is_awaited() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.post(1, "/");
    peer.send(DATA, 0, 1, b"bbb");
    peer.abort(1);
    let aborted = peer.read().unwrap();
    assert_eq!((aborted.kind, aborted.stream), (ABORT, 1));
}

#[test]
fn requests_sent_ahead_are_answered_in_order_however_the_bytes_are_cut() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    let requests = (1..=20).map(|stream| frame(REQUEST, 1, stream, &variables("GET", "/", "")));
    for piece in requests.collect::<Vec<_>>().concat().chunks(97) {
        peer.stream.write_all(piece).unwrap();
    }
    for stream in 1..=20 {
        let count = format!("X-Count {stream} ");
        assert!(peer.answer(stream).head.ends_with(&count), "stream {stream}");
    }
}

#[test]
fn answer_that_does_not_need_the_content_leaves_the_connection_usable() {
    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.post(1, "/write");
    assert_eq!(peer.answer(1).status, 201);
    peer.send(DATA, 0, 1, b"too late");
    peer.send(END, 0, 1, b"");
    peer.get(2, "/");
    assert_eq!(peer.answer(2).status, 200);
}

#[test]
fn connections_take_turns() {
    let worker = Worker::start(APP);
    let (mut one, mut other) = (worker.connect(), worker.connect());
    // The first request waits for its content while all the others are sent.
    one.post(1, "/");
    (2..=6).for_each(|stream| one.get(stream, "/"));
    other.get(1, "/");
    // An answer to a connection made now shows that the frames above were read.
    worker.connect();
    one.send(END, 0, 1, b"");
    assert_eq!(one.answer(1).head, "Content-Type text/plain X-Count 1 ");
    let head = other.answer(1).head;
    let count: u32 = head.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count <= 3, "it waited for {} requests of the other connection", count - 2);
    (2..=6).for_each(|stream| assert_eq!(one.answer(stream).status, 200));
}

#[test]
fn told_to_stop_it_answers_what_it_has_begun_and_nothing_else() {
    let mut worker = Worker::start(APP);
    let (mut peer, other) = (worker.connect(), worker.connect());
    peer.post_begun(1, "/");
    peer.get(2, "/");
    worker.signal(Signal::TERM);
    // It listens no more once it has heard of the signal.
    while std::os::unix::net::UnixStream::connect(worker.socket()).is_ok() {
        std::thread::yield_now();
    }
    let goaway = Frame { kind: GOAWAY, stream: 0, payload: vec![0, 0, 0, 1] };
    assert_eq!(peer.read(), Some(goaway), "the second request will not be run");
    peer.send(DATA, 0, 1, b"bbb");
    peer.send(END, 0, 1, b"");
    assert_eq!(text_of(&peer.answer(1).content), "read 40003");
    assert_eq!(peer.read(), None);
    assert_eq!(worker.wait().code(), Some(0));
    drop(other);
}

#[test]
fn told_to_stop_while_idle_it_ends_at_once() {
    let mut worker = Worker::start(APP);
    let mut peer = worker.connect();
    worker.signal(Signal::INT);
    peer.get(1, "/");
    assert_eq!(peer.answer(1).status, 200, "Ctrl-C is the keeper's business");
    worker.signal(Signal::TERM);
    assert_eq!(worker.wait().code(), Some(0));
}

#[test]
fn told_to_stop_twice_it_answers_what_it_has_begun_all_the_same() {
    let mut worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.post_begun(1, "/");
    worker.signal(Signal::TERM);
    while std::os::unix::net::UnixStream::connect(worker.socket()).is_ok() {
        std::thread::yield_now();
    }
    worker.signal(Signal::TERM);
    assert_eq!(peer.read().unwrap().kind, GOAWAY);
    peer.send(END, 0, 1, b"");
    assert_eq!(peer.answer(1).status, 200);
    assert_eq!(worker.wait().code(), Some(0));
}

#[test]
fn broken_peers_lose_their_connection_and_nobody_else_does() {
    let worker = Worker::start(APP);
    let mut good = worker.connect();
    let hello = frame(HELLO, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 7]);
    let post = frame(REQUEST, 0, 1, &variables("POST", "/", ""));
    let too_much = frame(DATA, 0, 1, &[b'b'; 65_537]);
    let broken: [Vec<u8>; 10] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        post.clone(),
        frame(HELLO, 0, 0, &[0, 2, 0, 0, 0, 0, 0, 7]),
        [hello.clone(), frame(9, 0, 1, b"")].concat(),
        [hello.clone(), frame(RESPONSE, 0, 1, &[0; 14])].concat(),
        [hello.clone(), frame(REQUEST, 0, 1, b"NAME")].concat(),
        [hello.clone(), frame(DATA, 0, 1, b"x")].concat(),
        [hello.clone(), post.clone(), post.clone()].concat(),
        [hello, post, too_much].concat(),
    ];
    for (number, bytes) in broken.iter().enumerate() {
        let mut peer = worker.connect_rudely();
        // It may close before all of it is written.
        let _ = peer.stream.write_all(bytes);
        while let Some(frame) = peer.read() {
            assert!(frame.kind == CREDIT, "{number}: {}", text(&frame));
        }
    }
    good.get(1, "/parts");
    assert_eq!(good.answer(1).status, 200);
}

#[test]
fn process_forked_by_a_view_leaves_sockets_and_answer_to_its_parent() {
    let worker = Worker::start(
        "
import os

def app(environ, start_response):
    forked = environ['PATH_INFO'] == '/fork' and os.fork()
    if forked:
        os.waitpid(forked, 0)
    start_response('200 OK', [])
    return [b'parent %d' % bool(forked)]
",
    );
    let mut peer = worker.connect();
    for (stream, path, expected) in [(1, "/fork", "parent 1"), (2, "/", "parent 0")] {
        peer.get(stream, path);
        assert_eq!(text_of(&peer.answer(stream).content), expected);
    }
}

#[test]
fn edge_that_goes_away_leaves_the_worker_free() {
    let worker = Worker::start(APP);
    for path in ["/", "/endless", "/five"] {
        let mut peer = worker.connect();
        peer.post(1, path);
        // Others wait behind it when the edge goes.
        (2..=3).for_each(|stream| peer.get(stream, "/endless"));
    }
    let mut peer = worker.connect();
    peer.get(1, "/parts");
    assert_eq!(peer.answer(1).status, 200);
}

#[test]
fn application_sees_a_plain_process_and_its_own_modules() {
    let app = "import sys, wire, server\n\
               def make():\n    def app(environ, start):\n        start('200 OK', [])\n        \
               return [repr((wire.mine, server.mine, sys.argv)).encode()]\n    return app\n";
    let files = [("app.py", app), ("wire.py", "mine = 1"), ("server.py", "mine = 2")];
    let worker = Worker::start_with(&files, "app:make()");
    let mut peer = worker.connect();
    peer.get(1, "/");
    assert_eq!(text_of(&peer.answer(1).content), "(1, 2, ['app:make()'])");

    let worker = Worker::start(APP);
    let mut peer = worker.connect();
    peer.get(1, "/stdin");
    assert_eq!(text_of(&peer.answer(1).content), "('', '/dev/null')");
}

#[test]
fn application_that_can_not_be_loaded_is_told_with_exit_code_3() {
    for (source, callable, shown) in [
        ("import no_such_module", "app:app", "No module named 'no_such_module'"),
        ("import sys\nsys.exit('set SECRET first')", "app:app", "set SECRET first"),
        ("app = 1", "app:app", "app:app is a int, which can't be called"),
        ("app = 1", "app:other", "has no attribute 'other'"),
        ("app = (", "app:app", "SyntaxError"),
    ] {
        let mut worker = Worker::start_with(&[("app.py", source)], callable);
        assert_eq!(worker.wait().code(), Some(3), "{source}");
        let stderr = worker.stderr();
        assert!(stderr.contains(shown) && stderr.contains("can't be loaded"), "{stderr}");
    }
}
