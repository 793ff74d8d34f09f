//! The routes, one file for each family.

pub mod tutorial;
