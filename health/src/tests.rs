extern crate std;

use proptest::prelude::*;
use std::format;

use super::*;

/// With the longest of each.
fn longest() -> Health {
    let most = u32::MAX;
    Health {
        life: most,
        cause: ResetCause::BrownOut,
        up_ms: u64::MAX,
        every_s: most,
        version: Some(Version::new(65_535, 65_535, 65_535)),
        battery_mv: Some(u16::MAX),
        cut_off: true,
        waiting: most,
        lost: most,
        sensor_errors: most,
        flash_errors: most,
        link_failures: most,
        reports_failed: most,
        network: Network {
            retransmissions: most,
            resets_received: most,
            resets_sent: most,
            timeouts: most,
            slots_wanting: most,
            dropped: most,
        },
    }
}

fn read(json: &str) -> serde_json::Result<Health> {
    serde_json::from_str(json)
}

#[test]
fn the_longest_report_has_room_and_no_byte_more() {
    assert_eq!(longest().json(&mut [0; Health::JSON_MAX]).len(), Health::JSON_MAX);
    for cause in ResetCause::ALL {
        let health = Health { cause, ..longest() };
        assert!(health.json(&mut [0; Health::JSON_MAX]).len() <= Health::JSON_MAX, "{cause:?}");
    }
}

#[test]
fn what_is_zero_is_left_out_and_what_is_left_out_is_zero() {
    let mut health = Health::new(7, ResetCause::PowerOn);
    let plain = br#"{"life":7,"cause":"power-on","up_ms":0}"#;
    assert_eq!(health.json(&mut [0; Health::JSON_MAX]), plain);
    assert_eq!(read(str::from_utf8(plain).unwrap()).unwrap(), health);
    health.version = Some(Version::new(1, 2, 0));
    health.network.timeouts = 3;
    let text = r#"{"life":7,"cause":"power-on","up_ms":0,"version":"1.2.0","network":{"timeouts":3}}"#;
    assert_eq!(health.json(&mut [0; Health::JSON_MAX]), text.as_bytes());
    assert_eq!(read(text).unwrap(), health);
}

#[test]
fn firmware_may_say_more_than_is_known_and_not_less_than_is_needed() {
    let newer = r#"{"life":7,"cause":"wake","up_ms":1,"mood":"good","network":{"jokes":1}}"#;
    assert_eq!(read(newer).unwrap(), Health { up_ms: 1, ..Health::new(7, ResetCause::Wake) });
    for wrong in [
        r#"{"life":7,"cause":"wake"}"#,
        r#"{"life":-1,"cause":"wake","up_ms":1}"#,
        r#"{"life":7,"cause":"boredom","up_ms":1}"#,
        r#"{"life":7,"cause":"wake","up_ms":1,"lost":4294967296}"#,
        r#"{"life":7,"cause":"wake","up_ms":1,"version":"new"}"#,
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn counts_stay_at_the_highest() {
    let all = longest().network;
    assert_eq!(all.and(all), all);
    assert_eq!(Network::default().and(all), all);
    assert!(Network::default().is_quiet() && !all.is_quiet());
}

proptest! {
    #[test]
    fn what_is_said_is_heard(
        (life, up_ms, every_s, cause) in (any::<u32>(), any::<u64>(), any::<u32>(), 0..ResetCause::ALL.len()),
        version in prop::option::of(any::<(u16, u16, u16)>()),
        (battery_mv, cut_off, counts) in any::<(Option<u16>, bool, [u32; 12])>(),
    ) {
        let [waiting, lost, sensor_errors, flash_errors, link_failures, reports_failed, network @ ..] = counts;
        let [retransmissions, resets_received, resets_sent, timeouts, slots_wanting, dropped] = network;
        let health = Health {
            life,
            cause: ResetCause::ALL[cause],
            up_ms,
            every_s,
            version: version.map(|(major, minor, patch)| Version::new(major, minor, patch)),
            battery_mv,
            cut_off,
            waiting,
            lost,
            sensor_errors,
            flash_errors,
            link_failures,
            reports_failed,
            network: Network { retransmissions, resets_received, resets_sent, timeouts, slots_wanting, dropped },
        };
        let mut room = [0; Health::JSON_MAX];
        let json = health.json(&mut room);
        prop_assert_eq!(serde_json::from_slice::<Health>(json).map_err(|error| format!("{error}")), Ok(health));
    }
}
