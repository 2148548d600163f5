//! The stage the scripts play on: a folder of files, a small application, a connection, a clock.

mod app;
mod notation;

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use davy_web::{Absent, Mount, Service, Settings, Site, Sites};
use flow::{Client, Scheme, SiteId};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The folder and the clock of all scripts.
pub(crate) struct Stage {
    folder: TempDir,
    tag: String,
}

impl Stage {
    /// A folder with the files that the scripts ask for.
    pub(crate) fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let large = "x".repeat(70_000);
        for (name, content) in [
            ("index.html", "<p>root\n"),
            ("hello.txt", "Hello, world!"),
            ("a b.txt", "space"),
            ("empty.txt", ""),
            ("large.bin", &large),
            ("sub/index.html", "<p>sub\n"),
            ("sub/data.json", "{}"),
            ("bare/file.txt", "no index here"),
            ("app.py", "secret"),
            (".env", "secret"),
            ("davy.toml", "secret"),
            (".well-known/acme", "token"),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
        let mut stage = Stage { folder, tag: String::new() };
        let head = stage.play("HEAD /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", &Setup::default());
        let head = String::from_utf8(head.bytes).unwrap();
        let (_, tag) = head.split_once("ETag: ").unwrap();
        stage.tag = tag.lines().next().unwrap().to_owned();
        stage
    }

    /// Plays the first part of a case and says what came back, in the scripts' notation.
    pub(crate) fn run(&self, case: &str) -> String {
        let mut setup = Setup::default();
        let mut script = String::new();
        for line in case.lines().skip(1) {
            match line.split_at_checked(2) {
                Some(("@ ", words)) => words.split(' ').for_each(|word| setup.apply(word)),
                Some(("# ", _)) => {}
                _ => script.push_str(&(line.to_owned() + "\n")),
            }
        }
        let came = self.play(&notation::read(&script).replace("{tag}", &self.tag), &setup);
        let text = notation::write(&came.bytes);
        format!("{text}<end after {}s>", came.silence.as_secs())
    }

    fn play(&self, script: &str, setup: &Setup) -> Came {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, server) = tokio::io::duplex(1 << 20);
            let (jobs, queue) = mpsc::channel(setup.queue_length);
            tokio::spawn(app::run(queue, setup.queue));
            let service = Service::new(
                setup.settings.clone(),
                Arc::new(ArcSwap::from_pointee(self.sites(setup, jobs))),
                Arc::new(|_| ()),
            );
            let (source, sink) = tokio::io::split(server);
            tokio::spawn(service.serve(source, sink, address()));
            converse(client, script).await
        })
    }

    fn sites(&self, setup: &Setup, jobs: mpsc::Sender<flow::Job>) -> Sites {
        let folder = Arc::new(File::open(self.folder.path()).unwrap().into());
        let jobs = (setup.queue != app::Queue::Absent).then_some(jobs);
        if setup.queue == app::Queue::Full {
            let jobs = jobs.clone().unwrap();
            let (reply, _) = tokio::sync::oneshot::channel();
            jobs.try_send(flow::Job { request: app::filler(address()), reply }).unwrap();
        }
        let site = |name: &str| Site {
            id: SiteId::new(name),
            names: vec![format!("{name}.example")],
            mounts: vec![Mount { prefix: "/".into(), folder: Arc::clone(&folder), scripts: None }],
            jobs: jobs.clone(),
            absent: Absent::default(),
        };
        Sites::new(["one", "two"][..setup.sites].iter().map(|name| site(name)).collect())
    }
}

/// What differs from case to case.
struct Setup {
    settings: Settings,
    sites: usize,
    queue: app::Queue,
    queue_length: usize,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            settings: Settings::default(),
            sites: 1,
            queue: app::Queue::Served,
            queue_length: 8,
        }
    }
}

impl Setup {
    fn apply(&mut self, word: &str) {
        let (name, number) = word.split_once('=').unwrap_or((word, "0"));
        let number: usize = number.parse().unwrap();
        match name {
            "no-app" => self.queue = app::Queue::Absent,
            "closed-queue" => self.queue = app::Queue::Closed,
            "full-queue" => (self.queue, self.queue_length) = (app::Queue::Full, 1),
            "two-sites" => self.sites = 2,
            "body_bytes_max" => self.settings.body_bytes_max = number as u64,
            "headers_max" => self.settings.headers_max = number,
            _ => panic!("no such setup: {word}"),
        }
    }
}

/// What a connection gave back, and for how long it was silent before its end.
struct Came {
    bytes: Vec<u8>,
    silence: Duration,
}

async fn converse(client: DuplexStream, script: &str) -> Came {
    let (mut from, mut to) = tokio::io::split(client);
    let asking = async {
        for part in script.split_inclusive('\u{e001}') {
            let part = part.trim_end_matches('\u{e001}');
            let (bytes, command) = part.split_once('\u{e002}').unwrap_or((part, ""));
            let bytes: Vec<u8> = bytes.chars().map(|char| char as u8).collect();
            // A server that has closed already need not take the rest.
            let _ = to.write_all(&bytes).await;
            match command.strip_prefix("wait ").and_then(|wait| wait.strip_suffix('s')) {
                Some(wait) => {
                    tokio::time::sleep(Duration::from_secs(wait.parse().unwrap())).await;
                }
                None if command == "close" => to.shutdown().await.unwrap(),
                None => assert_eq!(command, "", "no such command"),
            }
        }
    };
    let answering = async {
        let (mut bytes, mut last) = (Vec::new(), Instant::now());
        while from.read_buf(&mut bytes).await.unwrap() > 0 {
            last = Instant::now();
        }
        Came { bytes, silence: last.elapsed() }
    };
    tokio::join!(asking, answering).1
}

fn address() -> Client {
    let address = ([127, 0, 0, 1], 8080).into();
    Client { address, local: address, scheme: Scheme::Http }
}
