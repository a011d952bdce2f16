//! The formulas against vectors of the reference implementation, where its data is at hand.

use std::path::PathBuf;

use model::judge::Counts;
use serde_json::Value;

use crate::band::half_width;
use crate::batch::{Bounds, Grid, Sums};
use crate::dispersion;
use crate::hypergeometric::Hypergeometric;
use crate::look::Arms;
use crate::mean::Moments;

/// The reference sums log-factorials in double precision: its results carry this much of their rounding.
const REFERENCE_ROUNDING: f64 = 1e-9;

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn vectors(name: &str) -> Option<Value> {
    let root = std::env::var_os("SLEEPWELL_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join("judge/golden.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no reference vectors at {}", path.display());
        return None;
    };
    let mut all: Value = serde_json::from_str(&text).unwrap();
    Some(all[name].take())
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn pairs(value: &Value, keys: [&str; 4]) -> Vec<[Counts; 2]> {
    let column = |key: &str| value[key].as_array().unwrap().iter().map(whole);
    let [a, na, b, nb] = keys.map(column);
    let rows = a.zip(na).zip(b.zip(nb));
    let counts = |(bad, total)| Counts { bad, total };
    rows.map(|(a, b)| [counts(a), counts(b)]).collect()
}

#[track_caller]
fn assert_close(actual: f64, expected: f64, relative: f64) {
    let allowed = (relative * expected.abs()).max(REFERENCE_ROUNDING);
    assert!(
        (actual - expected).abs() <= allowed,
        "{actual} is not {expected}"
    );
}

/// Returns the sums after each batch of a vector.
fn running(vector: &Value) -> Vec<Sums> {
    let mut sum = Sums::nothing(Grid::Errors);
    let batches = pairs(vector, ["xc", "nc", "xt", "nt"]);
    let add = |[canary, control]: [Counts; 2]| {
        sum.add(&Sums::of(
            &Arms { canary, control },
            &Bounds::new(Grid::Errors, 1.0, 0.0),
        ));
        sum.clone()
    };
    batches.into_iter().map(add).collect()
}

#[test]
fn log_z_agrees_with_the_reference() {
    for v in vectors("log_z").iter().flat_map(|v| v.as_array().unwrap()) {
        let bad = whole(&v["K"]);
        let table = Hypergeometric::new(whole(&v["nc"]), whole(&v["nt"]), bad);
        for (psi, expected) in numbers(&v["psi"]).iter().zip(numbers(&v["log_z"])) {
            let relative = if bad > 1_000 { 1e-7 } else { 1e-9 };
            assert_close(table.log_z(*psi), expected, relative);
        }
    }
}

#[test]
fn harm_agrees_with_the_reference() {
    for v in vectors("harm").iter().flat_map(|v| v.as_array().unwrap()) {
        let harm = Grid::Errors
            .harm()
            .iter()
            .map(|&at| Grid::Errors.odds()[at]);
        assert_eq!(numbers(&v["psi"]), harm.collect::<Vec<f64>>());
        let phi = v["phi"].as_f64().unwrap();
        for (sums, expected) in running(v).iter().zip(numbers(&v["log_e"])) {
            assert_close(sums.harm(Grid::Errors, phi), expected, 1e-9);
        }
    }
}

#[test]
fn passing_agrees_with_the_reference() {
    for v in vectors("pass").iter().flat_map(|v| v.as_array().unwrap()) {
        let psi0 = v["psi0"].as_f64().unwrap();
        let at = Grid::Errors.at(psi0);
        for (sums, expected) in running(v).iter().zip(numbers(&v["log_e"])) {
            assert_close(sums.below(at, 1.0), expected, 1e-9);
            assert!(psi0 != 2.0 || sums.pass(1.0) == sums.below(at, 1.0));
        }
    }
}

#[test]
fn dispersion_agrees_with_the_reference() {
    for v in vectors("dispersion").iter() {
        let phi = dispersion::of_pairs(&pairs(v, ["a", "na", "b", "nb"]));
        assert_close(phi, v["phi"].as_f64().unwrap(), 1e-9);
    }
}

#[test]
fn the_asymptotic_limit_agrees_with_the_reference() {
    for v in vectors("asymptotic_lower").iter() {
        let alpha = v["alpha"].as_f64().unwrap();
        assert_eq!(v["t_opt"], 20);
        let mut moments = Moments::default();
        for (d, low) in numbers(&v["d"]).iter().zip(numbers(&v["low"])) {
            moments.push(*d);
            assert_close(moments.lower(alpha), low, 1e-9);
        }
    }
}

#[test]
fn the_band_agrees_with_the_reference() {
    for v in vectors("dkw").iter().flat_map(|v| v.as_array().unwrap()) {
        let c = match v["alpha"].as_f64().unwrap() {
            0.05 => 8.122_719_353_324_575,
            0.005 => 9.783_365_218_778_165,
            other => panic!("no constant for {other}"),
        };
        let width = half_width(whole(&v["n"]), c).unwrap();
        assert_close(width, v["half_width"].as_f64().unwrap(), 1e-9);
    }
}
