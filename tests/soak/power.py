"""What is on the agent's disk after the power was cut: what was synced is
there, and of the rest whatever the kernel had come to (power.c)."""

import random
from pathlib import Path

from support.agent import TOP, Agent

BINARY = TOP / "build/tests/bbs-agent-power"


class Disk:
    """Of one agent, whose binary is the one above; not started yet."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.dir = agent.root.parent / "disk"
        self.dir.mkdir()
        agent.binary = BINARY
        agent.env["SOAK_DISK"] = str(self.dir)

    def lose_power(self, rng: random.Random) -> None:
        """The agent is dead."""
        for top in self._tops():
            self._lose(top, rng)

    def sync(self) -> None:
        """All that is there now stays."""
        for path in self.dir.iterdir():
            path.unlink()
        for top in self._tops():
            self._sync(top)

    def _tops(self) -> list[Path]:
        var = self.agent.var
        tops = (self.agent.etc, var, var / "spool", var / "journal")
        return [top for top in tops if top.exists()]

    def _lose(self, top: Path, rng: random.Random) -> None:
        """Each name as it was synced, or as it is; each file likewise."""
        now = {p.name: p.stat().st_ino for p in top.iterdir() if p.is_file()}
        synced = self._names(top)
        if synced is None:
            return
        kept: dict[str, bytes] = {}
        for name in sorted(now.keys() | synced.keys()):
            inode = rng.choice((now.get(name), synced.get(name)))
            if inode is not None and now.get(name) != inode and self._is_newer(inode, top):
                inode = None
            if inode is not None:
                there = top / name if now.get(name) == inode else None
                kept[name] = self._bytes(inode, there, rng)
        for name in now:
            (top / name).unlink()
        for name, data in kept.items():
            (top / name).write_bytes(data)
            (top / name).chmod(0o600)

    def _is_newer(self, inode: int, top: Path) -> bool:
        """The file of a name that is gone was synced after its directory: the
        number may be another file's by now."""
        path, names = self.dir / f"file-{inode}", self.dir / f"dir-{top.stat().st_ino}"
        return path.exists() and path.stat().st_mtime_ns > names.stat().st_mtime_ns

    def _names(self, top: Path) -> dict[str, int] | None:
        path = self.dir / f"dir-{top.stat().st_ino}"
        if not path.exists():
            return None
        lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
        return {name: int(inode) for inode, name in lines if not (top / name).is_dir()}

    def _bytes(self, inode: int, there: Path | None, rng: random.Random) -> bytes:
        path = self.dir / f"file-{inode}"
        synced = path.read_bytes() if path.exists() else b""
        now = there.read_bytes() if there is not None else synced
        if now.startswith(synced):  # more was added to it
            return now[: rng.randint(len(synced), len(now))]
        return rng.choice((synced, now))

    def _sync(self, top: Path) -> None:
        lines = [f"{p.stat().st_ino} {p.name}\n" for p in top.iterdir()]
        (self.dir / f"dir-{top.stat().st_ino}").write_text("".join(lines))
        for path in top.iterdir():
            if path.is_file():
                (self.dir / f"file-{path.stat().st_ino}").write_bytes(path.read_bytes())
