//! A client in TypeScript that is generated from the API's description: the description is valid OpenAPI, the client is typed,
//! compiles strictly, and works. `./check` installs what it takes (`tests/judges/typescript`); in CI it must be there.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use super::server::Server;
use crate::support::programs::{node_packages, root};

const SOURCES: [&str; 3] = ["client.ts", "tsconfig.json", "package.json"];

async fn run(folder: &Path, program: &Path, arguments: &[&str]) -> String {
    let run = Command::new("node")
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = run.await.unwrap();
    let said = [stdout, stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(status.success(), "{} {arguments:?}: {said}", program.display());
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_typescript_client_is_typed_and_works() {
    let Some(installed) = node_packages("typescript") else {
        return;
    };
    let server = Server::start().await;
    // Below the packages, where node looks for them.
    let folder = tempfile::tempdir_in(&installed).unwrap();
    let folder = folder.path();
    let sources = root().join("tests/judges/typescript");
    for name in SOURCES {
        std::fs::copy(sources.join(name), folder.join(name)).unwrap();
    }
    let document = server.get("/api/v1/openapi.json").await.body;
    std::fs::write(folder.join("openapi.json"), document).unwrap();
    let tools = installed.join("node_modules");
    let validator = tools.join("@seriousme/openapi-schema-validator/bin/validate-api-cli.js");
    run(folder, &validator, &["openapi.json"]).await;
    let generator = tools.join("openapi-typescript/bin/cli.js");
    run(folder, &generator, &["openapi.json", "--output", "api.d.ts"]).await;
    run(folder, &tools.join("typescript/bin/tsc"), &["--project", "."]).await;
    let address = format!("http://{}", server.address);
    let said = run(folder, Path::new("out/client.js"), &[&address, &server.key]).await;
    assert_eq!(said.trim(), "incident.triggered: Disk full (nobody)");
}
