"""Clients of Temporal that have the plugin."""

from collections.abc import Sequence

from temporalio.client import Client

from opledger import OpledgerPlugin


async def clients_with_plugin(address: str, urls: Sequence[str]) -> list[Client]:
    """One for each API."""
    plugins = [OpledgerPlugin(url=url, labels={"way": "client"}) for url in urls]
    return [await Client.connect(address, plugins=[plugin]) for plugin in plugins]
