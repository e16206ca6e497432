//! All metrics of a server: where handles come from, and the text that Prometheus reads.

use std::collections::HashMap;

use prometheus::{
    Encoder, Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    TextEncoder,
    core::Collector,
    process_collector::ProcessCollector,
    proto::{LabelPair, MetricFamily},
};

use crate::{
    NAMESPACE_ID,
    definitions::{Definition, Kind},
};

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry(prometheus::Registry);

/// Handles of one metric by the values of its labels, in the order of its definition. For where a handle is made, not where it
/// is used.
#[derive(Clone)]
pub struct Counters(IntCounterVec);
#[derive(Clone)]
pub struct Gauges(IntGaugeVec);
#[derive(Clone)]
pub struct Histograms(HistogramVec);

/// A value with its labels' values.
pub type Sample = (Vec<String>, i64);

impl Registry {
    /// With what the system tells of this process: memory, CPU time, open files.
    pub fn of_process() -> Result<Self, Error> {
        let registry = Self::default();
        registry.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(registry)
    }

    pub fn counters(&self, definition: &'static Definition) -> Counters {
        let made = IntCounterVec::new(options(definition), definition.labels);
        Counters(self.register(made.expect("a definition is valid: a test makes all")))
    }

    pub fn gauges(&self, definition: &'static Definition) -> Gauges {
        let made = IntGaugeVec::new(options(definition), definition.labels);
        Gauges(self.register(made.expect("a definition is valid: a test makes all")))
    }

    pub fn histograms(&self, definition: &'static Definition) -> Histograms {
        let options = HistogramOpts::from(options(definition)).buckets(definition.kind.buckets().to_vec());
        let made = HistogramVec::new(options, definition.labels);
        Histograms(self.register(made.expect("a definition is valid: a test makes all")))
    }

    /// Of a metric without labels.
    pub fn counter(&self, definition: &'static Definition) -> IntCounter {
        self.counters(definition).of(&[])
    }

    /// Of a metric without labels.
    pub fn gauge(&self, definition: &'static Definition) -> IntGauge {
        self.gauges(definition).of(&[])
    }

    /// Of a metric without labels.
    pub fn histogram(&self, definition: &'static Definition) -> Histogram {
        self.histograms(definition).of(&[])
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        if let Err(error) = self.0.register(Box::new(collector.clone())) {
            // It counts, and nobody will see it.
            tracing::error!(%error, "a metric was registered twice");
        }
        collector
    }

    /// The text that Prometheus reads. `names`: of namespaces, by id.
    pub fn text(&self, names: &HashMap<String, String>) -> String {
        let mut families = self.0.gather();
        for family in &mut families {
            show_namespaces(family, names);
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "the metrics cannot be shown");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Counters {
    pub fn of(&self, labels: &[&str]) -> IntCounter {
        self.0.with_label_values(labels)
    }
}

impl Gauges {
    pub fn of(&self, labels: &[&str]) -> IntGauge {
        self.0.with_label_values(labels)
    }

    /// From now on these values, and no others.
    pub fn replace(&self, samples: impl IntoIterator<Item = Sample>) {
        self.0.reset();
        for (labels, value) in samples {
            self.0.with_label_values(&labels).set(value);
        }
    }
}

impl Histograms {
    pub fn of(&self, labels: &[&str]) -> Histogram {
        self.0.with_label_values(labels)
    }
}

fn options(definition: &Definition) -> Opts {
    let constant = definition.constant.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Opts::new(definition.name, definition.help).const_labels(constant.collect())
}

/// Names instead of ids. An id without a name is that of a namespace that was deleted.
fn show_namespaces(family: &mut MetricFamily, names: &HashMap<String, String>) {
    for metric in family.mut_metric() {
        let mut labels: Vec<LabelPair> = metric.take_label();
        for label in labels.iter_mut().filter(|label| label.name() == NAMESPACE_ID) {
            label.set_name("namespace".to_owned());
            if let Some(name) = names.get(label.value()) {
                label.set_value(name.clone());
            }
        }
        metric.set_label(labels);
    }
}

impl Kind {
    fn buckets(self) -> &'static [f64] {
        /// Seconds, as Temporal's server divides them.
        const SECONDS: [f64; 19] = [
            0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0,
            1000.0,
        ];
        const SIZES: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
        match self {
            Kind::Seconds => &SECONDS,
            Kind::Size => &SIZES,
            Kind::Counter | Kind::Gauge => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::ALL;

    #[test]
    fn all_definitions_are_valid() {
        let registry = Registry::default();
        for definition in ALL {
            let labels: Vec<&str> = definition.labels.to_vec();
            match definition.kind {
                Kind::Counter => registry.counters(definition).of(&labels).inc(),
                Kind::Gauge => registry.gauges(definition).of(&labels).set(1),
                Kind::Seconds | Kind::Size => registry.histograms(definition).of(&labels).observe(1.0),
            }
        }
        let names = HashMap::from([(NAMESPACE_ID.to_owned(), "default".to_owned())]);
        let text = registry.text(&names);
        for definition in ALL {
            assert!(text.contains(&format!("# HELP {} ", definition.name)), "{}", definition.name);
        }
        assert!(!text.contains(NAMESPACE_ID) && text.contains("namespace=\"default\""), "{text}");
    }

    #[test]
    fn gauges_forget() {
        let registry = Registry::default();
        let gauges = registry.gauges(&crate::definitions::WORKFLOWS_OPEN);
        gauges.replace([(vec!["a".to_owned()], 1)]);
        gauges.replace([(vec!["b".to_owned()], 2)]);
        let text = registry.text(&HashMap::new());
        assert!(text.contains("{namespace=\"b\",service_name=\"history\"} 2") && !text.contains("\"a\""), "{text}");
    }
}
