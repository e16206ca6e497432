//! Who gets in, and how: TLS, client certificates, API keys; and the server's own ways out over TLS.

mod certificates;
mod client;
mod client_manager;
mod database;
mod https;
mod keys;
mod nexus;
mod sdk;
mod tls;
mod web_ui;
