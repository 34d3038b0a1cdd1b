"""The `opledger` command. Each command imports its own modules, so that `opledger --help` is quick."""

import contextlib
import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

PORT = click.option("--port", type=click.IntRange(0, 65535), help="Port of the API.")
HOST = click.option("--host", help="Address of the API; other than loopback needs OPLEDGER_ACCESS.")
DATA_DIR = click.option("--data-dir", help="Data folder of the embedded PostgreSQL and Temporal.")
OPERATIONS = click.option("--operations", help="File that declares the operation types; operations.toml if unset.")


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Pauses the garbage collector while modules are imported: it would find nothing, in a seventh of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class ServiceCommand(click.Command):
    """A command whose errors that the user can correct are one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            from entrypoints.process import complain

            if not complain(error):
                raise
            sys.exit(1)


class ServiceGroup(click.Group):
    """A group of such commands."""

    command_class = ServiceCommand
    group_class = type


@click.group(cls=ServiceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opledger-service", prog_name="opledger")
def cli() -> None:
    """A ledger of long-running operations for Temporal."""


@cli.command()
@PORT
@HOST
@DATA_DIR
@OPERATIONS
@click.option("--ephemeral", is_flag=True, help="Keep the data in a temporary folder and remove it at the end.")
@click.option(
    "--temporal-port",
    type=click.IntRange(1, 65535),
    help="Port of the embedded Temporal; 7233, or a free one, if unset.",
)
@click.option(
    "--ui-port", type=click.IntRange(1, 65535), help="Port of Temporal's web page; 8233, or a free one, if unset."
)
@click.option(
    "--callbacks/--no-callbacks",
    default=True,
    help="Whether the embedded Temporal calls the API when an execution closes.",
)
def up(*, ephemeral: bool, temporal_port: int | None, ui_port: int | None, callbacks: bool, **flags: Any) -> None:
    """Serve everything on this machine until Ctrl-C.

    Everything: PostgreSQL, Temporal, the API, a worker. DATABASE_URL and TEMPORAL_ADDRESS in the environment replace
    the embedded part.
    """
    from entrypoints.cli.up import serve

    serve(flags, ephemeral=ephemeral, temporal_port=temporal_port, ui_port=ui_port, callbacks=callbacks)


@cli.command()
@PORT
@HOST
@OPERATIONS
def api(**flags: Any) -> None:
    """Serve the HTTP API. Needs DATABASE_URL."""
    with without_collections():
        from entrypoints.serve_api import main as run

    run(flags)


@cli.command()
@OPERATIONS
@click.option("--demo", is_flag=True, help="Run the demo's workflows too.")
def worker(*, demo: bool, **flags: Any) -> None:
    """Run the worker: reports, dispatch, reconciliation. Needs DATABASE_URL; Temporal as TEMPORAL_ADDRESS says."""
    with without_collections():
        if demo:
            from entrypoints.local.demo_worker import main as run
        else:
            from entrypoints.run_worker import main as run
    run(flags)


@cli.command()
@click.argument("path", default="operations.toml", type=click.Path(path_type=Path))
def init(*, path: Path) -> None:
    """Write a commented operations file to PATH. Declare your operation types in it. Overwrites nothing."""
    from entrypoints.cli.init import write_operations_file

    write_operations_file(path)
    click.echo(f"{path} is written: declare your operation types in it")


@cli.command()
@click.option(
    "--grant-to",
    metavar="ROLE",
    help="Grant this existing role the privileges that the API and the workers need, and no others.",
)
@click.option(
    "--grant-submit-to",
    nargs=2,
    metavar="ROLE TENANT",
    help="Let this existing role call the SQL function opledger.submit, for this tenant alone.",
)
def migrate(*, grant_to: str | None, grant_submit_to: tuple[str, str] | None) -> None:
    """Migrate the database of DATABASE_URL to this version's schema."""
    from entrypoints.cli.migrate import migrate_database

    migrate_database(grant_to, grant_submit_to)


@cli.command()
@DATA_DIR
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(*, yes: bool, **flags: Any) -> None:
    """Delete the embedded parts' data, with every operation."""
    from entrypoints.local.embedded.data_folder import reset as delete
    from entrypoints.settings.loading import load_settings

    folder = Path(load_settings(flags).data_dir)
    if not yes:
        click.confirm(f"Delete everything in {folder}?", abort=True)
    click.echo(f"{folder} is empty now" if delete(folder) else f"there is no {folder}: nothing to delete")


@cli.command()
@DATA_DIR
@OPERATIONS
def doctor(**flags: Any) -> None:
    """Check settings, database and Temporal. Exit code 0 if every check passes, else 1."""
    from entrypoints.cli.doctor import examine

    examine(flags)


@cli.group()
def keys() -> None:
    """Create, list and revoke API keys. Needs DATABASE_URL or a running `opledger up`."""


@keys.command()
@DATA_DIR
@click.option("--name", required=True, help="Name of the key's user in the history.")
@click.option("--tenant", default="default", show_default=True, help="Tenant whose operations the key gives access to.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "submit", "cancel", "report", "admin"]),
    multiple=True,
    required=True,
    help="Permission; may be repeated. admin includes all others.",
)
@click.option("--expires", default="90d", show_default=True, help="Lifetime, such as 12h or 365d; or never.")
def create(*, name: str, tenant: str, scopes: tuple[str, ...], expires: str, **flags: Any) -> None:
    """Create a key and print it. It is not shown again."""
    from entrypoints.cli.keys import create as run
    from entrypoints.settings.durations import parse_duration

    try:
        life = None if expires == "never" else parse_duration(expires)
    except ValueError as error:
        raise click.BadParameter(f"{error}, or never", param_hint="--expires") from None
    run(flags, name, tenant, scopes, life)


@keys.command("list")
@DATA_DIR
@click.option("--tenant", help="Only keys of this tenant.")
def list_keys(*, tenant: str | None, **flags: Any) -> None:
    """List all keys, expired and revoked ones too, without their secrets."""
    from entrypoints.cli.keys import show

    show(flags, tenant)


@keys.command()
@DATA_DIR
@click.argument("prefix")
def revoke(*, prefix: str, **flags: Any) -> None:
    """Revoke the key with this PREFIX."""
    from entrypoints.cli.keys import revoke as run

    run(flags, prefix)


@cli.command()
def demo() -> None:
    """Run two dozen operations on embedded servers.

    Some are terminated in Temporal, and the worker is killed.
    """
    from entrypoints.cli.demo import main as run

    run()


def main() -> None:
    """Runs the commands of the service alone; the program `opledger` has those of the client too."""
    cli()


if __name__ == "__main__":
    main()
