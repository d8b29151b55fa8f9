//! Closed lists of public words.
//!
//! A bare word may be a password, so the only bare words that are kept are those that everybody
//! knows. Each list is sorted.

/// Programs and their subcommands.
#[rustfmt::skip]
static COMMANDS: &[&str] = &[
    "add", "agent", "amend", "annotate", "ansible", "ansible-playbook", "api", "apply", "apt",
    "apt-get", "archive", "ask", "attach", "audit", "autoremove", "awk", "aws", "az", "bash",
    "bazel", "bisect", "black", "blame", "bootstrap", "branch", "brew", "build", "bump", "bun",
    "bundle", "cache", "cargo", "cat", "cat-file", "chat", "check", "checkout", "cherry-pick",
    "chmod", "chown", "ci", "clang", "claude", "clean", "clone", "cluster", "cluster-info", "cmake",
    "codex", "collect", "commit", "completion", "compose", "composer", "conda", "config",
    "configure", "container", "containers", "context", "convert", "copy", "cordon", "cp", "create",
    "crictl", "curl", "cut", "daemon", "daemon-reload", "date", "db", "dd", "deno", "deploy",
    "deployment", "deployments", "describe", "describe-instances", "describe-tags", "destroy",
    "dev", "df", "diff", "dig", "dir", "disable", "dnf", "doc", "docker", "doctest", "doctor",
    "down", "download", "dpkg", "drain", "du", "ec2", "echo", "ecr", "edit", "egrep", "eks",
    "enable", "env", "esbuild", "eslint", "eval", "events", "exec", "explain", "export", "expose",
    "fetch", "ffmpeg", "fgrep", "find", "fix", "flake8", "fmt", "force-push", "format", "freeze",
    "fsck", "gawk", "gc", "gcc", "gcloud", "gem", "generate", "get", "get-caller-identity", "gh",
    "git", "go", "gradle", "graph", "grep", "gunicorn", "gunzip", "gzip", "hash-object", "head",
    "helm", "help", "hg", "history", "http.server", "iam", "id", "image", "images", "import",
    "index", "info", "init", "inspect", "install", "instances", "ip", "is-active", "issue", "java",
    "javac", "jest", "job", "jobs", "jq", "just", "kill", "kubectl", "label", "lambda", "less",
    "link", "lint", "list", "list-buckets", "list-units", "ln", "load", "local", "log", "login",
    "logout", "logs", "ls", "ls-files", "ls-remote", "ls-tree", "main", "make", "master", "mcp",
    "merge", "metadata", "migrate", "mkdir", "mod", "mode", "mongosh", "mount", "move", "mv", "mvn",
    "mypy", "mysql", "mysqldump", "namespace", "namespaces", "nano", "nc", "ncat", "network", "new",
    "nginx", "nice", "ninja", "node", "nodes", "nohup", "notes", "npm", "nproc", "npx", "openssl",
    "origin", "outdated", "pack", "pacman", "patch", "pause", "perl", "pg_dump", "php", "ping",
    "pip", "pip3", "pipx", "plan", "playbook", "plugin", "pnpm", "pod", "pods", "poetry", "port",
    "port-forward", "pr", "prettier", "printenv", "printf", "prune", "ps", "psql", "publish",
    "pull", "purge", "push", "pwd", "pytest", "python", "python3", "query", "quit", "rds", "rebase",
    "redis-cli", "reflog", "refresh", "release", "releases", "reload", "remote", "remove", "rename",
    "replace", "repo", "repos", "reset", "resource", "restart", "restore", "resume", "rev-list",
    "rev-parse", "revert", "rg", "rm", "rmdir", "rmi", "rollback", "rollout", "route53", "rsync",
    "ruby", "ruff", "run", "runserver", "rustc", "rustup", "s3", "s3api", "save", "scale", "scan",
    "scp", "scripts", "search", "sed", "serve", "server", "service", "services", "set", "sftp",
    "sh", "show", "show-ref", "sleep", "sns", "sort", "sqs", "ssh", "start", "stash", "stat",
    "state", "status", "stdio", "stop", "strace", "sts", "su", "submodule", "sudo", "svc", "svn",
    "switch", "symbolic-ref", "sync", "systemctl", "tag", "tags", "tail", "taint", "tar", "tee",
    "template", "terraform", "test", "tests", "timeout", "top", "touch", "tr", "tree", "tsc", "tsx",
    "uname", "uncordon", "uninstall", "uniq", "unittest", "unlink", "unmount", "unpause", "untag",
    "unzip", "up", "update", "update-index", "upgrade", "upload", "uv", "uvicorn", "uvx",
    "validate", "vendor", "venv", "verify", "version", "vi", "view", "vim", "vite", "volume",
    "volumes", "wait", "watch", "wc", "wget", "which", "whoami", "workflow", "workspace",
    "worktree", "xargs", "xz", "yarn", "yq", "yum", "zip", "zsh",
];

/// Last labels of host names: without one of them a dotted word is not taken for a host.
#[rustfmt::skip]
static HOST_SUFFIXES: &[&str] = &[
    "ai", "app", "ar", "arpa", "at", "au", "be", "biz", "br", "ca", "ch", "cloud", "cn", "co",
    "com", "cz", "de", "dev", "dk", "edu", "es", "eu", "example", "fi", "fr", "gov", "hk", "home",
    "ie", "il", "in", "info", "int", "internal", "invalid", "io", "it", "jp", "kr", "lan", "local",
    "localdomain", "localhost", "me", "mil", "mx", "name", "net", "nl", "no", "nz", "org", "pl",
    "pt", "ru", "se", "sg", "svc", "tech", "test", "tw", "uk", "us", "za",
];

/// Extensions of file names: without one of them a bare word is not taken for a file.
#[rustfmt::skip]
static EXTENSIONS: &[&str] = &[
    "bash", "bat", "c", "cc", "cfg", "cjs", "class", "conf", "cpp", "cs", "css", "csv", "diff",
    "dockerfile", "gif", "go", "gz", "h", "hpp", "htm", "html", "ini", "ipynb", "jar", "java",
    "jpeg", "jpg", "js", "json", "jsonl", "jsx", "kt", "lock", "log", "lua", "md", "mjs", "mp3",
    "mp4", "parquet", "patch", "pdf", "php", "pl", "png", "proto", "ps1", "py", "pyc", "pyi", "r",
    "rb", "rs", "rst", "scss", "sh", "so", "sql", "sqlite", "svg", "swift", "tar", "tf", "tgz",
    "toml", "ts", "tsv", "tsx", "txt", "vue", "wasm", "xlsx", "xml", "xz", "yaml", "yml", "zip",
    "zsh",
];

/// Groups of one-letter flags: what else follows a single dash may be a glued value.
#[rustfmt::skip]
static GROUPS: &[&str] = &[
    "Rn", "al", "alF", "aux", "av", "avz", "avzP", "az", "cf", "cvf", "cvzf", "czf", "czvf", "dmS",
    "ec", "ef", "euo", "eux", "euxo", "fSL", "fr", "fsS", "fsSL", "ic", "it", "itd", "la", "laR",
    "lah", "lart", "lc", "lh", "lic", "lntp", "lrt", "lt", "ltr", "ne", "ni", "nl", "np", "nr",
    "ntlp", "pe", "qq", "ra", "rf", "rfv", "rin", "rl", "rn", "rni", "rnw", "rv", "sL", "sS", "sSL",
    "sSf", "sSfL", "sf", "sfn", "sh", "tf", "ti", "tlnp", "tulpn", "tvf", "un", "uno", "vv", "vvv",
    "xc", "xe", "xec", "xf", "xjf", "xvf", "xvjf", "xvzf", "xzf", "ys", "yy", "zP", "ztf", "zxf",
    "zxvf",
];

/// Names of flags of the programs that spell long ones with a single dash.
#[rustfmt::skip]
static SINGLE_DASH: &[&str] = &[
    "Command", "ExecutionPolicy", "File", "NoProfile", "NonInteractive", "acodec", "af",
    "auto-approve", "bench", "buildvcs", "chdir", "classpath", "connect", "count", "cover", "cp",
    "crf", "days", "delete", "empty", "exec", "fPIC", "help", "in", "iname", "inform", "jar",
    "ldflags", "maxdepth", "mindepth", "mmin", "mod", "modcacherw", "mtime", "name", "newer",
    "newkey", "nodes", "noout", "out", "outform", "perm", "pix_fmt", "print", "print0", "prune",
    "pthread", "race", "req", "run", "servername", "shared", "showcerts", "size", "ss", "static",
    "std", "tags", "text", "timeout", "trimpath", "type", "var", "var-file", "vcodec", "verbose",
    "version", "vf", "x509",
];

/// Schemes whose address may follow the colon without slashes.
#[rustfmt::skip]
static SCHEMES: &[&str] = &[
    "amqp", "amqps", "ftp", "ftps", "git", "http", "https", "ldap", "ldaps", "mongodb", "mysql",
    "postgres", "postgresql", "redis", "rediss", "sftp", "socks5", "socks5h", "ssh", "ws", "wss",
];

/// Whether a word is a well-known program or subcommand.
pub(super) fn is_command(word: &str) -> bool {
    holds(COMMANDS, word)
}

/// Whether a label ends host names.
pub(super) fn is_host_suffix(label: &str) -> bool {
    holds(HOST_SUFFIXES, label)
}

/// Whether files have this extension.
pub(super) fn is_extension(text: &str) -> bool {
    holds(EXTENSIONS, text)
}

/// Whether this, after a single dash, is a group of one-letter flags.
pub(super) fn is_group(text: &str) -> bool {
    holds(GROUPS, text)
}

/// Whether this, after a single dash, is the name of one flag.
pub(super) fn is_single_dash(text: &str) -> bool {
    holds(SINGLE_DASH, text)
}

/// Whether an address may follow this scheme and a colon.
pub(super) fn is_scheme(text: &str) -> bool {
    holds(SCHEMES, text)
}

fn holds(sorted: &[&str], word: &str) -> bool {
    sorted.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_hold_no_secret_words() {
        for list in [
            COMMANDS,
            HOST_SUFFIXES,
            EXTENSIONS,
            GROUPS,
            SINGLE_DASH,
            SCHEMES,
        ] {
            assert!(list.windows(2).all(|w| w[0] < w[1]));
            for word in list {
                assert!(
                    !["pass", "secret", "token", "cred"]
                        .iter()
                        .any(|s| word.contains(s)),
                    "{word}"
                );
            }
        }
        assert!(is_command("clone") && is_command("curl") && !is_command("hunter2"));
        assert!(
            is_host_suffix("com") && is_extension("py") && is_group("rf") && is_single_dash("name")
        );
        assert!(is_scheme("https") && !is_scheme("pass"));
    }
}
