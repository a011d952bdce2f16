//! JSON Schemas of what is text in JSON and a type of its own here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::api::alert::Asked;
use crate::deliver::freeze::Window;
use crate::deliver::{ClientVersion, Clients, GitEventKind, Origin, Range};
use crate::time::Zone;
use crate::{Digest, Labels, Subject, Timestamp, limit};

/// Describes text of a pattern.
pub(crate) fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

/// Describes a name, with the signs it may hold beside letters, digits and `-`.
pub(crate) fn name(more: &[char]) -> Schema {
    let more: String = more.iter().collect();
    let pattern = format!("^[0-9A-Za-z][0-9A-Za-z{more}-]*$");
    json_schema!({ "type": "string", "maxLength": (limit::NAME_BYTES), "pattern": pattern })
}

macro_rules! schemas {
    ($($name:ident: $schema:tt;)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schemas! {
    Asked: { "type": "string", "pattern": "^((chg|alt|inc)-[1-9][0-9]*|page_[0-9A-HJKMNP-TV-Z]{26})$" };
    Clients: { "type": "string", "description": "a kind of client and a range of its versions: `ios>=4.2`" };
    Digest: { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" };
    GitEventKind: { "type": "string", "description": "`push`, `tag`, `pull_request`, …; a name this program does not know is kept as it is" };
    Labels: { "type": "object", "maxProperties": (limit::LABELS), "additionalProperties": { "type": "string", "maxLength": (limit::LABEL_VALUE_BYTES) } };
    Origin: { "type": "string" };
    Subject: { "type": "string", "description": "what an entry is about: `change/chg-4`, `host/web-1`, `service/shop`, `server`" };
    Timestamp: { "type": "string", "format": "date-time" };
    Window: {
        "type": "object",
        "properties": { "from": { "type": "string" }, "to": { "type": "string" } },
        "required": ["from", "to"],
        "description": "`fri 16:00` to `mon 08:00` for every week, or `2026-12-23 12:00` to `2027-01-02 08:00` for once"
    };
    Zone: { "type": "string", "description": "a time zone by its IANA name, such as `Europe/Berlin`, or `UTC`" };
}

macro_rules! ranges {
    ($($of:ty: $name:literal;)*) => {$(
        impl JsonSchema for Range<$of> {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": "`>=12 <15`; every comparison holds" })
            }
        }
    )*};
}

ranges! {
    u64: "SchemaRange";
    ClientVersion: "ClientRange";
}
