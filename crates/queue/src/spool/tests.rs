//! Content through memory and files, read and written at different speeds.

use proptest::prelude::*;

use super::*;

fn spool(bytes_max: u64) -> (Spool, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Spool::new(folder.path().to_owned(), bytes_max), folder)
}

/// Content whose every byte tells its place.
fn content(from: usize, length: usize) -> Bytes {
    (from..from + length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn all(mut body: Body) -> Result<Vec<u8>, BodyError> {
    let mut read = Vec::new();
    while let Some(piece) = body.next().await {
        read.extend_from_slice(&piece?);
    }
    Ok(read)
}

/// Writes until `length` bytes were taken.
async fn write(to: &Writer, length: usize) {
    let mut at = 0;
    while at < length {
        let piece = (length - at).min(50_000);
        to.wait_for_room(piece).await;
        to.push(content(at, piece)).unwrap();
        at += piece;
    }
}

#[tokio::test]
async fn small_upload_stays_in_memory_and_can_be_sent_again() {
    let (spool, _folder) = spool(0);
    let (writer, body) = Body::channel(REQUEST_WINDOW);
    let received = tokio::spawn(async move { spool.receive(body).await });
    for at in 0..4 {
        writer.push(content(at * 1000, 1000)).unwrap();
    }
    writer.end();
    let received = received.await.unwrap().unwrap();
    assert_eq!(received.bytes, 4000);
    assert!(matches!(received.body, Body::Full(all) if all == content(0, 4000)));
}

#[tokio::test]
async fn large_upload_is_taken_in_before_anybody_reads_it() {
    let (spool, _folder) = spool(10_000_000);
    let (writer, body) = Body::channel(REQUEST_WINDOW);
    let receiving = {
        let spool = spool.clone();
        tokio::spawn(async move { spool.receive(body).await })
    };
    write(&writer, 3_000_000).await;
    writer.end();
    let received = receiving.await.unwrap().unwrap();
    assert_eq!(received.bytes, 3_000_000);
    assert_eq!(all(received.body).await.unwrap(), content(0, 3_000_000));
    while spool.0.used.load(Ordering::Relaxed) != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn uploads_beyond_the_limit_are_refused_and_leave_nothing() {
    let (spool, _folder) = spool(100_000);
    let (writer, body) = Body::channel(REQUEST_WINDOW);
    let receiving = {
        let spool = spool.clone();
        tokio::spawn(async move { spool.receive(body).await })
    };
    write(&writer, 150_000).await;
    let refused = receiving.await.unwrap().unwrap_err();
    assert!(matches!(&refused, ReceiveError::Full(_)), "{refused}");
    assert_eq!(spool.0.used.load(Ordering::Relaxed), 0);
    assert!(writer.is_abandoned());
}

#[tokio::test]
async fn client_that_stops_is_told_apart_from_a_full_disk() {
    let (spool, _folder) = spool(1000);
    let (writer, body) = Body::channel(REQUEST_WINDOW);
    writer.push(content(0, 10)).unwrap();
    drop(writer);
    let error = spool.receive(body).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Client(BodyError::Cut)), "{error}");
}

#[tokio::test]
async fn worker_is_rid_of_an_answer_that_nobody_reads_yet() {
    let (spool, _folder) = spool(20_000_000);
    let (writer, body) = Body::channel(RESPONSE_WINDOW);
    let through = spool.through(body);
    // Ten megabytes go in although not one byte is read.
    write(&writer, 10_000_000).await;
    writer.end();
    assert_eq!(all(through).await.unwrap(), content(0, 10_000_000));
    while spool.0.used.load(Ordering::Relaxed) != 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn answers_beyond_the_limit_wait_for_their_reader_and_lose_nothing() {
    let (spool, _folder) = spool(300_000);
    let (writer, body) = Body::channel(RESPONSE_WINDOW);
    let through = spool.through(body);
    let writing = tokio::spawn(async move {
        write(&writer, 5_000_000).await;
        writer.end();
    });
    tokio::task::yield_now().await;
    assert!(!writing.is_finished());
    assert_eq!(all(through).await.unwrap(), content(0, 5_000_000));
    writing.await.unwrap();
}

#[tokio::test]
async fn folder_that_is_not_there_costs_only_the_file() {
    let spool = Spool::new("/nowhere/at/all".into(), 1_000_000);
    let (writer, body) = Body::channel(RESPONSE_WINDOW);
    let through = spool.through(body);
    let writing = tokio::spawn(async move {
        write(&writer, 2_000_000).await;
        writer.end();
    });
    assert_eq!(all(through).await.unwrap(), content(0, 2_000_000));
    writing.await.unwrap();
}

#[tokio::test]
async fn visitor_that_leaves_is_seen_by_the_worker() {
    let (spool, _folder) = spool(1_000_000);
    let (writer, body) = Body::channel(RESPONSE_WINDOW);
    let through = spool.through(body);
    writer.push(content(0, 10)).unwrap();
    drop(through);
    while !writer.is_abandoned() {
        writer.changed().await;
    }
}

#[tokio::test]
async fn answer_that_breaks_off_arrives_up_to_there() {
    let (spool, _folder) = spool(1_000_000);
    let (writer, body) = Body::channel(RESPONSE_WINDOW);
    let mut through = spool.through(body);
    write(&writer, 400_000).await;
    writer.fail(BodyError::Failed("the worker died".into()));
    let mut read = 0;
    let error = loop {
        match through.next().await.unwrap() {
            Ok(piece) => read += piece.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((read, error), (400_000, BodyError::Failed("the worker died".into())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn content_keeps_its_order_whatever_is_read_when(
        pieces in proptest::collection::vec(1usize..130_000, 1..30),
        reads in proptest::collection::vec(0usize..4, 1..30),
        limit in prop_oneof![Just(0), Just(200_000), Just(10_000_000)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (spool, _folder) = spool(limit);
            let (writer, body) = Body::channel(RESPONSE_WINDOW);
            let mut through = spool.through(body);
            let total: usize = pieces.iter().sum();
            let writing = tokio::spawn(async move {
                let mut at = 0;
                for piece in pieces {
                    writer.wait_for_room(piece).await;
                    writer.push(content(at, piece)).unwrap();
                    at += piece;
                }
                writer.end();
            });
            let mut read = Vec::new();
            for pause in reads {
                for _ in 0..pause {
                    tokio::task::yield_now().await;
                }
                if let Some(piece) = through.next().await {
                    read.extend_from_slice(&piece.unwrap());
                }
            }
            read.extend(all(through).await.unwrap());
            writing.await.unwrap();
            assert!(read == content(0, total), "{} of {total} bytes", read.len());
        });
    }
}
