"""The declared operation types, checked."""

from adapters.jsonschema.schema_check import check_schema
from domain.operation.operation_type import OperationCatalogue
from entrypoints.settings.operations_file import load_catalogue, operations_file
from entrypoints.settings.settings import Settings


def checked_catalogue(settings: Settings) -> OperationCatalogue:
    """The declared types. Raises StartupError: there is no file, or it cannot be used, or one of its schemas is not a
    JSON Schema."""
    catalogue = load_catalogue(operations_file(settings.operations))
    for declared in catalogue:
        check_schema(declared)
    return catalogue
