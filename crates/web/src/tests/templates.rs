//! What holds for every template: nothing steps around escaping, each form carries its token, none lies about unused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn templates() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let name = |path: &Path| path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
    files_below(&folder)
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

#[test]
fn no_template_steps_around_escaping_or_the_content_security_policy() {
    let forbidden = [
        "|safe",
        "| safe",
        "style=",
        "onclick=",
        "onchange=",
        "<style",
        "javascript:",
        "autoescape",
    ];
    let found: Vec<_> = templates()
        .into_iter()
        .flat_map(|(name, text)| {
            let bad = forbidden.iter().filter(move |bad| text.contains(**bad));
            bad.map(|bad| format!("{name}: {bad}")).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn every_form_carries_its_token() {
    let is_open = |line: &str| {
        [
            "/setup",
            "/sign-in",
            "/sign-in/code",
            "/sign-in/passkey",
            "/forgot",
            "/welcome",
            "{{ path }}",
        ]
        .iter()
        .any(|path| line.contains(&format!("action=\"{path}\"")))
    };
    let bare: Vec<_> = templates()
        .into_iter()
        .flat_map(|(name, text)| {
            let forms = text
                .split("<form")
                .skip(1)
                .map(|form| form.split("</form").next().unwrap_or_default().to_owned());
            let bare = forms.filter(|form| {
                form.contains("method=\"post\"")
                    && !form.contains("csrf")
                    && !form.contains("parts::once")
                    && !is_open(form)
            });
            bare.map(|form| format!("{name}: {}", &form[..form.len().min(80)]))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(bare, [""; 0]);
}

#[test]
fn every_template_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts: Vec<String> = files_below(&folder)
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    texts.extend(templates().into_iter().map(|(_, text)| text));
    let names: BTreeSet<_> = templates().into_iter().map(|(name, _)| name).collect();
    let unused: Vec<_> = names
        .iter()
        .filter(|name| !texts.iter().any(|text| text.contains(&format!("\"{name}\""))))
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}
