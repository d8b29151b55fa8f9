//! Says where the object lies.
fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rerun-if-changed=prebuilt/{arch}/sensor.bpf.o");
    println!("cargo:rustc-env=AGENTSEC_BPF_OBJECT={dir}/prebuilt/{arch}/sensor.bpf.o");
}
