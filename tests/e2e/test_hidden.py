"""What is in the agent's memory stays there: no core file of any process that
holds a secret, and nobody else who looks into one."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support import process
from support.agent import Agent
from support.site import Faked, MakeFaked

HOLD = "while not os.path.exists(HERE + '/go'): time.sleep(0.05)\n"
# Where the kernel writes core files when this says nothing else.
PATTERN = Path("/proc/sys/kernel/core_pattern").read_text().strip()
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def hook(place: Path) -> dict[str, object]:
    """A hook that notes its limit."""
    script = place / "hook"
    script.write_text(f"#!/bin/sh\nulimit -c >{place}/hooks-limit\n")
    script.chmod(0o755)
    return {"slug": "shell_hook", "config": {"pre_script": str(script)}}


def core_limit(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if "core file" in line).split()[4:6]


def held(world: Faked, place: Path) -> tuple[dict[str, int], int]:
    """A job in the middle of its work: the agent's processes, and borg."""
    world.order(plugins=[hook(place)])
    world.bbs.wait(lambda: world.borg.runs(), 20)
    borg = int(world.borg.runs()[-1]["pid"])
    found = process.look(borg)
    assert found is not None
    names = {"supervisor": world.agent.pid, "worker": found.parent}
    for p in process.descendants(world.agent.pid):
        if "net-process" in p.command:
            names["network process"] = p.pid
    assert len(names) == 3
    return names, borg


def test_core_files(faked: MakeFaked, place: Path) -> None:
    """None of ours, none of borg's; a hook's are as they were."""
    world = faked(HOLD + "summary()", start=False, ssh=False)
    world.agent.prefix = ["/usr/bin/prlimit", "--core=unlimited"]
    if subprocess.run([*world.agent.prefix, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("the limit of core files cannot be raised here")
    before = set(Path("/").glob("core*"))
    world.start()
    names, borg = held(world, place)
    for name, pid in {**names, "borg": borg}.items():
        assert core_limit(pid)[0] == "0", name
    assert (place / "hooks-limit").read_text() == "unlimited\n"
    # Nor where nobody asks the limit, as a program does not that takes cores.
    for name in ("worker", "supervisor"):
        subprocess.run(["prlimit", f"--pid={names[name]}", "--core=unlimited"], check=True)
    for name in ("network process", "worker", "supervisor"):
        os.kill(names[name], signal.SIGABRT)
        if name != "supervisor":
            assert not process.settled(lambda: alive(names[name]), 5), name
    _, status = os.waitpid(world.agent.pid, 0)
    world.agent.process = None
    (world.borg.dir / "go").touch()
    made = set(Path("/").glob("core*")) - before
    for path in made:
        path.unlink()
    assert os.WTERMSIG(status) == signal.SIGABRT and not os.WCOREDUMP(status)
    assert not made or PATTERN.startswith("|"), made


def alive(pid: int) -> list[process.Process]:
    found = process.look(pid)
    return [found] if found is not None and found.state != "Z" else []


@root
def test_others_of_the_same_user(faked: MakeFaked, place: Path) -> None:
    """An agent that is not root's: its user's other programs see nothing."""
    world = faked(HOLD + "summary()", start=False, ssh=False)
    assert world.bbs.ca_file is not None
    shutil.copy(world.bbs.ca_file, place / "ca.pem")
    world.agent.configure(world.bbs, server={"ca_file": place / "ca.pem"})
    become(world.agent, place)
    world.start()
    names, borg = held(world, place)
    for name, pid in names.items():
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0, name
        peek = subprocess.run(["cat", f"/proc/{pid}/environ"], capture_output=True, user=65534,
                              group=65534, extra_groups=[])  # fmt: skip
        assert peek.returncode != 0 and not peek.stdout, name
    assert os.stat(f"/proc/{borg}/mem").st_uid == 65534
    (world.borg.dir / "go").touch()


def become(agent: Agent, place: Path) -> None:
    """From now on it is nobody, and so is whoever owns its files."""
    shutil.copy2(agent.binary, place / "bbs-agent")
    agent.binary = place / "bbs-agent"
    agent.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for path in [place, *place.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)


# what is left when a job is over


def memory_has(pid: int, secret: bytes) -> list[str]:
    """The maps of a process in which it stands."""
    found = []
    try:
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except PermissionError:
        pytest.skip("this root may not look into other processes")
    with memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            first, _, last = line.split()[0].partition("-")
            if line.split()[1][0] != "r" or "[v" in line:
                continue
            memory.seek(int(first, 16))
            if secret in memory.read(int(last, 16) - int(first, 16)):
                found.append(line)
    return found


@root
def test_a_jobs_secrets_go_with_it(faked: MakeFaked, place: Path) -> None:
    """Its passphrase, key and password, when it has ended and been reported,
    are in no process of the agent's any more."""
    world = faked(HOLD + "summary()")
    world.agent.configure(world.bbs, agent={"poll_interval": 1, "log_level": "INFO"})
    phrase, key = "a-phrase-of-its-own", "PRIVATE-KEY-OF-THE-REPOSITORY"
    password = "a-password-of-its-own"
    dump = {"slug": "mysql_dump", "config": {"host": "127.0.0.1", "port": "1", "user": "u",
                                             "password": password, "databases": "a",
                                             "dump_dir": str(place / "dumps")}}  # fmt: skip
    job = world.bbs.add_backup("/nonexistent/r", ["/etc/hostname"], phrase,
                               remote_ssh_key=f"{key}\nmore of it\n", plugins=[hook(place), dump])  # fmt: skip
    world.bbs.wait(lambda: world.borg.runs(), 20)
    assert memory_has(world.agent.pid, phrase.encode()), "nothing would be seen"
    (world.borg.dir / "go").touch()
    world.bbs.wait_status(job)
    world.agent.wait_jobless()
    world.bbs.wait_polls(2)
    for secret in (phrase, key, password):
        for found in world.agent.own_processes():
            assert not memory_has(found.pid, secret.encode()), f"{secret} in {found}"
