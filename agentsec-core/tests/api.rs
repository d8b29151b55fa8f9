//! What threads may share, checked when this is compiled.

use agentsec_core::event::{Fact, HashKey, Recording, Replay, Text};
use agentsec_core::profile::{Activity, Completeness, Diff, Evidence};
use agentsec_core::{Error, Event, Profile, Profiler, Workload};

fn shared<T: Send + Sync>() {}

#[test]
fn everything_may_be_sent_and_shared() {
    shared::<Error>();
    shared::<Event>();
    shared::<Fact>();
    shared::<Text>();
    shared::<HashKey>();
    shared::<Recording<Vec<u8>>>();
    shared::<Replay<&[u8]>>();
    shared::<Workload>();
    #[cfg(unix)]
    shared::<agentsec_core::Host>();
    shared::<Profiler>();
    shared::<Profile>();
    shared::<Activity>();
    shared::<Evidence>();
    shared::<Completeness>();
    shared::<Diff<'static>>();
}
