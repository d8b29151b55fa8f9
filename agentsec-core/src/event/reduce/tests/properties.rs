//! What holds for every command line.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::{arguments, words};
use super::shapes;
use crate::event::HashKey;

/// Where a secret may stand in a command line.
const TEMPLATES: [&str; 47] = [
    "§",
    "-§",
    "--§",
    "-p§",
    "-x§",
    "-p §",
    "-x §",
    "-c §",
    "-u a:§",
    "-u §:x",
    "--x=§",
    "--x §",
    "--token §",
    "--§=x",
    "-§=x",
    "-D§=x",
    "--x=A=§",
    "A=§",
    "§=A",
    "clone §",
    "run -it § x",
    "http://u:§@h/p",
    "http://§@h/p",
    "http://§:x@h/p",
    "http://§/p",
    "http://a.§.com/p",
    "http://h/§",
    "http://h/a/§/b",
    "http://h/p?a=§",
    "http://h/p?§",
    "http://h/p?§=a",
    "http://h/p#§",
    "http://h:§/p",
    "http:§@h.com",
    "§://h/p",
    "u:§@h.com:p",
    "§@h.com",
    "h@§",
    "u@h.com:§",
    "/§",
    "/a/§.py",
    "./§/b",
    "a/§",
    "§.py",
    "a:§",
    "§:a",
    "@/a/§",
];

/// Where a value stands that is no name, path or destination.
const VALUES: [&str; 32] = [
    "§",
    "clone §",
    "-p§",
    "-x§",
    "-uroot -p§",
    "-p §",
    "-u §",
    "-u me:§",
    "-x §",
    "-c §",
    "-lc §",
    "--token §",
    "--token=§",
    "--x §",
    "--x=§",
    "--x=A=§",
    "-passin pass:§",
    "-H Auth:§",
    "-HA:§",
    "A=§",
    "a.b=§",
    "-e A=§",
    "http://u:§@h/p",
    "http://§@h/p",
    "http://u:p@§@h/p",
    "http:u:§@h.com",
    "u:§@h.com:p",
    "http://h/p?a=§",
    "http://h/p?§",
    "http://h/p#§",
    "/p?a=§#§",
    "pass:§",
];

fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]{8,48}".prop_filter("mixed case and digits", |s| {
        let has = |class: fn(&u8) -> bool| s.bytes().any(|b| class(&b));
        has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_shape_contains_the_secret(
        secret in secret(),
        lines in prop::collection::vec(select(TEMPLATES.as_slice()), 1..4),
    ) {
        let line = lines.join(" ").replace('§', &secret);
        let args: Vec<&str> = line.split(' ').collect();
        let shown = shapes(&args).join(" ").to_ascii_lowercase();
        let secret = secret.to_ascii_lowercase();
        for part in secret.as_bytes().windows(6) {
            let part = std::str::from_utf8(part).unwrap();
            let innocent = ["<value>", "<number>"].iter().any(|p| p.contains(part));
            prop_assert!(innocent || !shown.contains(part), "{}: {}", line, shown);
        }
    }

    /// Where only a value can stand, even a password that is a plain word goes.
    #[test]
    fn no_value_is_kept(
        secret in "[a-z]{7,12}|[a-z]{5,8}[0-9]{1,3}|[A-Z]{6,9}|[a-z]{3,6}(-[a-z]{3,6}){2}",
        line in select(VALUES.as_slice()),
    ) {
        prop_assume!(!words::is_command(&secret));
        let line = line.replace('§', &secret);
        let args: Vec<&str> = line.split(' ').collect();
        let shown = shapes(&args).join(" ").to_ascii_lowercase();
        prop_assert!(!shown.contains(&secret.to_ascii_lowercase()), "{}: {}", line, shown);
    }

    #[test]
    fn base64_after_a_secret_flag_is_gone(
        secret in "[A-Za-z0-9+/=_-]{8,60}",
        flag in select(vec!["--token", "--password", "-H", "--api-key", "--header"]),
    ) {
        let shown = shapes(&[flag, &secret]);
        prop_assert_eq!(shown, [flag, "<value>"]);
    }

    #[test]
    fn shapes_are_printable_ascii(args: Vec<Vec<u8>>) {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let reduced = arguments(&args, &HashKey::from_bytes([1; 32]), false);
        prop_assert_eq!(reduced.len(), args.len());
        for (argument, arg) in reduced.iter().zip(args) {
            let shape = argument.shape.as_bytes();
            prop_assert!(!shape.is_empty() && shape.iter().all(|b| (b' '..=b'~').contains(b)));
            prop_assert_eq!(argument.length as usize, arg.len());
        }
    }

    #[test]
    fn odd_text_is_harmless(text in "[a-zA-Z0-9:/@?#&=.%\\\\\\[\\] \\-]{0,60}") {
        let shape = &shapes(&[&text])[0];
        prop_assert!(shape.bytes().all(|b| (b' '..=b'~').contains(&b)));
        prop_assert!(shape.len() <= 24 * text.len() + 16);
    }
}
