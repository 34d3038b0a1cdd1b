"""Header parameters in the OpenAPI document, from `header_parameters=` of each route."""

from typing import Any

from litestar import Litestar

from entrypoints.http.requests.parameters import HeaderParameter
from entrypoints.http.security.authorization import routes


def with_header_parameters(app: Litestar, schema: dict[str, Any]) -> dict[str, Any]:
    """The document with the header parameters of each route, after its path parameters."""
    for method, path, handler in routes(app):
        declared = handler.opt.get("header_parameters", ())
        if declared:
            operation = schema["paths"][path][method.lower()]
            parameters = operation.get("parameters", [])
            start = sum(parameter["in"] == "path" for parameter in parameters)
            operation["parameters"] = [*parameters[:start], *map(_described, declared), *parameters[start:]]
    return schema


def _described(header: HeaderParameter) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "description": header.description,
        "required": False,
        "deprecated": False,
        "schema": {"type": "string", "description": header.description, **header.schema},
    }
