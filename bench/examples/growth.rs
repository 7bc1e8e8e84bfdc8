//! The curves of growth, for `cargo xtask growth`.
//!
//! `growth` lists them as JSON; `growth CURVE SIZE` measures a point of one, as a JSON object.

use std::env;
use std::process::ExitCode;

use wavetank_bench::growth::CURVES;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let point = |[name, size]: &[String; 2]| {
        Some((CURVES.iter().find(|curve| curve.name == name)?, size.parse().ok().filter(|size| *size > 0)?))
    };
    match (&arguments[..], <&[String; 2]>::try_from(&arguments[..]).ok().and_then(point)) {
        ([], _) => {
            for curve in CURVES {
                println!(
                    r#"{{"name":"{}","what":"{}","item":"{}","grows":"{}","sizes":{:?},"weighs":{}}}"#,
                    curve.name, curve.what, curve.item, curve.grows, curve.sizes, curve.weighs,
                );
            }
            ExitCode::SUCCESS
        }
        (_, Some((curve, size))) => {
            let measured = curve.run(size);
            let (items, cpu_ns, memory) = (measured.done.items, measured.cpu.as_nanos(), measured.memory);
            println!(r#"{{"items":{items},"cpu_ns":{cpu_ns},"memory":{memory}}}"#);
            ExitCode::SUCCESS
        }
        _ => {
            let names: Vec<_> = CURVES.iter().map(|curve| curve.name).collect();
            eprintln!("growth [CURVE SIZE]; a curve is one of {}", names.join(", "));
            ExitCode::from(2)
        }
    }
}
