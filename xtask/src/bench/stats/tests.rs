//! Figures by hand.

use super::*;

#[test]
fn median_is_the_middle_whatever_the_order() {
    assert_eq!(median([9.0, 1.0, 5.0]).to_bits(), 5.0_f64.to_bits());
    assert_eq!(median([9.0, 1.0, 5.0, 6.0]).to_bits(), 5.5_f64.to_bits());
    assert!(median([]).is_nan());
}

#[test]
fn ratio_is_made_round_by_round() {
    // Another program took half of the machine in the second round: the ratio is as before.
    assert_eq!(
        times_better(&[10.0, 20.0, 10.0], &[60.0, 120.0, 61.0]).to_bits(),
        6.0_f64.to_bits()
    );
    assert_eq!(times_better(&[20.0], &[10.0]).to_bits(), 0.5_f64.to_bits());
}

#[test]
fn everyone_is_first_once() {
    assert_eq!(rotated(&['a', 'b', 'c'], 0), ['a', 'b', 'c']);
    assert_eq!(rotated(&['a', 'b', 'c'], 4), ['b', 'c', 'a']);
    assert!(rotated::<char>(&[], 1).is_empty());
}
