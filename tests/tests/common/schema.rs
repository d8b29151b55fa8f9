//! The schema of profiles as JSON, and a validator that is not ours.

use std::path::Path;

use serde_json::Value;

/// Whether a document keeps to the schema.
pub(crate) fn checker() -> impl Fn(&Value) -> Result<(), String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../agentsec-core/schema/agentsec.profile-1.schema.json");
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    let index = compiler
        .compile(schema.to_str().unwrap(), &mut schemas)
        .unwrap();
    move |json| {
        let checked = schemas.validate(json, index);
        checked.map_err(|error| format!("{error:#}"))
    }
}
