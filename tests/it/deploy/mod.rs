//! What `deploy/` ships, judged by the programs that read it, and held against what this program really does.

mod backups;
mod charts;
mod inits;
mod monitoring;
mod packages;
mod proxies;

use std::path::Path;

use tokio::process::Command;

use crate::support::programs::root;

/// A text of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Runs a program at the top of the repository; it must be content. What it says on its standard output.
async fn judge(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    let output = command.output().await.unwrap();
    let [said, complaint] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let is_content = output.status.success();
    assert!(
        is_content,
        "{} {arguments:?}: {said}{complaint}",
        program.display()
    );
    said
}
