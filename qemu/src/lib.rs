//! Starts the appliance in QEMU, speaks to it, and injects faults
