//! What a handler takes and answers, read off its signature, so that the description of the API cannot say
//! anything else than the code.

use axum::Json;
use axum::body::Body as AnyBody;
use axum::extract::{Extension, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, Response};
use axum::routing::{self, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::App;
use crate::api::{Body, Path, Query, Raw};

/// Is what one handler takes and answers, as JSON Schemas.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// The parameters of the path, in their order.
    pub(crate) path: Vec<Schema>,
    /// The parameters behind the question mark, as one object.
    pub(crate) query: Option<Schema>,
    pub(crate) body: Option<Content>,
    pub(crate) answer: Option<Content>,
}

/// Is what a body holds.
#[derive(Debug)]
pub(crate) enum Content {
    Json(Schema),
    /// Whatever the format of the call says.
    Bytes,
    Html,
}

/// Makes the shape of a handler; the schemas it refers to are left in the generator.
pub(crate) type Describe = fn(&mut SchemaGenerator) -> Shape;

/// Is a handler with its method, and what it takes and answers.
pub(crate) struct Described {
    pub(crate) handler: MethodRouter<App>,
    pub(crate) describe: Describe,
}

macro_rules! methods {
    ($($method:ident)*) => {$(
        pub(crate) fn $method<H, T, A>(handler: H) -> Described
        where
            H: Handler<T, App> + Signature<A>,
            T: 'static,
        {
            Described { handler: routing::$method(handler), describe: H::describe }
        }
    )*};
}

methods! { delete get head post put }

/// Is something a handler takes.
pub(crate) trait Argument {
    fn add_to(shape: &mut Shape, generator: &mut SchemaGenerator);
}

/// Is something a handler answers with.
pub(crate) trait Answer {
    fn content(generator: &mut SchemaGenerator) -> Option<Content>;
}

/// Is the signature of a handler, told apart by its arguments.
#[diagnostic::on_unimplemented(
    message = "this handler cannot be described",
    note = "derive `schemars::JsonSchema` for what its `Body`, `Query`, `Path` and `Json` hold"
)]
pub(crate) trait Signature<Arguments> {
    fn describe(generator: &mut SchemaGenerator) -> Shape;
}

macro_rules! signatures {
    ($(($($argument:ident)*))*) => {$(
        impl<H, F, R, $($argument: Argument),*> Signature<($($argument,)*)> for H
        where
            H: Fn($($argument),*) -> F,
            F: Future<Output = R>,
            R: Answer,
        {
            fn describe(generator: &mut SchemaGenerator) -> Shape {
                let mut shape = Shape::default();
                $($argument::add_to(&mut shape, generator);)*
                shape.answer = R::content(generator);
                shape
            }
        }
    )*};
}

signatures! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) }

/// What the server has by itself says nothing about a call.
macro_rules! from_within {
    ($($name:ty),*) => {$(
        impl Argument for $name {
            fn add_to(_: &mut Shape, _: &mut SchemaGenerator) {}
        }
    )*};
}

from_within! { State<App>, HeaderMap }

impl<T> Argument for Extension<T> {
    fn add_to(_: &mut Shape, _: &mut SchemaGenerator) {}
}

impl<T: JsonSchema> Argument for Body<T> {
    fn add_to(shape: &mut Shape, generator: &mut SchemaGenerator) {
        shape.body = Some(Content::Json(generator.subschema_for::<T>()));
    }
}

impl Argument for Raw {
    fn add_to(shape: &mut Shape, _: &mut SchemaGenerator) {
        shape.body = Some(Content::Bytes);
    }
}

impl Argument for AnyBody {
    fn add_to(shape: &mut Shape, _: &mut SchemaGenerator) {
        shape.body = Some(Content::Bytes);
    }
}

impl<T: JsonSchema> Argument for Query<T> {
    fn add_to(shape: &mut Shape, generator: &mut SchemaGenerator) {
        // Its fields stand one by one, so it is no schema of its own.
        shape.query = Some(T::json_schema(generator));
    }
}

impl<T: Segments> Argument for Path<T> {
    fn add_to(shape: &mut Shape, generator: &mut SchemaGenerator) {
        T::add_to(&mut shape.path, generator);
    }
}

/// Is one parameter of a path, or several.
pub(crate) trait Segments {
    fn add_to(path: &mut Vec<Schema>, generator: &mut SchemaGenerator);
}

impl<T: JsonSchema> Segments for T {
    fn add_to(path: &mut Vec<Schema>, generator: &mut SchemaGenerator) {
        let schema = T::json_schema(generator);
        // Several are a tuple, whose schema lists them.
        match schema.get("prefixItems").and_then(|items| items.as_array()) {
            Some(items) => path.extend(items.iter().cloned().filter_map(|s| s.try_into().ok())),
            None => path.push(generator.subschema_for::<T>()),
        }
    }
}

impl<T: Answer, E> Answer for Result<T, E> {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        T::content(generator)
    }
}

impl<T: JsonSchema> Answer for Json<T> {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        Some(Content::Json(generator.subschema_for::<T>()))
    }
}

impl<T: Answer> Answer for (StatusCode, T) {
    fn content(generator: &mut SchemaGenerator) -> Option<Content> {
        T::content(generator)
    }
}

impl Answer for StatusCode {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        None
    }
}

impl Answer for Response {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        Some(Content::Bytes)
    }
}

impl Answer for &'static str {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        Some(Content::Bytes)
    }
}

impl Answer for Html<String> {
    fn content(_: &mut SchemaGenerator) -> Option<Content> {
        Some(Content::Html)
    }
}
