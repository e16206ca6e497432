//! All that is wrong with settings at once, where a start tells the first thing: for `perdure config validate`.

use std::path::Path;

use anyhow::Context;
use figment::{
    Figment,
    error::Kind,
    providers::{Format, Serialized, Yaml},
    value::{Dict, Value},
};
use perdure_storage::visibility::AttributeKind;

use super::{Settings, environment};
use crate::dynamic_config::{self, Given};

/// What is wrong, each with what to do; the settings, as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) wrong: Vec<String>,
    /// What acts in no way, or not as written.
    pub(crate) notices: Vec<String>,
    /// None: what is wrong leaves none.
    pub(crate) settings: Option<Settings>,
}

pub(crate) fn validate(
    file: Option<&Path>,
    variables: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let environment = findings.environment(variables);
    let mut dict = Dict::new();
    let mut text = String::new();
    if let Some(file) = file {
        text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        match Figment::from(Yaml::string(&text)).extract::<Dict>() {
            Ok(read) => dict = read,
            Err(error) => {
                findings.wrong.push(format!("{}: {error}: mend the YAML", file.display()));
                return Ok(findings);
            }
        }
    }
    let name = file.map(|file| file.display().to_string()).unwrap_or_default();
    // Each round takes one wrong thing out of the file, and the last has none.
    loop {
        let figment = Figment::from(Serialized::defaults(Settings::default()));
        let figment = figment.merge(Serialized::defaults(dict.clone()));
        match figment.merge(Serialized::defaults(environment.clone())).extract::<Settings>() {
            Ok(settings) => {
                findings.settings(&settings);
                findings.settings = Some(settings);
                return Ok(findings);
            }
            Err(error) => {
                let (place, what) = explain(&error);
                if !take(&mut dict, &place) {
                    findings.wrong.push(format!("{}: {what}", place.join(".")));
                    return Ok(findings);
                }
                let line = line_of(&text, &place).map_or_else(String::new, |line| format!(":{line}"));
                findings.wrong.push(format!("{name}{line}: {}: {what}", place.join(".")));
            }
        }
    }
}

impl Findings {
    /// Each variable is read alone, so that one that is bad does not hide others.
    fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Dict {
        let mut good = Vec::new();
        for variable in variables {
            match environment::read(std::iter::once(variable.clone())) {
                Ok(_) => good.push(variable),
                Err(error) => self.wrong.push(error.to_string()),
            }
        }
        match environment::read(good.into_iter()) {
            Ok(read) => {
                self.notices.extend(read.notices);
                read.settings
            }
            Err(error) => {
                self.wrong.push(error.to_string());
                Dict::new()
            }
        }
    }

    /// What has the right form and a value that no server starts with.
    fn settings(&mut self, settings: &Settings) {
        if let Err(error) = perdure_cli::parse_duration(&settings.namespace_retention) {
            self.wrong.push(format!("namespace_retention: {error}"));
        }
        let bounds = [settings.lease().map(|_| ()), settings.worker_threads().map(|_| ())];
        self.wrong.extend(bounds.into_iter().filter_map(Result::err).map(|error| error.to_string()));
        for (name, kind) in &settings.search_attributes {
            if AttributeKind::from_name(kind).is_none() {
                let kinds = "Text, Keyword, Int, Double, Bool, Datetime or KeywordList";
                self.wrong.push(format!("search_attributes.{name}: {kind}: use {kinds}"));
            }
        }
        let tls = [settings.tls.identity().map(|_| ()), settings.tls.refresh().map(|_| ())];
        self.wrong.extend(tls.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")));
        let (grpc, http) = ((settings.listen.ip.as_str(), settings.listen.grpc_port), settings.listen.http());
        if grpc == http || grpc == settings.listen.ui() {
            self.wrong.push(format!("listen: port {} is wanted for gRPC and for HTTP: choose two", grpc.1));
        }
        for (key, value) in &settings.limits {
            let wrong = match dynamic_config::given(key, &value.to_string()) {
                Ok(Given::Acts(_)) => continue,
                Ok(Given::WithoutEffect(_)) => format!("limits.{key}: there is no such key: see `perdure config keys`"),
                Err(what) => format!("limits: {what}"),
            };
            self.wrong.push(wrong);
        }
    }
}

/// The place of the value that is wrong, and why it is.
fn explain(error: &figment::Error) -> (Vec<String>, String) {
    let what = match &error.kind {
        Kind::UnknownField(_, known) => format!("nobody knows it: use one of {}, or take it out", known.join(", ")),
        kind => kind.to_string(),
    };
    (error.path.clone(), what)
}

/// Takes a value out. False: the file does not have it.
fn take(dict: &mut Dict, place: &[String]) -> bool {
    match place {
        [] => false,
        [name] => dict.remove(name).is_some(),
        [name, rest @ ..] => match dict.get_mut(name) {
            Some(Value::Dict(_, inner)) => take(inner, rest),
            // A number within a list, say: the list goes.
            Some(_) => dict.remove(name).is_some(),
            None => false,
        },
    }
}

/// The line, from 1, of a key in block style: below the line of the key before it in the place, and further in.
fn line_of(text: &str, place: &[String]) -> Option<usize> {
    let mut found = None;
    let mut lines = text.lines().enumerate();
    let mut indent = None;
    for name in place {
        let (number, inner) = lines.find_map(|(number, line)| {
            let own = line.len() - line.trim_start().len();
            let key = line.trim_start().split(':').next()?.trim_matches(['"', '\'']);
            (key == name && indent.is_none_or(|indent| own > indent)).then_some((number, own))
        })?;
        (found, indent) = (Some(number + 1), Some(inner));
    }
    found
}
