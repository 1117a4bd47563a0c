//! Messages of other tools, read by the definitions that these publish: pprof's `proto/profile.proto`
//! and Perfetto's `protos/perfetto/trace/perfetto_trace.proto`.

use std::fs;

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _, Value};

use super::data;

/// A published definition, compiled.
pub(crate) struct Published(DescriptorPool);

impl Published {
    /// The file of this name among the schemas; one that ends with `.zst` is packed.
    pub(crate) fn compile(name: &str) -> Self {
        let path = data(&format!("schemas/{name}"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let source = match name.strip_suffix(".zst") {
            Some(_) => zstd::decode_all(bytes.as_slice()).expect("packed"),
            None => bytes,
        };
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("published.proto"), source).expect("written");
        let compiled = protox::compile(["published.proto"], [folder.path()]).expect("it compiles");
        Self(DescriptorPool::from_file_descriptor_set(compiled).expect("it is consistent"))
    }

    /// Reads a message. Panics where it has a field that the definition does not know, or no value that
    /// it knows.
    pub(crate) fn read(&self, message: &str, bytes: &[u8]) -> DynamicMessage {
        let definition = self.0.get_message_by_name(message);
        let definition = definition.unwrap_or_else(|| panic!("no message {message}"));
        let message = DynamicMessage::decode(definition, bytes).expect("it is of this kind");
        assert_known(&message);
        message
    }
}

fn assert_known(message: &DynamicMessage) {
    let name = message.descriptor().full_name().to_owned();
    assert_eq!(message.unknown_fields().count(), 0, "in {name}");
    for (field, value) in message.fields() {
        let values = match value {
            Value::List(values) => values.as_slice(),
            other => std::slice::from_ref(other),
        };
        for value in values {
            match value {
                Value::Message(inside) => assert_known(inside),
                Value::EnumNumber(number) => assert!(
                    field
                        .kind()
                        .as_enum()
                        .is_some_and(|kind| kind.get_value(*number).is_some()),
                    "{number} in {name}"
                ),
                _ => {}
            }
        }
    }
}

/// A field of one number, 0 where it is not set.
pub(crate) fn number(message: &DynamicMessage, field: &str) -> u64 {
    let value = message.get_field_by_name(field);
    value
        .and_then(|value| numeric(&value))
        .unwrap_or_else(|| panic!("{field} is no number"))
}

/// A field of many numbers.
pub(crate) fn numbers(message: &DynamicMessage, field: &str) -> Vec<u64> {
    let values = list(message, field);
    let values = values.iter().map(numeric);
    values.collect::<Option<_>>().expect("numbers")
}

/// A field of text, empty where it is not set.
pub(crate) fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    let text = value.as_deref().and_then(Value::as_str).map(str::to_owned);
    text.unwrap_or_else(|| panic!("{field} is no text"))
}

/// A field of many texts.
pub(crate) fn texts(message: &DynamicMessage, field: &str) -> Vec<String> {
    let values = list(message, field);
    let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().expect("texts")
}

/// A message in a message, where it is set.
pub(crate) fn inside(message: &DynamicMessage, field: &str) -> Option<DynamicMessage> {
    let is_set = message.has_field_by_name(field);
    let value = message.get_field_by_name(field)?;
    is_set.then(|| value.as_message().expect("a message").clone())
}

/// A field of many messages.
pub(crate) fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let values = list(message, field);
    let messages = values.iter().map(|value| value.as_message().cloned());
    messages.collect::<Option<_>>().expect("messages")
}

fn list(message: &DynamicMessage, field: &str) -> Vec<Value> {
    let value = message.get_field_by_name(field);
    let values = value.as_deref().and_then(Value::as_list).map(<[_]>::to_vec);
    values.unwrap_or_else(|| panic!("{field} is no list"))
}

fn numeric(value: &Value) -> Option<u64> {
    let signed = value.as_i64().or_else(|| value.as_i32().map(i64::from));
    let signed = signed.or_else(|| value.as_enum_number().map(i64::from));
    let unsigned = value.as_u64().or_else(|| value.as_u32().map(u64::from));
    unsigned.or_else(|| signed.and_then(|number| number.try_into().ok()))
}
