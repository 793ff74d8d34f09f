//! OpenAPI schema of [`Money`], whose crate does not depend on OpenAPI.

use entity::Money;
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

/// Stand-in for [`Money`] in the description of the API.
pub struct MoneySchema;

impl PartialSchema for MoneySchema {
    fn schema() -> RefOr<Schema> {
        #[expect(clippy::cast_precision_loss, reason = "exact up to Money::MAX")]
        let maximum = Money::MAX.cents() as f64 / 100.0;
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("An amount of money with at most two decimals"))
            .minimum(Some(0))
            .maximum(Some(maximum))
            .multiple_of(Some(0.01))
            .examples([json!(10.5)])
            .into()
    }
}

impl ToSchema for MoneySchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
}
