//! In which of two forms a client would have an answer (RFC 9110 § 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// Whether a client names `other` and gives it no lower weight than `usual`. Wildcards ask for what is usual.
pub fn prefers(headers: &HeaderMap, other: &str, usual: &str) -> bool {
    let other = weight(headers, other).unwrap_or(0.0);
    other > 0.0 && other >= weight(headers, usual).unwrap_or(0.0)
}

/// The weight that a client gives to a media type by its name.
fn weight(headers: &HeaderMap, media_type: &str) -> Option<f32> {
    let values = headers.get_all(ACCEPT).iter();
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','));
    let weights = ranges.filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next()?.eq_ignore_ascii_case(media_type);
        is_named.then(|| parts.find_map(weight_parameter).unwrap_or(1.0))
    });
    weights.reduce(f32::max)
}

fn weight_parameter(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    name.trim()
        .eq_ignore_ascii_case("q")
        .then(|| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn prefers_open_metrics(accept: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        prefers(&headers, "application/openmetrics-text", "text/plain")
    }

    #[test]
    fn the_other_form_is_for_those_who_name_it_and_want_it() {
        let wanted = [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=1.0.0",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain, application/openmetrics-text",
        ];
        assert!(wanted.into_iter().all(prefers_open_metrics));
        let unwanted = [
            "",
            "*/*",
            "text/html, application/xhtml+xml, */*;q=0.8",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text;q=0.3, text/plain;q=0.5",
            "application/openmetrics-texts",
        ];
        assert!(!unwanted.into_iter().any(prefers_open_metrics));
        assert!(!prefers(
            &HeaderMap::new(),
            "application/openmetrics-text",
            "text/plain"
        ));
    }
}
