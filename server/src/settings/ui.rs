//! What Temporal's web UI, and other pages in browsers, get from this server.

use clap::Args;
use perdure_frontend::http::UiSettings;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UserInterface {
    /// URL of a server that browsers ask to decode payloads.
    pub(crate) codec_endpoint: Option<String>,
    /// The UI does not look for news on the internet.
    pub(crate) disable_news_fetch: bool,
    /// Origins of other pages that may call `/api/v1`, as `http://localhost:8080`; `*` is any.
    pub(crate) cors_origins: Vec<String>,
}

impl UserInterface {
    pub(crate) fn settings(&self, default_namespace: Option<&String>) -> UiSettings {
        UiSettings {
            default_namespace: default_namespace.cloned().unwrap_or_default(),
            codec_endpoint: self.codec_endpoint.clone().unwrap_or_default(),
            disable_news_fetch: self.disable_news_fetch,
            cors_origins: self.cors_origins.clone(),
        }
    }
}

/// As `temporal server start-dev` names them.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UiFlags {
    /// URL of a server that browsers ask to decode payloads.
    #[arg(long, value_name = "URL")]
    ui_codec_endpoint: Option<String>,
    /// The web UI does not look for news on the internet.
    #[arg(long)]
    ui_disable_news_fetch: bool,
}

impl UiFlags {
    pub(crate) fn apply(self, ui: &mut UserInterface) {
        ui.codec_endpoint = self.ui_codec_endpoint;
        ui.disable_news_fetch = self.ui_disable_news_fetch;
    }
}
