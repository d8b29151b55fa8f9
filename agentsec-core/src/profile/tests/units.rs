//! Learning is counted by units.

use super::only;
use super::stream::{Stream, file};
use crate::event::Dimension;
use crate::profile::Completeness;

/// Units, each with the files it uses.
fn units(files: &[&[&str]]) -> Stream {
    let mut stream = Stream::new(1);
    for unit in files {
        stream.begin();
        unit.iter().for_each(|path| stream.used(file(path), 10));
        stream.end();
    }
    stream
}

fn completeness(stream: &Stream) -> Completeness {
    only(&stream.profile()).completeness(Dimension::File)
}

#[test]
fn below_five_units_there_is_no_number() {
    let four = units(&[&["/a"], &["/a"], &["/a"], &["/a"]]);
    assert_eq!(completeness(&four), Completeness::TooFewUnits { units: 4 });
    assert_eq!(
        completeness(&Stream::new(1)),
        Completeness::TooFewUnits { units: 0 }
    );
}

#[test]
fn a_unit_with_something_of_its_own_says_more_will_come() {
    // Two of five hold something that no other has; how often it occurred does not matter.
    let five = units(&[&["/a", "/x", "/y"], &["/a"], &["/a", "/z"], &["/a"], &[]]);
    let Completeness::Estimated {
        units: 5,
        value,
        low,
        high,
    } = completeness(&five)
    else {
        panic!("{:?}", completeness(&five));
    };
    assert!((value - 0.6).abs() < 1e-9);
    assert!(
        low < value && value < high && (0.0..=1.0).contains(&low),
        "{low} {high}"
    );
}

#[test]
fn nothing_new_for_long_is_nearly_complete() {
    let steady = units(&[&["/a"][..]; 60]);
    let Completeness::Estimated { value, low, .. } = completeness(&steady) else {
        panic!()
    };
    assert!((value - 1.0).abs() < f64::EPSILON && low > 0.93, "{low}");
}

#[test]
fn a_second_unit_takes_the_first_ones_mark_away() {
    let mut a = Stream::new(1);
    let mut b = Stream::new(2);
    for stream in [&mut a, &mut b] {
        for _ in 0..3 {
            stream.begin();
            stream.end();
        }
        stream.begin();
        stream.used(file("/only-once-here"), 1);
        stream.end();
    }
    let merged = a.profile().merge(&b.profile()).unwrap();
    let Completeness::Estimated {
        units: 8, value, ..
    } = only(&merged).completeness(Dimension::File)
    else {
        panic!()
    };
    assert!(
        (value - 1.0).abs() < f64::EPSILON,
        "1 + 1 = 2 units: no singleton is left"
    );
}

#[test]
fn a_unit_counts_once_something_happened_in_it() {
    let mut stream = Stream::new(1);
    stream.begin();
    assert_eq!(only(&stream.profile()).units(), 0, "just begun");
    stream.used(file("/a"), 1);
    assert_eq!(only(&stream.profile()).units(), 1, "in progress");
    stream.used(file("/a"), 1);
    stream.end();
    stream.begin();
    stream.end();
    assert_eq!(
        only(&stream.profile()).units(),
        2,
        "an idle one is a unit too"
    );
    let (_, evidence) = {
        let profile = stream.profile();
        let (fact, evidence) = only(&profile).facts().next().unwrap();
        (fact.clone(), evidence.clone())
    };
    assert_eq!((evidence.units, evidence.count), (1, 2));
}

#[test]
fn interleaved_scopes_count_their_own_units() {
    let mut a = units(&[&["/a"]]);
    let mut b = Stream::new(2);
    b.begin();
    b.used(file("/a"), 1);
    b.used(file("/a"), 1);
    b.end();
    for event in &mut b.events {
        event.scopes = std::sync::Arc::from([super::scope(2)]);
    }
    // Alternate: begin, begin, use, use, …
    let mut mixed = Vec::new();
    let (mut left, mut right) = (a.events.drain(..), b.events.drain(..));
    loop {
        let pair = (left.next(), right.next());
        if pair == (None, None) {
            break;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
    drop((left, right));
    a.events = mixed;
    let profile = a.profile();
    let (_, evidence) = only(&profile).facts().next().unwrap();
    assert_eq!((evidence.units, evidence.count), (2, 12));
    assert_eq!(only(&profile).units(), 2);
}
