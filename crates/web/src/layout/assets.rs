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

const ASSETS: [Asset; 5] = [
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
        name: "icon.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("../../assets/icon.svg"),
    },
];

/// The versions of the files, in their order: the first digits of their hashes.
static VERSIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let version = |asset: &Asset| hex::encode(&sha256([asset.content])[..6]);
    ASSETS.iter().map(version).collect()
});

/// Where a file is.
pub fn path_of(name: &str) -> String {
    let version = ASSETS
        .iter()
        .zip(VERSIONS.iter())
        .find(|(asset, _)| asset.name == name)
        .map(|(_, version)| version.as_str());
    format!("/assets/{}/{name}", version.unwrap_or("none"))
}

/// `GET /assets/{version}/{name}`. An old version's address gives the present file, but is not kept.
pub async fn file(Path((version, name)): Path<(String, String)>) -> PageResult {
    let found = ASSETS
        .iter()
        .zip(VERSIONS.iter())
        .find(|(asset, _)| asset.name == name);
    let (asset, present) = found.ok_or_else(|| PageError::not_found("file"))?;
    let keep = if version == *present {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    Ok(answer(asset, keep))
}

fn answer(asset: &Asset, keep: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, asset.media_type), (CACHE_CONTROL, keep)];
    (headers, asset.content).into_response()
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
}
