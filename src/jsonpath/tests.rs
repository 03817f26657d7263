#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::number::{float_in_json, float_in_text};
use super::{Template, Unsortable, column_text, order, scalar_text};

fn document() -> Value {
    json!({
        "kind": "List",
        "items": [
            {"name": "a", "n": 1, "ok": true, "labels": {"app.kubernetes.io/name": "x"}, "list": [1, 2, 3]},
            {"name": "b", "n": 10, "ok": false, "none": null, "list": []},
            {"name": "c", "n": 2.5, "list": [4]},
        ],
    })
}

/// The texts of the selected values: those of a block are separated by spaces.
fn text(template: &str) -> Result<String, String> {
    let (template, document) = (Template::parse(template), document());
    let template = template.map_err(|failure| failure.to_string())?;
    let selected = template.select(&document).map_err(|failure| failure.to_string())?;
    let text = |value: &Value| scalar_text(value).unwrap_or_else(|| value.to_string());
    let block = |items: Vec<super::Item<'_>>| {
        let texts = items.into_iter().filter_map(super::Item::into_value).map(|value| text(&value));
        texts.collect::<Vec<_>>().join(" ")
    };
    Ok(selected.into_iter().map(block).collect())
}

#[test]
fn fields_indices_and_slices_select_as_in_kubectl() {
    for (template, expected) in [
        ("kind: {.kind}", "kind: List"),
        ("{.items[0].name}{\"\\n\"}", "a\n"),
        ("{.items[-1].name}", "c"),
        ("{.items[0:2].name}", "a b"),
        ("{.items[*].name}", "a b c"),
        ("{.items[::2].name}", "a c"),
        ("{.items[0,2].name}", "a c"),
        ("{.items[0]['name','n']}", "a 1"),
        ("{.items[0].labels.app\\.kubernetes\\.io/name}", "x"),
        ("{.items[0].labels['app\\.kubernetes\\.io/name']}", "x"),
        ("{..name}", "a b c"),
        ("{.items[*].missing}", ""),
        ("{.items[1].none}", "null"),
        ("{.items[].name}", "a"),
        ("{$.kind}{@.kind}", "ListList"),
        ("{.items[2].n} {.items[0].ok}", "2.5 true"),
        ("{.kind.*}", "76 105 115 116"),
        ("{.items[0].labels}", "{\"app.kubernetes.io/name\":\"x\"}"),
    ] {
        assert_eq!(text(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn filters_compare_values_of_one_type() {
    for (template, expected) in [
        ("{.items[?(@.name==\"b\")].n}", "10"),
        ("{.items[?(@.name!='b')].n}", "1 2.5"),
        ("{.items[?(@.ok)].name}", "a b"),
        ("{.items[?(@.ok==true)].name}", "a"),
        ("{.items[0:2][?(@.n>=1)].name}", ""),
        ("{.items[?(@.name<='b')].name}", "a b"),
        ("{.items[0].list[?(@>1)]}", "2 3"),
        ("{.items[?(@.labels['app\\.kubernetes\\.io/name']=='x')].name}", "a"),
    ] {
        let found = text(template);
        if expected.is_empty() {
            assert!(found.is_err(), "{template}: {found:?}");
        } else {
            assert_eq!(found.as_deref(), Ok(expected), "{template}");
        }
    }
}

#[test]
fn ranges_repeat_what_is_before_their_end() {
    for (template, expected) in [
        ("{range .items[*]}{.name}={.n}{\"\\n\"}{end}!", "a=1\nb=10\nc=2.5\n!"),
        ("{range .items[*]}{.name}:{range .list[*]}<{@}>{end};{end}", "a:<1><2><3>;b:;c:<4>;"),
        ("{range .missing[*]}{.name}{[0]}{end}x", "x"),
        ("{range .items[0:2]}{.name}", "ab"),
    ] {
        assert_eq!(text(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn mistakes_name_their_position() {
    for (template, expected) in [
        ("{.items", "the expression has no closing brace (character 8)"),
        ("é {.items[0}", "the bracket is not closed (character 10)"),
        ("{.items[x]}", "invalid array index \"x\" (character 8)"),
        ("{.items[?(@.n=1)]}", "unknown operator \"=\" in the filter (character 8)"),
        ("{.items[?(@.n==1]}", "the filter has no closing parenthesis (character 8)"),
        ("{.items[?(@.n==x)]}", "unknown keyword \"x\": a field begins with a dot (character 16)"),
        ("{name}", "unknown keyword \"name\": a field begins with a dot (character 2)"),
        ("{.a....b}", ".. cannot follow .. (character 6)"),
        ("{..*}", "unexpected character '*' (character 4)"),
        ("{\"a}", "the quoted text has no end (character 2)"),
        ("{\"\\q\"}", "invalid escape in the quoted text (character 2)"),
        ("{1.2.3}", "\"1.2.3\" is not a number (character 2)"),
        ("{end}", "end without a range (character 2)"),
        ("{.items[7]}", "no element with index 7: the array has 3 (character 8)"),
        ("{.items[0:9]}", "the slice is out of bounds: the array has 3 (character 8)"),
        ("{.items[0:2:0]}", "the step of a slice must be positive (character 8)"),
        ("{.kind[0]}", "an index needs an array, and got a text (character 7)"),
        ("{.kind[?(@.x)]}", "a filter needs an array, and got a text (character 7)"),
        ("{.items[?(@.n==\"a\")]}", "cannot compare a number with a text (character 8)"),
        ("{.items[?(@.list[*]==1)]}", "a filter compares one value, and the path selects several (character 8)"),
    ] {
        assert_eq!(text(template).unwrap_err(), expected, "{template}");
    }
    assert!(text(&format!("{{{}@{}}}", "[?(".repeat(40), ")]".repeat(40))).is_err());
    assert!(text(&"{range @}".repeat(40)).unwrap_err().contains("nested more than 32 levels"));
}

#[test]
fn template_that_selects_too_many_values_fails() {
    let many = Value::Array(vec![Value::Array(vec![json!(1); 2000]); 2000]);
    let template = Template::parse("{[*][*]}{[*][*]}{[*][*]}").unwrap();
    assert!(template.select(&many).unwrap_err().to_string().contains("more than 10000000 values"));
}

#[test]
fn paths_are_accepted_with_and_without_dot_and_braces() {
    let document = document();
    for path in ["kind", ".kind", "{kind}", "{.kind}"] {
        let template = Template::parse_path(path).unwrap();
        assert_eq!(template.select(&document).unwrap(), [[super::Item::Document(&json!("List"))]], "{path}");
    }
    assert!(Template::parse_path("").unwrap().select(&document).unwrap().is_empty());
    for (path, expected) in [
        ("{.a}{.b}", "expected a path such as .metadata.name or {.metadata.name} (character 4)"),
        ("{}", "expected a path such as .metadata.name or {.metadata.name} (character 2)"),
        ("items[x]", "invalid array index \"x\" (character 6)"),
        (".items[x]", "invalid array index \"x\" (character 7)"),
        ("{.items[x]}", "invalid array index \"x\" (character 8)"),
    ] {
        assert_eq!(Template::parse_path(path).unwrap_err().to_string(), expected, "{path}");
    }
}

#[test]
fn values_print_as_in_go() {
    for (number, in_text, in_json) in [
        (2.5, "2.5", "2.5"),
        (1.0, "1", "1"),
        (0.0001, "0.0001", "0.0001"),
        (0.000_01, "1e-05", "0.00001"),
        (0.000_000_1, "1e-07", "1e-7"),
        (1e20, "100000000000000000000", "100000000000000000000"),
        (1.5e21, "1.5e+21", "1.5e+21"),
        (-0.5, "-0.5", "-0.5"),
        (1e-100, "1e-100", "1e-100"),
    ] {
        assert_eq!((float_in_text(number).as_str(), float_in_json(number).as_str()), (in_text, in_json));
    }
    assert_eq!(column_text(&json!({"b": [1, "x", null], "a": {}})), "map[a:map[] b:[1 x <nil>]]");
}

fn sorted(path: &str, rows: &[Value]) -> Result<Vec<usize>, Unsortable> {
    order(&Template::parse_path(path).unwrap(), rows)
}

#[test]
fn rows_are_ordered_by_type_of_value() {
    let rows = [json!({"n": 10}), json!({"n": 9}), json!({}), json!({"n": null}), json!({"n": 9.5})];
    assert_eq!(sorted(".n", &rows).unwrap(), [2, 3, 1, 4, 0]);
    let rows = [json!({"n": "1"}), json!({"n": "200m"}), json!({"n": "1Ki"})];
    assert_eq!(sorted(".n", &rows).unwrap(), [1, 0, 2]);
    let rows = [json!({"n": "w-2"}), json!({"n": "w-10"}), json!({"n": "W"})];
    assert_eq!(sorted(".n", &rows).unwrap(), [2, 1, 0]);
    let rows = [json!({"n": true}), json!({"n": false})];
    assert_eq!(sorted(".n", &rows).unwrap(), [1, 0]);
    assert_eq!(sorted(".n", &[]).unwrap(), Vec::<usize>::new());
}

#[test]
fn path_of_no_row_and_mixed_types_are_errors() {
    let rows = [json!({"n": 1, "l": []}), json!({"n": "a"})];
    assert_eq!(sorted(".x", &rows), Err(Unsortable::NotFound));
    assert_eq!(sorted(".n", &rows).unwrap_err().to_string(), "cannot compare a number with a text");
    assert_eq!(sorted(".l", &rows).unwrap_err().to_string(), "cannot sort by an array");
    assert!(matches!(sorted(".l[0]", &rows), Err(Unsortable::Path(_))));
}

#[test]
fn random_templates_never_panic() {
    const PARTS: [&str; 34] = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "?",
        "?(",
        ".",
        "..",
        "@",
        "$",
        "*",
        ",",
        ":",
        "'",
        "\"",
        "\\",
        "\n",
        " ",
        "é",
        "日",
        "range ",
        "end",
        "items",
        "name",
        "-1",
        "9223372036854775807",
        "2.5",
        "==",
        "!=",
        "<",
        "true",
        "list",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let document = document();
    let mut selected = 0;
    for _ in 0..50_000 {
        let parts = random.usize(1..14);
        let inner: String = (0..parts).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
        let template = if random.bool() { format!("{{.{inner}}}") } else { inner };
        let paths = [Template::parse(&template), Template::parse_path(&template)];
        selected += paths.iter().flatten().filter(|path| path.select(&document).is_ok()).count();
    }
    assert!(selected > 1000, "only {selected} templates are valid");
}
