//! Generates the messages, clients and servers. `protox` compiles the .proto files, so that nobody has to install `protoc`.

use std::error::Error;

const FILES: [&str; 2] = [
    "shop/inventory/v1/inventory.proto",
    "shop/order/v1/order.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?;

    // The tests compare the constants of lib.rs with what was compiled.
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(
        format!("{out}/descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    // Without transport helpers a client has no `connect`: it is built on a channel of ours, which is instrumented.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
