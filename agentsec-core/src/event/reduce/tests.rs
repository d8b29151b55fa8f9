#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod properties;

use super::*;

/// Mixed case and digits, as generated passwords and tokens are.
const SECRET: &str = "hX7kQ2mZ9pLwT4";

fn shapes(args: &[&str]) -> Vec<String> {
    let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
    let reduced = arguments(&args, &HashKey::from_bytes([1; 32]), false);
    reduced
        .iter()
        .map(|a| a.shape.to_str().unwrap().to_owned())
        .collect()
}

/// Splits at spaces; `§` stands for the secret and `␣` for a space inside an argument.
fn check(line: &str, expected: &str) {
    let with = |secret: &str| -> Vec<String> {
        line.split(' ')
            .map(|a| a.replace('§', secret).replace('␣', " "))
            .collect()
    };
    // The shape must not depend on the secret at all.
    for secret in [SECRET, "aB3dE5gH7", "ghp_Zz9Yy8Xx7Ww6Vv5Uu4Tt3"] {
        let args = with(secret);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        assert_eq!(shapes(&args).join(" "), expected, "{line} with {secret}");
    }
}

#[test]
fn ordinary_commands_stay_recognisable() {
    check(
        "clone https://github.com/org/repo",
        "clone https://github.com/org/repo",
    );
    check("/app/agent.py --port 8080", "/app/agent.py --port <number>");
    check("-u /app/agent.py", "-u /app/agent.py");
    check("-la /etc/ssl/certs", "-la /etc/ssl/certs");
    check(
        "-C /src/repo checkout -b feature",
        "-C /src/repo checkout -b <value>",
    );
    check("install -r requirements.txt", "install -r requirements.txt");
    check(
        "-m pytest -q tests/unit/test_agent.py",
        "-m pytest -q tests/unit/test_agent.py",
    );
    check("compose up -d", "compose up -d");
    check(
        "get pods -n kube-system -o yaml",
        "get pods -n <word> -o <word>",
    );
    check(
        "/usr/bin/env python3 -c print(1)",
        "/usr/bin/env <word> -c <code>",
    );
    check(
        "-fsSL https://get.docker.com -o /tmp/get.sh",
        "-fsSL https://get.docker.com -o /tmp/get.sh",
    );
    check("-xzf /tmp/a.tar.gz -C /opt", "-xzf /tmp/a.tar.gz -C /opt");
    check("-9 1234", "-<number> <number>");
    check(
        "/srv -name *.py -type f -exec grep -l x {} ;",
        "/srv -name <word> -type <word> -exec <word> -l <word> {} ;",
    );
    check("git@github.com:org/repo.git", "github.com:org/repo.git");
    check("-h 127.0.0.1 -p 5432", "-h 127.0.0.1 -p <value>");
    check("localhost:8080/health", "localhost:8080/health");
    check(
        "http://[::1]:8000/api/v1/items/42",
        "http://[::1]:8000/api/v1/items/<number>",
    );
    check(
        "s3 cp s3://bucket/data/file.csv .",
        "s3 cp s3://bucket/data/file.csv .",
    );
    check(
        "timeout 5 curl http://h/p",
        "timeout <number> curl http://h/p",
    );
    check("exec web -- sh -c ls", "exec <word> -- sh -c <code>");
    check(
        "run --rm -v /host:/data library/ubuntu:22.04",
        "run --rm -v /host:/data library/ubuntu:<value>",
    );
    check("--", "--");
    check("-", "-");
}

#[test]
fn secrets_of_real_commands_are_gone() {
    let rows = [
        ("clone http://user:§@host/r.git", "clone http://host/r.git"),
        (
            "clone https://§@github.com/org/r",
            "clone https://github.com/org/r",
        ),
        (
            "clone https://x-access-token:§@github.com/org/r",
            "clone https://github.com/org/r",
        ),
        (
            "-H Authorization:␣Bearer␣§ http://h/p?token=§&x=1#§",
            "-H <value> http://h/p?token=<value>&x=<value>",
        ),
        ("-HAuthorization:§ http://h/", "-H<value> http://h/"),
        ("-fsSLH X-Key:§ http://h/", "-f<value> <value> http://h/"),
        ("--header=Authorization:§", "--header=<value>"),
        (
            "-u me:§ https://api.example.com/v1",
            "-u <value> https://api.example.com/v1",
        ),
        ("-uroot -p§ mydb", "-u<value> -p<value> <word>"),
        ("-pabc", "-p<value>"),
        ("postgresql://u:§@h/db", "postgresql://h/db"),
        (
            "postgresql://u:§@h:5432/db?password=§",
            "postgresql://h:5432/db?password=<value>",
        ),
        ("jdbc:postgresql://u:§@h/db", "jdbc:postgresql://h/db"),
        ("--secret-access-key §", "--secret-access-key <value>"),
        (
            "configure set aws_secret_access_key §",
            "configure set <word> <word>",
        ),
        (
            "login -u me -p § registry.example.com",
            "login -u <value> -p <value> registry.example.com",
        ),
        ("A=§ cmd", "A=<value> <word>"),
        (
            "API_TOKEN=§ curl http://h/",
            "API_TOKEN=<value> curl http://h/",
        ),
        ("-e A=§ nginx", "-e A=<value> nginx"),
        ("-c import␣os;x='§'", "-c <code>"),
        ("-e fetch('http://h/?k=§')", "-e <code>"),
        ("--eval §", "--eval <code>"),
        ("-lc curl␣-H␣§␣http://h", "-lc <code>"),
        ("user@host", "<word>"),
        ("deploy:§@host.example.com", "host.example.com"),
        (
            "a user@host.example.com:/srv/p",
            "<word> host.example.com:/srv/p",
        ),
        ("--password=§ http://h/", "--password=<value> http://h/"),
        (
            "enc -aes-256-cbc -passin pass:§",
            "<word> -a<value> -passin <value>",
        ),
        ("-k pass:§", "-k <value>"),
        ("--token=§ get pods", "--token=<value> get pods"),
        ("Authorization:Bearer␣§", "<text>"),
        ("X-Api-Key:§", "<word>"),
        (
            "-d {\"password\":\"§\"} http://h/login",
            "-d <value> http://h/login",
        ),
        ("{\"password\":\"§\"}", "<text>"),
        ("--data-raw a=§", "--data-raw <value>"),
        ("-F file=§", "-F <value>"),
        ("-b session=§", "-b <value>"),
        ("--set db.password=§", "--set db.password=<value>"),
        ("--build-arg TOKEN=§ .", "--build-arg TOKEN=<value> ."),
        ("-p -§ x", "-p <value> <word>"),
        ("--token --§", "--token <value>"),
        ("-a § auth §", "-a <value> <word> <word>"),
        (
            "https://hooks.example.com/services/T00000000/B11111111/§",
            "https://hooks.example.com/services/<value>/<value>/<value>",
        ),
        (
            "https://api.telegram.org/bot123456789:§/getMe",
            "https://api.telegram.org/<value>:<value>/getMe",
        ),
        ("https://§.ngrok.io/", "https://<value>.ngrok.io/"),
        ("http://h/;jsessionid=§", "http://h/<value>"),
        ("http://h/p?§", "http://h/p?<value>"),
        ("http://h/p?§=1", "http://h/p?<value>"),
        ("/home/u/§/x", "/home/u/<value>/x"),
        ("/api?token=§", "/api?token=<value>"),
        ("§", "<word>"),
        ("--§", "--<value>"),
        ("--§=1", "--<value>"),
        ("§=1", "<word>"),
        ("@§", "<word>"),
        ("§/§", "<word>"),
        ("pass:§", "<word>"),
        ("§@x", "<word>"),
    ];
    for (line, expected) in rows {
        check(line, expected);
    }
}

#[test]
fn addresses_written_to_deceive_keep_nothing() {
    let rows = [
        ("http:user:§@host", "http:<value>"),
        ("http:user:§@host.com/x", "http:host.com/x"),
        ("http:/\\user:§@host.com/x", "http:host.com/x"),
        ("http://user:§\\@evil.com/", "http://<value>"),
        ("http://user:p@§@host/x", "http://host/x"),
        ("http://user:§/w0rd@host/", "http://<value>"),
        ("http://user:12/§@host/", "http://<value>"),
        ("http://user:12#§@host/", "http://<value>"),
        ("http://user:12?§@host/", "http://<value>"),
        ("http://u:p@ss/§@host/", "http://<value>"),
        ("http://user%3A§%40host/", "http://<value>"),
        ("https:///u:§@host/", "https://<value>"),
        ("http://[::1/§", "http://<value>"),
        ("http://h:99999/§", "http://<value>"),
        ("HTTP://U:§@HOST/P", "http://host/P"),
        ("git+ssh://git:§@host/r", "git+ssh://host/r"),
        ("git:§@github.com:org/r", "git:<value>"),
        ("u:§@github.com:org/r", "github.com:org/r"),
        ("u:p/§@github.com:r", "<word>"),
        ("u:§@h.com:8080/x?k=§", "h.com:8080/x?k=<value>"),
        ("p@ssw0rd", "<word>"),
        ("p@ss:/w0rd", "<word>"),
        ("john.com:hunter", "<word>"),
        ("h.com:/srv/§", "h.com:/srv/<value>"),
        ("john.doe:1234", "<word>"),
        ("admin:1234", "<word>"),
        (
            "https://web.archive.org/https://u:§@host/",
            "https://web.archive.org/https://<value>/<value>/",
        ),
    ];
    for (line, expected) in rows {
        let expected = expected.replace("https://<value>/<value>/", "https://u:<value>/");
        check(line, &expected);
    }
}

#[test]
fn well_known_secrets_are_seen_anywhere() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    let secrets = [
        jwt,
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLE",
        "c2VjcmV0LXRva2Vu",
        "c2VjcmV0IQ==",
        "d41d8cd98f00b204e9800998ecf8427e",
        "550e8400-e29b-41d4-a716-446655440000",
        "glpat-abcdefghijkl",
    ];
    for secret in secrets {
        for template in [
            "§",
            "--x=§",
            "-n§",
            "/a/§/b",
            "http://h/§",
            "X=§",
            "a/§",
            "--x §",
            "§=",
            "-x §:y",
        ] {
            let line = template.replace('§', secret);
            let args: Vec<&str> = line.split(' ').collect();
            let shown = shapes(&args).join(" ");
            assert!(!shown.contains(secret), "{line}: {shown}");
            let half = &secret[secret.len() - 8..];
            assert!(!shown.contains(half), "{line}: {shown}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_become_placeholders() {
    let key = HashKey::from_bytes([1; 32]);
    let args: [&[u8]; 8] = [
        b"\xff\xfe",
        b"\x1b[2J",
        b"",
        b"a\nb",
        "\u{202e}x".as_bytes(),
        b"-\xc3",
        b"--token",
        b"\xff",
    ];
    let shown: Vec<_> = arguments(&args, &key, false)
        .into_iter()
        .map(|a| a.shape)
        .collect();
    let expected = [
        "<bytes>", "<bytes>", "<empty>", "<text>", "<word>", "<bytes>", "--token", "<value>",
    ];
    assert_eq!(shown, expected.map(Text::from));
}

#[test]
fn identity_and_raw_text() {
    let key = HashKey::from_bytes([1; 32]);
    let args: [&[u8]; 2] = [b"--token", SECRET.as_bytes()];
    let reduced = arguments(&args, &key, false);
    assert_eq!(reduced[1].hash, key.hash(SECRET.as_bytes()));
    assert_eq!(reduced[1].length, 14);
    assert_eq!(reduced[1].raw, None);
    assert_ne!(
        reduced[1].hash,
        arguments(&args, &HashKey::from_bytes([2; 32]), false)[1].hash
    );
    let raw = arguments(&args, &key, true);
    assert_eq!(raw[1].raw, Some(Text::from(SECRET)));
    assert_eq!(raw[1].shape, reduced[1].shape);
    assert!(arguments(&[], &key, true).is_empty());
}

#[test]
fn long_arguments_have_short_shapes() {
    let rows = [
        ("/a".repeat(3000), "<path>"),
        (format!("/{}", "a".repeat(4096)), "<path>"),
        (format!("http://h{}", "/a".repeat(3000)), "http://h<path>"),
        (format!("--{}", "a".repeat(4096)), "--<value>"),
        (format!("{}=1", "a".repeat(4096)), "<word>"),
        ("a".repeat(100_000), "<word>"),
    ];
    for (arg, expected) in rows {
        assert_eq!(shapes(&[&arg]), [expected]);
    }
    let query = format!("http://h/?{}", "a=1&".repeat(1000));
    assert!(shapes(&[&query])[0].len() < 250);
}
