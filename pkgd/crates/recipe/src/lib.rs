//! Recipes: parse, lint, lock
