//! Files used through an io_uring.

use agentsec_core::event::{Action, Fact, Flags};
use agentsec_core::observe::Sensor;
use agentsec_tests::bpf_or_skip;

use super::truth::compare;

fn run(mode: &str) -> Option<agentsec_tests::Seen> {
    let Some((truth, seen)) = compare("uring.c", mode, Sensor::builder()) else {
        eprintln!("skipped: no io_uring may be had here");
        return None;
    };
    assert!(truth.len() > 15, "{truth:#?}");
    Some(seen)
}

#[test]
fn each_operation_is_the_fact_of_its_call() {
    if !bpf_or_skip("each_operation_is_the_fact_of_its_call") {
        return;
    }
    let Some(seen) = run("plain") else { return };
    let facts = seen.facts(None);
    let nop = facts.iter().find_map(|(f, n)| match f {
        Fact::Action(a) if a.action == Action::IoUringOperation => Some((a.detail, *n)),
        _ => None,
    });
    assert_eq!(
        nop,
        Some((Some(0), 1)),
        "what is no file's goes by its number"
    );
    assert!(
        seen.flags().contains(Flags::UNSTABLE),
        "what nobody is told of"
    );
}

#[test]
fn a_thread_of_the_kernel_submits_for_its_owner() {
    if bpf_or_skip("a_thread_of_the_kernel_submits_for_its_owner") {
        run("sqpoll");
    }
}

#[test]
fn a_worker_of_the_kernel_works_for_its_owner() {
    if bpf_or_skip("a_worker_of_the_kernel_works_for_its_owner") {
        run("async");
    }
}

#[test]
fn answers_that_find_no_room_are_no_way_out() {
    if bpf_or_skip("answers_that_find_no_room_are_no_way_out") {
        run("overflow");
    }
}
