"""The declared operation types, checked."""

from domain.operation.operation_type import OperationCatalogue
from entrypoints.settings.operations_file import load_catalogue, operations_file
from entrypoints.settings.settings import Settings


def checked_catalogue(settings: Settings) -> OperationCatalogue:
    """The declared types. Raises StartupError: there is no file, or it cannot be used, or one of its schemas is not a
    JSON Schema."""
    catalogue = load_catalogue(operations_file(settings.operations))
    with_schema = [declared for declared in catalogue if declared.input_schema is not None]
    if with_schema:
        from adapters.jsonschema.schema_check import check_schema  # late: its libraries take a while to import

        for declared in with_schema:
            check_schema(declared)
    return catalogue
