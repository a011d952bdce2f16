//! Values on PostgreSQL's wire.

use std::error::Error as StdError;

use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type};

use crate::Value;

type BoxError = Box<dyn StdError + Sync + Send>;

/// A parameter has the type its place in the statement gives it: a number beside a literal is an `int4`.
impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxError> {
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(v), &Type::INT8) => v.to_sql(ty, out),
            (Value::Int(v), &Type::INT4) => i32::try_from(*v)?.to_sql(ty, out),
            (Value::Text(v), ty) if <String as ToSql>::accepts(ty) => v.to_sql(ty, out),
            (Value::Int(_) | Value::Text(_), _) => Err(format!("{self:?} bound as {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

/// Is a value read from a column of any type we have.
pub(super) struct Any(pub(super) Value);

impl<'a> FromSql<'a> for Any {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(|v| Any(Value::Int(v))),
            Type::INT4 => i32::from_sql(ty, raw).map(|v| Any(Value::Int(v.into()))),
            _ => String::from_sql(ty, raw).map(|v| Any(Value::Text(v))),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, BoxError> {
        Ok(Any(Value::Null))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4) || <String as FromSql>::accepts(ty)
    }
}
