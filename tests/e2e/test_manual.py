"""dist/bbs-agent.8 says all that the program takes, and nothing that it does
not; as mandoc shows it."""

import re
import subprocess

import pytest

from support import words
from support.agent import Agent

PAGE = words.TOP / "dist/bbs-agent.8"


@pytest.fixture(scope="module")
def page() -> str:
    """As somebody reads it, without bold and underlined letters."""
    done = subprocess.run(["mandoc", "-Tutf8", "-O", "width=100", PAGE], check=True,
                          capture_output=True, text=True)  # fmt: skip
    return re.sub(r".\x08", "", done.stdout)


def part(page: str, title: str) -> str:
    found = re.search(rf"^{title}\n(.*?)^(?=\S)", page, re.M | re.S)
    assert found, title
    return found.group(1)


def test_commands_and_options(page: str) -> None:
    commands = part(page, "COMMANDS")
    for verb in words.verbs():
        found = re.search(rf"^   [a-z, ]*\b{verb}\b.*?(?=^   \S|\Z)", commands, re.M | re.S)
        assert found, verb
        for option in words.options(verb) - {"--root", "--config"}:
            assert re.search(rf"^     {option}( |$)", found.group(), re.M), f"{verb} {option}"
    for option in ("--root", "--config"):
        assert re.search(rf"^     {option} ", part(page, "DESCRIPTION"), re.M)


def test_no_other_options(page: str) -> None:
    known = {name for name, _, _ in words.option_rows()} | words.QUESTIONS
    ours = "".join(line for line in page.splitlines(True) if "systemctl" not in line)
    assert set(re.findall(r"--[a-z][a-z-]+", ours)) <= known


def test_configuration(page: str) -> None:
    text = part(page, "CONFIGURATION")
    told = {
        (section, key)
        for section, keys in re.findall(r"^   \[(\w+)\]\n(.*?)(?=^   \[|\Z)", text, re.M | re.S)
        for line in re.findall(r"^     ([a-z]\w*(?:, \w+)*)(?:  |$)", keys, re.M)
        for key in line.split(", ")
    }
    assert told == set(words.config_keys())


def test_tasks(page: str) -> None:
    found = re.search(r"^     tasks +(.*?)^$", part(page, "CONFIGURATION"), re.M | re.S)
    assert found
    assert words.tasks() <= set(re.findall(r"\w+", found.group(1)))


def test_environment(page: str) -> None:
    told = set(re.findall(r"\b\w+\b", " ".join(
        re.findall(r"^     ([A-Z_]+(?:, \w+)*|https_proxy.*)$", part(page, "ENVIRONMENT"), re.M))))
    assert told == words.environment()


def test_files(page: str) -> None:
    text = part(page, "FILES")
    for path in words.files() - {"/etc/bbs-agent", "/var/lib/bbs-agent", "/run/bbs-agent"}:
        directory, name = path.rsplit("/", 1)
        assert re.search(rf"{directory}/.*\b{re.escape(name)}\b", text), path


def test_exit_codes(page: str) -> None:
    told = re.findall(r"^     (\d+)  ", part(page, "EXIT STATUS"), re.M)
    assert set(told) == words.exit_codes()


def test_signals(page: str) -> None:
    told = re.findall(r"\bSIG\w+", part(page, "SIGNALS"))
    assert set(told) == words.signals()


def test_services(page: str) -> None:
    assert all(re.search(rf"\b{name}\b", part(page, "COMMANDS")) for name in words.services())


def test_examples_are_commands(page: str, agent: Agent) -> None:
    """Each is one that the program understands."""
    examples = re.findall(r"[#$/] ?\S*bbs-agent ((?:[a-z]+)(?: .*)?)$", part(page, "EXAMPLES"), re.M)
    assert len(examples) >= 5
    for example in examples:
        verb, *rest = example.split()
        assert verb in words.verbs()
        assert {w for w in rest if w.startswith("--")} <= words.options(verb)
