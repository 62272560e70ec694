"""Models of what a host or a model sends: what does not fit is one domain error that names the field."""

from __future__ import annotations

from contextvars import ContextVar
from typing import ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails

from keyledger.domain.errors import InvalidArgumentError, shortened, shown


class RequiredFieldError(InvalidArgumentError):
    """A field that must be given is missing or empty."""

    def __init__(self, field: str) -> None:
        super().__init__(field, None, "a value")
        self.args = (f"{field} required",)


class UnknownFieldError(InvalidArgumentError):
    """A field that nothing here would read: more likely a slip than meant to be ignored."""

    def __init__(self, field: str, got: object, known: str) -> None:
        super().__init__(field, got, known)
        self.args = (f"unknown field {shown(field)}; known are {known}",)


class StrictModel(BaseModel):
    """Frozen, without unknown fields and without conversions between types.

    Raises:
        InvalidArgumentError: for the first field that does not fit, never a pydantic error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    where: ClassVar[str] = ""
    """What stands before a field's name in errors, as ``invocation.``"""

    whole: ClassVar[str] = "arguments"
    """What the model is called in errors where nothing stands before its fields."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_domain_terms(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if _within.get():
            return handler(data)
        within = _within.set(True)
        try:
            return handler(data)
        except ValidationError as error:
            raise cls._translated(error.errors(include_url=False)[0]) from None
        finally:
            _within.reset(within)

    @classmethod
    def _translated(cls, error: ErrorDetails) -> InvalidArgumentError:
        field = cls.where + _path(error["loc"]) if error["loc"] else cls.where.rstrip(".") or cls.whole
        match error["type"]:
            case "missing":
                return RequiredFieldError(field)
            case "extra_forbidden":
                return UnknownFieldError(field, error["input"], cls._known(error["loc"][:-1]))
            case "model_type":
                return InvalidArgumentError(field, error["input"], f"an object of {cls._known(error['loc'])}")
            case kind:
                return InvalidArgumentError(field, error["input"], _ALLOWED.get(kind, error["msg"]))

    @classmethod
    def _known(cls, place: tuple[int | str, ...]) -> str:
        """The fields of the model that stands at ``place`` in this one."""
        model = cls
        for name in place:
            if name in model.model_fields:
                model = _model_in(model.model_fields[str(name)].annotation) or model
        return ", ".join(model.model_fields)


_within: ContextVar[bool] = ContextVar("within", default=False)
"""Whether a model is made as a part of another, which then tells what is wrong, as it knows where."""


def _path(place: tuple[int | str, ...]) -> str:
    """Where something stands, as ``tools[0].name``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in place)
    return "".join(parts).removeprefix(".")


def _model_in(annotation: object) -> type[StrictModel] | None:
    """The model in an annotation as ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


_ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "int_type": "an integer",
    "string_type": "a string",
    "tuple_type": "a list",
}
"""Pydantic's types of error, in JSON's terms."""
