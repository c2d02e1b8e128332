//! The rules that keep the map of the repository true: who may use whom, sizes, names, first lines. Every rule has a
//! sample below that breaks it.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom: a folder or file at the top of src, and the others that it may name. `*` means any.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("client_address", &["model"]),
    ("clock", &["model"]),
    ("wakeup", &["model"]),
    ("supervisor", &[]),
    ("bounded_map", &[]),
    ("limit", &["bounded_map"]),
    ("telemetry", &["model", "store"]),
    ("config", &["model"]),
    ("master_key", &["store", "clock", "secret_file"]),
    ("secret_file", &[]),
    ("adapters", &["model"]),
    ("outbound", &["model", "bounded_map"]),
    ("store", &["model"]),
    ("renderer", &["model", "adapters"]),
    (
        "actions",
        &["model", "adapters", "store", "clock", "wakeup", "renderer"],
    ),
    (
        "dispatch",
        &[
            "model",
            "adapters",
            "outbound",
            "store",
            "clock",
            "wakeup",
            "telemetry",
            "supervisor",
            "renderer",
        ],
    ),
    (
        "inbound",
        &["model", "actions", "client_address", "clock", "limit"],
    ),
    (
        "api",
        &[
            "model",
            "actions",
            "bounded_map",
            "store",
            "dispatch",
            "telemetry",
            "config",
            "client_address",
            "clock",
            "limit",
            "wakeup",
        ],
    ),
    (
        "web",
        &[
            "model",
            "adapters",
            "actions",
            "store",
            "bounded_map",
            "config",
            "client_address",
            "clock",
            "limit",
            "outbound",
        ],
    ),
    ("cli", &["*"]),
    ("app", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];
const LONGEST_FILE_LINES: usize = 500;
const LONGEST_FUNCTION_LINES: usize = 70;
const FORBIDDEN_NAMES: [&str; 8] = [
    "manager",
    "managers",
    "processor",
    "helper",
    "helpers",
    "util",
    "utils",
    "common",
];
const UNFINISHED: [&str; 3] = ["todo!", "TODO", "FIXME"];

/// A file under src: its path from there, with `/`, and its text.
struct SourceFile {
    path: String,
    text: String,
}

impl SourceFile {
    fn sample(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Where it stands among the modules: `store/sqlite/mod.rs` is `store`, `sqlite`.
    fn module_path(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/')
            .filter(|name| !["lib", "main"].contains(name))
            .collect()
    }

    /// The folder or file at the top of src that it belongs to.
    fn owner(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Its text without comments, texts and tests.
    fn product_code(&self) -> String {
        let blanked = source::without_comments_and_texts(&self.text);
        if self.is_test() {
            String::new()
        } else {
            source::without_tests(&blanked)
        }
    }
}

// The rules: each takes what it judges and returns what is wrong, one sentence each.

fn forbidden_imports(file: &SourceFile) -> Vec<String> {
    let owner = file.owner();
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == owner) else {
        return vec![format!(
            "{}: {owner} has no line in the import table of tests/it/tidy.rs",
            file.path
        )];
    };
    let is_module = |name: &String| IMPORTS.iter().any(|(module, _)| module == name);
    let is_allowed =
        |name: &String| name == owner || allowed.contains(&name.as_str()) || allowed.contains(&"*");
    source::used_modules(&file.product_code(), &file.module_path())
        .into_iter()
        .filter(|name| is_module(name) && !is_allowed(name))
        .map(|name| format!("{}: {owner} must not use {name}", file.path))
        .collect()
}

fn overlong_file(file: &SourceFile) -> Option<String> {
    let lines = file.text.lines().count();
    (lines > LONGEST_FILE_LINES).then(|| format!("{}: {lines} lines", file.path))
}

fn overlong_functions(file: &SourceFile) -> Vec<String> {
    source::functions(&file.product_code())
        .into_iter()
        .filter(|function| function.lines > LONGEST_FUNCTION_LINES)
        .map(|function| {
            format!(
                "{}:{}: fn {} has {} lines",
                file.path, function.line, function.name, function.lines
            )
        })
        .collect()
}

fn missing_opening(file: &SourceFile) -> Option<String> {
    (!file.text.starts_with("//! ")).then(|| format!("{}: does not open with a module doc (//!)", file.path))
}

fn unfinished_work(file: &SourceFile) -> Vec<String> {
    let found = UNFINISHED.into_iter().filter(|word| file.text.contains(word));
    found
        .map(|word| format!("{}: contains {word}", file.path))
        .collect()
}

fn empty_names(file: &SourceFile) -> Vec<String> {
    let path_names = file.path.trim_end_matches(".rs").split('/').map(str::to_owned);
    let code = source::without_comments_and_texts(&file.text);
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let inline = code
        .lines()
        .filter_map(|line| line.split_once("mod "))
        .map(|(_, rest)| word(rest));
    path_names
        .chain(inline)
        .filter(|name| name.split('_').any(|part| FORBIDDEN_NAMES.contains(&part)))
        .map(|name| format!("{}: {name} says nothing; name what it does", file.path))
        .collect()
}

/// Files that only one of two sibling folders has; nothing to compare while one of them is absent.
fn unequal_names(files: &[SourceFile], first: &str, second: &str) -> Vec<String> {
    let names = |folder: &str| -> BTreeSet<String> {
        let inside = files.iter().filter_map(|file| file.path.strip_prefix(folder));
        inside.map(str::to_owned).collect()
    };
    let (first_names, second_names) = (names(first), names(second));
    let are_both_there = !first_names.is_empty() && !second_names.is_empty();
    let different = first_names
        .symmetric_difference(&second_names)
        .filter(|_| are_both_there);
    different
        .map(|name| format!("{name}: only in one of {first} and {second}"))
        .collect()
}

fn folders_off_the_map(map: &str, folders: &[String]) -> Vec<String> {
    let missing = folders
        .iter()
        .filter(|folder| !map.contains(&format!("`{folder}/`")));
    missing
        .map(|folder| format!("ARCHITECTURE.md does not name `{folder}/`"))
        .collect()
}

// Reading the repository.

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut children: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    children.sort();
    children
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) = children(folder).into_iter().partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|path| files_below(path)));
    files
}

fn from(base: &Path, path: &Path) -> String {
    path.strip_prefix(base)
        .unwrap()
        .to_str()
        .unwrap()
        .replace('\\', "/")
}

fn source_files() -> Vec<SourceFile> {
    let src = root().join("src");
    let files = files_below(&src);
    let rust = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| SourceFile {
        path: from(&src, &path),
        text: fs::read_to_string(&path).unwrap(),
    })
    .collect()
}

/// Every folder under src but those of single kinds, and those at the top of the repository that are neither hidden nor ignored nor a cache.
fn folders_to_map() -> Vec<String> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let is_ours =
        |name: &str| !name.starts_with('.') && !ignored.lines().any(|line| line.trim_matches('/') == name);
    let is_cache = |path: &Path| path.join("CACHEDIR.TAG").exists();
    let top = children(root())
        .into_iter()
        .filter(|path| path.is_dir() && !is_cache(path));
    let top = top.map(|path| from(root(), &path)).filter(|name| is_ours(name));
    // A kind of webhook brings its folder along, and nothing else changes for it.
    let is_kind =
        |file: &SourceFile| file.path.starts_with("adapters/") && file.path.matches('/').count() > 1;
    let below = source_files()
        .into_iter()
        .filter(|file| !is_kind(file))
        .filter_map(|file| Some(format!("src/{}", file.path.rsplit_once('/')?.0)));
    top.chain(below).collect::<BTreeSet<_>>().into_iter().collect()
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

fn all(rule: impl Fn(&SourceFile) -> Vec<String>) -> Vec<String> {
    source_files().iter().flat_map(rule).collect()
}

const NOTHING: [String; 0] = [];

#[test]
fn every_folder_uses_only_what_the_import_table_allows() {
    assert_eq!(all(forbidden_imports), NOTHING);
}

#[test]
fn no_file_is_longer_than_the_limit() {
    assert_eq!(all(|file| overlong_file(file).into_iter().collect()), NOTHING);
}

#[test]
fn no_function_is_longer_than_the_limit() {
    assert_eq!(all(overlong_functions), NOTHING);
}

#[test]
fn every_file_opens_by_saying_what_lives_in_it() {
    assert_eq!(all(|file| missing_opening(file).into_iter().collect()), NOTHING);
}

#[test]
fn nothing_is_left_to_be_done_later() {
    assert_eq!(all(unfinished_work), NOTHING);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    assert_eq!(all(empty_names), NOTHING);
}

#[test]
fn both_stores_have_the_same_files() {
    assert_eq!(
        unequal_names(&source_files(), "store/sqlite/", "store/postgres/"),
        NOTHING
    );
}

#[test]
fn the_map_names_every_folder() {
    assert_eq!(folders_off_the_map(&architecture(), &folders_to_map()), NOTHING);
}

// Each rule is able to fail.

#[test]
fn an_import_against_the_table_is_found() {
    let bad = SourceFile::sample(
        "model/id.rs",
        "//! x\nfn f() { crate::store::open(); crate::model::id::x(); }",
    );
    assert_eq!(forbidden_imports(&bad), ["model/id.rs: model must not use store"]);
    let climbing = SourceFile::sample(
        "adapters/slack/mod.rs",
        "//! x\nuse super::super::outbound::Client;",
    );
    assert_eq!(
        forbidden_imports(&climbing),
        ["adapters/slack/mod.rs: adapters must not use outbound"]
    );
    let good = SourceFile::sample(
        "dispatch/lanes.rs",
        "//! crate::web\nuse crate::{model, store::X};\n#[cfg(test)]\nuse crate::web;",
    );
    assert_eq!(forbidden_imports(&good), NOTHING);
}

#[test]
fn a_folder_without_a_line_in_the_table_is_found() {
    let unknown = SourceFile::sample("plugins/mod.rs", "//! x");
    assert_eq!(
        forbidden_imports(&unknown),
        ["plugins/mod.rs: plugins has no line in the import table of tests/it/tidy.rs"]
    );
}

#[test]
fn an_overlong_file_is_found() {
    let at_limit = SourceFile::sample("app.rs", &"x\n".repeat(500));
    let above = SourceFile::sample("app.rs", &"x\n".repeat(501));
    assert_eq!(overlong_file(&at_limit), None);
    assert_eq!(overlong_file(&above), Some("app.rs: 501 lines".to_owned()));
}

#[test]
fn an_overlong_function_is_found_unless_it_is_a_test() {
    let function = |inner: usize| format!("fn f() {{\n{}}}\n", "    \"}\";\n".repeat(inner));
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(69));
    let text = format!("{}{}{in_tests}", function(68), function(69));
    let file = SourceFile::sample("app.rs", &text);
    assert_eq!(overlong_functions(&file), ["app.rs:71: fn f has 71 lines"]);
}

#[test]
fn a_missing_module_doc_is_found() {
    let bad = SourceFile::sample("app.rs", "use std::fmt;\n//! late");
    assert!(missing_opening(&bad).is_some());
}

#[test]
fn unfinished_work_is_found_in_code_and_comments() {
    let bad = SourceFile::sample("app.rs", "//! x\n// TODO later\nfn f() { todo!() }");
    assert_eq!(
        unfinished_work(&bad),
        ["app.rs: contains todo!", "app.rs: contains TODO"]
    );
}

#[test]
fn a_name_that_says_nothing_is_found_in_paths_and_modules() {
    let bad = SourceFile::sample("store/row_utils.rs", "//! x\npub mod common {}\nmod uncommon {}");
    let expected = ["row_utils", "common"]
        .map(|name| format!("store/row_utils.rs: {name} says nothing; name what it does"));
    assert_eq!(empty_names(&bad), expected);
}

#[test]
fn a_file_that_only_one_store_has_is_found() {
    let files = ["store/sqlite/a.rs", "store/postgres/a.rs", "store/sqlite/b.rs"]
        .map(|path| SourceFile::sample(path, ""));
    assert_eq!(
        unequal_names(&files, "store/sqlite/", "store/postgres/"),
        ["b.rs: only in one of store/sqlite/ and store/postgres/"]
    );
    assert_eq!(
        unequal_names(&files[..1], "store/sqlite/", "store/postgres/"),
        NOTHING
    );
}

#[test]
fn a_folder_that_the_map_forgets_is_found() {
    let folders = ["src/store", "src/store/sqlite"].map(str::to_owned);
    let missing = folders_off_the_map("`src/store/` keeps rows", &folders);
    assert_eq!(missing, ["ARCHITECTURE.md does not name `src/store/sqlite/`"]);
}
