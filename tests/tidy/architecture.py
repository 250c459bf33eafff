"""The architecture as data: what the rules of tests/tidy hold the code to.

DESIGN.md §5 and knowledge/style.md §5 and §7. Change a value here only together with the page that
explains it. Values only.
"""

# Imports point down this list and never up.
LAYERS = ("daemon", "ingest_watch", "replication", "storage", "monitoring")

# Library (or one name of it) → the only module of the product that may import it.
GATEWAYS = {
    "watchdog": "ingest_watch/watch.py",
    "zmq": "replication/transport.py",
    "pyfuse3": "storage/view/filesystem.py",
    "sqlalchemy.create_engine": "storage/catalogue/engine.py",
    "sqlalchemy.ext.asyncio": "storage/catalogue/engine.py",
}
# Library → the only folder that may import it at all.
QUARTERS = {
    "sqlalchemy": "storage/catalogue/",
    "alembic": "storage/catalogue/",
    "structlog": "monitoring/",
    "click": "daemon/cli/",
}

# Modules that decide: clock, randomness, sockets and disks reach them as arguments only.
PURE = (
    "daemon/config_check.py",
    "daemon/receipt_check.py",
    "ingest_watch/answers.py",
    "ingest_watch/notary.py",
    "ingest_watch/platform_receipt.py",
    "ingest_watch/registration.py",
    "ingest_watch/settle.py",
    "replication/audit_plan.py",
    "replication/layout.py",
    "replication/membership.py",
    "replication/moves.py",
    "replication/placement.py",
    "replication/repair_plan.py",
    "replication/*_session.py",
    "storage/audit/framing.py",
    "storage/canary/flock.py",
    "storage/catalogue/transitions.py",
    "storage/model.py",
    "storage/ocfl/layout.py",
    "storage/sweep/forecast.py",
    "storage/sweep/pace.py",
    "storage/sweep/plan.py",
    "storage/view/tree.py",
)
IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "fcntl",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
        "monitoring.log",
    }
)
# Of modules that are otherwise only values: the names that ask the world.
IMPURE_NAMES = frozenset({"pathlib.Path", "concurrent.futures"})
IMPURE_CALLS = frozenset({"open", "input", "print", "datetime.now", "datetime.utcnow"})

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 6

BANNED_MODULE_NAMES = frozenset(
    {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc", "shared", "lib"}
)
BANNED_CLASS_WORDS = ("Manager", "Helper", "Utils", "Util", "Base")
# Import names of what the product depends on: a module of ours called so would shadow or confuse.
DEPENDENCIES = frozenset(
    {
        "aiohttp",
        "alembic",
        "ansible",
        "bagit",
        "blake3",
        "click",
        "cryptography",
        "ijson",
        "jinja2",
        "msgspec",
        "ocfl",
        "prometheus_client",
        "pyfuse3",
        "sqlalchemy",
        "structlog",
        "systemd",
        "watchdog",
        "zmq",
    }
)
# Names that are the right word all the same: the format is called so.
NAMES_ALLOWED = frozenset({"ingest_watch/formats/bagit.py"})

# Everything with Python in it has a home here.
PRODUCT = LAYERS
TEST_FOLDERS = frozenset(
    {"unit", "contract", "conformance", "integration", "faults", "fleet", "simulation", "tidy"}
)
# Python that the product writes out as it is and never imports (verify.py beside the objects).
DATA_FOLDERS = ("ingest_watch/sender_kit/", "storage/volume/root_files/")
OTHER_PYTHON = ("tests/", "benchmarks/")
TOP_LEVEL = frozenset(
    {
        "daemon",
        "ingest_watch",
        "replication",
        "storage",
        "monitoring",
        "systemd",
        "ansible",
        "tests",
        "benchmarks",
        "docs",
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        ".ci",
        ".gitignore",
    }
)
# Modules that nobody imports by name: commands, migrations and processes of their own.
ENTRY_POINTS = (
    "daemon/roles/*.py",
    "daemon/cli/main.py",
    "*/__main__.py",
    "storage/catalogue/migrations/*",
    "storage/catalogue/migrations/versions/*",
)

# Words that the glossary must explain.
GLOSSARY_TERMS = (
    "answer",
    "block root",
    "catalogue",
    "copy",
    "domain",
    "drop folder",
    "finding",
    "identifier",
    "identity",
    "ingest",
    "journal",
    "keeper",
    "node",
    "notary",
    "object",
    "package",
    "quarantine",
    "receipt",
    "return folder",
    "source",
    "staging",
    "sweep",
    "transfer",
    "view",
    "volume",
)
