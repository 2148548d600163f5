//! Asking a name server over UDP, as a browser's resolver does: for `davy trace`, which shows what
//! davy's own server answers. It asks once and follows nothing.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::iana::Class;
use domain::base::message::Message;
use domain::base::{MessageBuilder, Name, Rtype};
use domain::rdata::AllRecordData;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// `NOERROR`, `NXDOMAIN`, `REFUSED` …
    pub rcode: String,
    /// The records of the answer, one line each, as in a zone file.
    pub records: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The name can't be asked for.
    #[error("{0} is no name that DNS knows")]
    Name(String),
    /// The server can't be reached.
    #[error("the name server at {0} can't be asked: {1}")]
    Socket(SocketAddr, io::Error),
    /// The server is silent.
    #[error("the name server at {0} did not answer within {1:?}")]
    Silent(SocketAddr, Duration),
    /// The server's answer can't be read.
    #[error("the name server at {0} sent what is no answer")]
    Garbage(SocketAddr),
}

/// Asks `server` for the addresses of `name`: those of IPv4, or, where there are none, of IPv6.
pub async fn ask(server: SocketAddr, name: &str, within: Duration) -> Result<Answered, AskError> {
    let answered = ask_for(server, name, Rtype::A, within).await?;
    if answered.records.is_empty() && answered.rcode == "NOERROR" {
        return ask_for(server, name, Rtype::AAAA, within).await;
    }
    Ok(answered)
}

async fn ask_for(
    server: SocketAddr,
    name: &str,
    rtype: Rtype,
    within: Duration,
) -> Result<Answered, AskError> {
    let wrong = || AskError::Name(name.into());
    let question: Name<Vec<u8>> = name.parse().map_err(|_| wrong())?;
    let mut builder = MessageBuilder::new_vec().question();
    let id = RandomState::new().hash_one(name) as u16;
    builder.header_mut().set_id(id);
    builder.push((question, rtype, Class::IN)).map_err(|_| wrong())?;
    let bytes = exchange(server, id, &builder.finish(), within).await?;
    read(&bytes).ok_or(AskError::Garbage(server))
}

/// Sends a question and waits for its answer; what does not belong to it is passed over.
async fn exchange(
    server: SocketAddr,
    id: u16,
    question: &[u8],
    within: Duration,
) -> Result<Vec<u8>, AskError> {
    let failed = |error| AskError::Socket(server, error);
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await.map_err(failed)?;
    socket.connect(server).await.map_err(failed)?;
    socket.send(question).await.map_err(failed)?;
    let receive = async {
        let mut bytes = vec![0; ANSWER_BYTES_MAX];
        loop {
            let length = socket.recv(&mut bytes).await?;
            if length >= 2 && bytes[..2] == id.to_be_bytes() {
                bytes.truncate(length);
                return Ok(bytes);
            }
        }
    };
    match timeout(within, receive).await {
        Ok(received) => received.map_err(failed),
        Err(_) => Err(AskError::Silent(server, within)),
    }
}

fn read(bytes: &[u8]) -> Option<Answered> {
    let message = Message::from_octets(bytes).ok()?;
    if !message.header().qr() {
        return None;
    }
    let mut records = Vec::new();
    for record in message.answer().ok()?.limit_to::<AllRecordData<_, _>>() {
        records.push(record.ok()?.to_string());
    }
    Some(Answered { rcode: message.header().rcode().to_string(), records })
}

/// Without EDNS a server sends no more than 512.
const ANSWER_BYTES_MAX: usize = 512;
