//! A hand-made edge: starts the real worker on a small application and talks frames to it. It
//! shares no code with the queue step, so that both are held to the document and not to each other.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const HELLO: u8 = 1;
pub(crate) const REQUEST: u8 = 2;
pub(crate) const RESPONSE: u8 = 3;
pub(crate) const DATA: u8 = 4;
pub(crate) const END: u8 = 5;
pub(crate) const ABORT: u8 = 6;
pub(crate) const CREDIT: u8 = 7;
pub(crate) const GOAWAY: u8 = 8;
pub(crate) const NO_CONTENT: u8 = 1;

/// Whether these tests run without the native helper: the crate `worker_pure` has them a second
/// time.
const IS_PURE: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"worker_pure");

/// What a worker says that can't load it.
const PURE: &str = "pure Python does its work";

/// A worker process and its project.
pub(crate) struct Worker {
    pub(crate) child: Child,
    project: tempfile::TempDir,
}

impl Worker {
    /// Starts `app:app` on the given source.
    pub(crate) fn start(source: &str) -> Worker {
        Worker::start_with(&[("app.py", source)], "app:app")
    }

    /// Starts `callable` in a project of these files.
    pub(crate) fn start_with(files: &[(&str, &str)], callable: &str) -> Worker {
        let project = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(project.path().join(name), text).unwrap();
        }
        let main = davy_app::carried::write_worker(&project.path().join("state")).unwrap();
        if IS_PURE {
            fs::remove_file(main.with_file_name("_native.abi3.so")).unwrap();
        }
        let listener = proc::listen_unix(&project.path().join("w.sock")).unwrap();
        let argv = davy_app::carried::worker_argv("python3".as_ref(), &main, callable, None);
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            .current_dir(project.path())
            .stdin(Stdio::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::from(fs::File::create(project.path().join("stderr")).unwrap()))
            .spawn()
            .unwrap();
        Worker { child, project }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.project.path().join("w.sock")
    }

    /// A connection that has been greeted.
    pub(crate) fn connect(&self) -> Peer {
        let mut peer = self.connect_rudely();
        peer.send(HELLO, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 7]);
        peer
    }

    /// A connection that has only heard the worker's HELLO.
    pub(crate) fn connect_rudely(&self) -> Peer {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut peer = Peer { stream };
        let hello = peer.read().unwrap();
        assert_eq!((hello.kind, hello.stream), (HELLO, 0));
        let pid = self.child.id().to_be_bytes();
        assert_eq!(hello.payload, [&[0, 1, 0, 1][..], &pid].concat());
        let said = fs::read_to_string(self.project.path().join("stderr")).unwrap();
        assert_eq!(said.contains(PURE), IS_PURE, "{said}");
        peer
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// What the application wrote. That the worker is pure Python, it says before.
    pub(crate) fn stderr(&self) -> String {
        let all = fs::read_to_string(self.project.path().join("stderr")).unwrap();
        let lines = all.split_inclusive('\n');
        lines.filter(|line| !line.contains(PURE) || !IS_PURE).collect()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// An answer put together from its frames.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
    pub(crate) started: u64,
    pub(crate) ended: u64,
}

/// The edge's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
}

impl Peer {
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.stream.write_all(&frame(kind, flags, stream, payload)).unwrap();
    }

    /// A request without content.
    pub(crate) fn get(&mut self, stream: u32, path: &str) {
        self.send(REQUEST, NO_CONTENT, stream, &variables("GET", path, ""));
    }

    /// A request whose content follows.
    pub(crate) fn post(&mut self, stream: u32, path: &str) {
        self.send(REQUEST, 0, stream, &variables("POST", path, "CONTENT_TYPE=text/plain"));
    }

    /// A request with a first piece of content, 40,000 times `b`, that is known to have begun.
    pub(crate) fn post_begun(&mut self, stream: u32, path: &str) {
        self.post(stream, path);
        self.send(DATA, 0, stream, &[b'b'; 40_000]);
        let granted = self.read().unwrap();
        assert_eq!((granted.kind, granted.stream), (CREDIT, stream));
    }

    pub(crate) fn credit(&mut self, stream: u32, bytes: u32) {
        self.send(CREDIT, 0, stream, &bytes.to_be_bytes());
    }

    /// Gives a request up.
    pub(crate) fn abort(&mut self, stream: u32) {
        self.send(ABORT, 0, stream, &[&[0; 16][..], b"gone"].concat());
    }

    /// The next frame, or None when the worker has closed.
    pub(crate) fn read(&mut self) -> Option<Frame> {
        let mut header = [0; 12];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("no answer"),
            Err(_) => return None,
        }
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        assert!(number(0) <= 128 * 1024);
        let mut payload = vec![0; number(0) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        Some(Frame { kind: header[4], stream: number(8), payload })
    }

    /// Reads the answer of one stream, granting no credit.
    pub(crate) fn answer(&mut self, stream: u32) -> Answer {
        let response = self.read().unwrap();
        assert_eq!((response.kind, response.stream), (RESPONSE, stream), "{}", text(&response));
        let payload = &response.payload;
        let head_ends = 14 + u32::from_be_bytes(payload[10..14].try_into().unwrap()) as usize;
        let mut answer = Answer {
            status: u16::from_be_bytes(payload[8..10].try_into().unwrap()),
            head: text_of(&payload[14..head_ends]).replace('\0', " "),
            content: payload[head_ends..].to_vec(),
            started: u64::from_be_bytes(payload[..8].try_into().unwrap()),
            ended: 0,
        };
        loop {
            let frame = self.read().unwrap();
            assert_eq!(frame.stream, stream);
            match frame.kind {
                DATA => answer.content.extend(frame.payload),
                END => {
                    answer.ended = u64::from_be_bytes(frame.payload.try_into().unwrap());
                    return answer;
                }
                kind => panic!("frame of type {kind} in an answer"),
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind, flags, 0, 0], &stream.to_be_bytes(), payload].concat()
}

/// The variables that are always there, and more as `NAME=value`.
pub(crate) fn variables(method: &str, path: &str, more: &str) -> Vec<u8> {
    let always = format!(
        "REQUEST_METHOD={method} SCRIPT_NAME= PATH_INFO={path} QUERY_STRING= REQUEST_URI={path} \
         SERVER_NAME=localhost SERVER_PORT=8080 SERVER_PROTOCOL=HTTP/1.1 REMOTE_ADDR=127.0.0.1 \
         REMOTE_PORT=4711 REQUEST_SCHEME=http REQUEST_ID=00c0ffee0000 HTTP_HOST=localhost {more}"
    );
    let pairs = always.split_whitespace().map(|pair| pair.replacen('=', "\0", 1) + "\0");
    pairs.collect::<String>().into_bytes()
}

/// A frame's payload, for messages.
pub(crate) fn text(frame: &Frame) -> String {
    text_of(&frame.payload)
}

pub(crate) fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
