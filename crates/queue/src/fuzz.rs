//! Fuzz targets: plain functions over bytes from a hostile worker, PHP or visitor.

use bytes::BytesMut;

/// Frames from a worker's socket.
pub fn frames(bytes: &[u8]) {
    let mut bytes = BytesMut::from(bytes);
    while let Ok(Some(frame)) = crate::frame::decode(&mut bytes) {
        if let crate::frame::Frame::Response { status, head, .. } = frame {
            let _ = crate::answer::parse(status, &head, crate::answer::Switching::Asked);
        }
    }
}

/// What an upstream answers.
pub fn http_response(bytes: &[u8]) {
    crate::http::fuzz(bytes);
}

/// Records from the socket of a hostile PHP, and the heads in them.
pub fn fastcgi(bytes: &[u8]) {
    let mut bytes = BytesMut::from(bytes);
    let mut collector = crate::fastcgi::head::Collector::default();
    while let Ok(Some(record)) = crate::fastcgi::record::decode(&mut bytes) {
        if let crate::fastcgi::record::Record::Stdout(piece) = record
            && let Ok(Some((lines, _))) = collector.take(piece)
        {
            let _ = crate::fastcgi::head::parse(lines);
        }
    }
}
