"""Runs the example workflows against a server and checks what comes back."""
