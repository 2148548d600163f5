//! Messages and descriptors from one end to the other.

use std::io::{Read, Write};

use super::*;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test)
}

#[test]
fn messages_keep_their_borders_and_descriptors_stay_usable() {
    run(async {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs).unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        ours.send(&"first", &[]).await.unwrap();
        ours.send(&("second", 2), &[writer.as_fd()]).await.unwrap();
        drop(writer);

        assert_eq!(theirs.receive::<String>().await.unwrap().unwrap().0, "first");
        let ((text, number), mut fds) = theirs.receive::<(String, u32)>().await.unwrap().unwrap();
        assert_eq!((text.as_str(), number, fds.len()), ("second", 2, 1));
        let mut file = std::fs::File::from(fds.remove(0));
        file.write_all(b"through the pipe").unwrap();
        drop(file);
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all, "through the pipe");
    });
}

#[test]
fn the_end_of_the_other_side_is_seen() {
    run(async {
        let (ours, theirs) = Channel::pair().unwrap();
        drop(theirs);
        assert!(ours.receive::<String>().await.unwrap().is_none());
        assert!(ours.send(&"nobody", &[]).await.is_err());
    });
}

#[test]
fn last_words_are_heard_though_a_message_to_their_sender_was_not() {
    run(async {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs).unwrap();
        ours.send(&"never read", &[]).await.unwrap();
        theirs.send(&"last words", &[]).await.unwrap();
        drop(theirs);
        let (text, _) = ours.receive::<String>().await.unwrap().unwrap();
        assert_eq!(text, "last words");
        assert!(ours.receive::<String>().await.unwrap().is_none());
    });
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_sent() {
    run(async {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs).unwrap();
        assert!(ours.send(&"x".repeat(PACKET_BYTES_MAX), &[]).await.is_err());
        ours.send(&"x".repeat(PACKET_BYTES_MAX - 2), &[]).await.unwrap();
        let (text, _) = theirs.receive::<String>().await.unwrap().unwrap();
        assert_eq!(text.len(), PACKET_BYTES_MAX - 2);
    });
}

#[test]
fn garbage_is_an_error_and_not_a_panic() {
    run(async {
        let (ours, theirs) = Channel::pair().unwrap();
        rustix::net::send(&theirs, b"{not json", SendFlags::empty()).unwrap();
        assert!(ours.receive::<String>().await.is_err());
    });
}

#[test]
fn a_door_gives_channels_to_its_own_user() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door");
        let door = Door::open(&path).unwrap();
        let caller = Channel::knock(&path).unwrap();
        let answerer = door.accept().await.unwrap();
        caller.send(&"status", &[]).await.unwrap();
        assert_eq!(answerer.receive::<String>().await.unwrap().unwrap().0, "status");
    });
}
