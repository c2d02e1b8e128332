//! The address under which people reach this server, for links and commands that they take elsewhere.

use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;
use url::Url;

/// What stands in links if neither the settings nor the request name the server.
const NAMELESS: &str = "http://localhost";

/// The address of this server without a slash at its end: the one of the settings, or else the one that was asked.
pub fn base_url(public_url: Option<&Url>, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    address(public_url, host)
}

/// The path under which this server is reached, without a slash at its end; empty if it has a host of its own.
pub fn base_path(public_url: Option<&Url>) -> &str {
    public_url.map_or("", |url| url.path().trim_end_matches('/'))
}

/// A path of ours without the path under which this server is reached. A proxy may have taken that away already.
pub fn without_base_path<'a>(path: &'a str, base: &str) -> &'a str {
    let rest = path.strip_prefix(base).unwrap_or(path);
    match rest.chars().next() {
        Some('/' | '?') => rest,
        // What begins with the same letters is another name.
        Some(_) => path,
        None if path.is_empty() => path,
        None => "/",
    }
}

/// A host that is none (it can hold anything) names nothing.
fn address(public_url: Option<&Url>, host: Option<&str>) -> String {
    if let Some(url) = public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let is_plain = |host: &Authority| !host.as_str().contains('@');
    let host = host.and_then(|host| host.parse().ok()).filter(is_plain);
    host.map_or_else(|| NAMELESS.to_owned(), |host| format!("http://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_count_before_what_was_asked() {
        let url = Url::parse("https://ops.example/").unwrap();
        assert_eq!(address(Some(&url), Some("10.0.0.1:8080")), "https://ops.example");
        assert_eq!(address(None, Some("10.0.0.1:8080")), "http://10.0.0.1:8080");
        assert_eq!(address(None, Some("[::1]:8080")), "http://[::1]:8080");
    }

    #[test]
    fn the_base_path_is_taken_away_as_a_whole_name() {
        let without = |path| without_base_path(path, "/ops");
        assert_eq!(without("/ops"), "/");
        assert_eq!(without("/ops/incidents?a=1"), "/incidents?a=1");
        assert_eq!(without("/ops?a=1"), "?a=1");
        assert_eq!(without("/opsknight"), "/opsknight");
        assert_eq!(without("/incidents"), "/incidents");
        assert_eq!(without_base_path("/incidents", ""), "/incidents");
    }

    #[test]
    fn a_host_that_is_none_leads_nowhere() {
        let hosts = [
            None,
            Some(""),
            Some("a b"),
            Some("a/b"),
            Some("user@evil.example"),
        ];
        assert_eq!(hosts.map(|host| address(None, host)), [NAMELESS; 5]);
    }
}
