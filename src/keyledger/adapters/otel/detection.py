"""Finds out whether spans go anywhere, without importing OpenTelemetry."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from keyledger.domain.telemetry import LoadTelemetry, Telemetry, no_telemetry


def detected() -> LoadTelemetry:
    """What finds OpenTelemetry where the extra is installed; what finds nothing elsewhere."""
    return no_telemetry if find_spec("opentelemetry") is None else _loaded


def _loaded() -> Telemetry | None:
    """OpenTelemetry's spans, once this program has imported its API, or the environment names a provider.

    As long as it has not, no provider can have been set, and the import would cost 40 ms for nothing.
    """
    if "opentelemetry.trace" not in sys.modules and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ:
        return None
    from keyledger.adapters.otel.spans import OpenTelemetry  # noqa: PLC0415 - see above

    return OpenTelemetry()
