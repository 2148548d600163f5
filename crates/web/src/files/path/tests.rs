//! Paths, plain and twisted.

use proptest::prelude::*;

use super::*;

fn normal(path: &str) -> Option<String> {
    normalise(path).map(|path| String::from_utf8_lossy(&path).into_owned())
}

#[test]
fn paths_are_decoded_and_freed_of_dot_segments_once() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b.css", "/a/b.css"),
        ("/a%20b", "/a b"),
        ("/%61", "/a"),
        ("/a%2520b", "/a%20b"),
        ("/%252e%252e/a", "/%2e%2e/a"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/%2E%2e/b", "/b"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/.", "/"),
        ("/a/", "/a/"),
        ("/...", "/..."),
        ("/.well-known/a", "/.well-known/a"),
        ("/a.b", "/a.b"),
    ] {
        assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn what_is_ambiguous_or_leaves_the_root_names_no_file() {
    for path in [
        "",
        "*",
        "a",
        "//",
        "//a",
        "/a//b",
        "/..",
        "/../a",
        "/a/../..",
        "/a/../../b",
        "/%2e%2e/a",
        "/a%2fb",
        "/a%2Fb",
        "/%2e%2e%2fa",
        "/a%5cb",
        "/a\\b",
        "/a%00",
        "/a%",
        "/a%2",
        "/a%zz",
        "/%+1",
    ] {
        assert_eq!(normal(path), None, "{path}");
    }
}

#[test]
fn plain_paths_are_not_copied() {
    assert!(matches!(normalise("/static/site.css"), Some(Cow::Borrowed(_))));
}

proptest! {
    #![proptest_config(crate::fuzz::config())]

    #[test]
    fn nothing_twisted_gets_through(path in "/?[a./%25eEfF\\\\0-]{0,30}") {
        crate::fuzz::path(path.as_bytes());
    }

    #[test]
    fn no_bytes_panic_it(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        crate::fuzz::path(&bytes);
    }
}
