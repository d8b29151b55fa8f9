//! Adding up in any order gives the same; what must not be added is refused.

use proptest::prelude::*;

use super::stream::{Stream, file, workload};
use super::{Profile, Profiler};
use crate::error::ErrorKind;
use crate::event::{CoverageState, KeyId, Origin};
use crate::workload::Workload;

/// A few units of one sensor, each with some uses: (path, count, pid).
type Units = Vec<Vec<(u8, u64, u32)>>;

fn stream(source: u8, units: &Units, lost: u64) -> Stream {
    let mut stream = Stream::new(source);
    for uses in units {
        stream.begin();
        for &(path, count, pid) in uses {
            stream.used_by(file(&format!("/f{path}")), count, pid);
        }
        stream.coverage(CoverageState::Observed, lost, "gap");
        stream.end();
    }
    stream
}

fn units() -> impl Strategy<Value = Units> {
    let uses = proptest::collection::vec((0_u8..12, 0_u64..50, 1_u32..6), 0..12);
    proptest::collection::vec(uses, 0..5)
}

fn learned(source: u8, units: &Units, limit: usize) -> Profile {
    let stream = stream(source, units, u64::from(source));
    stream.learned_by(Profiler::new(workload(), stream.origin()).max_facts(limit))
}

proptest! {
    #[test]
    fn merging_does_not_depend_on_order(
        a in units(), b in units(), c in units(), limits in proptest::array::uniform3(3_usize..9),
    ) {
        let [x, y, z] = limits;
        let (a, b, c) = (learned(1, &a, x), learned(2, &b, y), learned(3, &c, z));
        let left = a.clone().merge(&b).unwrap().merge(&c).unwrap();
        let right = c.clone().merge(&b.clone().merge(&a).unwrap()).unwrap();
        let middle = b.merge(&c).unwrap().merge(&a).unwrap();
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left, &middle);
    }

    #[test]
    fn learning_apart_is_learning_together(units in units(), at in 0_usize..5, limit in 2_usize..9) {
        let whole = stream(1, &units, 3);
        let together = whole.learned_by(Profiler::new(workload(), whole.origin()).max_facts(limit));
        // The first units here, the rest there: as two engines would have seen them.
        let at = at.min(units.len());
        let split = whole.events.iter().position(|e| matches!(
            e.what, crate::event::What::Unit(crate::event::UnitChange::Began(u)) if u.number > at as u64
        )).unwrap_or(whole.events.len());
        let mut first = whole.clone();
        let mut rest = whole.clone();
        first.events.truncate(split);
        rest.events.drain(..split);
        let part = |s: &Stream| s.learned_by(Profiler::new(workload(), s.origin()).max_facts(limit));
        let apart = part(&first).merge(&part(&rest)).unwrap();
        prop_assert_eq!(apart.activities, together.activities);
        prop_assert_eq!(apart.sources, together.sources);
    }
}

#[test]
fn what_must_not_be_added_is_refused_by_its_own_kind() {
    let one = learned(1, &vec![vec![(1, 1, 1)]], 100);
    let kind = |other: &Profile| one.clone().merge(other).unwrap_err().kind();
    assert_eq!(kind(&one), ErrorKind::Overlap);

    let mut events = Stream::new(2);
    events.begin();
    events.end();
    let profile = |workload, origin| events.learned_by(Profiler::new(workload, origin));
    let stranger = profile(Workload::executable("/bin/other"), events.origin());
    assert_eq!(kind(&stranger), ErrorKind::WorkloadMismatch);
    let message = one.clone().merge(&stranger).unwrap_err().to_string();
    assert!(message.contains("/bin/other"), "{message}");

    let key = KeyId([9; 8]);
    let other_key = profile(
        workload(),
        Origin {
            key,
            ..events.origin()
        },
    );
    assert_eq!(kind(&other_key), ErrorKind::KeyMismatch);
}
