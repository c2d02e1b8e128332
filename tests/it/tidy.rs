//! The rules that keep the map of the repository true: who may use whom, sizes, names, first lines. Every rule has a
//! sample below that breaks it.

mod mutations;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
/// What a path in a map begins with.
const TOP: [&str; 8] = [
    "crates/",
    "tests/",
    "docs/",
    "deploy/",
    ".ci/",
    ".cargo/",
    "src/",
    "migrations/",
];
/// Words of our own that gave way to the field's: no name in code may bring them back. ARCHITECTURE.md has those in use.
const RETIRED: [&str; 34] = [
    "looker",
    "Looker",
    "TicketLooks",
    "DueLook",
    "Looked",
    "LookedOutcome",
    "HintRecord",
    "Hinted",
    "TicketHint",
    "take_hint",
    "Swept",
    "TicketDesk",
    "Asking",
    "converse",
    "Legacy",
    "Keeping",
    "Judgement",
    "Verdict",
    "Remedy",
    "Attempted",
    "Beyond",
    "Board",
    "Errands",
    "HandOver",
    "hand_over",
    "Birth",
    "hurry",
    "bury",
    "put_down",
    "Visitor",
    "Door",
    "taste",
    "dice",
    "Mood",
];
/// Where they may stand for a while: the insides of ticket systems.
const RETIRED_MAY_STAND_IN: [&str; 1] = ["tickets/src/"];
/// Where the name of a case says what it is about.
const UNDOCUMENTED_MAY_STAND_IN: [&str; 1] = ["store-conformance/"];
/// Crates of modules that are all of one shape: a command each, a platform each.
const WITH_TYPES_LIKE_EACH_OTHER: [&str; 2] = ["cli", "simulators"];
const UNFINISHED: [&str; 3] = ["todo!", "TODO", "FIXME"];

/// A file of a crate: its path below `crates/`, with `/`, and its text.
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

fn retired_words(file: &SourceFile) -> Vec<String> {
    if RETIRED_MAY_STAND_IN
        .iter()
        .any(|place| file.path.starts_with(place))
    {
        return Vec::new();
    }
    let code = source::without_comments_and_texts(&file.text);
    let words: BTreeSet<_> = code
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let found = RETIRED.iter().filter(|word| words.contains(*word));
    found
        .map(|word| format!("{}: {word} is retired", file.path))
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

/// Public functions and types without a line for who calls them. Fields and variants need one only if it says more than their
/// names, which the compiler's own lint cannot tell.
fn undocumented(file: &SourceFile) -> Vec<String> {
    if UNDOCUMENTED_MAY_STAND_IN
        .iter()
        .any(|folder| file.path.starts_with(folder))
    {
        return Vec::new();
    }
    let code = file.product_code();
    let lines: Vec<&str> = file.text.lines().collect();
    let is_item = |line: &str| {
        let rest = line.trim_start().strip_prefix("pub ").unwrap_or_default();
        // What a macro names, or a derive calls, nobody reads about.
        if ["$", "fn serialize<", "fn deserialize<"]
            .iter()
            .any(|part| rest.contains(part))
        {
            return false;
        }
        let mut words = rest
            .split(' ')
            .filter(|word| !["async", "const", "static"].contains(word));
        matches!(words.next(), Some("fn" | "struct" | "enum" | "trait" | "type"))
    };
    let has_doc = |number: usize| {
        let before = lines[..number].iter().rev();
        let opening = before.take_while(|line| {
            !line.is_empty() && !line.ends_with(['{', ';']) || line.trim_start().starts_with("///")
        });
        opening
            .into_iter()
            .any(|line| line.trim_start().starts_with("///"))
    };
    let items = code.lines().enumerate().filter(|(_, line)| is_item(line));
    items
        .filter(|(number, _)| !has_doc(*number))
        .map(|(number, line)| format!("{}:{}: {} has no doc", file.path, number + 1, line.trim()))
        .collect()
}

/// Public types at the top of a module whose names another one of the same crate has too.
fn doubled_types(files: &[SourceFile]) -> Vec<String> {
    let mut seen: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for file in files {
        let crate_name = file.path.split('/').next().unwrap_or_default();
        if WITH_TYPES_LIKE_EACH_OTHER.contains(&crate_name) {
            continue;
        }
        for line in file.product_code().lines() {
            let words: Vec<&str> = line.split([' ', '<', '(', ';', ':', '{']).collect();
            if let ["pub", "struct" | "enum" | "trait" | "type", name, ..] = words[..] {
                let key = (crate_name.to_owned(), name.to_owned());
                seen.entry(key).or_default().push(&file.path);
            }
        }
    }
    seen.retain(|_, paths| paths.len() > 1);
    let told =
        |((_, name), paths): (&(String, String), &Vec<&str>)| format!("{name}: in {}", paths.join(", "));
    seen.iter().map(told).collect()
}

/// Files that only one store can have: what belongs to SQLite's file and its threads, and to PostgreSQL's connections; and what
/// writes a past for the bench.
const OF_ONE_STORE: [&str; 21] = [
    "address.rs",
    "attempt_partitions.rs",
    "commit_outcome.rs",
    "connection.rs",
    "directory.rs",
    "errors.rs",
    "group_commit.rs",
    "history.rs",
    "opening.rs",
    "parameter_types.rs",
    "readers.rs",
    "refusals.rs",
    "replication.rs",
    "statements.rs",
    "terms.rs",
    "timelines.rs",
    "tls.rs",
    "unanswered.rs",
    "wal.rs",
    "watched_files.rs",
    "webhook_watch.rs",
];

/// Files that only one of two sibling folders has; nothing to compare while one of them is absent.
fn unequal_names(files: &[SourceFile], first: &str, second: &str) -> Vec<String> {
    let names = |folder: &str| -> BTreeSet<String> {
        let inside = files.iter().filter_map(|file| file.path.strip_prefix(folder));
        let shared = inside.filter(|name| !OF_ONE_STORE.contains(name));
        shared.map(str::to_owned).collect()
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

/// A row of the map's table of crates: a crate's folder, and the crates that it may use.
fn mapped_crates(map: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `crates/"));
    rows.filter_map(|row| {
        let (name, rest) = row.split_once("/` |")?;
        let (_, uses) = rest.trim_end().trim_end_matches('|').rsplit_once('|')?;
        let used = uses
            .split(',')
            .map(str::trim)
            .filter(|used| !used.is_empty() && *used != "–");
        Some((name.to_owned(), used.map(str::to_owned).collect()))
    })
    .collect()
}

/// The crates of ours that a manifest names for the product, without those for tests.
fn used_crates(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    let names = dependencies.into_iter().flat_map(toml::Table::keys);
    let ours = names.map(|name| name.replace('_', "-"));
    ours.filter(|name| root().join("crates").join(name).is_dir())
        .collect()
}

/// Where map and manifests differ, one sentence each.
fn arrows_off_the_map(
    map: &BTreeMap<String, BTreeSet<String>>,
    crates: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let names: BTreeSet<_> = map.keys().chain(crates.keys()).collect();
    let different = names
        .into_iter()
        .filter(|name| map.get(*name) != crates.get(*name));
    different
        .map(|name| {
            let (told, real) = (map.get(name), crates.get(name));
            format!("crates/{name}: ARCHITECTURE.md says that it uses {told:?}, its manifest {real:?}")
        })
        .collect()
}

/// Paths in back-ticks that are not there. A path has a slash and begins with a folder or file at the top.
fn missing_paths(text: &str, is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let is_path = |word: &&str| word.contains('/') && !word.contains([' ', '<', '*', '…', '{', ':', '(']);
    let words = text.split('`').skip(1).step_by(2).filter(is_path);
    let ours = words.filter(|word| TOP.iter().any(|top| word.starts_with(top)));
    ours.filter(|word| !is_there(word)).map(str::to_owned).collect()
}

/// Names of functions, types and the like in back-ticks that no source has.
fn unknown_names(text: &str, source_words: &BTreeSet<&str>) -> Vec<String> {
    let is_name = |word: &&str| {
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_joined = word.contains('_') || word.chars().skip(1).any(|c| c.is_ascii_uppercase());
        is_plain && is_joined && word.contains(|c: char| c.is_ascii_lowercase())
    };
    let words = text.split('`').skip(1).step_by(2);
    let names = words.map(|word| word.trim_end_matches("()")).filter(is_name);
    names
        .filter(|word| !source_words.contains(word))
        .map(str::to_owned)
        .collect()
}

// Reading the repository.

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
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
    let crates = root().join("crates");
    let files = files_below(&crates);
    let rust = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| SourceFile {
        path: from(&crates, &path),
        text: fs::read_to_string(&path).unwrap(),
    })
    .collect()
}

/// Every crate with the crates that its manifest names.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let folders = children(&root().join("crates"));
    let manifest = |folder: &PathBuf| fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    folders
        .iter()
        .map(|folder| {
            (
                from(&root().join("crates"), folder),
                used_crates(&manifest(folder)),
            )
        })
        .collect()
}

/// The folders at the top of the repository that are neither hidden nor ignored nor a cache.
fn folders_at_the_top() -> Vec<String> {
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    let is_ours =
        |name: &str| !name.starts_with('.') && !ignored.lines().any(|line| line.trim_matches('/') == name);
    let is_cache = |path: &Path| path.join("CACHEDIR.TAG").exists();
    let top = children(root())
        .into_iter()
        .filter(|path| path.is_dir() && !is_cache(path));
    top.map(|path| from(root(), &path))
        .filter(|name| is_ours(name))
        .collect()
}

/// What says where things are: the map, the guide and the decisions.
fn maps() -> Vec<(String, String)> {
    let mut paths = vec![root().join("ARCHITECTURE.md"), root().join("CONTRIBUTING.md")];
    paths.extend(files_below(&root().join("docs/decisions")));
    paths
        .iter()
        .map(|path| (from(root(), path), fs::read_to_string(path).unwrap()))
        .collect()
}

fn architecture() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

fn all(rule: impl Fn(&SourceFile) -> Vec<String>) -> Vec<String> {
    source_files().iter().flat_map(rule).collect()
}

const NOTHING: [String; 0] = [];

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
fn no_retired_word_is_back() {
    assert_eq!(all(retired_words), NOTHING);
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    assert_eq!(all(empty_names), NOTHING);
}

#[test]
fn every_public_function_and_type_is_documented() {
    assert_eq!(all(undocumented), NOTHING);
}

#[test]
fn an_undocumented_function_is_found() {
    let text = "//! A.\n\n/// Said.\n#[derive(Debug)]\npub struct Said {\n    pub field: u8,\n}\n\npub fn unsaid() {}\n";
    assert_eq!(
        undocumented(&SourceFile::sample("a/src/lib.rs", text)),
        ["a/src/lib.rs:9: pub fn unsaid() {} has no doc"]
    );
}

#[test]
fn no_two_public_types_of_a_crate_share_a_name() {
    assert_eq!(doubled_types(&source_files()), NOTHING);
}

#[test]
fn a_name_that_two_public_types_share_is_found() {
    let files = [
        SourceFile::sample("a/src/lib.rs", "//! A.\npub struct Refusal;\nstruct Own;\n"),
        SourceFile::sample(
            "a/src/b.rs",
            "//! B.\npub enum Refusal<T> { One(T) }\nstruct Own;\n",
        ),
        SourceFile::sample("b/src/lib.rs", "//! C.\npub struct Refusal;\n"),
    ];
    assert_eq!(doubled_types(&files), ["Refusal: in a/src/lib.rs, a/src/b.rs"]);
}

#[test]
fn both_stores_have_the_same_files() {
    assert_eq!(
        unequal_names(&source_files(), "store-sqlite/src/", "store-postgres/src/"),
        NOTHING
    );
}

#[test]
fn the_map_shows_every_crate_with_what_it_uses() {
    assert_eq!(
        arrows_off_the_map(&mapped_crates(&architecture()), &crates()),
        NOTHING
    );
}

#[test]
fn the_log_knows_every_crate() {
    let names = crates().into_keys().map(|name| name.replace('-', "_"));
    assert_eq!(names.collect::<Vec<_>>(), telemetry::log::filter::CRATES);
}

#[test]
fn the_map_names_every_folder_at_the_top() {
    let map = architecture();
    let is_missing = |folder: &String| !map.contains(&format!("`{folder}/"));
    let missing: Vec<_> = folders_at_the_top().into_iter().filter(is_missing).collect();
    assert_eq!(missing, NOTHING);
}

#[test]
fn every_path_that_the_maps_name_is_there() {
    let missing = maps().into_iter().flat_map(|(map, text)| {
        let paths = missing_paths(&text, |path| root().join(path).exists());
        paths.into_iter().map(move |path| format!("{map} names {path}"))
    });
    assert_eq!(missing.collect::<Vec<_>>(), NOTHING);
}

#[test]
fn every_name_that_the_maps_use_is_in_the_source() {
    let folders = ["crates", "tests"].map(|folder| files_below(&root().join(folder)));
    let is_text = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|extension| ["rs", "html", "sql"].iter().any(|known| extension == *known))
    };
    let texts: Vec<_> = folders
        .iter()
        .flatten()
        .filter(is_text)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let words = texts
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .collect();
    let unknown = maps().into_iter().flat_map(|(map, text)| {
        let names = unknown_names(&text, &words);
        names.into_iter().map(move |name| format!("{map} names {name}"))
    });
    assert_eq!(unknown.collect::<Vec<_>>(), NOTHING);
}

// Each rule is able to fail.

#[test]
fn an_arrow_that_the_map_does_not_show_is_found() {
    let map = mapped_crates(
        "| crate | holds | may use |\n| `crates/store/` | rows | model |\n| `crates/model/` | words | – |",
    );
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let mut crates = BTreeMap::from([
        ("store".to_owned(), names(&["model"])),
        ("model".to_owned(), names(&[])),
    ]);
    assert_eq!(arrows_off_the_map(&map, &crates), NOTHING);
    crates.insert("model".to_owned(), names(&["store"]));
    crates.insert("web".to_owned(), names(&[]));
    let found = arrows_off_the_map(&map, &crates);
    assert!(found.len() == 2 && found[0].contains("crates/model") && found[1].contains("crates/web"));
}

#[test]
fn a_path_that_is_not_there_is_found() {
    let text = "`crates/x/src/a.rs` and `crates/y/` and `GET /api/v1` and `application/json`";
    assert_eq!(
        missing_paths(text, |path| path == "crates/y/"),
        ["crates/x/src/a.rs"]
    );
}

#[test]
fn a_name_that_no_source_has_is_found() {
    let text = "`after_attempt` and `commit_all()` and `FailureCode` and `tick` and `NO_SUCH`";
    assert_eq!(
        unknown_names(text, &BTreeSet::from(["after_attempt", "FailureCode"])),
        ["commit_all"]
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
fn a_retired_word_is_found_in_code_and_not_in_sentences() {
    let bad = SourceFile::sample("engine/src/a.rs", "//! The Looker\nstruct Looker; // hurry\n");
    assert_eq!(retired_words(&bad), ["engine/src/a.rs: Looker is retired"]);
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
    let paths = [
        "store-sqlite/src/a.rs",
        "store-postgres/src/a.rs",
        "store-sqlite/src/b.rs",
    ];
    let files = paths.map(|path| SourceFile::sample(path, ""));
    let unequal = |files: &[SourceFile]| unequal_names(files, "store-sqlite/src/", "store-postgres/src/");
    assert_eq!(
        unequal(&files),
        ["b.rs: only in one of store-sqlite/src/ and store-postgres/src/"]
    );
    assert_eq!(unequal(&files[..1]), NOTHING);
}
