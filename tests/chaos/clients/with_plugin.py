"""Clients of Temporal that have the plugin."""

from temporalio.client import Client

from opledger import OpledgerPlugin
from tests.chaos.clients.servers import Servers
from tests.chaos.plan.tenants import OWN


async def clients_with_plugin(address: str, servers: Servers) -> list[Client]:
    """One for each API, of the first tenant."""
    key = servers.keys[OWN]
    plugins = [OpledgerPlugin(url=url, api_key=key, labels={"way": "client"}) for url in servers.urls]
    return [await Client.connect(address, plugins=[plugin]) for plugin in plugins]
