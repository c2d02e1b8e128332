//! The breaks of `tests/mutations/` still fit: a patch that no longer applies tests nothing.

use std::process::Command;

use super::root;

/// How many there are at least.
const MUTATIONS: usize = 20;

#[test]
fn every_mutation_still_applies() {
    let folder = root().join("tests/mutations");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let patches: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    assert!(patches.len() >= MUTATIONS, "{} mutations", patches.len());
    for patch in patches {
        let applying = Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(root())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&applying.stderr);
        assert!(applying.status.success(), "{}: {complaint}", patch.display());
    }
}
