//! The two sums that everything hangs on, in the widest instructions that the processor has.

use simsimd::{BinarySimilarity, SpatialSimilarity};

/// The sum of the products. Both have the same length.
pub(crate) fn dot(one: &[i8], other: &[i8]) -> f64 {
    <i8 as SpatialSimilarity>::dot(one, other).unwrap_or_default()
}

/// How many bits differ. Both have the same length.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of at most a few thousand bits")]
pub(crate) fn differing_bits(one: &[u8], other: &[u8]) -> u16 {
    <u8 as BinarySimilarity>::hamming(one, other).unwrap_or_default() as u16
}

/// The sum of the products where the question has all its digits.
pub(crate) fn fine_dot(query: &[f32], numbers: &[i8]) -> f32 {
    query.iter().zip(numbers).map(|(one, other)| one * f32::from(*other)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_at_every_length() {
        for length in [1_usize, 7, 8, 31, 64, 128, 383, 384, 1536] {
            let one: Vec<i8> = (0..length).map(|index| i8::try_from(index * 37 % 255).unwrap_or(-127)).collect();
            let other: Vec<i8> = (0..length).map(|index| if index % 3 == 0 { -127 } else { 127 }).collect();
            let expected: i64 = one.iter().zip(&other).map(|(one, other)| i64::from(*one) * i64::from(*other)).sum();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let expected = expected as f64;
            assert!((dot(&one, &other) - expected).abs() < 0.5, "{length}");
            let bytes = |of: &[i8]| of.iter().map(|number| number.cast_unsigned()).collect::<Vec<u8>>();
            let bits: u32 = bytes(&one).iter().zip(bytes(&other)).map(|(one, other)| (one ^ other).count_ones()).sum();
            assert_eq!(u32::from(differing_bits(&bytes(&one), &bytes(&other))), bits, "{length}");
        }
    }
}
