//! The names under which a weather station tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: looks at the weather that are on its flash.
pub const READINGS_KEPT: &str = "readings.kept";
/// Counter: readings that whoever keeps them said they have.
pub const READINGS_ACKNOWLEDGED: &str = "readings.acknowledged";
/// Counter: readings that were refused for good.
pub const READINGS_REJECTED: &str = "readings.rejected";
/// Counter: readings for which the flash had no room.
pub const READINGS_DROPPED: &str = "readings.dropped";
/// Counter: looks at which no instrument measured anything.
pub const READINGS_EMPTY: &str = "readings.empty";
/// Counter: times that reporting came to nothing.
pub const REPORTS_FAILED: &str = "reports.failed";
/// Counter: times that the flash failed.
pub const FLASH_ERRORS: &str = "flash.errors";
/// Counter: measurements that the thermometer did not give.
pub const THERMOMETER_ERRORS: &str = "thermometer.errors";
/// Counter: measurements that the barometer did not give.
pub const BAROMETER_ERRORS: &str = "barometer.errors";
/// Counter: measurements that the accelerometer did not give.
pub const MAST_ERRORS: &str = "mast.errors";
/// Counter: looks at which thermometer and barometer did not agree on the temperature.
pub const DISAGREEMENTS: &str = "sensors.disagree";
/// Gauge: the thermometer's last temperature, in thousandths of a degree Celsius.
pub const TEMPERATURE: &str = "temperature";
/// Gauge: the last air pressure, in thousandths of a pascal.
pub const PRESSURE: &str = "pressure";
/// Gauge: the last relative humidity, in thousandths of a per cent.
pub const HUMIDITY: &str = "humidity";
/// Gauge: the battery's voltage, in thousandths of a volt.
pub const BATTERY_MILLIVOLTS: &str = "battery.millivolts";
/// Gauge: readings that wait to be brought.
pub const BACKLOG: &str = "backlog";

/// Flow: a reading is on the station's flash.
pub const FLOW_KEPT: &str = "reading.taken";
/// Flow: whoever keeps the readings said that they have it.
pub const FLOW_ACKNOWLEDGED: &str = "reading.acknowledged";
