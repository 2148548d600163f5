//! A browser: Chromium without a window, driven through its WebDriver (the W3C's WebDriver, level
//! 1), as a visitor would: it types, clicks, and knows only what the page shows.
//!
//! It runs without the sandbox that it can't have as root or in a container: the pages are our own.
//! What it writes goes to a file system in memory, and ends with it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::clients::{curl_args, tool};
use crate::namespace::Namespace;
use crate::project::target;

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    /// The URL of its session.
    session: String,
    _namespace: Namespace,
}

impl Browser {
    /// Starts a browser.
    pub fn start() -> Browser {
        let namespace = Namespace::start(Path::new("/proc"), DRIVER, &[tool("chromedriver")]);
        let line = namespace.says("successfully on port ");
        let port = line.trim_end_matches('.').rsplit(' ').next().unwrap_or_default();
        let driver = format!("http://127.0.0.1:{port}/session");
        let options = json!({ "args": ARGUMENTS });
        let wanted = json!({
            "browserName": "chrome",
            "timeouts": { "implicit": APPEARS_WITHIN_MS },
            "goog:chromeOptions": options,
        });
        let started = post(&driver, &json!({ "capabilities": { "alwaysMatch": wanted } }));
        let session = format!("{driver}/{}", text(&started["sessionId"]));
        Browser { session, _namespace: namespace }
    }

    /// Opens a page, and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Where it is.
    pub fn url(&self) -> String {
        text(&self.get("url"))
    }

    /// The page's title.
    pub fn title(&self) -> String {
        text(&self.get("title"))
    }

    /// Types into the field that this CSS selector finds.
    pub fn fill(&self, selector: &str, words: &str) {
        let element = self.find(selector);
        self.post(&format!("{element}/value"), &json!({ "text": words }));
    }

    /// Clicks on what the selector finds.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("{element}/click"), &json!({}));
    }

    /// The text of what the selector finds, as far as it can be seen.
    pub fn text(&self, selector: &str) -> String {
        text(&self.get(&format!("{}/text", self.find(selector))))
    }

    /// The computed value of a property of CSS.
    pub fn style(&self, selector: &str, property: &str) -> String {
        text(&self.get(&format!("{}/css/{property}", self.find(selector))))
    }

    /// A property of the DOM.
    pub fn property(&self, selector: &str, name: &str) -> Value {
        self.get(&format!("{}/property/{name}", self.find(selector)))
    }

    /// Keeps what the window shows as `target/screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) {
        let folder = target().join("screenshots");
        let written = fs::create_dir_all(&folder).and_then(|()| {
            let picture = File::create(folder.join(name).with_extension("png"))?;
            let mut decode = Command::new(tool("base64"));
            let decode = decode.arg("--decode").stdin(Stdio::piped()).stdout(picture);
            let mut decode = decode.spawn()?;
            let pipe = decode.stdin.as_mut().expect("it was asked for");
            pipe.write_all(text(&self.get("screenshot")).as_bytes())?;
            decode.wait()
        });
        let status = written.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        assert!(status.success(), "base64: {status}");
    }

    /// The path of an element, once there is one.
    fn find(&self, selector: &str) -> String {
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }));
        format!("element/{}", text(&found[ELEMENT]))
    }

    fn get(&self, path: &str) -> Value {
        value(&[&format!("{}/{path}", self.session)])
    }

    fn post(&self, path: &str, content: &Value) -> Value {
        post(&format!("{}/{path}", self.session), content)
    }
}

fn post(url: &str, content: &Value) -> Value {
    let content = content.to_string();
    value(&["--header", "Content-Type: application/json", "--data-raw", &content, url])
}

/// What the driver answers to curl with these arguments.
fn value(arguments: &[&str]) -> Value {
    let answer = curl_args(arguments);
    let mut content: Value = serde_json::from_slice(&answer.content).unwrap_or_default();
    assert_eq!(answer.status, 200, "the browser, asked {arguments:?}, says {content:#}");
    content["value"].take()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The name under which an element's id is given: the standard's own.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A page may still be on its way when something on it is asked for.
const APPEARS_WITHIN_MS: u32 = 10_000;

const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    // Containers have little of it.
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--window-size=1000,1000",
];

/// The driver, `$1`, with a home and temporary files of its own.
const DRIVER: &str = r#"
mount -t tmpfs tmpfs /tmp
cd /tmp
env -u TMPDIR -u XDG_CONFIG_HOME -u XDG_CACHE_HOME HOME=/tmp "$1" --port=0 &"#;
