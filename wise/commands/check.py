"""`wise check`: whether configurations can be run, as far as that is known without data, weights and GPU."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from snakemake.common.configfile import load_configfile

from wise.config import plan
from wise.config.check import check_options
from wise.config.model import complete
from wise.config.stale import stale
from wise.config.text import check_text
from wise.errors import ConfigError, refusing

LOG = logging.getLogger("wise.config.check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files, or a request for the schema."""
    parser.add_argument("configs", type=Path, nargs="*", metavar="CONFIG", help="configuration file of the workflow")
    parser.add_argument("--schema", action="store_true", help="print the schema of all keys, config/schema.yaml")


def run(args: argparse.Namespace) -> int:
    """Say of every file that it is sound, or name its mistakes; status 2 if one has any."""
    if args.schema:
        from wise.config.schema import schema_text

        sys.stdout.write(schema_text())
        return 0
    if not args.configs:
        raise ConfigError("name a configuration file, or give --schema")
    status = 0
    for path in args.configs:
        try:
            for warning in stale(check_file(path)):
                LOG.warning("%s: %s", path, warning)
            LOG.info("%s: no mistake found", path)
        except ConfigError as error:
            for line in str(error).splitlines():
                LOG.error("%s: %s", path, line)
            status = 2
    return status


def check_file(path: Path) -> dict[str, Any]:
    """The complete configuration in a file; raises `ConfigError`, naming the key, for a mistake of any kind.

    Studies are checked that the file includes or says something about.
    """
    check_text(path)
    with refusing(str(path), ConfigError):  # Snakemake's own errors among others
        written = load_configfile(path)
    config = complete(written)
    plan.check(config)
    check_options(config, {*(written.get("ablations") or {}), *config["ablations"]["include"]})
    return config
