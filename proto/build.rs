//! Generates the Temporal API and our own messages.
//!
//! The `.proto` files of the API come from the published crate `temporalio-protos`, which ships them as data. We compile
//! those files ourselves, because the descriptor set that the crate exports has lost the `google.api.http` options.

use std::{env, error::Error, path::PathBuf, process::Command};

use prost::Message;

/// Our own messages, relative to this crate.
const OWN: &[&str] =
    &["perdure/admin/v1/admin.proto", "perdure/persistence/v1/persistence.proto", "perdure/token/v1/token.proto"];

/// The files of the API that nothing else imports; protox follows the imports.
const API: &[&str] = &[
    "temporal/api/workflowservice/v1/service.proto",
    "temporal/api/operatorservice/v1/service.proto",
    "temporal/api/errordetails/v1/message.proto",
    "temporal/api/sdk/v1/workflow_metadata.proto",
    "temporal/api/sdk/v1/task_complete_metadata.proto",
    "temporal/api/export/v1/message.proto",
    "temporal/api/nexusservices/workerservice/v1/request_response.proto",
    "google/rpc/status.proto",
];

/// Rare parts of an event that are larger than its others. An event is as large as its largest variant, and is moved
/// several times on its way: with these it has 1.9 KB, without them 0.6.
const BOXED: &[&str] = &[
    "attributes.workflow_execution_started_event_attributes",
    "attributes.workflow_execution_continued_as_new_event_attributes",
    "attributes.start_child_workflow_execution_initiated_event_attributes",
    "attributes.workflow_execution_update_rejected_event_attributes",
    "user_metadata",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=protos");
    let upstream = upstream_protos()?;
    let includes = [upstream.join("api_upstream"), upstream.clone(), PathBuf::from("protos")];
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_imports(true).include_source_info(false);
    for file in API.iter().chain(OWN) {
        compiler.open_file(file)?;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // protox keeps extension options only in its own encoding, so the file is written from there.
    let encoded = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("descriptors.bin"), &encoded)?;
    let descriptors = prost_types_set(&encoded)?;

    let mut builder = tonic_prost_build::configure();
    for part in BOXED {
        builder = builder.boxed(format!(".temporal.api.history.v1.HistoryEvent.{part}"));
    }
    builder
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .generate_default_stubs(true)
        .codec_path("crate::codec::Codec")
        .bytes(".")
        .btree_map(".")
        .extern_path(".temporal.api.history.v1.History", "crate::RawHistory")
        .include_file("api.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

/// The set for the code generator. The `deprecated` marks of fields and enum values are dropped there: a server must go on
/// serving what clients of all ages send, and each use would be a warning.
fn prost_types_set(encoded: &[u8]) -> Result<tonic_prost_build::FileDescriptorSet, Box<dyn Error>> {
    let mut set = tonic_prost_build::FileDescriptorSet::decode(encoded)?;
    for file in &mut set.file {
        file.message_type.iter_mut().for_each(undeprecate);
        file.enum_type.iter_mut().for_each(undeprecate_values);
    }
    Ok(set)
}

fn undeprecate(message: &mut prost_types::DescriptorProto) {
    for options in message.field.iter_mut().filter_map(|field| field.options.as_mut()) {
        options.deprecated = None;
    }
    message.nested_type.iter_mut().for_each(undeprecate);
    message.enum_type.iter_mut().for_each(undeprecate_values);
}

fn undeprecate_values(values: &mut prost_types::EnumDescriptorProto) {
    for options in values.value.iter_mut().filter_map(|value| value.options.as_mut()) {
        options.deprecated = None;
    }
}

/// Finds the `protos` folder of the crate `temporalio-protos` in the registry's source folder.
fn upstream_protos() -> Result<PathBuf, Box<dyn Error>> {
    // A build downloads only what it compiles; metadata may want a package more, so the second try may download it.
    let output = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output)?;
    let package = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "temporalio-protos")
        .ok_or("temporalio-protos is not in the dependency graph")?;
    let manifest = package["manifest_path"].as_str().ok_or("temporalio-protos has no manifest path")?;
    Ok(PathBuf::from(manifest).parent().ok_or("a manifest path has a parent")?.join("protos"))
}

fn metadata(extra: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform"])
        .arg(env::var("TARGET")?)
        .args(extra)
        .current_dir(env::var("CARGO_MANIFEST_DIR")?)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(output.stdout)
}
