//! Every system call that changes a file.

use agentsec_core::observe::Sensor;
use agentsec_tests::bpf_or_skip;

use super::truth::compare;

#[test]
fn each_call_is_the_fact_it_makes() {
    if !bpf_or_skip("each_call_is_the_fact_it_makes") {
        return;
    }
    let (truth, seen) = compare("calls.c", "native", Sensor::builder()).unwrap();
    assert!(truth.len() > 30, "{truth:#?}");
    // Whatever is asked of the events is in the profile too.
    assert_eq!(seen.profiled(), seen.facts(None));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn each_32_bit_call_is_the_fact_it_makes() {
    if !bpf_or_skip("each_32_bit_call_is_the_fact_it_makes") {
        return;
    }
    let Some(_) = compare("calls.c", "compat", Sensor::builder()) else {
        eprintln!("skipped: this kernel has no 32-bit calls");
        return;
    };
}

#[test]
fn with_a_ring_of_one_page_it_is_the_same() {
    if !bpf_or_skip("with_a_ring_of_one_page_it_is_the_same") {
        return;
    }
    compare("calls.c", "native", Sensor::builder().ring_bytes(4096)).unwrap();
}
