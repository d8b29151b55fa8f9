//! Tells the crate where the kernel object lies: the checked-in one of the target's architecture,
//! or, with the feature `build-bpf`, one compiled here. Neither ever stands in for the other.

use std::path::Path;
use std::{env, io};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    match object() {
        Ok(path) => println!("cargo:rustc-env=AGENTSEC_BPF_OBJECT={path}"),
        Err(error) => println!("cargo::error={error}"),
    }
}

fn object() -> io::Result<String> {
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    if !matches!(arch.as_str(), "x86_64" | "aarch64") {
        return Err(io::Error::other(format!(
            "agentsec-bpf has kernel objects for x86_64 and aarch64, none for {arch}; \
             build agentsec-core without its feature `bpf`"
        )));
    }
    let root = variable("CARGO_MANIFEST_DIR")?;
    build_or_take(Path::new(&root), &arch)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("failed to read {name}: {error}")))
}

#[cfg(not(feature = "build-bpf"))]
fn build_or_take(root: &Path, arch: &str) -> io::Result<String> {
    // A missing object is reported by the compiler, which includes it and names its path.
    let object = root.join("prebuilt").join(arch).join("sensor.bpf.o");
    Ok(object.display().to_string())
}

/// Does what `scripts/bpf-build` does, with the same flags and the same headers of libbpf.
#[cfg(feature = "build-bpf")]
fn build_or_take(root: &Path, arch: &str) -> io::Result<String> {
    use std::fs;
    use std::process::Command;

    println!("cargo:rerun-if-changed=bpf");
    println!("cargo:rerun-if-env-changed=CLANG");
    println!("cargo:rerun-if-env-changed=LLVM_STRIP");

    let out = variable("OUT_DIR")?;
    let out = Path::new(&out);
    let headers = out.join("libbpf");
    fs::create_dir_all(&headers)?;
    for (name, text) in libbpf_sys::API_HEADERS {
        fs::write(headers.join(name), text)?;
    }

    let object = out.join("sensor.bpf.o");
    let define = if arch == "x86_64" {
        "-D__TARGET_ARCH_x86"
    } else {
        "-D__TARGET_ARCH_arm64"
    };
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang-19".to_owned());
    run(Command::new(clang)
        .current_dir(root.join("bpf"))
        .args(["@clang.flags", define, "-I."])
        .arg("-isystem")
        .arg(&headers)
        .arg(format!("-ffile-prefix-map={}=libbpf", headers.display()))
        .args(["-c", "sensor.bpf.c", "-o"])
        .arg(&object))?;
    let strip = env::var("LLVM_STRIP").unwrap_or_else(|_| "llvm-strip-19".to_owned());
    run(Command::new(strip).arg("-g").arg(&object))?;
    Ok(object.display().to_string())
}

#[cfg(feature = "build-bpf")]
fn run(command: &mut std::process::Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        io::Error::new(error.kind(), format!("failed to start {name}: {error}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Err(io::Error::other(format!(
        "failed to build the kernel object: {name}: {}",
        output.status
    )))
}
