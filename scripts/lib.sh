# Shared by the scripts here: sourced, never run. Leaves the caller in the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where rustup puts things, for a shell that has not read its profile since.
cargo_bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
case ":$PATH:" in
*":$cargo_bin:"*) ;;
*) PATH=$PATH:$cargo_bin ;;
esac

# The oldest compiler the project promises to build with; Cargo.toml is the authority.
msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
deny_version=0.20.2
clang_major=19
tools=$PWD/target/tools

# What the build without the sensor consists of.
lean=(-p agentsec-core -p profile_pod -p agentsec-tests --no-default-features)

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "$(basename "$0"): $*"
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
sudo_works() { have sudo && sudo -n true 2>/dev/null; }

# Do these lines of C compile and link with these libraries? usage: links "#include …" -lfoo
links() {
    have cc || return 1
    local dir source=$1 status=0
    shift
    dir=$(mktemp -d)
    printf '%s\nint main(void) { return 0; }\n' "$source" >"$dir/probe.c"
    cc "$dir/probe.c" -o "$dir/probe" "$@" 2>/dev/null || status=1
    rm -rf "$dir"
    return $status
}
libelf_found() { links '#include <libelf.h>
#include <gelf.h>' -lelf; }
zlib_found() { links '#include <zlib.h>' -lz; }

# Can the feature `bpf` be built here? Sets `why` if not.
bpf_buildable() {
    why=
    local tool
    for tool in make pkg-config; do
        have "$tool" || why="$tool is missing"
    done
    zlib_found || why="the headers of zlib are missing"
    libelf_found || why="the headers of libelf are missing"
    [ "$(uname -s)" = Linux ] || why="this is not Linux"
    [ -z "$why" ]
}

# May this process load programs into this kernel? Sets `why` if not.
bpf_permitted() {
    why=
    [ -r /sys/kernel/btf/vmlinux ] || why="the kernel has no type information (/sys/kernel/btf/vmlinux)"
    local held
    held=$((16#$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
    local sys_admin=$((held >> 21 & 1)) perfmon=$((held >> 38 & 1)) bpf=$((held >> 39 & 1))
    [ $((sys_admin | (perfmon & bpf))) -eq 1 ] || why="CAP_BPF and CAP_PERFMON are not held"
    [ -z "$why" ]
}

# The pinned cargo-deny: the user's own if it is the same version, else ours.
deny_path() {
    local candidate
    for candidate in "$tools/bin/cargo-deny" cargo-deny; do
        if have "$candidate" && [ "$("$candidate" --version 2>/dev/null)" = "cargo-deny $deny_version" ]; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# How to call the oldest promised cargo: `cargo +1.85.0`, or plain `cargo` if that is its version.
msrv_cargo() {
    if [[ $(rustc --version 2>/dev/null) == "rustc $msrv."* ]]; then
        echo cargo
    elif have rustup && rustup run "$msrv.0" rustc --version >/dev/null 2>&1; then
        echo "cargo +$msrv.0"
    else
        return 1
    fi
}
