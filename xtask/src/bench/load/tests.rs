//! What wrk prints, and what is made of it.

use super::*;

const PRINTED: &str = "\
Running 3s test @ http://127.0.0.1:9105/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.33ms  210.00us   9.00ms   90.00%
  2000 requests in 2.00s, 253.91KB read
Requests/sec:   1000.00
counted requests=2000 duration_us=2000000 bytes=260064 p50_us=3330 p99_us=4100 status=0 socket=0
";

#[test]
fn figures_are_those_of_the_scripts_line() {
    let load = parse(PRINTED).unwrap();
    assert_eq!((load.requests, load.bytes), (2000, 260_064));
    assert_eq!((load.p50_us, load.p99_us), (3330, 4100));
    assert!((load.rate() - 1000.0).abs() < 1e-9);
}

#[test]
fn output_without_the_line_is_none() {
    assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
    assert_eq!(parse("counted requests=1 duration_us=0 bytes=1 p50_us=1 p99_us=1\n"), None);
}

#[test]
fn load_is_good_if_all_answers_are_whole() {
    let load = parse(PRINTED).unwrap();
    load.check(130).unwrap();
    let error = load.check(200).unwrap_err().to_string();
    assert_eq!(error, "2000 answers of 200 bytes were 260064 bytes");
}

#[test]
fn one_failure_is_a_failure() {
    for bad in ["status=0", "socket=0"] {
        let text = PRINTED.replace(bad, &bad.replace('0', "1"));
        let error = parse(&text).unwrap().check(130).unwrap_err().to_string();
        assert!(error.contains("were not answered well"), "{error}");
    }
    assert!(parse(&PRINTED.replace("=2000 ", "=0 ")).unwrap().check(130).is_err());
}
