//! Files: what is written is read, and what is bad is refused by its kind.

use proptest::prelude::*;

use super::stream::{Stream, file, workload};
use super::{Profile, Profiler, only};
use crate::error::ErrorKind;
use crate::event::codec::{ENVELOPE, Format};
use crate::event::{CoverageState, Dimension, Fact, Flags, Outcome, UnitId};
use crate::profile::Evidence;
use crate::profile::coverage::DimensionSum;
use crate::profile::file::{FORMAT, fitting};

/// Some of everything a profile can hold.
fn rich() -> Profile {
    let mut stream = Stream::new(1);
    for unit in 0..6 {
        stream.begin();
        stream.used_by(file("/same"), 3, 7);
        stream.flagged(file(&format!("/own{unit}")), Flags::TRUNCATED | Flags::LATE);
        stream.exec("/bin/sh", "/usr/bin/git", &["clone", "<value>"]);
        let mut odd = file("");
        if let Fact::File(f) = &mut odd {
            f.path = b"/\xff\n".into();
            f.outcome = Outcome::Errno(13);
        }
        stream.used(odd, 1);
        stream.coverage(CoverageState::Partial, 2, "gap");
        stream.end();
    }
    let profiler = Profiler::new(workload(), stream.origin()).max_facts(5);
    stream.learned_by(profiler)
}

#[test]
fn what_is_written_is_read() {
    let profile = rich();
    let bytes = profile.to_bytes().unwrap();
    let read = Profile::from_bytes(&bytes).unwrap();
    assert_eq!(read, profile);
    assert_eq!(read.to_bytes().unwrap(), bytes);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.profile");
    profile.save(&path).unwrap();
    assert_eq!(Profile::load(&path).unwrap(), profile);
    let missing = Profile::load(dir.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(format!("{missing:#}").contains("missing"));
}

/// What does not fit a file is counted, and the rest is saved.
#[test]
fn a_profile_that_is_too_large_is_saved_with_fewer_facts() {
    let mut stream = Stream::new(1);
    stream.begin();
    for number in 0..200 {
        stream.used(file(&format!("/{number}/{}", "long".repeat(1000))), 1);
    }
    stream.exec("/bin/sh", "/bin/true", &[]);
    stream.end();
    let whole = stream.profile();
    let small = Format {
        max_payload: 128 << 10,
        ..FORMAT
    };
    let bytes = fitting(&whole, &small).unwrap();
    assert!(
        (64 << 10..128 << 10).contains(&bytes.len()),
        "{}",
        bytes.len()
    );
    let read = Profile::from_bytes(&bytes).unwrap();
    let (kept, all) = (only(&read), only(&whole));
    let files = kept.facts_of(Dimension::File).count() as u64;
    assert_eq!((files, kept.overflow(Dimension::File)), (25, 175));
    assert_eq!(kept.facts_of(Dimension::Exec).count(), 1);
    assert!(
        kept.facts()
            .all(|fact| all.facts().any(|other| other == fact))
    );
    let limited = stream.learned_by(Profiler::new(workload(), stream.origin()).max_facts(25));
    assert_eq!(read, limited, "as if it had been learned so");
}

/// The file of version 1.0 that every later release must read. `BLESS=1` writes it anew, which
/// is right only before the first release of a version.
#[test]
fn the_golden_file_is_still_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/profile-v1.bin");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, rich().to_bytes().unwrap()).unwrap();
    }
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(Profile::from_bytes(&bytes).unwrap(), rich());
    assert_eq!(rich().to_bytes().unwrap(), bytes, "and still written so");
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = rich().to_bytes().unwrap();
    for end in 0..bytes.len() {
        let kind = Profile::from_bytes(&bytes[..end]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Length, "cut at {end}");
    }
}

#[test]
fn each_kind_of_bad_has_its_own_error() {
    let good = rich().to_bytes().unwrap();
    let kind = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Profile::from_bytes(&bytes).unwrap_err().kind()
    };
    assert_eq!(kind(&|b| b[0] ^= 1), ErrorKind::WrongMagic);
    assert_eq!(kind(&|b| b[8] = 9), ErrorKind::TooNew);
    assert_eq!(kind(&|b| b[12] = 9), ErrorKind::Malformed);
    assert_eq!(kind(&|b| b.push(0)), ErrorKind::Length);
    assert_eq!(kind(&|b| b[ENVELOPE] ^= 1), ErrorKind::Digest);
    assert_eq!(kind(&|b| b[16..24].fill(0xff)), ErrorKind::Limit);
}

/// The share of units with something of their own would be more than one.
#[test]
fn a_unit_for_each_fact_is_refused_where_there_are_fewer() {
    let mut profile = rich();
    let mut numbers = 1..;
    let source = *profile.sources.0.keys().next().unwrap();
    for activity in profile.activities.values_mut() {
        activity.overflow = Default::default();
        for evidence in activity.facts.values_mut() {
            let number = numbers.next().unwrap();
            (evidence.units, evidence.owner) = (1, Some(UnitId { source, number }));
        }
        activity.units = 5;
    }
    profile.sources.0.insert(source, vec![(1, 100)]);
    let bytes = profile.to_bytes().unwrap();
    let kind = Profile::from_bytes(&bytes).unwrap_err().kind();
    assert_eq!(kind, ErrorKind::Invalid);
}

/// Profiles that decode and contradict themselves.
#[test]
fn contradictions_are_refused() {
    let kind = |change: &dyn Fn(&mut Profile)| {
        let mut profile = rich();
        change(&mut profile);
        Profile::from_bytes(&profile.to_bytes().unwrap()).map_err(|e| e.kind())
    };
    assert!(kind(&|_| ()).is_ok());
    let evidence = |profile: &mut Profile, change: &dyn Fn(&mut Evidence)| {
        for activity in profile.activities.values_mut() {
            activity.facts.values_mut().for_each(change);
        }
    };
    let bad = Err(ErrorKind::Invalid);
    assert_eq!(kind(&|p| evidence(p, &|e| e.units = 99)).map(drop), bad);
    assert_eq!(kind(&|p| evidence(p, &|e| e.owner = None)).map(drop), bad);
    assert_eq!(
        kind(&|p| evidence(p, &|e| e.first = i64::MAX)).map(drop),
        bad
    );
    assert_eq!(kind(&|p| p.limit = 1).map(drop), bad);
    assert_eq!(kind(&|p| p.sources.0.clear()).map(drop), bad);
    let stranger = UnitId {
        source: [9; 16],
        number: 1,
    };
    let strange = |e: &mut Evidence| e.owner = e.owner.map(|_| stranger);
    assert_eq!(kind(&|p| evidence(p, &strange)).map(drop), bad);
    let coverage = |change: &dyn Fn(&mut DimensionSum)| {
        kind(&|p| p.coverage.0.values_mut().for_each(change)).map(drop)
    };
    assert_eq!(coverage(&|sum| sum.states.clear()), bad);
    let many = || (0..65).map(|n| n.to_string());
    assert_eq!(coverage(&|sum| sum.gaps.extend(many())), bad);
    assert_eq!(coverage(&|sum| sum.hooks.extend(many())), bad);
    let ranges = |p: &mut Profile| p.sources.0.values_mut().for_each(|r| r.push((1, 2)));
    assert_eq!(kind(&ranges).map(drop), bad);
    let empty = |p: &mut Profile| drop(p.sources.0.insert([7; 16], Vec::new()));
    assert_eq!(kind(&empty).map(drop), bad);
    let more = |p: &mut Profile| p.activities.values_mut().for_each(|a| a.units = 99);
    assert_eq!(kind(&more).map(drop), bad);
}

/// One profile has one form: lists out of order, or with something twice, are another.
#[test]
fn lists_out_of_order_are_refused() {
    let mut stream = Stream::new(1);
    for gap in ["gap-1", "gap-2"] {
        stream.coverage(CoverageState::Partial, 0, gap);
        stream.close();
    }
    for path in ["/fact-1", "/fact-2"] {
        stream.used(file(path), 1);
    }
    let mut profile = stream.profile();
    profile.sources.0.insert(*b"--source--key--1", vec![(1, 2)]);
    profile.sources.0.insert(*b"--source--key--2", vec![(1, 2)]);
    let bytes = profile.to_bytes().unwrap();
    let payload = &bytes[ENVELOPE..];
    let read = |payload: &[u8]| Profile::from_bytes(&super::super::file::around(payload));
    assert_eq!(read(payload).unwrap(), profile);
    for stem in ["gap-", "/fact-", "--source--key--"] {
        let at = |end: &str| {
            let name = [stem, end].concat().into_bytes();
            let found = payload.windows(name.len()).position(|part| part == name);
            found.unwrap() + name.len() - 1
        };
        let (one, two) = (at("1"), at("2"));
        let mut swapped = payload.to_vec();
        swapped.swap(one, two);
        let mut twice = payload.to_vec();
        twice[two] = b'1';
        for bad in [swapped, twice] {
            let kind = read(&bad).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::Invalid, "{stem}");
        }
    }
}

proptest! {
    /// Whatever the bytes, the answer is a profile that can be written again, or an error.
    #[test]
    fn damaged_payloads_never_panic(at in 0_usize..4000, byte: u8, cut in 0_usize..4000) {
        let good = rich().to_bytes().unwrap();
        let mut payload = good[ENVELOPE..].to_vec();
        let at = at % payload.len();
        payload[at] = byte;
        payload.truncate(payload.len() - cut % 3);
        let bytes = super::super::file::around(&payload);
        if let Ok(profile) = Profile::from_bytes(&bytes) {
            prop_assert_eq!(Profile::from_bytes(&profile.to_bytes().unwrap()).unwrap(), profile);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(Profile::from_bytes(&super::super::file::around(&bytes)).is_err());
    }
}
