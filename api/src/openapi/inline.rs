//! Simplification of inlined schemas.
//!
//! A field with a domain type and a doc comment is described as "all of the type's schema and an object with the
//! comment", which no string could satisfy. Here it becomes the type's schema with the comment.

use utoipa::openapi::{
    RefOr,
    schema::{Object, Schema, SchemaType, Type},
};

/// Simplifies the properties of an object.
pub fn simplify(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for property in object.properties.values_mut() {
        if let Some(simple) = simplified(property) {
            *property = RefOr::T(Schema::Object(simple));
        }
    }
}

fn simplified(property: &RefOr<Schema>) -> Option<Object> {
    match property {
        RefOr::T(Schema::AllOf(all)) => {
            let [RefOr::T(Schema::Object(value)), RefOr::T(Schema::Object(comment))] =
                all.items.as_slice()
            else {
                return None;
            };
            let mut simple = value.clone();
            simple.description.clone_from(&comment.description);
            Some(simple)
        }
        RefOr::T(Schema::OneOf(one)) => {
            let (mut values, mut nullable) = (Vec::new(), false);
            for item in &one.items {
                let RefOr::T(Schema::Object(object)) = item else { return None };
                if object.schema_type == SchemaType::Type(Type::Null) {
                    nullable = true;
                } else {
                    values.push(object);
                }
            }
            let ([value], true) = (values.as_slice(), nullable) else { return None };
            let SchemaType::Type(of) = &value.schema_type else { return None };
            let mut simple = (*value).clone();
            simple.schema_type = SchemaType::Array(vec![of.clone(), Type::Null]);
            simple.description.clone_from(&one.description);
            Some(simple)
        }
        _ => None,
    }
}
