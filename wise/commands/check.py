"""`wise check`: whether configurations can be run, as far as that is known without data, weights and GPU."""

from __future__ import annotations

import argparse
import logging
from copy import deepcopy
from pathlib import Path

from jsonschema import ValidationError
from snakemake.common.configfile import load_configfile
from snakemake.utils import validate
from snakemake_interface_common.exceptions import WorkflowError

from wise.code_inputs import ROOT
from wise.config import plan
from wise.config.check import check_options
from wise.errors import ConfigError

log = logging.getLogger("wise.config.check")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The files."""
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG", help="configuration file of the workflow")


def run(args: argparse.Namespace) -> int:
    """Say of every file that it is sound, or name its first mistake; status 2 if one has any."""
    status = 0
    for path in args.configs:
        try:
            check_file(path)
            log.info("%s: no mistake found", path)
        except ConfigError as error:
            log.error("%s: %s", path, " ".join(str(error).split()))
            status = 2
    return status


def check_file(path: Path) -> None:
    """Raise `ConfigError`, naming the key, for a configuration file with a mistake of any kind.

    Studies are checked that the file includes or says something about.
    """
    try:
        written = load_configfile(path)
        config = deepcopy(written)
        validate(config, str(ROOT / "config/schema.yaml"))  # puts defaults in
    except WorkflowError as error:
        refused = error.__context__  # `error` itself quotes the whole schema
        if isinstance(refused, ValidationError):
            raise ConfigError(f"{refused.json_path.removeprefix('$.')}: {refused.message}") from error
        raise ConfigError(str(error)) from error
    plan.check(config)
    check_options(config, {*written.get("ablations", {}), *config["ablations"]["include"]})
