"""Runs and tool calls as OpenTelemetry spans. Nothing here is imported before there is something to trace."""
