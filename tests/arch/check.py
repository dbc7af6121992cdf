"""check.py ARCH: does the program of an architecture work?

build/arch/ARCH/program is installed into a directory, registers over TLS,
polls, makes a backup (borg is a stand-in; ssh, sshd and the catalogue are
real), browses, and ends. What it must never contain is looked for in its
instructions. One line on standard output, when all of it is well.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))

from arch import foreign  # noqa: E402
from bbsd import BBS, CA  # noqa: E402
from support import process  # noqa: E402
from support.agent import Agent  # noqa: E402
from support.fakeborg import FakeBorg  # noqa: E402
from support.sshd import Sshd  # noqa: E402

SLOW = 60  # seconds that a step may take: emulated, on a busy machine
# Where kernels with pages of 64 KiB are found.
PAGES_64K = ("aarch64", "armv7hf", "armv5", "mips", "mipsel", "ppc64le")
# The smallest that the program is for, as qemu calls it. The network process
# has an empty environment and runs on qemu's usual one: for that there is the
# look at the instructions.
CPU = {"i686": "486", "armv5": "arm926", "mips": "24Kc", "mipsel": "24Kc"}
SIZE, YEAR_2040 = 5 << 30, 2208988800  # beyond what 32 bits hold

# What a processor of that kind does not have, and the functions that are only
# called where the processor (BearSSL on x86) or the kernel (musl on ARM) says
# that it is newer.
NEWER_X86 = r"\b(f?cmov\w+|endbr\d+|rdtsc|cmpxchg8b|nop[lw]|ud2a|sysenter)\b|%[xyz]?mm\d"
FLOAT_MIPS = r"\b([ls][dw]x?c1|m[tf]h?c1|c[tf]c1|bc1[tf]|\w+\.[sd])\b"
FORBIDDEN = {
    "i686": (NEWER_X86, r"x86ni|sse2|pclmul|rdrand|<expand_step\d"),
    "mips": (FLOAT_MIPS, None),
    "mipsel": (FLOAT_MIPS, None),
    "armv5": (r"\b(v(ldr|str|mov|push|pop|add)\S*|movw|movt|udiv|sdiv|ldrex\S*|dmb)\b", r"_v[67]>|_cp15"),
}


def row(arch: str) -> tuple[str, str]:
    """Its compiler and its qemu."""
    for line in (TOP / "dist/architectures").read_text().splitlines():
        words = line.split()
        if words and words[0] == arch:
            return words[1], words[4]
    raise ValueError(f"there is no {arch} in dist/architectures")


def look_inside(program: Path, arch: str, compiler: str) -> None:
    """Instructions that must not be there, and the kind of file it is."""
    dynamic = subprocess.run([f"{compiler}-readelf", "-ldW", program],
                             capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert "DYN (" in dynamic, "it is not position-independent"
    least = 0x10000 if arch in PAGES_64K else 0x1000
    for line in dynamic.splitlines():
        if line.strip().startswith("LOAD"):
            assert int(line.split()[-1], 16) >= least, f"pages of {least} bytes: {line}"
    assert "INTERP" not in dynamic and "(NEEDED)" not in dynamic, "it is not static"
    if arch not in FORBIDDEN:
        return
    pattern, exempt = FORBIDDEN[arch]
    full = TOP / "build/arch" / arch / "bbs-agent.full"
    text = subprocess.run([f"{compiler}-objdump", "-d", "--no-show-raw-insn", full],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    function = ""
    for line in text.splitlines():
        if line.endswith(">:"):
            function = line
        elif (found := re.search(pattern, line.partition("\t")[2].partition("<")[0])) and not (
            exempt and re.search(exempt, function)
        ):
            raise AssertionError(f"{found[0]} in {function}: not for {arch}")


def attack_sandbox(arch: str) -> str:
    """Below a kernel that has what qemu's user emulation lacks: this machine's,
    or one of that architecture."""
    program = TOP / "build/arch" / arch / "sandboxcheck"
    if arch == "mipsel":
        words = [sys.executable, str(TOP / "tests/arch/kernel.py"), str(TOP / "build/kernel-mipsel"),
                 str(program)]  # fmt: skip
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        return f"; its sandbox: {done.stdout.strip()}"
    if arch != "i686" or os.geteuid() != 0 or not foreign.starts(TOP / "build/arch/i686/program"):
        return ""
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return "; its sandbox: OK, below this kernel"


def install(agent: Agent, bbs: BBS, directory: Path) -> None:
    key = directory / "key"
    key.write_text(bbs.api_key)
    done = agent.call("install", "--server", bbs.url, "--key-file", str(key), "--ca-file",
                      str(bbs.ca_file), "--borg", "none", "--service", "none", "--no-start",
                      "--root", str(agent.root), timeout=SLOW)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    program = agent.root / "usr/local/bin/bbs-agent"
    assert program.read_bytes() == agent.binary.read_bytes()


def back_up(agent: Agent, bbs: BBS, sshd: Sshd, big: Path) -> None:
    job = bbs.add_backup("/nonexistent/repo", [str(big)], "secret-phrase")
    report = bbs.wait_status(job, SLOW)
    assert report["result"] == "completed", report
    assert (report["original_size"], report["files_total"]) == (SIZE, 2_000_000_000), report
    entry = json.loads(sshd.catalog(job.id).read_bytes())
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(YEAR_2040))
    assert (entry["path"], entry["size"], entry["mtime"]) == (str(big), SIZE, stamp), entry


def browse(bbs: BBS, directory: Path) -> None:
    job = bbs.add_task({"task": "list_dir", "path": str(directory), "depth": 1,
                        "show_hidden": True, "show_all": True, "follow_symlinks": False,
                        "max_entries": 100})  # fmt: skip
    report = bbs.wait_status(job, SLOW)
    assert report["result"] == "completed", report
    assert "agent" in report["output_log"]


def judge_log(agent: Agent, emulated: bool) -> None:
    """The sandbox as far as it goes; one line says which part is not there."""
    sandboxes = [line for line in agent.log.splitlines() if ": sandbox: " in line]
    assert sandboxes, "no word about the sandbox"
    for line in sandboxes:
        layers = line.partition("; not to be had here:")[0]
        assert ("seccomp" in layers) is not emulated, line
        if os.geteuid() == 0:
            assert "user nobody" in line, line
    assert not re.search(r" ERROR ", agent.log), "an error is in its log"


def live(agent: Agent, bbs: BBS, sshd: Sshd, directory: Path, emulated: bool) -> None:
    if cpu := os.environ.get("QEMU_CPU"):
        agent.env["QEMU_CPU"] = cpu
    bbs.use_ssh(sshd.access)
    install(agent, bbs, directory)
    big = directory / "big"
    big.touch()
    os.truncate(big, SIZE)
    os.utime(big, (YEAR_2040, YEAR_2040))
    body = f"file({str(big)!r}); progress(1, {SIZE}); summary(2_000_000_000, {SIZE})"
    agent.borg = FakeBorg(directory / "fake", body).path
    agent.configure(bbs)
    agent.start()
    bbs.wait_polls(2, SLOW)
    back_up(agent, bbs, sshd, big)
    browse(bbs, directory)
    assert agent.running and agent.stop() == 0
    assert not bbs.violations, bbs.violations
    judge_log(agent, emulated)


def main() -> int:
    arch = sys.argv[1]
    program = TOP / "build/arch" / arch / "program"
    compiler, qemu = row(arch)
    began = time.monotonic()
    look_inside(program, arch, compiler)
    sandbox = attack_sandbox(arch)
    if arch in CPU:
        os.environ["QEMU_CPU"] = CPU[arch]
    how = foreign.prepare(program, qemu, CPU.get(arch))
    process.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix=f"bbs-arch-{arch}-") as name:
        directory = Path(name)
        agent = Agent(directory / "agent", program)
        try:
            ca = CA(directory / "ca")
            with BBS(directory / "bbs", cert=ca.issue("default"), ca=ca) as bbs:
                with Sshd(directory / "sshd") as sshd:
                    live(agent, bbs, sshd, directory, how != "here")
        except BaseException:
            print(agent.log, file=sys.stderr)
            raise
        finally:
            if agent.running and agent.process is not None:
                agent.process.kill()
            process.kill_all(process.descendants(os.getpid()))
    where = how if how == "here" else f"under {how}"
    print(f"OK, ran {where}, {time.monotonic() - began:.0f} s{sandbox}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
