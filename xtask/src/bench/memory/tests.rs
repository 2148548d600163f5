//! smaps_rollup as the kernel writes it.

use super::*;

#[test]
fn pss_is_the_whole_and_not_one_of_its_parts() {
    let text = "00400000-7fff [rollup]\nRss:  900 kB\nPss_Dirty:  1 kB\nPss:       884 kB\nPss_Anon: 2 kB\n";
    assert_eq!(parse(text), Some(884));
    assert_eq!(parse("Rss:  900 kB\n"), None);
}

#[test]
fn own_memory_is_more_than_nothing() {
    assert!(pss_kib(&[std::process::id()]).unwrap() > 100);
}
