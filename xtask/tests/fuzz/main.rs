//! The crates' fuzz targets, fed with mutations of a few good inputs, the same ones each time.
//!
//! `cargo test` tries some thousands of inputs on each target; `cargo xtask fuzz TARGET --seconds
//! N` goes on for as long as it is told to, with sums and assertions checked. An input that makes a
//! target panic is kept in a file and named.
//!
//! It is blind: it does not see which code an input reaches. What matters is therefore a seed for
//! every kind of input that a target knows.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod mutator;

use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use mutator::Mutator;

/// A test for each target: its name, the function, and what it is fed with.
macro_rules! targets {
    ($($name:ident: $target:path, $seeds:expr;)*) => { $(
        #[test]
        fn $name() {
            let seeds: &[&[u8]] = &$seeds;
            drive(stringify!($name), $target, seeds);
        }
    )* };
}

targets! {
    dns_packet: dns::fuzz::packet, [
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x06foobar\x03com\0\0\x01\0\x01",
        // With an OPT record that has a cookie.
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x01b\x06foobar\x03com\0\0\x1c\0\x01\
          \0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08\x01\x02\x03\x04\x05\x06\x07\x08",
        // With a compressed name: a pointer into the question.
        b"\0\0\0\0\0\x02\0\0\0\0\0\0\x01x\x06foobar\x03com\0\0\x06\0\x01\xc0\x0e\0\xff\0\x01",
    ];
    web_head: web::fuzz::head, [
        b"GET /a%20b/../c?d=e HTTP/1.1\r\nHost: www.foobar.com\r\nRange: bytes=0-9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: te\r\n\r\n",
        b"OPTIONS * HTTP/1.0\r\nHost: a:80\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
    ];
    flow_chunked: flow::fuzz::chunked, [
        b"5\r\nhello\r\nA;name=\"value\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
    ];
    web_range: web::fuzz::range, [b"bytes=0-499", b"bytes=-5", b"bytes=9-", b"bytes=1-2, 3-4"];
    web_path: web::fuzz::path, [b"/a/./b/../%2e%2e/c%2Fd//e.html", b"/%c3%bc\\%00/.well-known"];
    queue_frames: queue::fuzz::frames, [
        // HELLO; RESPONSE with a head, DATA, END.
        b"\0\0\0\x08\x01\0\0\0\0\0\0\0\0\x01\0\x01\0\0\x12\x67",
        b"\0\0\0\x2b\x03\0\0\0\0\0\0\x01\0\0\0\0\x3b\x9a\xca\x01\0\xc8\0\0\0\x18\
          content-type\0text/plain\0hello\0\0\0\x05\x04\0\0\0\0\0\0\x01again\
          \0\0\0\x08\x05\0\0\0\0\0\0\x01\0\0\0\0\x3b\xa2\x6b\x21",
        // CREDIT, ABORT.
        b"\0\0\0\x04\x07\0\0\0\0\0\0\x02\0\x01\0\0\0\0\0\x03\x06\0\0\0\0\0\0\x02why",
    ];
    queue_http_response: queue::fuzz::http_response, [
        b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x, close\r\nX: y\r\n\r\n\
          3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n",
        b"HTTP/1.0 101 Switching\r\nUpgrade: websocket\r\nKeep-Alive: timeout=5\r\n\r\n\x81\x00",
    ];
    app_detect: app::fuzz::detect, [
        &include_bytes!("../../../examples/guestbook/app.py")[..],
        b"import os\nfrom django.core.wsgi import get_wsgi_application\n\
          application = get_wsgi_application()\ndef create_app(x=1): return '''a\"\"\"'''\n",
    ];
    app_command: app::fuzz::command, [
        b"env 'A B'=\"c \\\" d\" node server.js --socket {socket} | log $PORT # x",
    ];
    app_dependencies: app::fuzz::dependencies, [
        b"Flask[async]>=3.0,<4 ; python_version > '3.8'  # why\n-r more.txt\n-e .\nx @ file:///y\n",
        b"[project]\nname = \"x\"\ndependencies = [\"PyMySQL~=1.1\", \"django\"]\n",
    ];
    app_output: app::fuzz::output, [b"a line\r\nand \xc3\xbc half of one \x1b[31m\0", b"\n\n"];
    pyworker_frames: pyworker::fuzz::frames, [
        // In portions of 64 bytes: HELLO, a request, CREDIT for it, ABORT of it.
        b"\x40\0\0\0\x08\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x07\
          \0\0\0\x0e\x02\x01\0\0\0\0\0\x01PATH_INFO\0/a\0\
          \0\0\0\x04\x07\0\0\0\0\0\0\x01\0\x01\0\0\
          \0\0\0\x13\x06\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0why",
        // In portions of 5: a request with content, and its end.
        b"\x05\0\0\0\x08\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x07\
          \0\0\0\x04\x02\0\0\0\0\0\0\x02A\0b\0\0\0\0\x03\x04\0\0\0\0\0\0\x02abc\
          \0\0\0\0\x05\0\0\0\0\0\0\x02",
    ];
    db_packets: db::fuzz::packets, [
        // A query, a change of user, a ping.
        b"\x09\0\0\0\x03SELECT 1\x13\0\0\0\x11root\0\0database\0\x21\0x\0\x01\0\0\0\x0e",
        // The longest packet there is, which goes on in the next one.
        b"\xff\xff\xff\0\x16", b"\x01\0\0\x01x\x06\0\0\0\x11admin",
    ];
    db_relay_watch: db::fuzz::relay_watch, [
        // The login; a query with rows and EOF packets; a file; a prepared statement, executed.
        b"\0\x17\x07\0\0\x02\0\0\0\x02\0\0\0\x1a\x09\0\0\0\x03SELECT 1\
          \x4b\x01\0\0\x01\x01\x04\0\0\x02\x03def\x05\0\0\x03\xfe\0\0\x02\0\x02\0\0\x04\x013\
          \x05\0\0\x05\xfe\0\0\x02\0",
        b"\0\x17\x07\0\0\x02\0\0\0\x02\0\0\0\x14\x06\0\0\0\x03LOAD \
          \x0d\x02\0\0\x01\xfbf\x0e\x03\0\0\x02a\nb\x08\0\0\0\x03\x17\x07\0\0\x04\0\x02\0\x02\0\0\0",
        b"\x03\x17\x07\0\0\x02\0\0\0\x02\0\0\0\x12\x05\0\0\0\x16DO ?\
          \x2b\x0c\0\0\x01\0\x01\0\0\0\0\0\x01\0\0\0\0\x01\0\0\x02\x03\
          \x1c\x0a\0\0\0\x17\x01\0\0\0\0\x01\0\0\0\x17\x07\0\0\x01\0\x01\0\x02\0\0\0\
          \x27\x0f\0\0\x01\xff\x26\x04#23000no 'x'",
    ];
    db_mask: db::fuzz::mask, [
        b"INSERT INTO `a``b` VALUES (1, 'it''s \\' \xc3\xbc', \"x\"), (x'41', _utf8'y', NULL) -- z\n",
        b"SELECT /* a */ b, .5e3, 0xff FROM t WHERE c IN (?, ?) # d\n AND `\xff` = 'open",
        b"Duplicate entry 'a\\'b' for key `c`; the table doesn't exist",
    ];
    config_davy_toml: config::fuzz::davy_toml, [
        &include_bytes!("../../../examples/guestbook/davy.toml")[..],
        b"domain = \"www.foobar.com\"\naliases = [\"foobar.com\"]\n\
          address = [\"8.8.8.8\", \"::1\"]\napp = \"app:app\"\nroot = \"public\"\nworkers = 4\n[env]\nTZ = \"UTC\"\n\
          [db]\nengine = \"mariadb\"\nurl = \"mysql://u:p@h:3306/d\"\n",
    ];
    config_dot_env: config::fuzz::dot_env, [
        b"# a comment\nexport TOKEN='a b'\nNAME=\"two \\\"words\\\" ${X}\"\nNONE=\nTOKEN=2 # x\n",
    ];
}

/// Feeds `target` until the time or the number of inputs is reached.
fn drive(name: &str, target: fn(&[u8]), seeds: &[&[u8]]) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut mutator = Mutator::new(seeds);
    let mut tried = 0_u64;
    while end.map_or(tried < TRIES, |end| Instant::now() < end) {
        let input = mutator.next_input();
        if catch_unwind(|| target(&input)).is_err() {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.input"));
            std::fs::write(&file, &input).unwrap();
            panic!("input {tried} made {name} panic: {}\n{input:?}", file.display());
        }
        tried += 1;
    }
    println!("{name}: {tried} inputs");
}

/// How many inputs each target gets in `cargo test`.
const TRIES: u64 = 3000;
