//! Room workload.
