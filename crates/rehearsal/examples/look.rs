use nightly_rehearsal::*;
fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let rehearsal = Rehearsal::of_the_warehouse();
    if arguments.len() == 1 {
        println!("{}", rehearsal.night(arguments[0]).record());
        return;
    }
    let began = std::time::Instant::now();
    let mut outcomes = std::collections::BTreeMap::<String, u32>::new();
    let mut kinds = std::collections::BTreeMap::<String, (u32, u64, String)>::new();
    let (mut faulty, mut transitions) = (0, 0);
    for seed in arguments[0]..arguments[1] {
        let night = rehearsal.night(seed);
        *outcomes.entry(night.outcome.name()).or_default() += 1;
        faulty += u32::from(!night.faults.is_empty());
        transitions += night.transitions;
        for violation in night.violations {
            let entry = kinds
                .entry(format!("{}: {}", violation.invariant, violation.what.chars().take(60).collect::<String>()))
                .or_insert((0, seed, violation.what));
            entry.0 += 1;
        }
    }
    let count = arguments[1] - arguments[0];
    println!(
        "{count} nights, {faulty} faulty, {} nights/s, {} transitions each",
        count as f64 / began.elapsed().as_secs_f64(),
        transitions / count
    );
    println!("{outcomes:#?}");
    for (kind, (count, seed, what)) in kinds {
        println!("{count} x {kind}\n   seed {seed}: {what}");
    }
}
