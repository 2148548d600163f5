//! One request over a connection of its own, timed.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use flow::Stamp;
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is to be visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The name that DNS is asked for.
    pub(crate) host: String,
    /// The value of the Host field.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Reads `http://name/path`, `name/path` or `/path`, which is the own domain's.
    pub(crate) fn read(
        url: &str,
        own_domain: impl FnOnce() -> anyhow::Result<String>,
    ) -> anyhow::Result<Target> {
        let whole = match url {
            _ if url.starts_with('/') => format!("http://{}{url}", own_domain()?),
            _ if url.contains("://") => url.to_owned(),
            _ => format!("http://{url}"),
        };
        let uri: Uri = whole.parse().with_context(|| format!("{url} is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!("davy serves plain HTTP so far; trace http:// instead"),
            _ => bail!("{url} is no URL of a web site; it begins with http://"),
        }
        let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
        if authority.as_str().contains('@') {
            bail!("{url} holds a user name; leave it out");
        }
        Ok(Target {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// A connection that has not been used yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    connecting: Stamp,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The first line: `HTTP/1.1 200 OK`.
    pub(crate) status_line: String,
    /// Where the answer leads to, if it leads elsewhere.
    pub(crate) location: Option<String>,
    /// All bytes of it.
    pub(crate) bytes: u64,
    /// When the connection was begun.
    pub(crate) connecting: Stamp,
}

/// Connects to davy's own listener.
pub(crate) async fn connect(http: SocketAddr, within: Duration) -> anyhow::Result<Connection> {
    let connecting = Stamp::now();
    let connected = timeout(within, TcpStream::connect(http)).await;
    let stream = connected
        .map_err(anyhow::Error::from)
        .and_then(|connected| Ok(connected?))
        .with_context(|| format!("davy's web server at {http} can't be reached"))?;
    Ok(Connection { stream, connecting })
}

impl Connection {
    pub(crate) fn own_address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    /// Asks, and reads the answer to its end.
    pub(crate) async fn get(
        mut self,
        target: &Target,
        within: Duration,
    ) -> anyhow::Result<Response> {
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: davy-trace/{}\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n",
            target.path,
            target.authority,
            env!("CARGO_PKG_VERSION"),
        );
        let exchange = async {
            self.stream.write_all(head.as_bytes()).await?;
            let (mut kept, mut bytes, mut piece) = (Vec::new(), 0, vec![0; PIECE_BYTES]);
            loop {
                let read = self.stream.read(&mut piece).await?;
                if read == 0 {
                    return Ok::<_, std::io::Error>((kept, bytes));
                }
                bytes += read as u64;
                let room = HEAD_BYTES_MAX - kept.len();
                kept.extend_from_slice(&piece[..read.min(room)]);
            }
        };
        let exchanged = timeout(within, exchange).await;
        let exchanged = exchanged.with_context(|| {
            format!("no whole answer came within {} s; `davy logs` may say why", within.as_secs())
        })?;
        let (head, bytes) = exchanged.context("the connection broke before the answer's end")?;
        let (status_line, location) = read_head(&head).context("what came back is no HTTP")?;
        Ok(Response { status_line, location, bytes, connecting: self.connecting })
    }
}

/// The status line and the Location of a head.
fn read_head(bytes: &[u8]) -> Option<(String, Option<String>)> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.split("\r\n\r\n").next()?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().filter(|line| line.starts_with("HTTP/1."))?;
    let location = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    Some((status_line.to_owned(), location))
}

const PIECE_BYTES: usize = 64 * 1024;
const HEAD_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> anyhow::Result<Target> {
        Target::read(url, || Ok("own.example".into()))
    }

    #[test]
    fn an_url_may_be_short() {
        let target = |host: &str, authority: &str, path: &str| Target {
            host: host.into(),
            authority: authority.into(),
            path: path.into(),
        };
        let long = read("http://www.foobar.com:8080/a?b=c#d").unwrap();
        assert_eq!(long, target("www.foobar.com", "www.foobar.com:8080", "/a?b=c"));
        assert_eq!(
            read("www.foobar.com").unwrap(),
            target("www.foobar.com", "www.foobar.com", "/")
        );
        assert_eq!(read("/x").unwrap(), target("own.example", "own.example", "/x"));
        assert_eq!(read("http://[::1]/").unwrap().host, "::1");
    }

    #[test]
    fn what_can_not_be_visited_is_refused_with_a_reason() {
        for (url, reason) in [
            ("https://a.example/", "plain HTTP"),
            ("ftp://a.example/", "no URL of a web site"),
            ("http://me:secret@a.example/", "user name"),
            ("http://a.example/\r\nX: y", "no URL"),
            ("http://", "no URL"),
        ] {
            let error = format!("{:#}", read(url).unwrap_err());
            assert!(error.contains(reason), "{url:?}: {error}");
        }
    }

    #[test]
    fn the_head_of_an_answer_is_read() {
        let head = b"HTTP/1.1 303 See Other\r\nlocation: /next\r\nX: y\r\n\r\nLocation: no";
        let read = read_head(head).unwrap();
        assert_eq!(read, ("HTTP/1.1 303 See Other".into(), Some("/next".into())));
        assert_eq!(read_head(b"SSH-2.0"), None);
    }
}
