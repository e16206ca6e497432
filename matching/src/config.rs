//! What operators set for a queue.

use std::{collections::HashMap, sync::Arc};

/// Rates are tasks per second; 0 lets nothing out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueConfig {
    /// Of the whole queue, over what its workers ask for.
    pub rate: Option<f64>,
    /// Of each fairness key, times its weight.
    pub fairness_key_rate: Option<f64>,
    /// By fairness key, over what tasks say; the empty key is that of tasks without one.
    pub fairness_weights: HashMap<Arc<str>, f32>,
}

/// Who set the rate that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateSource {
    /// An operator.
    Config,
    /// The worker that polled last.
    Worker,
    /// Nobody: there is no limit.
    #[default]
    System,
}
