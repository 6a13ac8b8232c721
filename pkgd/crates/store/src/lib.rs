//! Durable state (redb), outputs, logs
