//! Whole federations in the pure layer of the simulator. `docs/simulation.md` has the rest.

mod pure;

use pure::planted::Planted;
use pure::runner::{Options, Report, run_many};
use tombolo_testkit::simulation::plan::{Faults, Size};

const OPTIONS: Options = Options {
    from: 0,
    seeds: 20,
    jobs: 2,
    size: Size::SMALL,
    faults: Faults::None,
    planted: Planted::Nothing,
    progress: false,
};

fn holds(options: &Options) -> Report {
    let report = run_many(options);
    assert!(report.failure.is_none(), "{:?}", report.failure);
    assert_eq!(report.seeds, options.seeds);
    report
}

#[test]
fn without_faults() {
    let report = holds(&OPTIONS);
    assert!(report.seen.count("messages accepted") > 0, "{}", report.seen);
}
