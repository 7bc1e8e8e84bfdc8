//! The `Date` header, written once a second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The last date written. It belongs to one server, not to a thread, so what was served before cannot show in it.
#[derive(Default)]
pub(super) struct Date {
    written: RefCell<Option<(u64, HeaderValue)>>,
}

impl Date {
    /// The value at this time, in the preferred format of RFC 9110, 5.6.7. `None` before 1970 and after 9999.
    pub(super) fn at(&self, now: SystemTime) -> Option<HeaderValue> {
        const YEAR_10000: u64 = 253_402_300_800;
        let second = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
        if second >= YEAR_10000 {
            return None;
        }
        let mut written = self.written.borrow_mut();
        match &*written {
            Some((at, value)) if *at == second => Some(value.clone()),
            _ => {
                let value = HeaderValue::try_from(httpdate::fmt_http_date(now)).ok()?;
                *written = Some((second, value.clone()));
                Some(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Date;

    #[test]
    fn the_date_follows_the_clock_it_is_given_back_and_forth() {
        let date = Date::default();
        let at = |ms| date.at(UNIX_EPOCH + Duration::from_millis(ms));
        assert_eq!(at(784_111_777_000).expect("in range"), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_777_999).expect("in range"), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(784_111_778_000).expect("in range"), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(at(0).expect("in range"), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(253_402_300_800_000), None);
        assert_eq!(date.at(UNIX_EPOCH - Duration::from_secs(1)), None);
    }
}
