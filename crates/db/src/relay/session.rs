//! One connection of a site: its beginning, which is judged, and its bytes, which pass as they are.
//!
//! When the server closes, the client is closed; when the client has said its last, the server
//! learns it and may still answer. Each direction has one buffer, and reads no more until that is
//! written: whoever is slow slows only the other side down.

use std::io;
use std::path::Path;
use std::time::Duration;

use flow::Stamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::Seat;
use super::greeting::{Asked, agreed, asked, clear_capabilities};
use super::packet::{HEADER_BYTES, Refused, Walker, denied, refusal};
use super::seen::Watched;
use super::watch::Watch;

/// Runs a session to its end. What ends it early is of interest to its client only.
pub(super) async fn run(mut client: UnixStream, seat: Seat) {
    if let Err(error) = serve(&mut client, &seat).await {
        tracing::debug!(pid = seat.pid, %error, "relay session ended");
    }
}

async fn serve(client: &mut UnixStream, seat: &Seat) -> io::Result<()> {
    let settings = &seat.shared.settings;
    let (mut server, greeting) = match connect(seat).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(pid = seat.pid, %error, "database is away");
            let text = "The database is not running at the moment; davy starts it again";
            return client.write_all(&refusal(0, 1053, "08S01", text)).await;
        }
    };
    let greeted = timeout(settings.handshake, greet(client, &mut server, greeting, seat)).await;
    let refused = match greeted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
        Greeted::Admitted(watched) => {
            relay(client, &mut server, seat, watched).await?.map(|user| denied(1, &user))
        }
        Greeted::Refused(packet) => packet,
    };
    match refused {
        Some(packet) => {
            tracing::warn!(pid = seat.pid, "database user refused");
            client.write_all(&packet).await
        }
        None => Ok(()),
    }
}

/// Connects to the server, until it greets; while it is away (it restarts, say) the client is held.
///
/// A server that is being killed still has connections made to it, for as long as the kernel takes
/// to close its sockets. It greets nobody any more, so they are no better than none.
async fn connect(seat: &Seat) -> io::Result<(UnixStream, Vec<u8>)> {
    let settings = &seat.shared.settings;
    let deadline = Instant::now() + settings.hold;
    loop {
        match timeout(settings.handshake, greeted(&settings.server)).await? {
            Err(_) if Instant::now() < deadline => sleep(CONNECT_AGAIN).await,
            connected => return connected,
        }
    }
}

async fn greeted(path: &Path) -> io::Result<(UnixStream, Vec<u8>)> {
    let mut server = UnixStream::connect(path).await?;
    let greeting = read_packet(&mut server).await?;
    Ok((server, greeting))
}

/// How the beginning of a session went.
enum Greeted<'a> {
    /// The client is a site's user, if the server finds its password right.
    Admitted(Option<Box<Watched<'a>>>),
    /// It is not; the packet says so, unless the server has said so itself.
    Refused(Option<Vec<u8>>),
}

/// Hands on the server's greeting and the client's answer, if the user in it may come in.
async fn greet<'a>(
    client: &mut UnixStream,
    server: &mut UnixStream,
    mut greeting: Vec<u8>,
    seat: &'a Seat,
) -> io::Result<Greeted<'a>> {
    clear_capabilities(&mut greeting[HEADER_BYTES..]);
    client.write_all(&greeting).await?;
    if greeting.get(HEADER_BYTES) == Some(&0xff) {
        return Ok(Greeted::Refused(None));
    }
    let answer = read_packet(client).await?;
    let sequence = answer[HEADER_BYTES - 1].wrapping_add(1);
    let garbage = |text| Greeted::Refused(Some(refusal(sequence, 1043, "08S01", text)));
    match asked(&answer[HEADER_BYTES..]) {
        Asked::User(user) if seat.admits(user) => {
            server.write_all(&answer).await?;
            Ok(Greeted::Admitted(watch(seat, &greeting[HEADER_BYTES..], &answer[HEADER_BYTES..])))
        }
        Asked::User(user) => Ok(Greeted::Refused(Some(denied(sequence, user)))),
        Asked::Opaque => Ok(garbage("Bad handshake: no TLS and no compression on this socket")),
        Asked::Garbage => Ok(garbage("Bad handshake")),
    }
}

/// The watch over a session that begins with this greeting and this answer, if there shall be one.
fn watch<'a>(seat: &'a Seat, greeting: &[u8], answer: &[u8]) -> Option<Box<Watched<'a>>> {
    let seen = seat.shared.seen.as_ref()?;
    match agreed(greeting, answer) {
        Some(agreed) => {
            let watch = Watch::new(seat.pid, agreed, Stamp::now());
            Some(Box::new(Watched::new(watch, seen)))
        }
        None => {
            seen.count_unread();
            None
        }
    }
}

/// Reads one packet of the beginning, header and all; not one byte more.
async fn read_packet(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; HEADER_BYTES];
    from.read_exact(&mut packet).await?;
    let length =
        usize::from(packet[0]) | usize::from(packet[1]) << 8 | usize::from(packet[2]) << 16;
    if length > FIRST_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too long a first packet"));
    }
    packet.resize(HEADER_BYTES + length, 0);
    from.read_exact(&mut packet[HEADER_BYTES..]).await?;
    Ok(packet)
}

/// Hands bytes on both ways until the server closes, or the client wants to become somebody it must
/// not: then that user is returned.
async fn relay(
    client: &mut UnixStream,
    server: &mut UnixStream,
    seat: &Seat,
    watched: Option<Box<Watched<'_>>>,
) -> io::Result<Option<Vec<u8>>> {
    let watched = watched.as_deref();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let down = pass(from_server, to_client, |bytes| {
        if let Some(watched) = watched {
            watched.answered(bytes);
        }
        Ok(())
    });
    let mut walker = Walker::default();
    let up = pass(from_client, to_server, |bytes| {
        if let Some(watched) = watched {
            watched.sent(bytes);
        }
        walker.walk(bytes, |user| seat.admits(user))
    });
    tokio::pin!(down);
    let said = tokio::select! {
        closed = &mut down => return closed.map(|_| None),
        said = up => said?,
    };
    match said {
        Some(Refused { user }) => Ok(Some(user)),
        None => down.await.map(|_| None),
    }
}

/// Hands bytes on until the end, which it hands on too, or until `check` refuses them.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut check: impl FnMut(&[u8]) -> Result<(), Refused>,
) -> io::Result<Option<Refused>> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            to.shutdown().await?;
            return Ok(None);
        }
        if let Err(refused) = check(&buffer[..read]) {
            return Ok(Some(refused));
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            // The other side takes no more; its last words, on the other way, may say why.
            return Ok(None);
        }
    }
}

const BUFFER_BYTES: usize = 16 * 1024;

/// A client's first packet may carry attributes of the connection, of up to 64 KiB in theory.
const FIRST_BYTES_MAX: usize = 16 * 1024;
const CONNECT_AGAIN: Duration = Duration::from_millis(20);
