"""The declared operation types, checked."""

from adapters.jsonschema.schema_check import check_schema
from domain.operation.operation_type import OperationCatalogue
from entrypoints.settings.operations_file import find_operations_file, load_catalogue
from entrypoints.settings.settings import Settings


def checked_catalogue(settings: Settings) -> OperationCatalogue:
    """The declared types. Raises StartupError: the file cannot be used, or a schema in it is not a JSON Schema."""
    catalogue = load_catalogue(find_operations_file(settings.operations))
    for declared in catalogue:
        check_schema(declared)
    return catalogue
