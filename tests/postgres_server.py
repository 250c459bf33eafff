"""A real PostgreSQL server for tests: an ordinary user's, its syncs real, on a Unix socket only.

`initdb` refuses root, so that root starts it as another user. Light tests share one database, which
is emptied for each: one of its own is 300 files on the disk.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine

from storage.catalogue.migration import upgrade
from storage.catalogue.schema import metadata

T = TypeVar("T")

ORDINARY_USER = "postgres"  # Debian's package makes it; used only when the tests run as root
# What the catalogue is in production: the database's owner, and no superuser.
OWNER = "lantai"
SUPERUSER = "postgres"
TEMPLATE = "with_tables"
SHARED = "shared"
EMPTY = "template0"
_START_S = 60


class PostgresServer:
    """One server, which is told apart from others by the folder of its socket."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "data"
        self._numbers = count()

    def initialise(self) -> None:
        """Make the server's folder and its settings; starts nothing."""
        superuser = f"--username={SUPERUSER}"
        self._run("initdb", "--auth=trust", superuser, "--encoding=UTF8", "--locale=C")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(f"unix_socket_directories = '{self._folder}'\n")
            settings.write("listen_addresses = ''\nlogging_collector = off\n")

    def start(self) -> None:
        """Return once it takes connections."""
        log = self._folder / "log"
        self._run("pg_ctl", "start", "--wait", f"--timeout={_START_S}", f"--log={log}")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate`: as a crash would end it; `fast`: connections are cut, and it checkpoints."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def kill(self) -> None:
        """SIGKILL to the server and all its children at once, as a power cut ends processes."""
        first = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        killed = [first, *map(int, children)]
        for process_id in killed:
            os.kill(process_id, signal.SIGKILL)
        _wait_for(lambda: not any(map(_is_alive, killed)), "the end of the server")
        # Nobody may have waited for them yet, and their numbers still stand here.
        for lock in (self._data / "postmaster.pid", *self._folder.glob(".s.PGSQL.*.lock")):
            lock.unlink()

    def prepare(self) -> None:
        """The user that the catalogue belongs to, and the template of new databases."""
        self.execute(f"CREATE ROLE {OWNER} LOGIN")
        self.make_database(TEMPLATE)
        upgrade(self.url_of(TEMPLATE))
        self.make_database(SHARED, TEMPLATE)

    def new_database(self, template: str = TEMPLATE) -> str:
        """The url of a database of its own, made from `template` (EMPTY: without tables)."""
        name = f"catalogue_{next(self._numbers)}"
        self.make_database(name, template)
        return self.url_of(name)

    def emptied_database(self) -> str:
        """The url of the database that light tests have one after the other: not a row is in it.

        Only a superuser can empty it: the tables' own triggers refuse.
        """
        tables = "".join(f"DELETE FROM {table};" for table in reversed(metadata.tables))
        numbers = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
        self.execute(f"SET session_replication_role = replica; {tables} {numbers}", SHARED)
        return self.url_of(SHARED)

    def make_database(self, name: str, template: str = EMPTY) -> None:
        """A database that belongs to OWNER."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")

    def url_of(self, database: str, user: str = OWNER) -> str:
        """What `[catalogue] url` would say."""
        return f"postgresql+psycopg://{user}@/{database}?host={self._folder}"

    @contextmanager
    def set_to(self, setting: str, value: str) -> Iterator[None]:
        """Sessions that begin inside find `setting` so."""
        usual = self.ask(f"SHOW {setting}")
        try:
            self._set(setting, value)
            yield
        finally:
            self._set(setting, usual)

    def _set(self, setting: str, value: str) -> None:
        self.execute(f"ALTER SYSTEM SET {setting} = {value}")
        self.execute("SELECT pg_reload_conf()")
        self.wait_for(f"SELECT current_setting('{setting}') = '{value}'")

    def wait_for(self, question: str) -> None:
        """Return once the answer is yes."""
        _wait_for(lambda: self.ask(question), question)

    def ask(self, question: str) -> Any:
        """The one value that answers it, in a session of its own."""
        return self._in_session(
            SUPERUSER, lambda session: session.exec_driver_sql(question).scalar()
        )

    def execute(self, statements: str, database: str = SUPERUSER) -> None:
        """What the superuser says, not in a transaction of several messages."""
        self._in_session(database, lambda session: session.exec_driver_sql(statements))

    def _in_session(self, database: str, act: Callable[[Connection], T]) -> T:
        engine = create_engine(self.url_of(database, SUPERUSER), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as session:
                return act(session)
        finally:
            engine.dispose()

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._data), *words]
        if os.geteuid() == 0:
            user = (f"--reuid={ORDINARY_USER}", f"--regid={ORDINARY_USER}", "--init-groups")
            command = ["setpriv", *user, "--reset-env", "--", *command]
        ran = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def _wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _START_S
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


def _is_alive(process_id: int) -> bool:
    """A process that nobody has waited for yet holds nothing any more."""
    status = Path(f"/proc/{process_id}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def running_postgres(binaries: Path) -> Iterator[PostgresServer]:
    """A server of one's own."""
    # Not below pytest's folder: that is root's alone, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="lantai-pg-", dir="/tmp"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, ORDINARY_USER, ORDINARY_USER)
        server = PostgresServer(folder, binaries)
        server.initialise()
        server.start()
        try:
            server.prepare()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
