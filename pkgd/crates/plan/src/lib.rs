//! The build graph: order, cycles, critical path, rebuild reasons
