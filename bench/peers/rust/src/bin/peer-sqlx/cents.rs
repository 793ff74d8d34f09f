//! Amounts of money: integer cents, serialised as a JSON number with at most two decimals.

use serde::{Serialize, Serializer};

/// Amount in cents; `Cents(1050)` is `10.5` in JSON.
#[derive(Clone, Copy)]
pub struct Cents(pub i64);

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i64(self.0 / 100)
        } else {
            #[expect(clippy::cast_precision_loss, reason = "exact up to fifteen digits")]
            let units = self.0 as f64 / 100.0;
            serializer.serialize_f64(units)
        }
    }
}
