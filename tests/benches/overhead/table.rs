//! The whole table, measured and shown.

use crate::interval::Estimate;
use crate::variants::{Cost, VARIANTS, measure};
use crate::work::LOOPS;
use crate::{footprint, goals, latency};

/// What is no loop.
const PARTS: [&str; 2] = ["latency", "footprint"];

/// Most that the first sight of a file may add, in nanoseconds.
const FIRST_SIGHT: f64 = 1500.0;
/// Most that the sensor may cost a stranger beyond an empty program, in nanoseconds.
const OUTSIDE: f64 = 6.0;

#[derive(Default)]
struct Table {
    rows: Vec<String>,
}

pub(crate) fn show() {
    if !rustix::process::geteuid().is_root() {
        println!("the bench needs root");
        return;
    }
    let number = std::env::var("PAIRS").ok().and_then(|p| p.parse().ok());
    let pairs: usize = number.unwrap_or(9).max(7);
    let all = LOOPS.iter().chain(&PARTS).copied();
    let only = std::env::var("ONLY").unwrap_or_else(|_| all.clone().collect::<Vec<_>>().join(","));
    let mut table = Table::default();
    for name in only.split(',') {
        match name {
            "latency" => table.numbers(latency::show()),
            "footprint" => table.numbers(footprint::show()),
            _ => {
                assert!(
                    LOOPS.contains(&name),
                    "ONLY takes some of {:?}",
                    all.collect::<Vec<_>>()
                );
                table.measure(name, pairs);
            }
        }
    }
    if std::env::var_os("JSON").is_some_and(|v| v == "1") {
        println!("{{{}}}", table.rows.join(","));
    }
}

impl Table {
    fn measure(&mut self, name: &str, pairs: usize) {
        for variant in VARIANTS {
            // strace makes a first sight of everything.
            if (name, variant) == ("first", "strace") {
                continue;
            }
            let costs: Vec<(Cost, Cost)> = (0..pairs).map(|n| pair(name, variant, n)).collect();
            let of = |f: fn(&(Cost, Cost)) -> f64| {
                Estimate::of(&costs.iter().map(f).collect::<Vec<_>>())
            };
            let ratio = of(|(base, cost)| cost.total() / base.total());
            let sensor = of(|(_, cost)| cost.sensor);
            let row = format!("{name}/{variant}");
            eprintln!(
                "{name:>9} {variant:>8}  {:.3}x  [{:.3}, {:.3}]  n={pairs}  {:.0} ns of it in the sensor{}",
                ratio.median,
                ratio.low,
                ratio.high,
                sensor.median,
                goals::of_row(&row, &ratio)
            );
            self.estimate(&row, "ratio", &ratio);
            if row == "first/sensor" {
                let base = of(|(base, _)| base.total()).median;
                let added = of(|(base, cost)| cost.total() - base.total());
                self.nanos("first sight of a file adds", &added, FIRST_SIGHT, base);
                self.estimate("first/added", "ns", &added);
            }
        }
        if name == "getppid" {
            self.outside(pairs);
        }
    }

    /// What a stranger pays beyond an empty program.
    fn outside(&mut self, pairs: usize) {
        let costs: Vec<(Cost, Cost)> = (0..pairs)
            .map(|n| {
                let first = measure("getppid", if n % 2 == 0 { "empty" } else { "outside" });
                let second = measure("getppid", if n % 2 == 0 { "outside" } else { "empty" });
                if n % 2 == 0 {
                    (first, second)
                } else {
                    (second, first)
                }
            })
            .collect();
        let added: Vec<f64> = costs
            .iter()
            .map(|(empty, outside)| outside.total() - empty.total())
            .collect();
        let base: Vec<f64> = costs.iter().map(|(empty, _)| empty.total()).collect();
        let added = Estimate::of(&added);
        let base = Estimate::of(&base).median;
        self.nanos("outside, over an empty program", &added, OUTSIDE, base);
        self.estimate("getppid/outside-empty", "ns", &added);
    }

    #[expect(clippy::unused_self, reason = "beside those that keep what they show")]
    fn nanos(&self, what: &str, added: &Estimate, goal: f64, base: f64) {
        eprintln!(
            "{what} {:.1} ns [{:.1}, {:.1}]  goal {goal:.0} ns: {}",
            added.median,
            added.low,
            added.high,
            goals::of_nanos(added, goal, base)
        );
    }

    fn estimate(&mut self, name: &str, unit: &str, e: &Estimate) {
        self.rows.push(format!(
            "\"{name}\":{{\"{unit}\":{:.4},\"ci95\":[{:.4},{:.4}],\"n\":{}}}",
            e.median, e.low, e.high, e.n
        ));
    }

    fn numbers(&mut self, numbers: Vec<(String, f64)>) {
        let rows = numbers.into_iter();
        self.rows
            .extend(rows.map(|(name, value)| format!("\"{name}\":{value:.4}")));
    }
}

/// A baseline and a variant. What comes second may find the machine warmer, or more tired.
fn pair(name: &str, variant: &str, number: usize) -> (Cost, Cost) {
    if number % 2 == 0 {
        let base = measure(name, "none");
        (base, measure(name, variant))
    } else {
        let cost = measure(name, variant);
        (measure(name, "none"), cost)
    }
}
