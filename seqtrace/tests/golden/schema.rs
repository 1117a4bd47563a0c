//! `docs/sites.schema.json` against documents, and against itself.
//!
//! Knows the keywords that the schema uses and refuses all others, so that nothing in it goes
//! unchecked. A validator of the whole language would bring forty packages for one test.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// What does not restrict a document.
const ANNOTATIONS: [&str; 6] = [
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "title",
    "description",
];

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sites.schema.json");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("the schema is JSON")
}

/// What is wrong with a document, each with its place.
pub(crate) fn violations(document: &Value) -> Vec<String> {
    violations_of(&schema(), document)
}

/// As [`violations`], of another schema.
pub(crate) fn violations_of(schema: &Value, document: &Value) -> Vec<String> {
    let mut check = Check {
        root: schema,
        wrong: Vec::new(),
        used: BTreeSet::new(),
    };
    check.value(schema, document, "");
    check.wrong
}

struct Check<'a> {
    root: &'a Value,
    wrong: Vec<String>,
    /// Properties of the schema that a document had.
    used: BTreeSet<String>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: &Value, place: &str) {
        let rules = schema.as_object().expect("a schema is an object");
        for (keyword, rule) in rules {
            let is_right = match keyword.as_str() {
                "$ref" => {
                    self.value(self.resolve(rule), value, place);
                    true
                }
                "type" => has_type(rule, value),
                "const" => rule == value,
                "enum" => list(rule).contains(value),
                "minimum" => value.as_u64() >= rule.as_u64(),
                "minItems" => length(value) >= rule.as_u64(),
                "maxItems" => length(value) <= rule.as_u64(),
                "anyOf" => self.matching(rule, value, place) > 0,
                "oneOf" => self.matching(rule, value, place) == 1,
                "items" => {
                    self.items(rule, value, place);
                    true
                }
                "additionalProperties" => {
                    self.others(rules, rule, value, place);
                    true
                }
                "properties" => {
                    self.properties(rule, value, place);
                    true
                }
                "required" => missing(rule, value).is_empty(),
                known if ANNOTATIONS.contains(&known) => true,
                unknown => panic!("the keyword `{unknown}` is not checked here"),
            };
            if !is_right {
                self.wrong.push(format!("{place}: {keyword}: {rule}"));
            }
        }
    }

    fn resolve(&self, reference: &Value) -> &'a Value {
        let pointer = text(reference).trim_start_matches('#');
        let found = self.root.pointer(pointer);
        found.unwrap_or_else(|| panic!("the schema has no `{pointer}`"))
    }

    /// How many of the schemas take the value.
    fn matching(&mut self, schemas: &'a Value, value: &Value, place: &str) -> usize {
        let mut matching = 0;
        for schema in list(schemas) {
            let mut check = Check {
                root: self.root,
                wrong: Vec::new(),
                used: BTreeSet::new(),
            };
            check.value(schema, value, place);
            if check.wrong.is_empty() {
                matching += 1;
                self.used.append(&mut check.used);
            }
        }
        matching
    }

    fn items(&mut self, schema: &'a Value, value: &Value, place: &str) {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.value(schema, item, &format!("{place}/{index}"));
        }
    }

    fn properties(&mut self, schemas: &'a Value, value: &Value, place: &str) {
        for (name, schema) in schemas.as_object().expect("properties are an object") {
            if let Some(value) = value.get(name) {
                self.used.insert(format!("{schema:p} {name}"));
                self.value(schema, value, &format!("{place}/{name}"));
            }
        }
    }

    /// Members that `properties` does not name.
    fn others(&mut self, rules: &Object, rule: &'a Value, value: &Value, place: &str) {
        let known = rules.get("properties").and_then(Value::as_object);
        for (name, value) in value.as_object().into_iter().flatten() {
            if known.is_some_and(|known| known.contains_key(name)) {
                continue;
            }
            let place = format!("{place}/{name}");
            match rule {
                Value::Bool(false) => self.wrong.push(format!("{place}: not in the schema")),
                schema => self.value(schema, value, &place),
            }
        }
    }
}

fn has_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match text(name) {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type `{other}` is not checked here"),
    };
    match rule {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

fn missing<'a>(rule: &'a Value, value: &Value) -> Vec<&'a str> {
    let names = list(rule).iter().map(text);
    names
        .filter(|&name| value.is_object() && value.get(name).is_none())
        .collect()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn length(value: &Value) -> Option<u64> {
    value.as_array().map(|items| items.len() as u64)
}

/// The paths of all members and items of a document.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                found.push(format!(
                    "{place}/{}",
                    name.replace('~', "~0").replace('/', "~1")
                ));
                places(
                    member,
                    found.last().cloned().as_deref().unwrap_or(""),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{place}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn committed(name: &str) -> Value {
    let path = crate::data("exports").join(name);
    let text = fs::read_to_string(path).expect("the golden file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn a_document_with_one_member_more_less_or_changed_is_refused() {
    let document = committed("sites.json");
    assert_eq!(violations(&document), Vec::<String>::new());
    let mut found = Vec::new();
    places(&document, "", &mut found);
    assert!(found.len() > 200, "{}", found.len());
    for place in found {
        let (parent, name) = place.rsplit_once('/').expect("a path");
        let mut changed = document.clone();
        let members = changed.pointer_mut(parent).and_then(Value::as_object_mut);
        let members = members.expect("the parent of a member");
        // Counts by name have no member that must be there; a plan may have nothing to note, and
        // instances are planned only if somebody asks for them.
        let may_be_missing = name == "notes"
            || (name == "plan" && parent.starts_with("/instances/"))
            || parent.ends_with("/kinds")
            || parent.ends_with("/names")
            || parent.ends_with("/skips")
            || parent.ends_with("/instances");
        members.insert(name.to_owned(), serde_json::json!({ "surprise": 1.5 }));
        assert!(!violations(&changed).is_empty(), "{place} may be anything");
        let members = changed.pointer_mut(parent).and_then(Value::as_object_mut);
        members.expect("as before").remove(name);
        assert!(
            may_be_missing || !violations(&changed).is_empty(),
            "{place} may be missing"
        );
    }
}

#[test]
fn nothing_is_in_the_schema_that_no_document_has() {
    let schema = schema();
    let mut check = Check {
        root: &schema,
        wrong: Vec::new(),
        used: BTreeSet::new(),
    };
    for name in ["sites.json", "sites-file.json"] {
        check.value(&schema, &committed(name), "");
    }
    let mut all = BTreeSet::new();
    declared(&schema, &mut all);
    let unused: Vec<&String> = all.difference(&check.used).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

/// The properties that a schema and those in it declare.
fn declared(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (keyword, member) in members {
                if keyword == "properties" {
                    let properties = member.as_object().expect("properties are an object");
                    for (name, schema) in properties {
                        found.insert(format!("{schema:p} {name}"));
                    }
                }
                declared(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| declared(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
