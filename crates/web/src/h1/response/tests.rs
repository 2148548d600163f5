//! Framing of responses.

use super::*;

const TERMS: Terms =
    Terms { version: Version::HTTP_11, wanted: Wanted::Content, persistence: Persistence::Keep };

fn framing(status: u16, declared: &[&'static str], known: Option<u64>, terms: Terms) -> Framing {
    let mut fields = HeaderMap::new();
    for length in declared {
        fields.append(header::CONTENT_LENGTH, http::HeaderValue::from_static(length));
    }
    Framing::of(StatusCode::from_u16(status).unwrap(), &fields, known, terms).unwrap()
}

#[test]
fn content_is_framed_by_the_first_of_declared_known_chunked_close() {
    let old = Terms { version: Version::HTTP_10, ..TERMS };
    assert_eq!(framing(200, &["5"], Some(7), TERMS), Framing::Length(5));
    assert_eq!(framing(200, &[], Some(7), TERMS), Framing::Length(7));
    assert_eq!(framing(200, &[], None, TERMS), Framing::Chunked);
    assert_eq!(framing(200, &[], None, old), Framing::UntilClose);
    assert_eq!(framing(200, &[], Some(0), old), Framing::Length(0));
}

#[test]
fn without_content_only_a_length_that_is_true_is_said() {
    let head = Terms { wanted: Wanted::HeadOnly, ..TERMS };
    assert_eq!(framing(200, &["5"], Some(0), head), Framing::Absent(5));
    assert_eq!(framing(200, &[], Some(7), head), Framing::Absent(7));
    assert_eq!(framing(200, &[], Some(0), head), Framing::None);
    assert_eq!(framing(200, &[], None, head), Framing::None);
    assert_eq!(framing(204, &["5"], Some(5), TERMS), Framing::None);
    assert_eq!(framing(205, &["5"], None, TERMS), Framing::Length(0));
    assert_eq!(framing(304, &[], Some(0), TERMS), Framing::None);
    assert_eq!(framing(304, &["5"], None, TERMS), Framing::Absent(5));
}

#[test]
fn an_answer_that_can_not_be_framed_is_a_failure_of_step_8() {
    let mut fields = HeaderMap::new();
    let interim = Framing::of(StatusCode::CONTINUE, &fields, None, TERMS).unwrap_err();
    assert_eq!((interim.step, interim.status), (Step::Answer, StatusCode::BAD_GATEWAY));
    fields.insert(header::CONTENT_LENGTH, http::HeaderValue::from_static("-1"));
    assert!(Framing::of(StatusCode::OK, &fields, None, TERMS).is_err());
}

#[test]
fn numbers_are_written_in_full() {
    for number in [0, 9, 10, 1_234_567, u64::MAX] {
        assert_eq!(Decimal::of(number).as_bytes(), number.to_string().as_bytes());
    }
}
