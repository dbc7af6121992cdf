"""A stand-in Borg Backup Server: what the agent talks to in the tests.

It answers the agent protocol as the real server does, habits and mistakes
included, keeps a record of every request, and can be told to misbehave.
Python 3.11, standard library and the openssl command, nothing else.

    from bbsd import BBS
    with BBS(directory) as bbs:
        job = bbs.add_task({"task": "list_dir", "path": "/"})
        report = bbs.wait_status(job, 10)

or from a shell: tests/bbsd/bbsd --dir /tmp/x --port 8443
"""

from .ca import CA, Cert, spki_pin
from .server import PATIENCE, BBS, SshAccess
from .state import Job

__all__ = ["BBS", "CA", "Cert", "Job", "PATIENCE", "SshAccess", "spki_pin"]
