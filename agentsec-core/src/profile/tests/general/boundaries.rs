//! No template crosses a boundary, however many facts there are behind it.

use super::*;
use crate::error::ErrorKind;
use crate::profile::general::Boundary;

/// Everything that can be asked for.
fn eager() -> Generalisation {
    Generalisation::default()
        .min_variants(1)
        .siblings(Some(2))
        .min_facts(1)
}

/// Thirty names of a kind in a directory stay thirty groups.
fn stays(directory: &str) {
    let names = many(10, |i| format!("{directory}/{}", word(i)));
    let numbers = many(10, |i| format!("{directory}/run-{i}/x"));
    let hashes = many(10, |i| format!("{directory}/{i}f9a1b22{i}"));
    let paths: Vec<String> = [names, numbers, hashes].concat();
    let profile = files(&paths);
    let groups = checked(only(&profile), &eager());
    for group in &groups {
        let is_exact = group.template == Template::exact(group.facts[0].0);
        assert!(is_exact, "{}", group.template);
    }
    assert_eq!(groups.len(), 30, "{directory}");
}

#[test]
fn beyond_a_boundary_nothing_is_generalised() {
    for directory in [
        "/etc",
        "/etc/app/conf.d",
        "/usr/local/etc",
        "/dev/pts",
        "/sys/kernel",
        "/proc/sys/kernel",
        "/boot",
        "/bin",
        "/usr/bin",
        "/usr/sbin",
        "/usr/libexec/x",
        "/lib/modules",
        "/usr/lib/systemd/system",
        "/srv/user/.config/systemd/user",
        "/var/spool/cron",
        "/srv/.ssh",
        "/srv/.aws/cli/cache",
        "/srv/.gnupg",
        "/srv/.kube/cache",
        "/srv/.docker",
        "/srv/.config/gcloud",
        "/run/secrets",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "/var/lib/kubelet/pods",
        "/var/lib/docker/overlay2",
        "/srv/.env.d",
        "/srv/id_rsa",
        "/srv/a.pem",
        "/root",
        "/root/x",
        "/home/alice",
        "/home/alice/project",
        "/var/home/alice",
    ] {
        stays(directory);
    }
}

#[test]
fn credentials_among_many_files_stay_apart() {
    let secret = [
        "id_rsa",
        "id_ed25519.pub",
        "tls.key",
        "shadow",
        "token",
        "credentials.json",
    ];
    let mut paths = many(20, |i| format!("/w/{}", word(i)));
    paths.extend(secret.map(|name| format!("/w/{name}")));
    let profile = files(&paths);
    let view = shown(&profile, &eager());
    assert_eq!(view.get("read /w/*"), Some(&20));
    assert_eq!(view.len(), 1 + secret.len());
    let template = widest(&profile, &eager());
    for name in secret {
        assert!(!template.matches(&text(&format!("/w/{name}"))), "{name}");
    }
}

#[test]
fn a_project_with_keys_lends_its_name_to_nobody() {
    let mut paths = many(10, |i| format!("/w/{}/.ssh/config", word(i)));
    paths.extend(many(10, |i| format!("/w/{}/main", word(i))));
    let view = shown(&files(paths), &eager());
    assert_eq!(view.get("read /w/*/main"), Some(&10));
    assert_eq!(view.len(), 11);
}

#[test]
fn directories_that_are_tables_of_contents_keep_their_names() {
    for directory in [
        "", "/usr", "/usr/lib", "/var", "/var/lib", "/opt", "/run", "/w/bin", "/w/hooks",
    ] {
        let paths = many(20, |i| format!("{directory}/{}q/data", word(i)));
        let profile = files(&paths);
        let groups = checked(only(&profile), &eager());
        assert_eq!(groups.len(), 20, "{directory}");
    }
}

#[test]
fn numbers_of_processes_and_threads_are_left_open_and_nothing_else_there() {
    let paths = [
        "/proc/1/environ",
        "/proc/22/environ",
        "/proc/22/mem",
        "/proc/22/task/23/stat",
        "/proc/self/task/24/stat",
        "/proc/22/fd/7",
        "/proc/sys/22",
        "/w/proc/22/x",
        "/proc/22x/stat",
        "/proc/12345678901/stat",
    ];
    let how = Generalisation::default();
    let profile = files(paths);
    let expected = rows([
        ("read /proc/<pid>/environ", 2),
        ("read /proc/<pid>/mem", 1),
        ("read /proc/<pid>/task/<pid>/stat", 1),
        ("read /proc/self/task/<pid>/stat", 1),
        ("read /proc/<pid>/fd/7", 1),
        ("read /proc/sys/22", 1),
        ("read /w/proc/22/x", 1),
        ("read /proc/22x/stat", 1),
        ("read /proc/12345678901/stat", 1),
    ]);
    assert_eq!(shown(&profile, &how), expected);
    let template = widest(&profile, &how);
    assert!(template.matches(&text("/proc/777/environ")));
    for path in [
        "/proc/self/environ",
        "/proc//environ",
        "/proc/7x/environ",
        "/proc/<pid>/environ",
    ] {
        assert!(!template.matches(&text(path)), "{path}");
    }
    assert_eq!(shown(&profile, &Generalisation::none()).len(), 10);
}

#[test]
fn the_own_home_is_open_and_others_are_not() {
    let own = many(10, |i| format!("/home/agent-1/{}", word(i)));
    let others = many(10, |i| format!("/home/agent-2/{}", word(i)));
    let how = eager().home("/home/agent-1").unwrap();
    let profile = files([own, others].concat());
    let view = shown(&profile, &how);
    assert_eq!(view.get("read /home/agent-1/*"), Some(&10));
    assert_eq!(view.len(), 11);
    let template = widest(&profile, &how);
    assert!(!template.matches(&text("/home/agent-2/aax")));
    assert!(!template.matches(&text("/home/agent-1/.ssh")));
    // Two homes of one's own are still two.
    let both = how.home("/home/agent-2").unwrap();
    assert_eq!(
        shown(&profile, &both),
        rows([("read /home/agent-1/*", 10), ("read /home/agent-2/*", 10)])
    );
}

#[test]
fn what_crosses_cannot_be_asked_for() {
    for directory in [
        "/", "", "/etc", "/etc/x", "/home", "/usr", "/proc", "relative", "/a/../b", "/a/",
        "/a/.ssh",
    ] {
        let how = Generalisation::none().subtree(directory);
        let error = how.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{directory}");
        assert!(
            error.to_string().starts_with("cannot generalise all below"),
            "{error}"
        );
        let home = Generalisation::none().home(directory);
        assert_eq!(
            home.unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{directory}"
        );
    }
    let error = Generalisation::none().home("/a\n\u{202e}/..").unwrap_err();
    assert!(error.to_string().contains("/a\\n\\u{202e}/.."), "{error}");
    // The home itself may be asked for; it is no boundary once it is one's own.
    let how = Generalisation::none().subtree("/home/a").unwrap();
    let profile = files(["/home/a/b/c", "/home/a/d"]);
    assert_eq!(shown(&profile, &how).len(), 2);
    let how = how.home("/home/a").unwrap();
    assert_eq!(shown(&profile, &how), rows([("read /home/a/**", 2)]));
}

#[test]
fn unclear_paths_stay_as_they_are() {
    for shape in [
        "w/{}",
        "./w/{}",
        "/w/../etc/{}",
        "/w//{}",
        "/w/./{}",
        "/w/{}/",
        "pipe:[{}]",
    ] {
        let paths = many(10, |i| shape.replace("{}", &word(i)));
        assert_eq!(shown(&files(paths), &eager()).len(), 10, "{shape}");
    }
}

#[test]
fn the_table_says_where_and_why() {
    let mut places: Vec<String> = Boundary::all().map(Boundary::place).collect();
    assert!(places.iter().all(|p| !p.is_empty()));
    assert!(Boundary::all().all(|b| !b.reason().is_empty()));
    let all = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), all, "a place stands there twice");
    let profile = files(["/etc/passwd"]);
    let groups = checked(only(&profile), &Generalisation::default());
    assert_eq!(groups[0].boundary.unwrap().place(), "anything named etc");
}

#[test]
fn a_star_does_not_lead_into_a_directory_whose_names_count() {
    let mut paths = Vec::new();
    for i in 0..9 {
        paths.extend(many(9, |j| format!("/w/{}/{}", word(i), word(j))));
        paths.extend(many(3, |j| format!("/w/{}/run-{j}", word(i))));
    }
    paths.push("/w/bin/aax".to_owned());
    let profile = files(paths);
    let how = Generalisation::default();
    let expected = rows([
        ("read /w/*/*", 81),
        ("read /w/*/run-<number>", 27),
        ("read /w/bin/aax", 1),
    ]);
    assert_eq!(shown(&profile, &how), expected);
    let groups = checked(only(&profile), &how);
    let reach = |path: &str| groups.iter().any(|g| g.template.matches(&file(path)));
    assert!(reach("/w/lib/new") && reach("/w/lib/run-7"));
    for path in ["/w/bin/new", "/w/bin/run-7", "/w/sbin/new", "/w/hooks/new"] {
        assert!(!reach(path), "{path}");
    }
}
