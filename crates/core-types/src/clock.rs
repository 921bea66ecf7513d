//! Time, ids and randomness are handed in, so that tests are exact and a run can be replayed.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::error::Source;

/// A moment: whole milliseconds since the Unix epoch, the precision of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest moment that ISO 8601 can write with four year digits: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);
    /// The first one, in the year 0.
    const MIN: i64 = -62_167_219_200_000;

    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment, `millis` milliseconds later (earlier where negative).
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// ISO 8601 in UTC with three digits of milliseconds and a `Z`, as JavaScript's `toISOString` writes it.
    pub fn iso(self) -> String {
        let millis = self.0.clamp(Self::MIN, Self::MAX.0);
        let (seconds, millis) = (millis.div_euclid(1_000), millis.rem_euclid(1_000));
        let Ok(moment) = OffsetDateTime::from_unix_timestamp(seconds) else { return String::new() };
        let ((year, month, day), (hour, minute, second)) = (moment.to_calendar_date(), moment.to_hms());
        // Digit by digit, since every message that is read has two of these: formatters took a tenth of reading a page.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let year = year.unsigned_abs();
        for (end, digits, mut number) in [
            (4, 4, year),
            (7, 2, u32::from(u8::from(month))),
            (10, 2, day.into()),
            (13, 2, hour.into()),
            (16, 2, minute.into()),
            (19, 2, second.into()),
            (23, 3, millis.unsigned_abs().try_into().unwrap_or_default()),
        ] {
            for place in text.iter_mut().take(end).skip(end - digits).rev() {
                *place += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads what clients send for a moment: all digits are epoch milliseconds, anything else is ISO 8601 with an
    /// offset or `Z`, or a bare date (midnight UTC).
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().filter(|millis| *millis <= Self::MAX.0).map(Self);
        }
        let with_time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
        // At either end of the calendar an offset leads out of it.
        let moment = OffsetDateTime::parse(&with_time, &Rfc3339).ok()?;
        let millis = i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        (Self::MIN..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        Self(i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait Ids: Send + Sync {
    /// A new UUID, never given before. No secret: the server's (version 7) grow with time, so that indexes are
    /// written at their end.
    fn uuid(&self) -> Uuid;
}

/// Where numbers come from that nobody can guess.
pub trait Randomness: Send + Sync {
    /// 128 random bits; fails where the system has none.
    fn bits(&self) -> Result<u128, Source>;
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn both_spellings_of_a_moment_are_read() {
        for (text, millis) in [
            ("1704067200123", Some(1_704_067_200_123)),
            ("2024", Some(2024)),
            ("2024-01-01T00:00:00.000Z", Some(1_704_067_200_000)),
            ("2024-01-01T00:00:00Z", Some(1_704_067_200_000)),
            ("2024-01-01T01:00:00+01:00", Some(1_704_067_200_000)),
            ("2024-01-01", Some(1_704_067_200_000)),
            ("", None),
            ("junk", None),
            ("-1", None),
            ("2024-13-01", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(Timestamp::millis), millis, "{text:?}");
        }
    }

    #[test]
    fn iso_has_three_digits_and_survives_the_round_trip() {
        let moment = Timestamp::from_millis(1_704_067_200_007);
        assert_eq!(moment.iso(), "2024-01-01T00:00:00.007Z");
        assert_eq!(Timestamp::parse(&moment.iso()), Some(moment));
        assert_eq!(Timestamp::from_millis(i64::MAX).iso(), "9999-12-31T23:59:59.999Z");
    }
}
