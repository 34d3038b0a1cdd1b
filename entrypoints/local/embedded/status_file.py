"""`run.json` in the data folder: what runs where."""

import contextlib
import json
import os

from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.options import Running
from entrypoints.local.embedded.supervisor import OnEvent, SupervisorEvent


class StatusFile:
    """Addresses and process ids, for `doctor` and tests, true after every event."""

    def __init__(self, folder: DataFolder, on_event: OnEvent) -> None:
        self._path = folder.run_json
        self._on_event = on_event
        self._application: Running | None = None

    def write(self, application: Running) -> None:
        self._application = application
        values = {
            "pid": os.getpid(),
            "api_url": application.api_url,
            "database_url": application.database_url,
            "temporal_address": application.temporal_address,
            "temporal_namespace": application.temporal_namespace,
            "temporal_ui_url": application.temporal_ui_url,
            "callback_url": application.callback_url,
            "operations": application.operations,
            "pids": application.pids,
            "guard_pids": application.supervisor.guard_pids,
        }
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(values, indent=2) + "\n")
        temporary.replace(self._path)

    def remove(self) -> None:
        """Deletes the file when the application has stopped."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def on_event(self, event: SupervisorEvent) -> None:
        if self._application and event.what in ("ready", "died"):
            self.write(self._application)
        self._on_event(event)
