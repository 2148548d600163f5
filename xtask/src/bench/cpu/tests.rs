//! Lines as the kernel writes them, and families made of them.

use super::*;

fn stat(pid: u32, parent: u32, name: &str) -> Stat {
    Stat { pid, name: name.into(), parent, ticks: 1 }
}

fn pids(stats: &[Stat]) -> Vec<u32> {
    stats.iter().map(|stat| stat.pid).collect()
}

#[test]
fn line_is_read_behind_the_last_bracket_of_the_name() {
    let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 3 0 555 1 2 3";
    let expected = Stat { pid: 42, name: "a) b (c)".into(), parent: 7, ticks: 110 };
    assert_eq!(parse(line), Some(expected));
}

#[test]
fn line_that_is_cut_short_is_none() {
    assert_eq!(parse("42 (a) S 7 42 42 0 -1 4194560 100 200 0 0 11 22 33"), None);
    assert_eq!(parse("42 (a"), None);
}

#[test]
fn family_has_descendants_and_nobody_else() {
    let all = [stat(5, 4, "e"), stat(1, 0, "init"), stat(4, 3, "d"), stat(3, 1, "c")];
    assert_eq!(pids(&tree(&all, &[3])), [3, 4, 5]);
}

#[test]
fn family_counts_nobody_twice_when_one_root_descends_from_another() {
    let all = [stat(3, 1, "davy"), stat(4, 3, "mariadbd"), stat(5, 4, "thread")];
    assert_eq!(pids(&tree(&all, &[3, 4])), [3, 4, 5]);
}

#[test]
fn own_time_is_counted_by_the_kernel() {
    let own = std::process::id();
    let started = std::time::Instant::now();
    let mut sum = 0_u64;
    // Until it shows: the machine may be busy with others.
    while used(&[own]).unwrap().servers < Duration::from_millis(30) {
        sum = (0..1_000_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        assert!(started.elapsed() < Duration::from_secs(60), "{sum}");
    }
}
