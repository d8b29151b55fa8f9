//! Arguments: one file may be open, nothing else is.

use super::*;
use crate::event::{Arguments, Phase};

fn run(shape: &[&str]) -> Fact {
    Fact::Arguments(Arguments {
        path: "/usr/bin/tool".into(),
        shape: shape.iter().map(Text::from).collect(),
        phase: Phase::Workload,
    })
}

fn view(shapes: impl IntoIterator<Item = Vec<String>>) -> BTreeMap<String, usize> {
    let facts = shapes.into_iter().map(|shape| {
        let shape: Vec<&str> = shape.iter().map(String::as_str).collect();
        run(&shape)
    });
    shown(&profile(facts), &Generalisation::default())
}

/// Ten shapes that differ in the place of `{}`.
fn ten(shape: &[&str]) -> Vec<Vec<String>> {
    let fill = |i: u32| shape.iter().map(|s| s.replace("{}", &word(i))).collect();
    (0..10).map(fill).collect()
}

#[test]
fn one_file_that_varies_is_left_open() {
    for (shape, expected) in [
        (&["-n", "/w/src/{}"][..], "run /usr/bin/tool -n /w/src/*"),
        (&["./{}"], "run /usr/bin/tool ./*"),
        (&["src/{}.rs", "-v"], "run /usr/bin/tool src/* -v"),
        (&["{}.py"], "run /usr/bin/tool *"),
        (&["~/x/{}"], "run /usr/bin/tool ~/x/*"),
    ] {
        assert_eq!(view(ten(shape)), rows([(expected, 10)]));
        assert_eq!(view(ten(shape).into_iter().take(7)).len(), 7);
    }
}

#[test]
fn what_decides_what_is_done_stays() {
    for shape in [
        &["-{}"][..],
        &["--{}=/w/x"],
        &["--out=/w/{}"],
        &["{}"],
        &["https://example.org/{}"],
        &["git@example.org:/{}"],
        &["example.org/{}"],
        &["{}.example.org"],
        &["{}.com"],
        &["NAME_{}=<value>"],
        &["/w/<value>{}:x"],
        &["/etc/{}"],
        &["/w/.ssh/{}"],
        &["../../{}/x/y.py"],
        &["../{}"],
        &["/home/alice/{}"],
        &["/{}"],
        &["/usr/bin/{}"],
        &["/w/.{}"],
        &["{}/same.py"],
        &["{}.key"],
    ] {
        let shown = view(ten(shape));
        assert_eq!(shown.len(), 10, "{shown:?}");
    }
}

#[test]
fn two_places_that_vary_are_two() {
    assert_eq!(view(ten(&["/w/{}", "/v/{}"])).len(), 10);
}

#[test]
fn lengths_programs_and_flags_stay_apart() {
    let mut shapes = ten(&["/w/{}"]);
    shapes.extend(ten(&["-f", "/w/{}"]));
    shapes.extend(ten(&["/w/{}", "-f"]));
    let expected = rows([
        ("run /usr/bin/tool /w/*", 10),
        ("run /usr/bin/tool -f /w/*", 10),
        ("run /usr/bin/tool /w/* -f", 10),
    ]);
    assert_eq!(view(shapes), expected);
}

#[test]
fn a_shape_goes_where_most_are_like_it() {
    let mut shapes = ten(&["/w/{}", "/v/aax"]);
    // Twelve in the other place, one of them shared.
    shapes.extend((0..12).map(|i| vec!["/w/aax".to_owned(), format!("/v/{}", word(i))]));
    let mut shapes: Vec<_> = shapes.into_iter().collect();
    let expected = rows([
        ("run /usr/bin/tool /w/* /v/aax", 9),
        ("run /usr/bin/tool /w/aax /v/*", 12),
    ]);
    assert_eq!(view(shapes.clone()), expected);
    shapes.reverse();
    assert_eq!(view(shapes), expected);
}

#[test]
fn a_literal_star_is_no_placeholder() {
    let mut shapes = ten(&["{}.py"]);
    shapes.push(vec!["*".to_owned()]);
    shapes.push(vec!["a.py b.py".to_owned()]);
    let view = view(shapes);
    assert_eq!(
        view,
        rows([
            ("run /usr/bin/tool *", 10),
            ("run /usr/bin/tool \\*", 1),
            ("run /usr/bin/tool a.py\\ b.py", 1),
        ])
    );
}

#[test]
fn an_endless_list_is_left_alone() {
    let long = |i: u32| {
        let mut shape = vec!["/w/x".to_owned(); 5000];
        shape[0] = format!("/w/{}", word(i));
        shape
    };
    assert_eq!(view((0..10).map(long)).len(), 10);
}
