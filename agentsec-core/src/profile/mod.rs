//! Room profile.
