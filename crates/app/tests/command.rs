//! Servers that a command starts, supervised as a site does it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use davy_app::command::Command;
use davy_app::workers::{Event, Launch, Pool, Recycling, Settings, Workers};
use flow::control::Address;
use proc::Own;
use tokio::sync::mpsc::Receiver;

/// Answers with its own process id and the value of COLOUR, wherever it is told to listen.
const SERVER: &str = "
import contextlib, os, socket, sys
if os.environ.get('PORT'):
    listening = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))
else:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[1])
    assert os.environ['SOCKET'] == sys.argv[1]
    listening.listen()
while True:
    connection, _ = listening.accept()
    # Who only looks whether somebody listens has gone by now.
    with contextlib.suppress(OSError), connection:
        connection.sendall(f'{os.getpid()} {os.environ.get(\"COLOUR\")}'.encode())
";

struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("server.py"), SERVER).unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Site(folder)
    }

    fn start(&self, command: &str, count: usize) -> (Workers, Receiver<Event>) {
        Workers::start(Settings {
            own: Arc::new(Own::direct()),
            pool: Pool::fixed(count),
            recycling: Recycling::default(),
            launch: Launch::Http(Command::new(command)),
            env: vec![("COLOUR".into(), "red".into()), ("PORT".into(), String::new())],
            project: self.0.path().to_owned(),
            run: self.0.path().join("run"),
            output: Arc::new(|_, _| ()),
            slow: Arc::new(|_| ()),
        })
    }
}

/// Waits until so many servers are ready.
async fn ready(events: &mut Receiver<Event>, count: usize) -> Vec<Address> {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        match next.expect("an event comes").expect("the supervisor lives") {
            Event::Changed(places) if places.len() == count => return places,
            Event::Changed(_) => {}
            Event::Failed { error } => panic!("{error}"),
        }
    }
}

/// The process id that answers there, and the rest that it says.
fn asked(place: &Address) -> (u32, String) {
    let mut said = String::new();
    match place {
        Address::Tcp(host, port) => {
            let mut stream = TcpStream::connect((host.as_str(), *port)).unwrap();
            stream.read_to_string(&mut said).unwrap();
        }
        Address::Unix(path) => {
            UnixStream::connect(path).unwrap().read_to_string(&mut said).unwrap();
        }
    }
    let (pid, rest) = said.split_once(' ').unwrap();
    (pid.parse().unwrap(), rest.to_owned())
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn each_server_has_a_port_of_its_own_and_one_that_dies_is_started_again() {
    let site = Site::new();
    let (workers, mut events) = site.start("python3 server.py", 2);
    let places = ready(&mut events, 2).await;
    let said: Vec<(u32, String)> = places.iter().map(asked).collect();
    assert!(said.iter().all(|(_, colour)| colour == "red"), "{said:?}");
    assert!(said[0].0 != said[1].0 && places[0] != places[1], "{said:?}");
    kill(said[0].0);
    ready(&mut events, 1).await;
    let again = ready(&mut events, 2).await;
    assert!(again.iter().all(|place| asked(place).0 != said[0].0));
    workers.drain(Duration::from_secs(20)).await;
    let Address::Tcp(host, port) = &again[0] else { panic!("a port") };
    assert!(TcpStream::connect((host.as_str(), *port)).is_err(), "it listens no more");
}

#[tokio::test]
async fn a_server_may_listen_on_a_socket_and_be_started_by_a_shell() {
    let site = Site::new();
    for command in ["python3 server.py {socket}", "true && python3 server.py \"{socket}\""] {
        let (workers, mut events) = site.start(command, 1);
        let places = ready(&mut events, 1).await;
        assert!(matches!(places[0], Address::Unix(_)), "{places:?}");
        assert_eq!(asked(&places[0]).1, "red", "{command}");
        workers.drain(Duration::from_secs(20)).await;
        let left = std::fs::read_dir(site.0.path().join("run")).unwrap().count();
        assert_eq!(left, 0, "{command}: the socket is removed");
    }
}

#[tokio::test]
async fn a_server_that_ends_before_it_listens_is_a_failure() {
    let site = Site::new();
    let (_workers, mut events) = site.start("sh -c 'echo why; exit 4'", 1);
    let Some(Event::Failed { error }) = events.recv().await else { panic!("not a failure") };
    assert!(error.contains("exit code 4") && error.contains("why"), "{error}");
}
