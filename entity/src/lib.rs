//! What the marketplace's database holds, as SeaORM entities: one file a table.
//!
//! Every relation is declared from both ends:
//!
//! ```text
//! customer 1──1 address
//! customer 1──n orders 1──n order_items n──1 item
//!               orders n──m item, through order_items
//! ```

#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod address;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod api_keys;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod customer;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod idempotency_keys;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod item;
pub mod money;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod order_items;
#[expect(missing_docs, reason = "columns and what the macro makes of them speak for themselves")]
pub mod orders;

pub use api_keys::Role;
pub use money::Money;
