//! Numbers with units → text of three significant digits, as wide as it must be.

/// A duration: `0 ns`, `999 ns`, `41.2 us`, `3.20 ms`, `12.0 s`, `1234 s`.
///
/// The unit takes two columns (`s ` is padded), so that right-aligned durations stand with their
/// digits below each other.
pub fn duration(duration_ns: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s ", 1e9)];
    if duration_ns < 1_000 {
        return format!("{duration_ns} ns");
    }
    let value = duration_ns as f64;
    UNITS[1..]
        .iter()
        .map(|(unit, size)| (unit, value / size))
        // 999.6 would be printed as 1000: that is the next unit's.
        .find(|(unit, scaled)| *scaled < 999.5 || **unit == "s ")
        .map_or_else(String::new, |(unit, scaled)| {
            format!("{} {unit}", three_digits(scaled))
        })
}

/// A duration inside a sentence: as [`duration`], not padded.
pub fn duration_inline(duration_ns: u64) -> String {
    duration(duration_ns).trim_end().to_owned()
}

/// A number to three significant digits, all digits before the point: `0.05`, `1.23`, `45.6`,
/// `789`, `12345`.
pub fn three_digits(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A size in memory: `43.0 MiB`.
pub fn size(bytes: u64) -> String {
    format!("{} MiB", three_digits(bytes as f64 / f64::from(1 << 20)))
}

/// A part of one as a percentage: `0.05%`, `12.3%`.
pub(super) fn percent(part: f64) -> String {
    format!("{}%", three_digits(part * 100.0))
}

/// `part` of `whole` as a percentage without decimals; `-` of nothing.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        "-".to_owned()
    } else {
        format!("{:.0}%", part as f64 * 100.0 / whole as f64)
    }
}

/// The number, `-` for none.
pub fn dash_if_zero(number: u64) -> String {
    if number == 0 {
        "-".to_owned()
    } else {
        number.to_string()
    }
}

/// `1 site`, `2 sites`.
pub fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_significant_digits_and_a_unit() {
        for (duration_ns, expected) in [
            (0, "0 ns"),
            (7, "7 ns"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (9_994, "9.99 us"),
            (9_996, "10.0 us"),
            (41_249, "41.2 us"),
            (999_499, "999 us"),
            (999_500, "1.00 ms"),
            (3_200_000, "3.20 ms"),
            (999_999_999, "1.00 s "),
            (75_300_000_000, "75.3 s "),
            (1_234_000_000_000, "1234 s "),
            (u64::MAX, "18446744074 s "),
        ] {
            assert_eq!(duration(duration_ns), expected);
        }
    }

    #[test]
    fn rates_and_sizes_have_three_significant_digits() {
        assert_eq!(three_digits(0.0), "0");
        assert_eq!(three_digits(0.05), "0.05");
        assert_eq!(three_digits(9.996), "10.0");
        assert_eq!(three_digits(99.96), "100");
        assert_eq!(three_digits(12_345.6), "12346");
        assert_eq!(size(45_088_768), "43.0 MiB");
    }
}
