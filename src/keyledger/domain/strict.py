"""Models of what a host or a model sends: what does not fit is one domain error that names the field."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails

from keyledger.domain.errors import InvalidArgumentError


class RequiredFieldError(InvalidArgumentError):
    """A field that must be given is missing or empty."""

    def __init__(self, field: str) -> None:
        super().__init__(field, None, "a value")
        self.args = (f"{field} required",)


class UnknownFieldError(InvalidArgumentError):
    """A field that nothing here would read: more likely a slip than meant to be ignored."""

    def __init__(self, field: str, got: object, known: str) -> None:
        super().__init__(field, got, known)
        self.args = (f"unknown field {field!r}; known are {known}",)


class StrictModel(BaseModel):
    """Frozen, without unknown fields and without conversions between types.

    Raises:
        InvalidArgumentError: for the first field that does not fit, never a pydantic error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    where: ClassVar[str] = ""
    """What stands before a field's name in errors, as ``invocation.``"""

    @model_validator(mode="wrap")
    @classmethod
    def _in_domain_terms(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise cls._translated(error.errors(include_url=False)[0]) from None

    @classmethod
    def _translated(cls, error: ErrorDetails) -> InvalidArgumentError:
        known = ", ".join(cls.model_fields)
        if not error["loc"]:
            return InvalidArgumentError(
                cls.where.rstrip(".") or "arguments", error["input"], f"an object of {known}"
            )
        field = f"{cls.where}{error['loc'][0]}"
        if error["type"] == "missing":
            return RequiredFieldError(field)
        if error["type"] == "extra_forbidden":
            return UnknownFieldError(field, error["input"], known)
        return InvalidArgumentError(field, error["input"], _ALLOWED.get(error["type"], error["msg"]))


_ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "an integer",
    "string_type": "a string",
}
"""Pydantic's types of error, in JSON's terms."""
