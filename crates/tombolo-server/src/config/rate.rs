//! How a configuration file writes a budget: `"60 + 1/min"` is sixty at once, and one more each
//! minute.

use mimi_provider::budget::Rate;

/// The largest number of either kind.
const NUMBER_MAX: u64 = 1_000_000;
const UNITS: [(&str, u64); 4] =
    [("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a budget; the error says what would be valid.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let valid = || {
        format!(
            "must be so many at once and so many more per s, min, h or d, for example \
             \"60 + 1/min\", with numbers from 1 to {NUMBER_MAX}"
        )
    };
    let number = |text: &str| {
        let number = text.trim().parse::<u64>().ok();
        number.filter(|number| (1..=NUMBER_MAX).contains(number))
    };
    let (most, refill) = text.split_once('+').ok_or_else(valid)?;
    let (count, unit) = refill.split_once('/').ok_or_else(valid)?;
    let unit = UNITS.into_iter().find(|(name, _)| *name == unit.trim()).ok_or_else(valid)?;
    let (most, count) = number(most).zip(number(count)).ok_or_else(valid)?;
    Ok(Rate::new(most, unit.1.div_ceil(count)))
}

/// Writes a budget as [`rate`] reads it, in the smallest unit that comes out even.
pub(crate) fn text(rate: Rate) -> String {
    let Rate { most, refill_ms } = rate;
    let even = UNITS.into_iter().find(|(_, unit_ms)| unit_ms % refill_ms == 0);
    let (unit, unit_ms) = even.unwrap_or(UNITS[3]);
    format!("{most} + {}/{unit}", (unit_ms / refill_ms).max(1))
}

#[cfg(test)]
mod tests {
    use super::{NUMBER_MAX, rate, text};
    use mimi_provider::budget::Rate;

    #[test]
    fn budgets_are_read_and_written() {
        for (written, most, refill_ms) in [
            ("600 + 10/s", 600, 100),
            ("60 + 1/min", 60, 60_000),
            ("6 + 1/h", 6, 3_600_000),
            ("200 + 4/min", 200, 15_000),
            ("1 + 3/d", 1, 28_800_000),
        ] {
            assert_eq!(rate(written), Ok(Rate::new(most, refill_ms)));
            assert_eq!(text(Rate::new(most, refill_ms)), written);
        }
        assert_eq!(rate(" 5+2 / min "), Ok(Rate::new(5, 30_000)));
        assert_eq!(rate(&format!("{NUMBER_MAX} + 1/s")).map(|rate| rate.most), Ok(NUMBER_MAX));
        for wrong in
            ["", "5", "5 + 1", "5 + 1/week", "0 + 1/s", "5 + 0/s", "-1 + 1/s", "1000001 + 1/s"]
        {
            assert!(rate(wrong).unwrap_err().contains("\"60 + 1/min\""), "{wrong}");
        }
    }
}
