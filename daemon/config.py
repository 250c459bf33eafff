"""The configuration: one TOML file (TOML 1.0) read into frozen structs that refuse unknown keys.

One schema serves all roles; a host's file has the sections of the roles that run there. Every
default stands here, and daemon/sample.toml shows every key. Reading names the offending path and
file; whether the values fit each other is judged by config_check.py. Touches nothing else: no
key is read, no folder is made.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from storage.errors import Refusal

DEFAULT_CONFIG_FILE = Path("/etc/lantai/lantai.toml")
ROLES = ("node", "ingest", "notary", "keeper", "view", "api")

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Domain = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}(/[a-z0-9][a-z0-9-]{0,62}){0,3}$", max_length=128)
]
Endpoint = Annotated[str, Meta(pattern=r"^tcp://[^/\s]+:[0-9]{1,5}$")]
Address = Annotated[str, Meta(pattern=r"^[^/\s]+:[0-9]{1,5}$")]
CurveKey = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$")]
VerifyKeyHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
KeeperKeys = Annotated[tuple[VerifyKeyHex, ...], Meta(min_length=1, max_length=4)]
Count = Annotated[int, Meta(ge=1)]
ByteCount = Annotated[int, Meta(ge=0)]
Duration = Annotated[float, Meta(gt=0)]

# What a pattern asks for, in words: `msgspec` says only that it did not match.
PATTERN_WORDS = {
    r"^[a-z0-9][a-z0-9-]{0,62}(": "a domain like room-1, or site-a/room-1/rack-2 (at most 4 words)",
    r"^[a-z0-9][": "a name of lower-case letters, digits and hyphens (at most 63)",
    r"^tcp://": "an endpoint like tcp://10.0.0.11:5570",
    r"^[^/\\s]+:": "an address like 127.0.0.1:9401",
    r"^[0-9a-zA-Z": "a CURVE key of 40 Z85 characters (lantai keys show)",
    r"^([01]": "hours of a day like 20:00-07:30",
    r"^[0-9a-f]": "a verify key of 64 lower-case hexadecimal digits (lantai keys show)",
}


class ConfigurationError(Refusal):
    """What an operator wrote cannot be used; the message names the place and the remedy."""

    code: ClassVar[str] = "configuration-refused"


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Root of all sections: frozen, and a key that is not known is an error."""


class Site(Section, frozen=True):
    """[site]: the archive as a whole; the same on every host."""

    name: str  # printed in every receipt
    copies: Annotated[int, Meta(ge=1, le=16)] = 3
    run_folder: Path = Path("/run/lantai")  # control sockets
    keys_folder: Path = Path("/etc/lantai/keys")
    # A node that answers reads far more slowly than its peers for so long is read from last.
    slow_node_after_s: Duration = 600
    debug: bool = False  # allows the verbs block-loop and crash-at, for tests only


class Catalogue(Section, frozen=True):
    """[catalogue]: where packages, transfers and copies are indexed."""

    url: str = "sqlite:////var/lib/lantai/catalogue.sqlite"


class Peer(Section, frozen=True):
    """[[peers]]: one storage node, as everyone else must know it."""

    name: Slug
    endpoint: Endpoint
    domain: Domain  # failure domain: a room, a rack, a building; or all, from the outside in
    curve_public_key: CurveKey
    verify_key: VerifyKeyHex
    weight: Count = 1  # capacity against that of the others: it gets so many shares of objects


class Authority(Section, frozen=True):
    """[[authorities]]: one public key that a node lets in, and what it may say there."""

    name: Slug
    role: Literal["ingest", "keeper", "view", "api", "node"]
    curve_public_key: CurveKey


class SweepClass(Section, frozen=True):
    """[[node.sweep.classes]]: sources whose packages have a deadline of their own."""

    name: Slug
    deadline_days: Duration
    sources: Annotated[tuple[Slug, ...], Meta(min_length=1)]


_HOUR = r"([01]?[0-9]|2[0-3]):[0-5][0-9]"
Hours = Annotated[str, Meta(pattern=rf"^{_HOUR}-({_HOUR}|24:00)$")]


class SweepSettings(Section, frozen=True):
    """[node.sweep]: how soon every byte is read again, and how fast at most."""

    deadline_days: Duration = 90  # of all that no class below names
    aim_days: ByteCount = 30  # sooner than the deadline, while the cap allows it; 0: no such aim
    classes: Annotated[tuple[SweepClass, ...], Meta(max_length=7)] = ()
    read_bytes_per_second_max: ByteCount = 0  # 0: no cap of its own; the deadline sets the pace
    read_files_per_second_max: ByteCount = 0  # 0: no cap
    tranquility: Annotated[float, Meta(ge=0)] = 0  # rests so many times as long as each read took
    hours: tuple[Hours, ...] = ()  # of the day, local time, in which it reads; none: all
    yield_above_read_latency_ms: Annotated[float, Meta(ge=0)] = 50  # of others; 0: never yields
    yield_above_commit_latency_ms: Annotated[float, Meta(ge=0)] = 1000
    quick_period_hours: Annotated[float, Meta(ge=0)] = 24  # 0: no quick passes
    workers: Count = 2  # processes


class CommitSettings(Section, frozen=True):
    """[node.commit]: small packages are committed in groups."""

    group_packages_max: Count = 64
    group_wait_s: Annotated[float, Meta(ge=0)] = 0.005
    operations_max: Count = 256  # packages open at once; more wait at the sender


class Node(Section, frozen=True):
    """[node]: the storage node on this host."""

    name: Slug
    bind: Endpoint
    root: Path  # the OCFL storage root; staging, journal and quarantine lie beside it
    domain: Domain
    metrics_address: Address = "127.0.0.1:9401"
    # Whose tickets allow a repair: one key, or those of several keepers, or an old and a new one.
    keeper_verify_key: VerifyKeyHex | KeeperKeys | None = None
    allow_unproven: bool = False  # accept a file system that failed the self-test
    reserve_bytes: ByteCount = 1 << 30
    workers: Count = 2  # processes that read back small files
    sweep: SweepSettings = SweepSettings()
    commit: CommitSettings = CommitSettings()


class Source(Section, frozen=True):
    """[[ingest.sources]]: one sender, its folders and what it promises."""

    name: Slug
    drop_folder: Path
    return_folder: Path
    complete_when: Literal["marker", "renamed", "proven"] = "proven"
    marker: Annotated[str, Meta(pattern=r"^[^/]+$")] = ".done"  # X is whole when X.done is there
    quiet_s: Duration = 30  # "proven" and "renamed": nothing may change for so long
    patience_hours: Duration = 24  # after that a package that never became whole is sent back
    formats: Annotated[tuple[Slug, ...], Meta(min_length=1)] = ("bagit",)
    # What packages are held to: a shipped profile or a file; left out: by their format.
    profile: Annotated[str, Meta(min_length=1)] | None = None
    # 归档范围与保管期限表: what may be sent, and how long it is kept.
    scope_table: Path | None = None
    identifier: Literal["name", "external-identifier"] = "name"
    # Other bytes under an identifier that is kept: a new version, or a rejection.
    versions: Literal["refuse", "allow"] = "refuse"
    accepted_folder: Path | None = None  # default: accepted/ in the drop folder's parent
    # When custody passes: at the stored receipt, or when a person confirms the signed form.
    custody: Literal["receipt", "registration"] = "receipt"
    platform_receipts: bool = False  # final answers also in the platform's own codes
    unit: Annotated[str, Meta(min_length=1, max_length=200)] | None = None  # on the registration
    # Of names in zips that are neither UTF-8 nor GB18030; left out: they are kept as bytes.
    names_encoding: Literal["big5", "shift-jis", "euc-kr", "cp437"] | None = None
    polling: bool = False  # other machines write there unseen by events; mostly found out itself
    priority: Literal["daily", "backlog"] = "daily"  # backlog: bulk that must delay nobody


class Ingest(Section, frozen=True):
    """[ingest]: the intake on this host."""

    staging_folder: Path
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    name: Slug = "ingest"
    metrics_address: Address = "127.0.0.1:9411"
    notary_socket: Path = Path("/run/lantai/notary-sign.sock")
    packages_in_flight: Count = 16
    packages_waiting_max: Count = 256  # beside them: those that lack one copy, of a slow node
    workers: Count = 2
    backlog_packages_in_flight: Count = 2  # sources of priority "backlog" have places
    backlog_workers: Count = 1  # and processes of their own
    claim_s: Duration = 60  # so long after it has gone another intake takes its packages over
    scan_s: Duration = 10  # a full rescan at least so often; events only make it sooner
    staging_reserve_bytes: ByteCount = 1 << 30  # a package that would need it waits
    # Longer than half an hour and so much for each TiB, and the package's reader is taken to hang.
    opening_hours_per_tebibyte: Duration = 4
    unconfined_workers_allowed: bool = False  # open packages even where seccomp is lacking
    clamd_socket: Path | None = None  # virus scanner; without one, profiles say what that means


class Notary(Section, frozen=True):
    """[notary]: the key that signs what senders are told."""

    socket: Path = Path("/run/lantai/notary-sign.sock")
    name: Slug = "notary"
    metrics_address: Address = "127.0.0.1:9412"
    allow_unproven: bool = False  # sign receipts for copies on unproven file systems


class AuditSettings(Section, frozen=True):
    """[keeper.audit]: how many objects all holders have to read anew, with a fresh nonce."""

    percent_per_day: Annotated[float, Meta(ge=0, le=100)] = 0.1  # at least one object; 0: none
    blocks_per_file: Annotated[int, Meta(ge=0, le=1024)] = 64  # MiB read of a large one; 0: all
    in_flight: Count = 2
    cycle_s: Duration = 60


class Keeper(Section, frozen=True):
    """[keeper]: looks after the whole."""

    name: Slug = "keeper"
    metrics_address: Address = "127.0.0.1:9413"
    # Of other keepers, or this one's before it was changed: what they signed is believed, too.
    other_verify_keys: Annotated[tuple[VerifyKeyHex, ...], Meta(max_length=4)] = ()
    cycle_s: Duration = 30
    lease_s: Duration = 30
    repairs_in_flight: Count = 2  # copies mended at once on each node
    moves_in_flight: Count = 2  # made at once on each node, in place of those that leave
    min_part_hours: Annotated[float, Meta(ge=0)] = 24  # an object rests so long between two moves
    report_every_days: Count = 30  # how long a period one fixity report covers
    report_folder: Path | None = None  # where they are filed; without one, only when asked for
    mends_per_node_hour_max: Count = 10  # more damage on one node: stop mending there and call
    damaged_share_per_node_hour_max: Annotated[float, Meta(ge=0, lt=1)] = 0  # likewise; 0: off
    compare_minutes: Duration = 10  # the catalogue is held against all nodes so often
    damaged_nodes_per_hour_max: ByteCount = 0  # damage on more nodes stops all of them; 0: off
    audit: AuditSettings = AuditSettings()


class View(Section, frozen=True):
    """[view]: the read-only file tree for staff."""

    mountpoint: Path
    name: Slug = "view"
    metrics_address: Address = "127.0.0.1:9414"
    allow_other: bool = True  # staff are other users than the daemon
    read_timeout_s: Duration = 20
    cache_bytes: ByteCount = 256 << 20


class Api(Section, frozen=True):
    """[api]: read-only access over HTTP, behind the archive's own proxy."""

    bind: Address = "127.0.0.1:8410"
    name: Slug = "api"
    metrics_address: Address = "127.0.0.1:9415"
    open_to_network: bool = False  # allow `bind` on other addresses than the loopback


class Config(Section, frozen=True):
    """The whole file."""

    site: Site
    catalogue: Catalogue = Catalogue()
    peers: tuple[Peer, ...] = ()
    authorities: tuple[Authority, ...] = ()
    node: Node | None = None
    ingest: Ingest | None = None
    notary: Notary | None = None
    keeper: Keeper | None = None
    view: View | None = None
    api: Api | None = None

    def instance_names(self) -> dict[str, str]:
        """Role → name of its instance, for the roles this file has a section for."""
        sections = {role: getattr(self, role) for role in ROLES}
        return {role: section.name for role, section in sections.items() if section is not None}

    def control_socket(self, role: str) -> Path:
        """Where the instance of `role` on this host answers `lantai`."""
        return self.site.run_folder / f"{self.instance_names()[role]}.sock"


T = TypeVar("T")


def required(section: T | None, name: str) -> T:
    """The section `name`. Raises ConfigurationError when the file does not have it."""
    if section is None:
        raise ConfigurationError(
            f"The section [{name}] is missing: this host's file does not describe that role."
            f" See `lantai config sample`. 配置文件缺少 [{name}] 一节。"
        )
    return section


def load_config(path: Path) -> Config:
    """Read and check `path`. Raises ConfigurationError naming the file and the offending place."""
    values = read_toml(path)
    try:
        return convert(values, Config)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {in_words(error)}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The file as TOML. Raises ConfigurationError when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}). Give --config, or set LANTAI_CONFIG."
            " 无法读取配置文件。"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}. 不是有效的 TOML 文件。") from error


def convert(values: object, target: type[T]) -> T:
    """TOML values as the struct `target`. Raises msgspec.ValidationError with the path inside."""
    return msgspec.convert(values, target, dec_hook=_decode_path)


def in_words(error: msgspec.ValidationError, section: str = "") -> str:
    """What msgspec objects to, as `ingest.sources[0].nam: unknown key`."""
    problem, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`")
    path = f"{section}{place}".lstrip(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", problem)
    if unknown:
        return f"{path}.{unknown[1]}".lstrip(".") + ": unknown key"
    missing = re.fullmatch(r"Object missing required field `(.*)`", problem)
    if missing:
        return f"{path}.{missing[1]}".lstrip(".") + ": missing"
    for start, words in PATTERN_WORDS.items():
        if f"matching regex '{start}" in problem:
            return f"{path}: expected {words}"
    return f"{path or 'the file'}: {problem[:1].lower()}{problem[1:]}"


def _decode_path(kind: type, value: object) -> object:
    if kind is not Path:
        raise NotImplementedError(kind)
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("Expected an absolute path")
    if ".." in Path(value).parts:
        raise ValueError("Expected a path without ..")
    return Path(value)
