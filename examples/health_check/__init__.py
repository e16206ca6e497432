"""Whether a server is healthy, in each of the ways that are asked for."""
