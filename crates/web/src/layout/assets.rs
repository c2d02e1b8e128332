//! The style, the script and the icon, inside the program. Their addresses carry a hash of their content, so that
//! browsers keep them for ever and never use an old one.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use model::digest::sha256;

use crate::layout::error::{PageError, PageResult};

/// A file inside the program.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const ASSETS: [Asset; 9] = [
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/style.css"),
    },
    Asset {
        name: "script.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/script.js"),
    },
    Asset {
        name: "forms.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/forms.js"),
    },
    Asset {
        name: "passkeys.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/passkeys.js"),
    },
    Asset {
        name: "live.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/live.js"),
    },
    Asset {
        name: "wall.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/wall.js"),
    },
    Asset {
        name: "wall.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/wall.css"),
    },
    Asset {
        name: "icons.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("../../assets/icons.svg"),
    },
    Asset {
        name: "icon.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("../../assets/icon.svg"),
    },
];

/// What browsers get of the files, in their order.
static SHIPPED: LazyLock<Vec<Shipped>> = LazyLock::new(|| ASSETS.iter().map(Shipped::new).collect());

/// A file as browsers get it.
struct Shipped {
    /// The first digits of its hash.
    version: String,
    content: Vec<u8>,
}

impl Shipped {
    fn new(asset: &Asset) -> Self {
        let content = shipped(asset.name, asset.content);
        Self {
            version: hex::encode(&sha256([&content[..]])[..6]),
            content,
        }
    }
}

/// Whether a line of a file is nothing but a comment.
fn is_comment(name: &str, line: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, "js")) => line.starts_with("//"),
        Some((_, "css")) => line.starts_with("/*") && line.find("*/") == line.len().checked_sub(2),
        Some(_) | None => false,
    }
}

/// Comments that have a line to themselves, how far a line is indented, and the blanks beside a style's marks are for who reads the
/// source.
fn shipped(name: &str, content: &[u8]) -> Vec<u8> {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    let is_shipped = |line: &&[u8]| !is_comment(name, String::from_utf8_lossy(line).trim());
    let lines = lines.filter(is_shipped).map(|line| line.trim_ascii_start());
    let kept: Vec<u8> = lines.flatten().copied().collect();
    match std::str::from_utf8(&kept) {
        Ok(style) if name.ends_with(".css") => tight(style).into_bytes(),
        Ok(_) | Err(_) => kept,
    }
}

/// A style without the blanks that mean nothing. None of ours has such marks with a blank in a text or an address.
fn tight(style: &str) -> String {
    const BLANKS: [(&str, &str); 5] = [(": ", ":"), ("; ", ";"), (" {", "{"), ("{ ", "{"), (", ", ",")];
    BLANKS.iter().fold(style.to_owned(), |style, (blank, tight)| {
        style.replace(blank, tight)
    })
}

/// Where a file is.
pub fn path_of(name: &str) -> String {
    let version = ASSETS
        .iter()
        .zip(SHIPPED.iter())
        .find(|(asset, _)| asset.name == name)
        .map(|(_, shipped)| shipped.version.as_str());
    format!("/assets/{}/{name}", version.unwrap_or("none"))
}

/// `GET /assets/{version}/{name}`. An old version's address gives the present file, but is not kept.
pub async fn file(Path((version, name)): Path<(String, String)>) -> PageResult {
    let found = ASSETS
        .iter()
        .zip(SHIPPED.iter())
        .find(|(asset, _)| asset.name == name);
    let (asset, shipped) = found.ok_or_else(|| PageError::not_found("file"))?;
    let keep = if version == shipped.version {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    Ok(answer(asset, shipped, keep))
}

fn answer(asset: &Asset, shipped: &'static Shipped, keep: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, asset.media_type), (CACHE_CONTROL, keep)];
    (headers, &shipped.content[..]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address_with_its_version() {
        let paths: Vec<_> = ASSETS.iter().map(|asset| path_of(asset.name)).collect();
        assert!(paths.iter().all(|path| !path.contains("/none/")));
        assert!(path_of("absent").contains("/none/"));
    }

    #[test]
    fn comments_on_lines_of_their_own_and_indentation_stay_here() {
        let script = b"// why\nlet a = 'http://x'; // what\n  // and so on\n  b();\n";
        assert_eq!(shipped("a.js", script), b"let a = 'http://x'; // what\nb();\n");
        let style = "/* why */\na { b: c; } /* what */\n/* d */ e { } /* f */\n/* two\nlines */\n";
        let kept = "a{b:c;} /* what */\n/* d */ e{} /* f */\n/* two\nlines */\n";
        assert_eq!(shipped("a.css", style.as_bytes()), kept.as_bytes());
        assert_eq!(shipped("a.svg", b"// x"), b"// x");
    }

    #[test]
    fn every_mark_that_a_page_names_is_there() {
        let marks = include_str!("../../assets/icons.svg");
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let texts = crate::tests::templates::files_below(&folder);
        let texts = texts.iter().map(|path| std::fs::read_to_string(path).unwrap());
        let named: Vec<_> = texts
            .flat_map(|text| {
                text.split("icon(\"")
                    .skip(1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .filter_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned()))
            .collect();
        let missing: Vec<_> = named
            .iter()
            .filter(|name| !marks.contains(&format!("id=\"{name}\"")))
            .collect();
        assert!(named.len() > 50 && missing.is_empty(), "{missing:?}");
    }
}
