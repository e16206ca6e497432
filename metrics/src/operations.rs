//! Handles by operation: as many as there are methods, each made when it is first needed.

use std::sync::OnceLock;

/// Handles in the order of a list of methods.
pub struct Operations<H>(Box<[OnceLock<H>]>);

impl<H> Operations<H> {
    pub fn new(methods: &[&str]) -> Self {
        Self(methods.iter().map(|_| OnceLock::new()).collect())
    }

    /// `at`: the method's place in the list, as [`position`] finds it.
    pub fn get(&self, at: usize, make: impl FnOnce() -> H) -> Option<&H> {
        self.0.get(at).map(|handle| handle.get_or_init(make))
    }
}

/// Where a method is in a list, found while compiling; the list's length if it is not there.
pub const fn position(methods: &[&str], method: &str) -> usize {
    let mut at = 0;
    while at < methods.len() && !equal(methods[at].as_bytes(), method.as_bytes()) {
        at += 1;
    }
    at
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// `StartWorkflowExecution`, as the label `operation` has it, of `start_workflow_execution`.
pub fn camel_case(method: &str) -> String {
    let words = method.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_ascii_uppercase() + rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [&str; 3] = ["start", "stop_it", "stop"];
    const STOP: usize = position(&METHODS, "stop");

    #[test]
    fn by_method() {
        assert_eq!((STOP, position(&METHODS, "none")), (2, 3));
        assert_eq!(camel_case("respond_by_id"), "RespondById");
        let operations = Operations::new(&METHODS);
        assert_eq!(operations.get(STOP, || 1), Some(&1));
        assert_eq!(operations.get(STOP, || 2), Some(&1));
        assert_eq!(operations.get(3, || 2), None);
    }
}
