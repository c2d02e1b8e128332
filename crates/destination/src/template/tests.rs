//! What templates make, and what they are refused.

use super::*;
use crate::template::room::with_room;
use minijinja::context;

fn made(source: &str, escape: Escape) -> String {
    render(source, values(), escape).unwrap()
}

fn values() -> Value {
    context! { title => "a \"b\" <c> & @all\nü/?", none => (), list => [1, 2], map => context! { x => "\"" } }
}

fn failure(source: &str) -> String {
    render(source, values(), Escape::Json).unwrap_err().to_string()
}

#[test]
fn values_are_escaped_for_where_they_stand() {
    assert_eq!(
        made("\"{{ title }}\"", Escape::Json),
        r#""a \"b\" <c> & @all\nü/?""#
    );
    assert_eq!(
        made("{{ none }} {{ list }} {{ map }} {{ 1.5 }}", Escape::Json),
        r#"null [1,2] {"x":"\""} 1.5"#
    );
    assert_eq!(
        made("{{ title | tojson }}", Escape::Json),
        r#""a \"b\" \u003cc\u003e \u0026 @all\nü/?""#
    );
    let percent = "a%20%22b%22%20%3Cc%3E%20%26%20%40all%0A%C3%BC%2F%3F";
    assert_eq!(
        made("x={{ title }}&y={{ none }}", Escape::Percent),
        format!("x={percent}&y=")
    );
    assert_eq!(
        made("{{ map | tojson }}", Escape::Percent),
        "%7B%22x%22%3A%22%5C%22%22%7D"
    );
    assert_eq!(
        made("{{ title }}", Escape::Html),
        "a &quot;b&quot; &lt;c&gt; &amp; @all\nü&#x2f;?"
    );
    assert_eq!(
        made("{{ title }}{{ none }}", Escape::Nothing),
        "a \"b\" <c> & @all\nü/?"
    );
    assert_eq!(
        made("{{ 'Euro € 😀' }}", Escape::Attribute),
        "Euro%20%E2%82%AC%20%F0%9F%98%80"
    );
}

#[test]
fn blocks_and_macros_are_escaped_once() {
    let source =
        "{% macro m(x) %}<{{ x }}>{% endmacro %}{% set s %}{{ title }}{% endset %}{{ s }}{{ m('\"') }}";
    assert_eq!(made(source, Escape::Json), r#"a \"b\" <c> & @all\nü/?<\">"#);
    assert!(made(source, Escape::Percent).ends_with("%3F<%22>"));
}

#[test]
fn filters_make_texts_harmless() {
    assert_eq!(
        made("{{ title | line }}", Escape::Nothing),
        "a \"b\" <c> & @all ü/?"
    );
    assert_eq!(
        made("{{ title | quiet | cut(14) }}", Escape::Nothing),
        "a \"b\" <c> &…"
    );
    assert_eq!(
        made("{{ '@a *b* [c](d)' | markdown }}", Escape::Nothing),
        "@\u{2060}a \\*b\\* \\[c\\]\\(d\\)"
    );
    assert_eq!(
        made("\"{{ title | html }}\"", Escape::Json),
        r#""a &quot;b&quot; &lt;c&gt; &amp; @all\nü&#x2f;?""#
    );
    assert_eq!(made("{{ none | quiet }}.", Escape::Nothing), ".");
}

#[test]
fn what_is_not_defined_is_an_error_with_its_place() {
    assert_eq!(
        failure("{\n  \"a\": {{ titel }}\n}"),
        "at line 2, column 11: `titel` is undefined"
    );
    assert_eq!(
        failure("{{ map.y.z }}"),
        "at line 1, column 7: `map.y` is undefined"
    );
    assert_eq!(
        failure("ü {{ map.y }}"),
        "at line 1, column 6: `map.y` is undefined"
    );
    assert!(failure("{{ titel | tojson }}").ends_with("is undefined"));
    assert!(failure("{{ titel | quiet }}").ends_with("is undefined"));
    assert!(failure("{% if titel %}x{% endif %}").ends_with("is undefined"));
    assert!(failure("{% for x in titel %}x{% endfor %}").ends_with("is undefined"));
    assert!(failure("{{ none.x }}").ends_with("is undefined"));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    let detail = "at line 2, column 4: syntax error: unexpected end of variable block";
    assert!(failure("a\n{{ }}").starts_with(detail), "{}", failure("a\n{{ }}"));
    assert!(failure("{{ title | nonsense }}").contains("unknown filter"));
    assert!(failure("{% include 'x' %}").contains("unknown statement include"));
}

#[test]
fn too_much_of_anything_is_an_error() {
    assert!(
        failure("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}")
            .contains("too much work")
    );
    assert!(failure("{{ 'x' * 1000000000 }}").contains("too much work"));
    assert!(failure("{% for a in range(7000) %}0123456789{% endfor %}").contains("larger than 64 KiB"));
    assert!(failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").contains("recursion"));
    assert_eq!(
        failure(&"x".repeat(MAX_TEMPLATE_BYTES + 1)),
        "because it is longer than 16 KiB"
    );
    assert_eq!(
        made(&"x".repeat(MAX_TEMPLATE_BYTES), Escape::Json).len(),
        MAX_TEMPLATE_BYTES
    );
}

#[test]
fn a_result_at_its_limit_is_taken_and_one_byte_more_is_not() {
    let of = |length: usize| {
        render(
            "{{ a }}{{ a }}{{ b }}",
            context! { a => "x".repeat(30_000), b => "x".repeat(length) },
            Escape::Nothing,
        )
    };
    assert_eq!(of(5536).map(|text| text.len()), Ok(MAX_RESULT_BYTES));
    assert!(of(5537).unwrap_err().sentence.contains("64 KiB"));
}

#[test]
fn deep_templates_end_in_an_answer_and_not_in_a_crash() {
    let fill = |head: &str, part: &str, tail: &str| {
        let count = (MAX_TEMPLATE_BYTES - head.len() - tail.len()) / part.len();
        let source = format!("{head}{}{tail}", part.repeat(count));
        assert!(
            with_room(|| render(&source, values(), Escape::Json))
                .unwrap()
                .is_some()
        );
    };
    let nest = "{% set ns = namespace(x=1) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    fill(nest, " ", "{{ ns.x }}");
    fill(
        &nest.replace("9000", "4000"),
        " ",
        "{{ ns.x }}{{ ns.x | tojson }}",
    );
    fill("{{ 1", "+1", " }}");
    fill("{{ map", ".x", " }}");
    fill("{{ list", "[0]", " }}");
    fill("{{ title", "|e", " }}");
    fill("{{ ", "not ", "1 }}");
    fill("{{ ", "-", "1 }}");
    fill("{{ ", "(", "1 }}");
    fill("{{ ", "[", "1 }}");
    fill("{{ 1", " if 1 else 1", " }}");
    fill("{{ 1", " and 1", " }}");
    fill("{{ 1", " is defined", " }}");
    fill("{{ title", "()", " }}");
    fill("", "{% if 1 %}", "");
    fill("{% if 1 %}", "{% elif 1 %}", "{% endif %}");
    fill("", "{% for a in list %}", "");
    fill("{% set (", "(", "a = 1 %}");
    fill("{{ {'a':", "{'a':", " }}");
}

#[test]
fn json_that_would_never_end_is_an_error() {
    let shared =
        "{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
    let plain = render(&format!("{shared}{{{{ ns.x }}}}"), Value::UNDEFINED, Escape::Json);
    let quiet = render(
        &format!("{shared}{{{{ ns.x | quiet }}}}"),
        Value::UNDEFINED,
        Escape::Json,
    );
    let wide = render("{{ [1] | tojson(4000000000) }}", Value::UNDEFINED, Escape::Json);
    assert!(plain.is_err() && quiet.is_err());
    assert_eq!(wide.unwrap(), "[\n        1\n]");
}
