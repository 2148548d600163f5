//! Clients that send or take slowly, and workers that run one request at a time.

use flow::Writer;

use super::*;

impl Scene {
    /// A POST whose content comes through the writer.
    fn upload(&self) -> (Writer, oneshot::Receiver<Answer>) {
        let (writer, body) = Body::channel(64 * 1024);
        (writer, self.ask(body))
    }
}

#[tokio::test]
async fn upload_takes_no_worker_before_all_of_it_is_there() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let (upload, posted) = scene.upload();
    upload.push(Bytes::from(vec![1; 50_000])).unwrap();
    let got = scene.get();
    let (stream, content) = worker.hear_request().await;
    assert_eq!(content, Content::None, "the worker is free for others");
    worker.say(&[head(stream, b"got"), end(stream)]).await;
    assert!(got.await.unwrap().is_ok());

    upload.wait_for_room(50_000).await;
    upload.push(Bytes::from(vec![2; 50_000])).unwrap();
    upload.end();
    let (stream, content) = worker.hear_request().await;
    assert_eq!(content, Content::Follows);
    let mut bytes = 0;
    loop {
        match worker.hear().await {
            Some(Frame::Data { content, .. }) => {
                bytes += content.len();
                let granted = u32::try_from(content.len()).unwrap();
                worker.say(&[Frame::Credit { stream, bytes: granted }]).await;
            }
            Some(Frame::End { .. }) => break,
            other => panic!("expected content, got {other:?}"),
        }
    }
    assert_eq!(bytes, 100_000);
    worker.say(&[head(stream, b"posted"), end(stream)]).await;
    assert!(posted.await.unwrap().is_ok());
}

#[tokio::test]
async fn length_of_an_upload_is_known_although_it_came_in_chunks() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let (upload, _posted) = scene.upload();
    upload.push(Bytes::from_static(b"name=Ada")).unwrap();
    upload.end();
    match worker.hear().await {
        Some(Frame::Request { variables, .. }) => {
            let text = String::from_utf8_lossy(&variables).into_owned();
            assert!(text.contains("CONTENT_LENGTH\x008\0"), "{text:?}");
        }
        other => panic!("expected a request, got {other:?}"),
    }
}

#[tokio::test]
async fn small_upload_in_pieces_is_given_to_another_worker_too() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let (upload, answer) = scene.upload();
    upload.push(Bytes::from_static(b"name=")).unwrap();
    tokio::task::yield_now().await;
    upload.push(Bytes::from_static(b"Ada")).unwrap();
    upload.end();
    let (stream, _) = worker.hear_request().await;
    worker.say(&[Frame::GoAway { last: stream - 1 }]).await;
    another_worker_answers(&scene, answer).await;
}

#[tokio::test]
async fn visitor_that_leaves_while_sending_never_reaches_a_worker() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let (upload, answer) = scene.upload();
    upload.push(Bytes::from_static(b"half")).unwrap();
    drop(answer);
    upload.wait_for_room(64 * 1024).await;
    while !upload.is_abandoned() {
        upload.changed().await;
    }
    let got = scene.get();
    let (stream, content) = worker.hear_request().await;
    assert_eq!(content, Content::None, "the first request it hears of is another");
    worker.say(&[head(stream, b"ok"), end(stream)]).await;
    assert!(got.await.unwrap().is_ok());
}

#[tokio::test]
async fn answer_that_nobody_takes_leaves_its_worker_free() {
    let scene = Scene::new();
    let mut worker = Played::start(&scene).await;
    let answer = scene.get();
    let (stream, _) = worker.hear_request().await;
    worker.say(&[head(stream, b"")]).await;
    let response = answer.await.unwrap().unwrap();
    let mut credit = 256 * 1024_usize;
    for _ in 0..80 {
        while credit < 64 * 1024 {
            match worker.hear().await {
                Some(Frame::Credit { bytes, .. }) => credit += bytes as usize,
                other => panic!("expected credit, got {other:?}"),
            }
        }
        worker.say(&[Frame::Data { stream, content: Bytes::from(vec![7; 64 * 1024]) }]).await;
        credit -= 64 * 1024;
    }
    worker.say(&[end(stream)]).await;
    let other = scene.get();
    loop {
        match worker.hear().await {
            Some(Frame::Credit { .. }) => {}
            Some(Frame::Request { stream, .. }) => {
                worker.say(&[head(stream, b"ok"), end(stream)]).await;
                break;
            }
            other => panic!("expected a request, got {other:?}"),
        }
    }
    assert!(other.await.unwrap().is_ok(), "five megabytes wait for their reader meanwhile");
    assert_eq!(collect(response.body).await.unwrap().len(), 80 * 64 * 1024);
}
