//! Fuzz targets: plain functions over bytes from a hostile worker or visitor.

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
