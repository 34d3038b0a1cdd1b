"""The program `opledger`: the client's commands, and those of a service that is installed beside it."""

import atexit
import gc
import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn

try:
    import click
except ModuleNotFoundError:
    sys.exit("opledger: the command line needs an extra: pip install 'opledger[cli]'")

from opledger._cli.commands import act, completion, profile, show, start, wait, watch
from opledger._cli.exit_codes import ExitCode

MORE_COMMANDS: Final = "opledger.commands"
"""Entry-point group of other distributions: each names a `click.Group`, whose commands are added."""
_CLIENT: Final = (
    *(start.start, show.list_operations, show.get, show.history, show.targets, show.counts, show.durations, show.types),
    *(wait.wait, watch.watch, act.cancel, act.retry, act.delete, act.acknowledge, act.keep),
    *(profile.profile, completion.completion),
)


class Program(click.Group):
    """The commands of the client, and those of other distributions, which are loaded on demand. Help lists the two in
    separate sections."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *more_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name) or more_commands().get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, are_ours in (("Use a ledger", True), ("Run a ledger", False)):
            rows = [
                (name, command.get_short_help_str(limit=90))
                for name in self.list_commands(ctx)
                if (name in self.commands) is are_ours and (command := self.get_command(ctx, name)) is not None
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@cache
def more_commands() -> Mapping[str, click.Command]:
    """The commands of other distributions. Commands of the client take precedence over them."""
    from importlib.metadata import entry_points

    groups = [found.load() for found in entry_points(group=MORE_COMMANDS)]
    return {name: command for group in groups for name, command in group.commands.items()}


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="opledger", prog_name="opledger")
def cli() -> None:
    """A ledger of long-running operations for Temporal.

    The commands find the ledger by --url, --profile, OPLEDGER_URL, a profile named default, or an `opledger up` on this
    machine.
    """


for _command in _CLIENT:
    cli.add_command(_command)


def main() -> NoReturn:
    """Runs the command. Errors are one line on standard error, and an exit code (`ExitCode`)."""
    atexit.register(gc.freeze)  # saves 25 ms: the interpreter's last garbage collection skips all objects
    try:
        result: Any = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes standard output once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.ERROR)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _complain("an argument is not UTF-8" if isinstance(error, UnicodeError) else str(error))
        sys.exit(code)
    sys.exit(result if isinstance(result, int) else ExitCode.OK)


def _exit_code(error: Exception) -> ExitCode | None:
    """The exit code of an error that the user can understand; None: it is a fault of the program."""
    from opledger.errors import ApiKeyRefused, LedgerError, OperationNotFound

    if isinstance(error, ApiKeyRefused):
        return ExitCode.NOT_ALLOWED
    if isinstance(error, OperationNotFound):
        return ExitCode.NOT_FOUND
    if isinstance(error, TimeoutError):
        return ExitCode.TIMED_OUT
    if isinstance(error, UnicodeEncodeError):
        return ExitCode.ERROR if error.encoding == "utf-8" else None
    return ExitCode.ERROR if isinstance(error, LedgerError | OSError) else None


def _complain(text: str) -> None:
    print(f"opledger: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
