//! Secrets and names that somebody chose with care.

use std::fs;
use std::path::Path;

use agentsec_tests::bpf_or_skip;

use super::pod::Pod;

const SECRET: &str = "Hk4Wz81QxN6tRb3V";

/// Whether `needle` is somewhere in these bytes.
fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle)
}

#[test]
fn no_secret_is_kept_or_shown() {
    if !bpf_or_skip("no_secret_is_kept_or_shown") {
        return;
    }
    let pod = Pod::new();
    let key: Vec<u8> = (100..132).collect();
    fs::write(pod.path("key"), &key).unwrap();
    // The script is a file: what is in it is not an argument.
    let script = format!(
        "git clone -q http://user:{SECRET}@127.0.0.1:1/repo.git clone\n\
         curl -s -H 'Authorization: Bearer {SECRET}' 'http://127.0.0.1:1/?token={SECRET}'\n\
         true --password={SECRET} -p{SECRET}\n\
         true\n"
    );
    fs::write(pod.path("script"), script).unwrap();
    let words = ["--key", "key", "--out", "p", "--record", "r"];
    let run = |json: &[&str]| {
        let mut all = words.to_vec();
        all.extend(json);
        // The shell may complain in words of its own, and git quotes what it was given.
        all.extend(["--", "sh", "-c", "exec sh ./script 2>/dev/null"]);
        pod.run(&all)
    };
    let shown = run(&[]);
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let (first_profile, first_recording) = (pod.read("p"), pod.read("r"));
    let json = run(&["--json"]);
    let replayed = pod.run(&["replay", "r", "--json"]);
    assert!(replayed.stdout == json.stdout, "documents differ");
    assert!(json.stdout.contains("curl"), "{}", json.stdout);
    let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
    for (what, bytes) in [
        ("profile", &*first_profile),
        ("recording", &*first_recording),
        ("profile", &*pod.read("p")),
        ("recording", &*pod.read("r")),
        ("screen", shown.stdout.as_bytes()),
        ("screen", shown.stderr.as_bytes()),
        ("document", json.stdout.as_bytes()),
        ("screen", json.stderr.as_bytes()),
    ] {
        assert!(
            !holds(bytes, SECRET.as_bytes()),
            "a secret is in the {what}"
        );
        assert!(!holds(bytes, &key), "the key is in the {what}");
        assert!(!holds(bytes, hex.as_bytes()), "the key is in the {what}");
    }
}

#[test]
fn hostile_names_reach_no_terminal() {
    if !bpf_or_skip("hostile_names_reach_no_terminal") {
        return;
    }
    let pod = Pod::new();
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\n\u{202e}txt.exe";
    let tool = pod.path(&format!("tool{name}"));
    fs::copy("/bin/true", &tool).unwrap();
    let script = format!(
        "import os\n\
         for n in ({name:?}, os.fsdecode(b'\\xff\\xfe\\x9b31m')):\n\
         \x20   open(n, 'w').close()\n\
         \x20   os.rename(n, n + 'x')\n\
         \x20   os.unlink(n + 'x')\n\
         os.spawnl(os.P_WAIT, {tool:?}, 'x')\n\
         try: open('/nowhere/' + 'd/' * 2000 + {name:?})\n\
         except OSError: pass\n"
    );
    // Rust and Python write escapes alike, but for this one.
    let script = script
        .replace("\\u{1b}", "\\x1b")
        .replace("\\u{7}", "\\x07");
    let script = script.replace("\\u{202e}", "\\u202e");
    fs::write(pod.path("script.py"), script).unwrap();
    let words = ["--out", "p", "--", "/usr/bin/python3", "-I", "script.py"];
    let done = pod.run(&words);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let json = pod.run(&["show", "p", "--json"]);
    let other = pod.run(&["--out", "q", "--", "ls"]);
    assert_eq!(other.status, 0);
    let diff = pod.run(&["diff", "p", "q"]);
    let diff_json = pod.run(&["diff", "p", "q", "--json"]);
    for text in [
        &done.stdout,
        &done.stderr,
        &json.stdout,
        &diff.stdout,
        &diff_json.stdout,
    ] {
        for bad in ['\u{1b}', '\u{7}', '\u{9b}'] {
            assert!(!text.contains(bad), "{bad:?} in {text}");
        }
    }
    for text in [&done.stdout, &diff.stdout, &diff_json.stdout] {
        assert!(!text.contains('\u{202e}'), "{text}");
    }
    // They are there all the same.
    assert!(done.stdout.contains("\\x1b]0;owned"), "{}", done.stdout);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let files = document["activities"][0]["facts"]["file"]
        .as_array()
        .unwrap();
    let named = |f: &&serde_json::Value| f["path"].as_str().unwrap().ends_with(name);
    assert!(files.iter().any(|f| named(&f)), "{name:?}");
    let bytes = |f: &&serde_json::Value| f.get("path_bytes").is_some();
    assert!(files.iter().any(|f| bytes(&f)), "a name that is not UTF-8");
    // Of our own messages as well.
    let missing = pod.run(&["show", "\u{1b}[31mred"]);
    assert_eq!(missing.status, 125);
    assert!(!missing.stderr.contains('\u{1b}'), "{}", missing.stderr);
}

#[test]
fn keys_are_made_once_and_kept_private() {
    if !bpf_or_skip("keys_are_made_once_and_kept_private") {
        return;
    }
    let pod = Pod::new();
    let key = pod.home().join(".local/state/agentsec/key");
    assert_eq!(pod.run(&["--", "true"]).status, 0);
    let made = fs::read(&key).unwrap();
    assert_eq!(made.len(), 65);
    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).unwrap());
    assert_eq!(mode(&key) & 0o777, 0o600);
    assert_eq!(pod.run(&["--", "true"]).status, 0);
    assert_eq!(fs::read(&key).unwrap(), made);
    // One that is no key is not replaced.
    fs::write(&key, "my notes").unwrap();
    assert_eq!(pod.run(&["--", "true"]).status, 125);
    assert_eq!(fs::read(&key).unwrap(), b"my notes");
}
