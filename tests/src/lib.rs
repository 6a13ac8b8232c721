//! System tests and benchmarks over the real binaries
