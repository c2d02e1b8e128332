//! Makes pages of the documents in `docs/`, so that every server shows the help that fits it. A link to another document
//! leads to its page, one to a file of text to a page with that file; a link to what has no page is only its words.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Where the documents are, below the repository.
const FOLDER: &str = "docs";
/// Why it is built so is for who changes it, and pictures are large.
const LEFT_OUT: [&str; 2] = ["docs/decisions", "docs/screenshots"];
/// These have pages of their own, made in another way.
const OWN_PAGES: [&str; 1] = ["docs/errors.md"];
/// What files of text end with.
const TEXT: [&str; 15] = [
    "conf",
    "go",
    "html",
    "java",
    "js",
    "json",
    "php",
    "py",
    "rb",
    "rs",
    "service",
    "timer",
    "toml",
    "yaml",
    "Caddyfile",
];

/// What is wider than its page scrolls, by keys too.
const TABLE: &str = "<div class=\"wide-table\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">";
const CODE: &str = "<pre tabindex=\"0\" role=\"group\" aria-label=\"Code\"><code>";
/// Code up to this many bytes stays in one piece.
const UNBROKEN: usize = 24;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A document on its way to a page.
#[derive(Default)]
struct Page {
    title: String,
    /// Anchor and words of each part.
    parts: Vec<(String, String)>,
    html: String,
}

fn main() -> Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.join(FOLDER).display());
    let mut names = BTreeSet::new();
    find(&root, Path::new(FOLDER), &mut names)?;
    let mut files = BTreeSet::new();
    let mut pages = BTreeMap::new();
    for name in &names {
        let links = Links {
            root: &root,
            folder: name.parent().unwrap_or(Path::new("")),
            names: &names,
        };
        let page = links.page(&fs::read_to_string(root.join(name))?, &mut files);
        pages.insert(path_of(name), page);
    }
    for name in &files {
        println!("cargo::rerun-if-changed={}", root.join(name).display());
        pages.insert(
            path_of(name),
            page_of_file(name, &fs::read_to_string(root.join(name))?),
        );
    }
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("documents.rs"),
        source_of(&pages)?,
    )?;
    Ok(())
}

/// The documents below a folder.
fn find(root: &Path, folder: &Path, names: &mut BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let name = folder.join(entry?.file_name());
        if LEFT_OUT
            .iter()
            .chain(&OWN_PAGES)
            .any(|left_out| name == Path::new(left_out))
        {
            continue;
        }
        if root.join(&name).is_dir() {
            find(root, &name, names)?;
        } else if name.extension().is_some_and(|extension| extension == "md") {
            names.insert(name);
        }
    }
    Ok(())
}

/// What stands behind `/docs/` for a document or a file; nothing for the first of all.
fn path_of(name: &Path) -> String {
    let name = name.strip_prefix(FOLDER).unwrap_or(name).to_string_lossy();
    let name = name.strip_suffix(".md").unwrap_or(&name);
    name.strip_suffix("README")
        .unwrap_or(name)
        .trim_end_matches('/')
        .to_owned()
}

/// What the links of one document mean.
struct Links<'a> {
    root: &'a Path,
    folder: &'a Path,
    names: &'a BTreeSet<PathBuf>,
}

impl Links<'_> {
    fn page(&self, document: &str, files: &mut BTreeSet<PathBuf>) -> Page {
        let mut page = Page::default();
        let mut events = Vec::new();
        // Links without a page end where one without a beginning would.
        let mut is_open = Vec::new();
        let options = Options::ENABLE_TABLES;
        let mut parser = Parser::new_ext(document, options).peekable();
        while let Some(event) = parser.next() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    let words = words_until(&mut parser, |end| matches!(end, TagEnd::Heading(_)));
                    let text: String = words.iter().map(text_of).collect();
                    if level as u8 == 1 {
                        page.title = text;
                        continue;
                    }
                    let anchor = anchor_of(&text);
                    events.push(Event::Html(format!("<{level} id=\"{anchor}\">").into()));
                    events.extend(words);
                    events.push(Event::Html(format!("</{level}>\n").into()));
                    if level as u8 == 2 {
                        page.parts.push((anchor, text));
                    }
                }
                Event::Start(Tag::Image { .. }) => {
                    words_until(&mut parser, |end| matches!(end, TagEnd::Image));
                }
                Event::Start(Tag::Table(columns)) => {
                    events.push(Event::Html(TABLE.into()));
                    // Alignments would be styles of the page, which its policy forbids.
                    let columns = columns.iter().map(|_| pulldown_cmark::Alignment::None).collect();
                    events.push(Event::Start(Tag::Table(columns)));
                }
                Event::Start(Tag::CodeBlock(_)) => {
                    let words = words_until(&mut parser, |end| matches!(end, TagEnd::CodeBlock));
                    events.push(Event::Html(code_block(words.iter().map(text_of)).into()));
                }
                Event::End(TagEnd::Table) => {
                    events.push(event);
                    events.push(Event::Html("</div>\n".into()));
                }
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => {
                    let target = self.target(&dest_url, files);
                    is_open.push(target.is_some());
                    events.extend(target.map(|url| {
                        Event::Start(Tag::Link {
                            link_type,
                            dest_url: url.into(),
                            title,
                            id,
                        })
                    }));
                }
                Event::End(TagEnd::Link) => {
                    if is_open.pop() == Some(true) {
                        events.push(event);
                    }
                }
                Event::Code(text) => events.push(Event::InlineHtml(code(&text).into())),
                other => events.push(other),
            }
        }
        html::push_html(&mut page.html, events.into_iter());
        page
    }

    /// Where a link leads on a server, if anywhere.
    fn target(&self, link: &str, files: &mut BTreeSet<PathBuf>) -> Option<String> {
        if link.contains("://") || link.starts_with('#') {
            return Some(link.to_owned());
        }
        let (file, anchor) = link
            .split_once('#')
            .map_or((link, String::new()), |(file, anchor)| {
                (file, format!("#{anchor}"))
            });
        let name = plain(&self.folder.join(file));
        let is_document = self.names.contains(&name) || OWN_PAGES.iter().any(|own| name == Path::new(own));
        if !is_document {
            let ending = name.extension().or(name.file_name())?.to_str()?;
            if !TEXT.contains(&ending) || !self.root.join(&name).is_file() {
                return None;
            }
            files.insert(name.clone());
        }
        Some(format!("/docs/{}{anchor}", path_of(&name)).replace("/docs/#", "/docs#"))
    }
}

/// Code that stands by itself.
fn code_block<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut html = CODE.to_owned();
    texts
        .flat_map(str::chars)
        .for_each(|character| push_escaped(&mut html, character));
    html + "</code></pre>\n"
}

/// Code within a sentence. It may be broken where its parts meet, and only there.
fn code(text: &str) -> String {
    let mut html = "<code>".to_owned();
    for character in text.chars() {
        push_escaped(&mut html, character);
        if text.len() > UNBROKEN && "/?&=:_,@".contains(character) {
            html.push_str("<wbr>");
        }
    }
    html + "</code>"
}

fn push_escaped(html: &mut String, character: char) {
    match character {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        other => html.push(other),
    }
}

/// The events up to an end, which is left out.
fn words_until<'a>(
    parser: &mut impl Iterator<Item = Event<'a>>,
    is_end: impl Fn(&TagEnd) -> bool,
) -> Vec<Event<'a>> {
    parser
        .take_while(|event| !matches!(event, Event::End(end) if is_end(end)))
        .collect()
}

fn text_of<'a>(event: &'a Event<'_>) -> &'a str {
    match event {
        Event::Text(text) | Event::Code(text) => text,
        _ => "",
    }
}

/// The anchor of a heading, as the code hosts make it, so that links work in both places.
fn anchor_of(text: &str) -> String {
    let text = text.to_lowercase().replace(' ', "-");
    text.chars()
        .filter(|character| character.is_alphanumeric() || "-_".contains(*character))
        .collect()
}

/// A path without steps back.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn page_of_file(name: &Path, text: &str) -> Page {
    Page {
        title: name
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        html: code_block([text].into_iter()),
        ..Page::default()
    }
}

/// The pages as a table, in the order of their paths.
fn source_of(pages: &BTreeMap<String, Page>) -> Result<String> {
    let mut source = "&[\n".to_owned();
    for (path, page) in pages {
        let Page { title, parts, html } = page;
        writeln!(
            source,
            "Document {{ path: {path:?}, title: {title:?}, parts: &{parts:?}, html: {html:?} }},"
        )?;
    }
    source.push(']');
    Ok(source)
}
