//! Runs one step in a sandbox: phases, logs, deadlines, metrics, capture
