"""The command line: thin commands over `conceptx.pipeline` and the rooms.

`main` is the entry point. Every command takes ``--debug``, all but `explore` ``--json`` and ``--quiet``; exit codes are
0 done, 1 the job failed, 2 the input or the request is wrong, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import click

from conceptx import __version__
from conceptx.cli.audit import audit, diff
from conceptx.cli.bank import bank
from conceptx.cli.compare import compare
from conceptx.cli.explore import explore
from conceptx.cli.extract import extract
from conceptx.cli.images import images
from conceptx.cli.learn import learn
from conceptx.cli.models import train_head
from conceptx.cli.ontology import ontology
from conceptx.cli.probe import probe
from conceptx.cli.runs import annotate, demo, explain, induce, report, verify
from conceptx.cli.study import study
from conceptx.errors import ConceptxError, JobError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="conceptx")
def cli() -> None:
    """Explain the hidden neurons of a vision model in the terms of an ontology, and prove it on unseen images.

    Start with: conceptx demo
    """


_COMMANDS = (
    demo,
    explain,
    extract,
    annotate,
    induce,
    verify,
    study,
    report,
    explore,
    compare,
    probe,
    audit,
    diff,
    bank,
    train_head,
    learn,
    images,
    ontology,
)
for _command in _COMMANDS:
    cli.add_command(_command)


def main() -> None:
    """Run the command line and exit with the code that tells how it ended."""
    debug = "--debug" in sys.argv[1:]
    if debug:
        import logging

        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        logging.getLogger("conceptx").setLevel(logging.DEBUG)  # other libraries' chatter would hide ours
    try:
        code = cli.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _say("interrupted; run the same command again to go on")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ConceptxError as error:
        if debug:
            raise
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        what = f"cannot be used ({error.strerror or error})"
        mend = "check that it is there, that it may be read and written, and that the disk has space"
        _say(f"error: {JobError(str(error.filename or 'a file'), what, mend)}")
        sys.exit(1)
    except MemoryError as error:
        if debug:
            raise
        what = f"there is not enough memory ({error})"
        _say(f"error: {JobError('this machine', what, 'give it less at once, or more memory')}")
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        _say(
            f"error: {type(error).__name__}: {error}; this is a fault of conceptx: run again with --debug and report it"
        )
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _say(text: str) -> None:
    click.echo(text, err=True)
