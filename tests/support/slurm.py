"""A SLURM cluster of one node on the loopback, started for a test and stopped after it.

It needs root, munge and slurm-wlm (Debian), and takes /etc/slurm/slurm.conf, which must be free: inside jobs SLURM
looks there and nowhere else. Two character devices that the system has anyway stand in for GPUs.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
SETTINGS = Path("/etc/slurm")
DEVICES = ("/dev/zero", "/dev/full")


def missing() -> str | None:
    """Why no cluster can be started here; None if one can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if absent:
        return f"SLURM is not installed ({', '.join(absent)}; Debian: slurm-wlm and munge)"
    if os.geteuid() != 0:
        return "starting a SLURM cluster needs root"
    if (SETTINGS / "slurm.conf").exists():
        return f"{SETTINGS / 'slurm.conf'} exists: this machine belongs to a cluster"
    return None


@contextmanager
def cluster(folder: Path, *, cpus: int = 2, memory_mb: int = 8000, kill_wait: int = 10) -> Iterator[None]:
    """Run a cluster with `cpus` cores and two GPUs; its logs and state are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("state", "spool", "run"):
        (folder / name).mkdir(exist_ok=True)
    with ExitStack() as stack:
        stack.callback(_remove, [SETTINGS / "slurm.conf", SETTINGS / "gres.conf"])
        (SETTINGS / "slurm.conf").write_text(_slurm_conf(folder, cpus, memory_mb, kill_wait))
        lines = [f"NodeName=localhost Name=gpu File={device} Flags=nvidia_gpu_env\n" for device in DEVICES]
        (SETTINGS / "gres.conf").write_text("".join(lines))
        munge = Path("/run/munge")
        if not (munge / "munge.socket.2").exists():
            munge.mkdir(exist_ok=True)
            shutil.chown(munge, "munge", "munge")
            stack.enter_context(_daemon(["runuser", "-u", "munge", "--", "munged", "--foreground"], folder))
            _until(lambda: _ok("munge", "-n"), "munged", folder)
        stack.enter_context(_daemon(["slurmctld", "-D", "-i"], folder))
        stack.enter_context(_daemon(["slurmd", "-D", "-N", "localhost"], folder))
        _until(lambda: "idle" in _output("sinfo", "-h", "-o", "%T"), "slurmd", folder)
        try:
            yield
        finally:
            _output("scancel", "--user=root")
            time.sleep(1)


def _slurm_conf(folder: Path, cpus: int, memory_mb: int, kill_wait: int) -> str:
    controller, node = _free_port(), _free_port()
    return f"""ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
KillWait={kill_wait}
MinJobAge=300
SchedulerParameters=sched_interval=2,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
GresTypes=gpu
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:2 State=UNKNOWN
PartitionName=test Nodes=localhost Default=YES MaxTime=INFINITE OverTimeLimit=0 State=UP
"""


@contextmanager
def _daemon(command: list[str], folder: Path) -> Iterator[None]:
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PATH": _path()})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(ready, what: str, folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(file.read_text()[-2000:] for file in sorted(folder.glob("*.log")))
            raise RuntimeError(f"{what} did not start within {seconds} s:\n{logs}")
        time.sleep(0.2)


def _ok(*command: str) -> bool:
    return (
        subprocess.run(command, capture_output=True, env={**os.environ, "PATH": _path()}, check=False).returncode == 0
    )


def _output(*command: str) -> str:
    found = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PATH": _path()}, timeout=60, check=False
    )
    return found.stdout


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
