//! FastAPI as it comes from PyPI: an application with a lifespan, streams and a websocket, driven
//! by curl and by a browser.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use davy_e2e::{Browser, Project, curl, curl_args, eventually, tool};

const REQUIREMENTS: &str = "fastapi\nuvloop\npython-multipart\n";

const APP: &str = r##"
import asyncio
import pathlib
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, UploadFile, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

gate = asyncio.Event()

@asynccontextmanager
async def lifespan(app):
    yield {"colour": "green"}
    pathlib.Path("ended").write_text("the lifespan has ended")

app = FastAPI(lifespan=lifespan)

@app.get("/")
async def index(request: Request):
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    return {"colour": request.state.colour, "loop": loop, "client": request.client.host}

@app.get("/threaded")
def threaded():
    return {"threaded": True}

@app.get("/wait")
async def wait():
    await gate.wait()
    return "waited"

@app.get("/open")
async def open_gate():
    gate.set()
    return "opened"

@app.get("/stream")
async def stream():
    async def parts():
        yield "first\n"
        await gate.wait()
        yield "second\n"
    return StreamingResponse(parts(), media_type="text/plain")

@app.get("/file")
async def file():
    return FileResponse("content")

@app.post("/upload")
async def upload(file: UploadFile):
    return {"size": len(await file.read())}

@app.post("/refuse")
async def refuse(request: Request):
    raise HTTPException(413, "no more than nothing")

@app.get("/page")
async def page():
    return HTMLResponse('''<p id="said">nothing</p><script>
        const socket = new WebSocket(`ws://${location.host}/socket`, ["other", "chat"]);
        const told = [];
        socket.onopen = () => { told.push(socket.protocol); socket.send("grüße"); };
        socket.onmessage = (event) => {
            if (typeof event.data === "string") {
                told.push(event.data);
                socket.send(new Uint8Array(300000));
            } else {
                told.push(event.data.size);
                socket.send("bye");
            }
        };
        socket.onclose = (event) => {
            told.push(event.code, event.reason);
            document.querySelector("#said").textContent = told.join(" ");
        };
    </script>''')

@app.get("/listener")
async def listener():
    return HTMLResponse('''<p id="said">nothing</p><script>
        const said = document.querySelector("#said");
        const socket = new WebSocket(`ws://${location.host}/silence`);
        socket.onopen = () => { said.textContent = "open"; };
        socket.onclose = (event) => { said.textContent = event.code; };
    </script>''')

@app.websocket("/silence")
async def silence(socket: WebSocket):
    await socket.accept()
    await socket.receive_text()

@app.websocket("/socket")
async def socket(socket: WebSocket):
    await socket.accept(subprotocol=socket.scope["subprotocols"][-1])
    await socket.send_text("echo " + await socket.receive_text())
    await socket.send_bytes(await socket.receive_bytes())
    assert await socket.receive_text() == "bye"
    await socket.close(4000, "done")
"##;

/// asgiref, which the standard's authors keep: its types say what a scope has, and its adapter runs
/// a WSGI application as one of ASGI.
const STANDARD: &str = r#"
from asgiref.compatibility import guarantee_single_callable
from asgiref.typing import HTTPScope
from asgiref.wsgi import WsgiToAsgi

def plain(environ, start_response):
    content = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
    return [environ["REQUEST_METHOD"].encode(), b" ", str(len(content)).encode()]

adapted = guarantee_single_callable(WsgiToAsgi(plain))

async def app(scope, receive, send):
    names = set(HTTPScope.__annotations__)
    assert scope["type"] == "http", "no lifespan"
    assert names == set(scope) - {"davy.request_id"}, (names, set(scope))
    await adapted(scope, receive, send)
"#;

fn site() -> Project {
    let project = Project::of("api", &[("main.py", APP), ("requirements.txt", REQUIREMENTS)]);
    // One worker, so that all requests meet in its event loop.
    project.write("davy.toml", "workers = 1\n");
    project
}

#[test]
fn fastapi_answers_from_its_event_loop() {
    let project = site();
    fs::write(project.path("content"), vec![b'c'; 3_000_000]).unwrap();
    let davy = project.up();
    davy.says("found    FastAPI (main.py), Python 3");
    let told = curl(&davy.url("/"));
    assert_eq!(told.text(), r#"{"colour":"green","loop":"uvloop","client":"127.0.0.1"}"#);
    assert_eq!(curl(&davy.url("/threaded")).text(), r#"{"threaded":true}"#);
    assert_eq!(curl(&davy.url("/no/such/page")).status, 404);
    assert_eq!(curl(&davy.url("/file")).content, vec![b'c'; 3_000_000]);
    let form = format!("file=@{}", project.path("content").display());
    let uploaded = curl_args(&["--form", &form, &davy.url("/upload")]);
    assert_eq!(uploaded.text(), r#"{"size":3000000}"#);

    assert!(!project.path("ended").exists());
    davy.stop();
    assert_eq!(project.read("ended"), "the lifespan has ended");
}

#[test]
fn scopes_and_messages_are_those_that_asgiref_knows() {
    let files = [("app.py", STANDARD), ("requirements.txt", "asgiref\n")];
    let project = Project::of("standard", &files);
    let davy = project.up();
    davy.says("found    ASGI (app.py)");
    let sent = curl_args(&["--data", &"x".repeat(100_000), &davy.url("/a%20b?c=d")]);
    assert_eq!((sent.status, sent.header("x-path")), (200, Some("/a b")));
    assert_eq!(sent.text(), "POST 100000");
    assert_eq!(curl(&davy.url("/")).text(), "GET 0");
    davy.logs("site", "the application has no lifespan (AssertionError: no lifespan)");
    davy.stop();
}

#[test]
fn requests_of_one_worker_wait_for_each_other_and_streams_begin_at_once() {
    let project = site();
    let davy = project.up();
    let start = |path: &str| {
        let mut command = Command::new(tool("curl"));
        command.args(["--silent", "--no-buffer", "--noproxy", "*", "--max-time", "60"]);
        command.arg("--output").arg(project.path(path)).arg(davy.url(&format!("/{path}")));
        command.stdin(Stdio::null()).spawn().unwrap()
    };
    let (mut wait, mut stream) = (start("wait"), start("stream"));
    let read = |path: &str| fs::read_to_string(project.path(path)).unwrap_or_default();
    eventually("the first part", WITHIN, || (read("stream") == "first\n").then_some(()));
    assert_eq!(curl(&davy.url("/open")).text(), "\"opened\"");
    assert!(wait.wait().unwrap().success() && stream.wait().unwrap().success());
    assert_eq!((read("wait"), read("stream")), ("\"waited\"".into(), "first\nsecond\n".into()));
    davy.stop();
}

#[test]
fn an_early_refusal_reaches_who_still_uploads() {
    let project = site();
    let davy = project.up();
    let mut curl = Command::new(tool("curl"));
    curl.args(["--silent", "--noproxy", "*", "--max-time", "60", "--request", "POST"]);
    curl.args(["--header", "Expect:", "--upload-file", "-", "--write-out", "%{http_code}"]);
    curl.args(["--output", "/dev/null"]).arg(davy.url("/refuse"));
    let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Its upload never ends: curl waits for more to send, and has its answer all the same.
    let upload = curl.stdin.take();
    let log = davy.logs("edge", "POST /refuse 413 ");
    assert!(log.contains(" app "), "{log}");
    drop(upload);
    let ran = curl.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "413");
    davy.stop();
}

#[test]
fn a_browser_speaks_with_a_websocket() {
    let project = site();
    let davy = project.up();
    let browser = Browser::start();
    browser.open(&davy.url("/page"));
    says(&browser, "chat echo grüße 300000 4000 done");
    davy.stop();
}

/// A websocket that nobody closes does not hold the way down up. The edge ends first, so that to the
/// browser the connection is lost.
#[test]
fn an_open_websocket_is_closed_on_the_way_down() {
    let project = site();
    let davy = project.up();
    let browser = Browser::start();
    browser.open(&davy.url("/listener"));
    says(&browser, "open");
    davy.stop();
    says(&browser, "1006");
    assert_eq!(project.read("ended"), "the lifespan has ended");
}

/// Waits until the page says so.
fn says(browser: &Browser, expected: &str) {
    let what = format!("{expected:?} on the page");
    eventually(&what, WITHIN, || (browser.text("#said") == expected).then_some(()));
}

const WITHIN: Duration = Duration::from_secs(20);
