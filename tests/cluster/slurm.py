"""A Slurm of one node on this machine: munged, slurmctld and slurmd, started by hand and stopped at the end.

Debian's packages slurmctld, slurmd, slurm-client and munge are enough; no service has to run, and nothing outside of
the given folder is written. Jobs run as the user who starts it.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=3600
ReturnToService=2
SchedulerParameters=sched_interval=2,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
{node}
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs of Slurm that this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=PLACES) is None]


@contextmanager
def one_node(folder: Path, start: float = 30) -> Iterator[dict[str, str]]:
    """Start Slurm in `folder`; yields the environment for `sbatch` and its like. All jobs end with the block.

    Raises `RuntimeError` with the end of a log where a daemon stops or does not answer within `start` seconds.
    """
    for part in ("state", "spool"):
        (folder / part).mkdir(parents=True)
    folder.chmod(0o755)  # munged wants its socket where others may go
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    (conf := folder / "slurm.conf").write_text(_conf(folder))
    environment = {**os.environ, "SLURM_CONF": str(conf), "PATH": f"{_clients(folder, conf)}:{PLACES}"}
    files = [f"--{name}={folder}/munged.{name.split('-')[0]}" for name in ("pid-file", "log-file", "seed-file")]
    with ExitStack() as daemons:
        munge = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", f"--key-file={key}", *files]
        daemons.enter_context(_daemon(munge, environment))
        _until(lambda: (folder / "munge.socket").exists(), start, folder / "munged.log")
        daemons.enter_context(_daemon(["slurmctld", "-D", "-i"], environment))
        daemons.enter_context(_daemon(["slurmd", "-D"], environment))
        _until(lambda: "idle" in _asked(["sinfo", "-h", "-o", "%T"], environment), start, folder / "slurmctld.log")
        try:
            yield environment
        finally:
            _asked(["scancel", "--user", getpass.getuser()], environment)
            _until(lambda: not _asked(["squeue", "-h"], environment).strip(), start, folder / "slurmctld.log")


def _conf(folder: Path) -> str:
    """The configuration: this machine as the only node, at ports that are free."""
    found = subprocess.run([_path("slurmd"), "-C"], capture_output=True, text=True, check=True).stdout
    node = f"{found.splitlines()[0]} NodeAddr=127.0.0.1 State=UNKNOWN"
    host = node.split()[0].removeprefix("NodeName=")
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = {"controller": one.getsockname()[1], "daemon": other.getsockname()[1]}
    return CONF.format(host=host, user=getpass.getuser(), folder=folder, node=node, **ports)


def _clients(folder: Path, conf: Path) -> Path:
    """A folder with Slurm's commands that know the configuration: Snakemake drops SLURM_CONF in its jobs."""
    (commands := folder / "bin").mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct"):
        (command := commands / name).write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {_path(name)} "$@"\n')
        command.chmod(0o755)
    return commands


@contextmanager
def _daemon(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """A program in the foreground of its own session, ended with the block."""
    program = [_path(command[0]), *command[1:]]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(program, env=environment, start_new_session=True, **quiet)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def _path(program: str) -> str:
    return shutil.which(program, path=PLACES) or program


def _until(reached, seconds: float, log: Path) -> None:
    """Wait until `reached()`; `RuntimeError` with the end of the log after so many seconds."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            told = log.read_text(errors="replace")[-2000:] if log.exists() else "it has written no log"
            raise RuntimeError(f"Slurm did not get there in {seconds:.0f} s. {log.name}: {told}")
        time.sleep(0.1)  # noqa: TID251 - until a daemon answers
