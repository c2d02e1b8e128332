//! What is refused, and that what is accepted ends soon.

use super::*;
use crate::filter::BOUNDS;
use proptest::prelude::*;

/// What the costliest accepted expression may take of a processor, in a debug build: its bound is two milliseconds in a
/// release build.
const MAX_NANOSECONDS: u64 = 1_000_000_000;

fn parse(source: &str) -> Result<Expression, InvalidExpression> {
    Expression::parse(source, &BOUNDS)
}

/// Values as large as the bounds say.
fn largest() -> Vec<(&'static str, Value)> {
    let text = "a".repeat(4000);
    let map = std::collections::HashMap::from([("name".to_owned(), Value::from(text.clone()))]);
    let texts = ["event", "severity", "status", "assignee", "title"];
    let texts = texts.map(|name| (name, Value::from(text.clone())));
    let maps = ["service", "incident"].map(|name| (name, Value::from(map.clone())));
    texts.into_iter().chain(maps).collect()
}

/// How long this thread has been on a processor, whatever else the machine does.
fn processor_nanoseconds() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.unwrap_or_default()
}

fn nanoseconds(expression: &Expression) -> u64 {
    let values = largest();
    let before = processor_nanoseconds();
    let _ = expression.evaluate(values);
    processor_nanoseconds() - before
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    assert!(matches!(parse("severity =="), Err(InvalidExpression::NotCel(_))));
    assert!(matches!(parse(""), Err(InvalidExpression::NotCel(_))));
    let unknown = parse("priority == 1").unwrap_err().to_string();
    assert!(
        unknown.starts_with("unknown name \"priority\": use event,"),
        "{unknown}"
    );
    // The name of a loop ends with it.
    assert!(parse("['a'].exists(x, x == title) && x == title").is_err());
}

#[test]
fn loops_within_loops_are_refused_however_they_are_written() {
    let nested = [
        "[1].all(a, [1].all(b, true))",
        "[1].existsOne(a, [1].existsOne(title, true))",
        "[1] . all (a, [1]\n.\texists_one\n( b, true))",
        "[1].all//\n(a, [1].all//\n(b, true))",
        "[1].map(a, [1].filter(b, true)) == []",
        "[1].map(a, a).map(b, b) == []",
    ];
    nested.iter().for_each(|source| {
        assert_eq!(parse(source), Err(InvalidExpression::TooManyLoops), "{source}");
    });
}

#[test]
fn what_has_no_bound_is_refused_with_words() {
    let refused = |source: &str| parse(source).unwrap_err().to_string();
    assert!(refused("title.matches('(a+)+$')").starts_with("unknown function \"matches\""));
    assert!(refused("severity == 'info' && matches(title, 'a{9999}')").contains("matches"));
    assert!(refused("Message{a: 1} == 1").contains("messages"));
    assert_eq!(
        refused(&"a".repeat(MAX_EXPRESSION_BYTES + 1)),
        InvalidExpression::TooLong.to_string()
    );
    let deep = format!("{}1{}", "(".repeat(MAX_NESTING + 1), ")".repeat(MAX_NESTING + 1));
    assert_eq!(parse(&deep), Err(InvalidExpression::TooDeep));
    let grown = format!("{}title == ''", "title + ".repeat(120));
    assert_eq!(parse(&grown), Err(InvalidExpression::TooMuchWork));
    let listed = format!(
        "[{}title].map(x, [x,x,x,x,x,x,x,x,x,x,x,x]) == []",
        "title,".repeat(150)
    );
    assert_eq!(parse(&listed), Err(InvalidExpression::TooMuchWork));
}

#[test]
fn long_conditions_of_every_day_are_accepted() {
    let words = "'database',".repeat(75);
    let any = format!("[{words}'x'].exists(word, title.contains(word))");
    let each = format!(
        "{}severity == 'critical'",
        "title.contains('disk') || ".repeat(38)
    );
    let names = format!("service.name in [{words}'x']");
    [any, each, names]
        .iter()
        .for_each(|source| assert_eq!(parse(source).err(), None, "{source}"));
}

/// Reading and evaluating happens on threads with two megabytes of stack.
#[test]
fn deep_expressions_end_in_an_answer_and_not_in_a_crash() {
    let fill = |head: &str, part: &str, tail: &str| {
        let times = (MAX_EXPRESSION_BYTES - head.len() - tail.len()) / part.len();
        (1..=times).rev().step_by(37).for_each(|times| {
            let source = format!("{head}{}{tail}", part.repeat(times));
            if let Ok(expression) = parse(&source) {
                let _ = expression.evaluate(largest());
            }
        });
    };
    let work = move || {
        fill("1", "+1", " == 1");
        fill("true", "||true", "");
        fill("true", "?true:true", "");
        fill("title", ".a", " == 1");
        fill("title", "[0]", " == 1");
        fill("title", ".size()", " == 1");
        fill("", "!", "true");
        fill("", "-", "1 == 1");
        fill("", "- ", "1 == 1");
        fill("", "(", "1");
        fill("", "[", "1");
        fill("", "{1:", "1");
        fill("", "!-", "1");
        fill("title", ".?a", "");
    };
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}

/// Of each way to make an expression dear, the dearest that is accepted.
#[test]
fn the_costliest_accepted_expressions_end_soon() {
    let families: [fn(usize) -> String; 8] = [
        |n| format!("{}title == ''", "title + ".repeat(n)),
        |n| format!("{}title == ''", "string(title + title) + ".repeat(n)),
        |n| format!("[{}title].exists(x, title + x == x)", "title,".repeat(n)),
        |n| {
            format!(
                "[{}1].exists(x, {}false)",
                "1,".repeat(n),
                "x == 2 || ".repeat((900 - 2 * n) / 10)
            )
        },
        |n| {
            format!(
                "[{}'b'].exists(x, (title + title).contains(title + x))",
                "'b',".repeat(n)
            )
        },
        |n| {
            format!(
                "[{}1].map(x, [title, title]) == [{}1]",
                "1,".repeat(n),
                "1,".repeat(n)
            )
        },
        |n| {
            format!(
                "{{{}'z': title}} == {{}}",
                (0..n).map(|key| format!("'{key}': title,")).collect::<String>()
            )
        },
        |n| {
            format!(
                "[{}incident] == [{}incident]",
                "incident,".repeat(n),
                "incident,".repeat(n)
            )
        },
    ];
    for family in families {
        let accepted = (1..=420).rev().find_map(|n| parse(&family(n)).ok()).unwrap();
        let took = nanoseconds(&accepted);
        assert!(took < MAX_NANOSECONDS, "{took} ns: {}", accepted.source());
    }
}

fn expressions() -> impl Strategy<Value = String> {
    let names = [
        "title",
        "service.name",
        "incident",
        "x",
        "1",
        "'text'",
        "[]",
        "1.5e300",
        "true",
    ];
    let leaf = prop::sample::select(names.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(6, 160, 12, |inner| {
        let pair = (inner.clone(), inner.clone());
        let many = prop::collection::vec(inner.clone(), 1..12);
        prop_oneof![
            (
                pair.clone(),
                prop::sample::select(vec!["+", "==", "in", "<", "&&", "||", "*"])
            )
                .prop_map(|((a, b), sign)| format!("({a} {sign} {b})")),
            (pair.clone(), prop::sample::select(vec!["contains", "startsWith"]))
                .prop_map(|((a, b), name)| format!("{a}.{name}({b})")),
            (
                pair.clone(),
                prop::sample::select(vec!["map", "filter", "exists", "all", "exists_one"])
            )
                .prop_map(|((a, b), name)| format!("{a}.{name}(x, {b})")),
            (
                inner.clone(),
                prop::sample::select(vec!["string", "size", "bytes", "dyn", "type"])
            )
                .prop_map(|(a, name)| format!("{name}({a})")),
            (inner, pair).prop_map(|(a, (b, c))| format!("({a} ? {b} : {c})")),
            many.clone().prop_map(|parts| format!("[{}]", parts.join(","))),
            many.prop_map(|parts| format!("({})", parts.join("+"))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_is_accepted_ends_soon(source in expressions(), times in 1usize..40) {
        let repeated = format!("[{}1] == []", format!("{source},").repeat(times));
        for source in [source, repeated] {
            if let Ok(expression) = parse(&source) {
                let took = nanoseconds(&expression);
                prop_assert!(took < MAX_NANOSECONDS, "{} ns: {}", took, source);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(source in ".{0,200}") {
        let _ = parse(&source).map(|expression| expression.evaluate(largest()));
    }

    #[test]
    fn no_salad_of_words_makes_the_parser_panic(words in prop::collection::vec(
        prop::sample::select(vec!["severity", "==", "(", ")", "[", "]", "&&", "!", "-", ".all(", "x,", "\"a\"", "1", "in", "?", ":", "has(", "title", ".", "null"]), 0..30)) {
        let _ = parse(&words.join(" ")).map(|expression| expression.evaluate(largest()));
    }
}
