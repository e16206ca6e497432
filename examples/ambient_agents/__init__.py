"""Agents that wake by schedules and look after a folder."""
