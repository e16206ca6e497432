"""Connections with a lifecycle: TLS, an API key, a pool, several namespaces."""
