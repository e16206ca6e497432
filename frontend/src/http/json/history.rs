//! The events of one run as texts of JSON, page by page.

use axum::response::Response;
use http::HeaderMap;
use prost_reflect::{DynamicMessage, Value};
use tonic::Status;

use super::{
    Format, JsonApi, Surface, headers,
    schema::{Route, SCHEMA},
};

pub(crate) struct HistoryPages {
    api: JsonApi,
    route: &'static Route,
    metadata: HeaderMap,
    /// For the next page; None: there is none.
    request: Option<DynamicMessage>,
    /// Whether events were shown before.
    continues: bool,
}

impl HistoryPages {
    /// The first page of a namespace's workflow and run, and what comes after it.
    pub(crate) async fn open(
        api: JsonApi,
        headers: &HeaderMap,
        [namespace, workflow, run]: [&String; 3],
    ) -> Result<(String, Option<Self>), Response> {
        let opened = async {
            let route = SCHEMA.routes.iter().find(|route| route.rpc.name() == "GetWorkflowExecutionHistory");
            let route = route.ok_or_else(|| Status::unimplemented("no route leads to histories"))?;
            let mut request = DynamicMessage::new(route.rpc.input());
            let fields = [("namespace", namespace), ("execution.workflow_id", workflow), ("execution.run_id", run)];
            for (field, value) in fields {
                super::fields::set(&mut request, field, std::slice::from_ref(value))
                    .map_err(Status::invalid_argument)?;
            }
            let metadata = headers::metadata(Surface::Ui, headers)?;
            let mut pages = Self { api, route, metadata, request: Some(request), continues: false };
            let first = pages.next().await?.unwrap_or_default();
            Ok((first, Some(pages)))
        };
        opened.await.map_err(|status: Status| Format::UI.error(&status))
    }

    /// The events of the next page with commas where they belong; None after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Status> {
        let Some(mut request) = self.request.take() else { return Ok(None) };
        let answer = self.api.call(self.route, self.metadata.clone(), &request).await?;
        if let Some(Value::Bytes(token)) = answer.get_field_by_name("next_page_token").as_deref()
            && !token.is_empty()
        {
            request.set_field_by_name("next_page_token", Value::Bytes(token.clone()));
            self.request = Some(request);
        }
        let tree = Format::UI.tree(&answer).map_err(|_| Status::internal("the history cannot be shown as JSON"))?;
        let events = tree.pointer("/history/events").and_then(serde_json::Value::as_array);
        let mut text = String::new();
        for event in events.into_iter().flatten() {
            if std::mem::replace(&mut self.continues, true) {
                text.push_str(",\n");
            }
            text.push_str(&event.to_string());
        }
        Ok(Some(text))
    }
}
