//! The name of what made a pod, guessed from the pod's own name.

/// The letters and digits Kubernetes draws suffixes from.
const DRAWN: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The part of [`DRAWN`] that hashes of pod templates are written in: one character per decimal
/// digit of a number.
const HASHED: &[u8] = b"456789bcdf";

/// How long a hash is in decimal digits. Those of five and less, one in 43,000, are not told apart
/// from the end of a name.
const HASH: std::ops::RangeInclusive<usize> = 6..=10;

/// How long a drawn name is at most, and how much of it is not drawn.
const DRAWN_NAME: usize = 63;
const PREFIX: usize = 58;

/// What is left of a pod's name without the suffixes of its controller.
pub(super) fn of_pod(pod: &str) -> &str {
    if let Some(name) = of_cut_name(pod) {
        return name;
    }
    let Some((rest, last)) = split(pod) else {
        return pod;
    };
    if last.len() == 5 && consists_of(last, DRAWN) {
        return match split(rest) {
            // ReplicaSet of a Deployment: the hash of the template.
            Some((name, hash)) if HASH.contains(&hash.len()) && consists_of(hash, HASHED) => name,
            // Job of a CronJob: the minute, formerly the second.
            Some((name, time)) if (8..=10).contains(&time.len()) && is_decimal(time) => name,
            // DaemonSet, Job, ReplicaSet without a Deployment.
            _ => rest,
        };
    }
    // StatefulSet: the ordinal.
    let is_ordinal = last.len() <= 5 && is_decimal(last) && (last == "0" || !last.starts_with('0'));
    if is_ordinal { rest } else { pod }
}

/// A controller's name so long that Kubernetes cut it, the hash or the hyphen, to append what it
/// drew: `long-name-66b6c48dx7k2p`, `long-namx7k2p`.
fn of_cut_name(pod: &str) -> Option<&str> {
    let (prefix, drawn) = pod.split_at_checked(PREFIX)?;
    let cut = pod.len() == DRAWN_NAME && !prefix.ends_with('-') && consists_of(drawn, DRAWN);
    cut.then(|| match split(prefix) {
        Some((name, hash)) if hash.len() <= *HASH.end() && consists_of(hash, HASHED) => name,
        _ => prefix,
    })
}

/// Before and after the last hyphen, neither empty.
fn split(name: &str) -> Option<(&str, &str)> {
    let (rest, last) = name.rsplit_once('-')?;
    (!rest.is_empty() && !last.is_empty()).then_some((rest, last))
}

fn consists_of(text: &str, alphabet: &[u8]) -> bool {
    text.bytes().all(|b| alphabet.contains(&b))
}

fn is_decimal(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_of_controllers() {
        let rows = [
            // Deployment.
            ("web-66b6c48dd5-x7k2p", "web"),
            ("coding-agent-7d4b9c5f8b-2xk9z", "coding-agent"),
            // A hash that happens to be a small number.
            ("web-6b6c48d-x7k2p", "web"),
            ("web-66bc48-x7k2p", "web"),
            ("web-4c8d5-x7k2p", "web-4c8d5"),
            // CronJob, now and formerly.
            ("nightly-28391040-4v6rz", "nightly"),
            ("nightly-1703462400-4v6rz", "nightly"),
            // DaemonSet and Job.
            ("kube-proxy-9xk4w", "kube-proxy"),
            ("etl-2024-9xk4w", "etl-2024"),
            // StatefulSet.
            ("db-0", "db"),
            ("db-replica-12", "db-replica"),
            // A pod of its own, and a static pod.
            ("agent", "agent"),
            ("web-server", "web-server"),
            ("etcd-node1.example.com", "etcd-node1.example.com"),
            // Looks like a suffix and is not one: vowels, length, leading zero.
            ("web-table", "web-table"),
            ("web-x7k2", "web-x7k2"),
            ("db-007", "db-007"),
            ("db-20240101", "db-20240101"),
            ("web-abcdefgh-x7k2p", "web-abcdefgh"),
            ("", ""),
            ("-", "-"),
            ("-x7k2p", "-x7k2p"),
            ("web-", "web-"),
            ("-66b6c48dd5-x7k2p", "-66b6c48dd5"),
            ("größe-x7k2p", "größe"),
        ];
        for (pod, expected) in rows {
            assert_eq!(of_pod(pod), expected, "{pod}");
        }
    }

    #[test]
    fn names_that_were_cut() {
        // As the generator of names does it: 58 bytes of the prefix, then five that are drawn.
        let drawn = |prefix: &str| format!("{}x7k2p", &prefix[..prefix.len().min(58)]);
        let name = |length: usize| "ab-".repeat(30)[..length].replace("b-a", "bxa");
        for length in 40..=63 {
            let controller = name(length);
            let expected = &controller[..length.min(58)];
            let of_deployment = drawn(&format!("{controller}-66b6c48dd5-"));
            assert_eq!(of_pod(&of_deployment), expected, "{of_deployment}");
            let of_daemon_set = drawn(&format!("{controller}-"));
            assert_eq!(of_pod(&of_daemon_set), expected, "{of_daemon_set}");
        }
        // As long, and not drawn; not cut; and what is no name of Kubernetes.
        for pod in [name(63), format!("{}aeiou", name(58)), "ö".repeat(31) + "x"] {
            assert_eq!(of_pod(&pod), pod);
        }
    }
}
