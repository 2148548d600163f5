//! Servers that davy does not know from within: Node, a Gunicorn of the project's own, a server that
//! somebody else runs. They are reached by HTTP.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use davy_e2e::{Browser, Davy, Project, Ran, curl, curl_args, eventually, tool};

/// npm's own packages, as most Node sites use them.
const PACKAGE: &str = r#"{
  "private": true,
  "scripts": { "start": "node server.js" },
  "engines": { "node": ">=18" },
  "dependencies": { "express": "^4.19.2", "ws": "^8.17.1" }
}"#;

const SERVER: &str = r#"
const express = require('express');
const http = require('http');
const { WebSocketServer } = require('ws');

const app = express();
app.get('/', (request, response) => response.json({
  env: process.env.NODE_ENV, host: request.headers.host,
  forwarded: request.headers['x-forwarded-for'], pid: process.pid,
}));
app.post('/form', express.urlencoded({ extended: false }), (request, response) =>
  response.redirect(303, '/thanks?name=' + encodeURIComponent(request.body.name)));
app.post('/echo', (request, response) => request.pipe(response));
app.post('/early', (request, response) => response.status(413).send('too much'));
app.get('/events', (request, response) => {
  response.set('Content-Type', 'text/event-stream').write('data: first\n\n');
  app.goOn = () => response.end('data: second\n\n');
});
app.get('/go-on', (request, response) => { app.goOn(); response.send('ok'); });
app.get('/die', () => process.exit(7));

const server = http.createServer(app);
new WebSocketServer({ server }).on('connection', socket => {
  socket.on('message', message => socket.send('echo ' + message));
});
server.listen(process.env.PORT, '127.0.0.1');
"#;

/// A client that says what it hears: run by node, with the site's own `ws`.
const CLIENT: &str = r#"
const WebSocket = require('ws');
const socket = new WebSocket(process.argv[2]);
const long = 'x'.repeat(300000);
socket.on('open', () => socket.send('one'));
socket.on('message', message => {
  if (String(message) === 'echo one') return socket.send(long);
  console.log(String(message) === 'echo ' + long ? 'all of it' : 'something else');
  socket.close(1000);
});
socket.on('close', code => console.log('closed', code));
socket.on('error', error => console.log('error', error.message));
"#;

fn node_site() -> Project {
    Project::of("shop", &[("package.json", PACKAGE), ("server.js", SERVER), ("client.js", CLIENT)])
}

/// Ten megabytes without a pattern that is short.
fn content() -> Vec<u8> {
    (0..10_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn json(davy: &Davy<'_>) -> serde_json::Value {
    serde_json::from_slice(&curl(&davy.url("/")).content).unwrap()
}

#[test]
fn an_express_site_takes_forms_uploads_and_websockets() {
    let project = node_site();
    let davy = project.up();
    assert!(davy.output().contains("node server.js"), "{}", davy.output());
    let said = json(&davy);
    assert_eq!((&said["env"], &said["forwarded"]), (&"production".into(), &"127.0.0.1".into()));
    assert_eq!(said["host"], davy.http().to_string(), "the host is the visitor's own");
    let posted = curl_args(&["--data-urlencode", "name=Zoë", &davy.url("/form")]);
    assert_eq!((posted.status, posted.header("location")), (303, Some("/thanks?name=Zo%C3%AB")));

    fs::write(project.path("content"), content()).unwrap();
    let file = format!("@{}", project.path("content").display());
    for field in ["X: y", "Transfer-Encoding: chunked"] {
        let kind = "Content-Type: application/octet-stream";
        let words = ["--header", field, "--header", kind, "--data-binary", &file];
        let echo = curl_args(&[&words[..], &[&davy.url("/echo")]].concat());
        assert!(echo.status == 200 && echo.content == content(), "{field}: {}", echo.status);
        // The answer is there long before the upload could be.
        let url = davy.url("/early");
        let early = curl_args(&[&words[..], &["--limit-rate", "100k", &url]].concat());
        assert_eq!((early.status, early.text()), (413, "too much".into()));
    }

    let url = format!("ws://{}/", davy.http());
    let client = ["client.js", &url];
    let heard = Ran::of(Command::new(tool("node")).args(client).current_dir(project.folder()));
    assert_eq!(heard.stdout, "all of it\nclosed 1000\n", "{}", heard.stderr);
    davy.logs("edge", "GET / 101 ");
    davy.stop();

    let davy = project.up();
    assert!(davy.says("deps     ").contains("unchanged"), "{}", davy.output());
    davy.stop();
}

#[test]
fn events_pass_at_once_and_a_server_that_dies_is_started_again() {
    let project = node_site();
    let davy = project.up();
    let url = davy.url("/events");
    let mut curl_events = Command::new(tool("curl"));
    let file = project.path("events");
    curl_events.args(["--silent", "--no-buffer", "--output"]).arg(&file).arg(&url);
    let mut events = curl_events.spawn().unwrap();
    let heard = |what: &str| {
        eventually(what, Duration::from_secs(20), || {
            fs::read_to_string(&file).ok().filter(|text| text.ends_with(what))
        })
    };
    heard("data: first\n\n");
    assert_eq!(curl(&davy.url("/go-on")).status, 200);
    assert_eq!(heard("data: second\n\n"), "data: first\n\ndata: second\n\n");
    assert!(events.wait().unwrap().success());

    let first = json(&davy)["pid"].clone();
    assert_eq!(curl(&davy.url("/die")).status, 502);
    // Meanwhile requests wait.
    assert_ne!(json(&davy)["pid"], first);
    davy.stop();
}

#[test]
fn a_gunicorn_of_the_projects_own_listens_on_a_socket() {
    let app = "import os\n\
               def application(environ, start_response):\n\
               \x20   start_response('200 OK', [('Content-Type', 'text/plain')])\n\
               \x20   return [environ['SERVER_SOFTWARE'].encode(), b' ', os.getcwd().encode()]\n";
    let toml = "command = \"gunicorn --workers 2 --bind 'unix:{socket}' wsgi\"\n";
    let files = [("wsgi.py", app), ("requirements.txt", "gunicorn\n"), ("davy.toml", toml)];
    let project = Project::of("own", &files);
    let davy = project.up();
    let text = curl(&davy.url("/")).text();
    assert!(text.starts_with("gunicorn/") && text.ends_with("/own"), "{text}");
    davy.stop();
}

#[test]
fn a_proxy_passes_on_to_a_server_of_somebody_else() {
    let files =
        Project::of("files", &[("public/sub/hello.txt", "hello"), ("public/index.html", "")]);
    let theirs = files.up();
    let toml = format!("app = \"http://{}/sub/\"\n", theirs.http());
    let project = Project::of("front", &[("davy.toml", &toml)]);
    let davy = project.up();
    let answer = curl(&davy.url("/hello.txt"));
    assert_eq!((answer.status, answer.text()), (200, "hello".into()));
    assert!(answer.header("etag").is_some());
    davy.stop();
    theirs.stop();
}

#[test]
fn a_command_that_fails_says_why() {
    let toml = "command = \"echo no such luck; exit 3\"\n";
    let project = Project::of("luckless", &[("davy.toml", toml)]);
    let mut davy = project.start();
    davy.ends_badly();
    let output = davy.output();
    assert!(output.contains("exit code 3") && output.contains("no such luck"), "{output}");
}

#[test]
fn the_clock_ticks_in_a_browser() {
    let project = Project::example("clock");
    let davy = project.up();
    let browser = Browser::start();
    browser.open(&davy.url("/"));
    assert_eq!(browser.title(), "Clock");
    let time = |other: &str| {
        eventually("the time", Duration::from_secs(20), || {
            Some(browser.text("time")).filter(|time| !time.starts_with("--") && time != other)
        })
    };
    let first = time("");
    time(&first);
    browser.screenshot("clock");
    assert!(!Path::new(&project.path("node_modules")).exists(), "there is nothing to install");
    davy.stop();
}
