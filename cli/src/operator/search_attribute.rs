//! `perdure operator search-attribute …`

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use perdure_proto::api::{
    enums::IndexedValueType,
    operatorservice::{AddSearchAttributesRequest, ListSearchAttributesRequest, RemoveSearchAttributesRequest},
};
use serde_json::{Value as Json, json};

use crate::{
    choices::{camel, choices},
    output::Field,
    session::Session,
};

commands! {
    /// Add, show and remove custom search attributes.
    SearchAttributeCommand {
        /// Add custom search attributes
        #[command(after_help = "Example:\n  perdure operator search-attribute create --name Customer --type Keyword --name Price --type Double")]
        Create(Create),
        /// Show all search attributes
        #[command(after_help = "Example:\n  perdure operator search-attribute list")]
        List(List),
        /// Remove custom search attributes
        #[command(after_help = "Example:\n  perdure operator search-attribute remove --name Customer --yes")]
        Remove(Remove),
    }
}

#[derive(Args, Debug)]
pub struct Create {
    /// The attribute's name; may be repeated.
    #[arg(long, required = true)]
    name: Vec<String>,
    /// The attribute's type; one for each name.
    #[arg(long, required = true, ignore_case = true, value_parser = choices("INDEXED_VALUE_TYPE_",
        &["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"], IndexedValueType::from_str_name))]
    r#type: Vec<IndexedValueType>,
}

#[derive(Args, Debug)]
pub struct List {}

#[derive(Args, Debug)]
pub struct Remove {
    /// The attribute's name; may be repeated.
    #[arg(long, required = true)]
    name: Vec<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

const ATTRIBUTES: &[Field] = &[("Name", "/name"), ("Type", "/type")];

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        if self.name.len() != self.r#type.len() {
            bail!("{} names and {} types: give a --type for each --name", self.name.len(), self.r#type.len());
        }
        let names = self.name.join(", ");
        let types = self.r#type.into_iter().map(i32::from);
        let search_attributes: BTreeMap<String, i32> = self.name.into_iter().zip(types).collect();
        let request = AddSearchAttributesRequest { search_attributes, namespace: session.namespace() };
        session.done(request, &format!("Search attributes have been added: {names}")).await
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let answer = session.call(ListSearchAttributesRequest { namespace: session.namespace() }).await?;
        if !session.output.is_text() {
            return session.output.json(&session.render::<ListSearchAttributesRequest>(&answer)?);
        }
        let name = |kind: i32| {
            let name = IndexedValueType::try_from(kind).unwrap_or_default().as_str_name();
            camel(name.trim_start_matches("INDEXED_VALUE_TYPE_"))
        };
        let rows = answer.system_attributes.iter().chain(&answer.custom_attributes);
        let rows: Vec<Json> = rows.map(|(key, kind)| json!({ "name": key, "type": name(*kind) })).collect();
        let mut list = session.output.list(ATTRIBUTES);
        list.page(&rows)?;
        list.end()
    }
}

impl Remove {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let names = self.name.join(", ");
        session.confirm(&format!("Remove the search attributes {names}?"), self.yes)?;
        let request = RemoveSearchAttributesRequest { search_attributes: self.name, namespace: session.namespace() };
        session.done(request, &format!("Search attributes have been removed: {names}")).await
    }
}
