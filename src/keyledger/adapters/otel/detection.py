"""Finds out whether spans go anywhere, without importing OpenTelemetry."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from keyledger.domain.audit.telemetry import LoadTelemetry, Telemetry, no_telemetry


def detected() -> LoadTelemetry:
    """What finds OpenTelemetry where the extra is installed; what finds nothing elsewhere.

    It finds it once the program has imported its API, or at once if the environment names a provider: before that
    no provider can have been set, and the import would cost 40 ms for nothing.
    """
    if find_spec("opentelemetry") is None:
        return no_telemetry
    return _loaded if "OTEL_PYTHON_TRACER_PROVIDER" in os.environ else _loaded_by_others


def _loaded_by_others() -> Telemetry | None:
    return _loaded() if "opentelemetry.trace" in sys.modules else None


def _loaded() -> Telemetry:
    from keyledger.adapters.otel.spans import OpenTelemetry  # noqa: PLC0415 - see above

    return OpenTelemetry()
