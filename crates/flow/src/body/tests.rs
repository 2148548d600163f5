//! Streams from both ends.

use super::*;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime needs no more than memory").block_on(test)
}

async fn collect(mut body: Body) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

#[test]
fn pieces_come_out_in_order_and_then_the_end() {
    let (writer, body) = Body::channel(100);
    writer.push(Bytes::from_static(b"one ")).unwrap();
    writer.push(Bytes::from_static(b"two")).unwrap();
    writer.end();
    assert_eq!(run(collect(body)).unwrap(), b"one two");
}

#[test]
fn a_full_window_refuses_until_something_is_read() {
    let (writer, mut body) = Body::channel(4);
    writer.push(Bytes::from_static(b"1234")).unwrap();
    assert_eq!(writer.push(Bytes::from_static(b"5")), Err(Overflow));
    assert_eq!(writer.take_consumed(), 0);
    run(async {
        assert_eq!(body.next().await.unwrap().unwrap(), "1234");
        writer.wait_for_room(4).await;
    });
    assert_eq!(writer.take_consumed(), 4);
    assert_eq!(writer.take_consumed(), 0, "consumed bytes are given out once");
}

#[test]
fn a_dropped_writer_cuts_the_content_off() {
    let (writer, body) = Body::channel(4);
    writer.push(Bytes::from_static(b"1")).unwrap();
    drop(writer);
    assert_eq!(run(collect(body)), Err(BodyError::Cut));
}

#[test]
fn a_dropped_reader_releases_a_waiting_writer() {
    let (writer, body) = Body::channel(1);
    writer.push(Bytes::from_static(b"1")).unwrap();
    drop(body);
    run(writer.wait_for_room(1));
    assert!(writer.is_abandoned());
    assert_eq!(writer.push(Bytes::from_static(b"lost on purpose")), Ok(()));
}

#[test]
fn a_failure_is_told_once() {
    let (writer, mut body) = Body::channel(1);
    writer.fail(BodyError::Failed("worker ended".into()));
    run(async {
        assert_eq!(body.next().await, Some(Err(BodyError::Failed("worker ended".into()))));
        assert_eq!(body.next().await, None);
    });
}
