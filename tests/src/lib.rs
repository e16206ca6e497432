//! Black-box tests and their shared parts.
