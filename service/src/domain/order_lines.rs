//! Lines of a new order.

use std::collections::HashSet;

use super::Quantity;

/// Greatest number of lines of an order.
pub const MAX_LINES: usize = 100;

/// Quantity of one item in a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Id of the item.
    pub item_id: i64,
    /// Number of pieces.
    pub quantity: Quantity,
}

/// Lines of a new order: 1 to [`MAX_LINES`], each of another item, in the order given by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLines(Vec<OrderLine>);

impl OrderLines {
    /// Fails unless an order may have `count` lines.
    pub fn check_count(count: usize) -> Result<(), InvalidLines> {
        if (1..=MAX_LINES).contains(&count) { Ok(()) } else { Err(InvalidLines::Count) }
    }

    /// Returns the lines.
    #[must_use]
    pub fn as_slice(&self) -> &[OrderLine] {
        &self.0
    }
}

/// Reason why lines do not make an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLines {
    /// There are none, or more than [`MAX_LINES`].
    #[error("must have 1 to {MAX_LINES} entries")]
    Count,
    /// Items that occur again.
    #[error("an item occurs more than once")]
    Repeated(Vec<RepeatedItem>),
}

/// Line whose item occurs in an earlier line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {item_id} is in this order already")]
pub struct RepeatedItem {
    /// Position of the line, from 0.
    pub line: usize,
    /// Id of the item.
    pub item_id: i64,
}

impl TryFrom<Vec<OrderLine>> for OrderLines {
    type Error = InvalidLines;

    fn try_from(lines: Vec<OrderLine>) -> Result<Self, InvalidLines> {
        Self::check_count(lines.len())?;
        let mut seen = HashSet::with_capacity(lines.len());
        let repeated: Vec<_> = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| !seen.insert(line.item_id))
            .map(|(n, line)| RepeatedItem { line: n, item_id: line.item_id })
            .collect();
        if repeated.is_empty() { Ok(Self(lines)) } else { Err(InvalidLines::Repeated(repeated)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(item_ids: impl IntoIterator<Item = i64>) -> Result<OrderLines, InvalidLines> {
        let quantity = Quantity::try_from(1).unwrap();
        let lines = item_ids.into_iter().map(|item_id| OrderLine { item_id, quantity });
        OrderLines::try_from(lines.collect::<Vec<_>>())
    }

    #[test]
    fn an_order_has_1_to_100_lines_of_different_items() {
        assert_eq!(lines([]), Err(InvalidLines::Count));
        assert_eq!(lines(1..=101), Err(InvalidLines::Count));
        assert_eq!(lines(1..=100).unwrap().as_slice().len(), 100);
        let repeated = [(2, 7), (3, 7)].map(|(line, item_id)| RepeatedItem { line, item_id });
        assert_eq!(lines([7, 8, 7, 7]), Err(InvalidLines::Repeated(repeated.into())));
    }
}
