"""A workflow with a Pydantic model as argument and result."""

from pydantic import BaseModel
from temporalio import workflow

from opledger import report_progress
from tests.support.temporal.activities import pause


class Parcel(BaseModel):
    """A model."""

    item: str
    count: int = 1


@workflow.defn
class Ships:
    """Returns a changed model."""

    @workflow.run
    async def run(self, parcel: Parcel) -> Parcel:
        """Ship it."""
        await pause()
        await report_progress(0.5, parcel.item)
        return parcel.model_copy(update={"count": parcel.count + 1})
