"""Judge a configuration: every problem that can be told from the file alone, in both languages.

`lantai config check` prints what this returns, and each role refuses to start on an error. Pure:
works on the values of the file, never asks this host (whether a folder exists is the role's own
self-test, because a file is often judged on another machine).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from daemon.config import Config, Section, convert, in_words
from ingest_watch.check_profile import SHIPPED, shipped_profile
from replication.placement import lies_within

# A Unix socket's address ends here (unix(7), sun_path).
SOCKET_PATH_BYTES_MAX = 107
LOOPBACK = ("127.", "localhost:", "[::1]:")
WILDCARDS = ("0.0.0.0:", "*:", "[::]:")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (`error`) or deserves a second look (`warning`)."""

    severity: Literal["error", "warning"]
    place: str  # "ingest.sources[0].drop_folder"
    message: str
    message_zh: str


def error(place: str, message: str, message_zh: str) -> Problem:
    """A problem that keeps the role from starting."""
    return Problem("error", place, message, message_zh)


def warning(place: str, message: str, message_zh: str) -> Problem:
    """A problem that an operator may have meant."""
    return Problem("warning", place, message, message_zh)


def judge_values(values: dict[str, Any]) -> tuple[Config | None, list[Problem]]:
    """The file's values as Config, when they are one, and every problem found.

    Each section is judged by itself first, so that one typing error does not hide the others.
    """
    problems = list(_shape(values))
    if problems:
        return None, problems
    config = convert(values, Config)
    return config, judge(config)


def judge(config: Config) -> list[Problem]:
    """Every problem of a configuration whose shape is right."""
    rules: tuple[Callable[[Config], Iterable[Problem]], ...] = (
        _site,
        _catalogue,
        _peers,
        _authorities,
        _node,
        _sweep,
        _clients,
        _ingest,
        _profiles,
        _notary,
        _addresses,
        _sockets,
        _example_keys,
    )
    return [problem for rule in rules for problem in rule(config)]


def _shape(values: dict[str, Any]) -> Iterator[Problem]:
    known = {field.name: field for field in msgspec.structs.fields(Config)}
    for name, value in values.items():
        if name not in known:
            yield error(name, "unknown section", "未知的小节")
            continue
        items = value if name in ("peers", "authorities") and isinstance(value, list) else [value]
        for index, item in enumerate(items):
            place = f"{name}[{index}]" if items is value else name
            target = known[name].type if items is not value else known[name].type.__args__[0]
            yield from _section_shape(place, item, target)
    if "site" not in values:
        yield error("site", "missing", "缺少该小节")


def _section_shape(place: str, value: object, target: Any) -> Iterator[Problem]:
    try:
        convert(value, target)
    except msgspec.ValidationError as found:
        where, _, what = in_words(found, place).partition(": ")
        yield error(where, what, "取值或键名不合规定")


def _site(config: Config) -> Iterator[Problem]:
    if not config.site.name.strip():
        yield error("site.name", "is empty; it is printed in every receipt", "不能为空")
    if config.site.copies < 3:
        yield warning(
            "site.copies",
            f"{config.site.copies}: fewer than 3 copies protect against less than promised",
            "副本数少于 3",
        )
    if config.site.debug:
        yield warning(
            "site.debug", "is on: anyone in lantai-ops can block or kill a role", "调试已开启"
        )


def _catalogue(config: Config) -> Iterator[Problem]:
    place, url = "catalogue.url", config.catalogue.url
    if url.startswith("postgresql+psycopg://"):
        yield from _postgres(place, urlsplit(url))
    elif not url.startswith("sqlite:///"):
        yield error(
            place,
            "must begin with sqlite:/// or postgresql+psycopg://",
            "须以 sqlite:/// 或 postgresql+psycopg:// 开头",
        )


def _postgres(place: str, url: SplitResult) -> Iterator[Problem]:
    options = dict(parse_qsl(url.query))
    if url.password is not None or "password" in options:
        yield error(
            place,
            "has a password: many may read this file. Keep it in a passfile (PGPASSFILE) or use a "
            "client certificate; see docs/operations/catalogue.md",
            "含有口令,请改用 PGPASSFILE 口令文件或客户端证书",
        )
    if "service" not in options and (not url.path.strip("/") or url.username is None):
        yield error(
            place,
            "names no user or no database: postgresql+psycopg://lantai@host/lantai",
            "缺少用户名或数据库名",
        )
    host = options.get("host") or url.hostname or ""
    is_local = not host or host.startswith("/")
    if not is_local and not options.get("sslmode", "").startswith("verify-"):
        yield warning(
            place,
            "crosses the network without proof of the server: add ?sslmode=verify-full",
            "跨网络连接未校验服务器证书",
        )


def _peers(config: Config) -> Iterator[Problem]:
    for field in ("name", "endpoint", "curve_public_key", "verify_key"):
        yield from _repeated("peers", field, config.peers)
    domains = {peer.domain for peer in config.peers}
    if config.peers and len(domains) < config.site.copies:
        yield error(
            "site.copies",
            f"{config.site.copies} copies need as many failure domains; peers name {len(domains)}",
            f"副本数 {config.site.copies} 多于故障域数 {len(domains)}",
        )
    for domain in sorted(domains):
        for other in sorted(domains - {domain}):
            if lies_within(domain, other):
                yield error(
                    "peers",
                    f"{domain} is a part of the domain {other}: name both down to the same level",
                    "故障域层级不一致",
                )


def _authorities(config: Config) -> Iterator[Problem]:
    for field in ("name", "curve_public_key"):
        yield from _repeated("authorities", field, config.authorities)
    of_nodes = {peer.curve_public_key: peer.name for peer in config.peers}
    for index, authority in enumerate(config.authorities):
        owner = of_nodes.get(authority.curve_public_key)
        if owner and authority.role != "node":
            yield error(
                f"authorities[{index}].curve_public_key",
                f"is the key of {owner}: a node's key may not act as {authority.role}",
                "存储节点的密钥不得用于其他角色",
            )


def _node(config: Config) -> Iterator[Problem]:
    node = config.node
    if node is None:
        return
    if len(node.root.parts) < 3:
        yield error(
            "node.root", "needs a folder of its own: siblings lie beside it", "须为独立目录"
        )
    own = next((peer for peer in config.peers if peer.name == node.name), None)
    if config.peers and own is None:
        yield error("node.name", f"{node.name} is not among the peers", "不在 peers 名单中")
    if own is not None and own.domain != node.domain:
        yield error("node.domain", f"{node.domain}, but peers say {own.domain}", "故障域不一致")
    if not config.authorities:
        yield warning("authorities", "empty: this node lets nobody in", "没有任何授权")
    if node.keeper_verify_key is None:
        yield warning("node.keeper_verify_key", "missing: no copy is mended here", "无法修复副本")
    if node.allow_unproven:
        yield warning("node.allow_unproven", "is on; every receipt will say so", "介质未经验证")


def _sweep(config: Config) -> Iterator[Problem]:
    if config.node is None:
        return
    sweep = config.node.sweep
    names = [each.name for each in sweep.classes]
    sources = [source for each in sweep.classes for source in each.sources]
    for name, count in Counter(["default", *names]).items():
        if count > 1:
            yield error("node.sweep.classes", f"{name} is the name of two classes", "类别重名")
    for source, count in Counter(sources).items():
        if count > 1:
            yield error("node.sweep.classes", f"{source} is in two classes", "来源属于两个类别")
    for window in sweep.hours:
        start, _, end = window.partition("-")
        if start == end:
            yield error("node.sweep.hours", f"{window} never opens, or always", "时段起止相同")
    if sweep.aim_days > sweep.deadline_days:
        yield warning("node.sweep.aim_days", "is after the deadline: no aim", "目标晚于期限")


def _clients(config: Config) -> Iterator[Problem]:
    for role in ("ingest", "keeper", "view", "api"):
        if getattr(config, role) is not None and not config.peers:
            yield error("peers", f"empty, and [{role}] works with the nodes", "缺少存储节点")
            return


def _ingest(config: Config) -> Iterator[Problem]:
    if config.ingest is None:
        return
    sources = config.ingest.sources
    for field in ("name", "drop_folder", "return_folder"):
        yield from _repeated("ingest.sources", field, sources)
    folders = [("ingest.staging_folder", config.ingest.staging_folder)]
    for index, source in enumerate(sources):
        folders += [
            (f"ingest.sources[{index}].{field}", folder)
            for field in ("drop_folder", "return_folder", "accepted_folder")
            if (folder := getattr(source, field)) is not None
        ]
        if source.versions == "allow" and source.identifier == "name":
            yield warning(
                f"ingest.sources[{index}].versions",
                'is "allow", and identifier is "name": whatever is dropped under a name that was '
                "used before becomes a version of what came under it first",
                "同名的后来者将成为先前信息包的新版本",
            )
        if source.custody == "registration" and source.unit is None:
            yield warning(
                f"ingest.sources[{index}].unit",
                f"is missing: the form to be signed will call the sender {source.name!r}",
                "缺少移交单位名称，登记表将以来源名代替",
            )
    yield from _nested(folders)


def _profiles(config: Config) -> Iterator[Problem]:
    """Shipped profiles only: a file is read when the intake starts, on its own host."""
    for index, source in enumerate(config.ingest.sources if config.ingest else ()):
        if source.profile is None or source.profile.startswith("/"):
            continue
        place = f"ingest.sources[{index}].profile"
        if source.profile not in SHIPPED:
            known = ", ".join(SHIPPED)
            yield error(place, f"is none of {known}, nor an absolute path", "没有此检测方案")
            continue
        unfit = set(source.formats) - set(shipped_profile(source.profile).formats)
        if unfit:
            yield error(
                place, f"is not made for {', '.join(sorted(unfit))}", "检测方案不适用于该格式"
            )


def _notary(config: Config) -> Iterator[Problem]:
    if config.notary is None:
        return
    if config.notary.allow_unproven:
        yield warning("notary.allow_unproven", "is on; receipts will say so", "介质未经验证")
    if config.ingest and config.ingest.notary_socket != config.notary.socket:
        yield error(
            "ingest.notary_socket",
            f"is not notary.socket ({config.notary.socket})",
            "与 notary.socket 不一致",
        )
    if not config.peers:
        yield error("peers", "empty, and the notary checks every node's signature", "缺少存储节点")


def _addresses(config: Config) -> Iterator[Problem]:
    listening = [
        (f"{role}.metrics_address", getattr(config, role).metrics_address)
        for role in config.instance_names()
    ]
    if config.node:
        listening.append(("node.bind", config.node.bind.removeprefix("tcp://")))
    if config.api:
        listening.append(("api.bind", config.api.bind))
        if not config.api.bind.startswith(LOOPBACK) and not config.api.open_to_network:
            yield error(
                "api.bind",
                "is not the loopback: keep it behind the archive's proxy, or set open_to_network",
                "应只监听本机,由档案馆代理转发",
            )
    for place, address in listening:
        if int(address.rpartition(":")[2]) > 65535:
            yield error(place, "the port is above 65535", "端口超出范围")
        if address.startswith(WILDCARDS):
            yield warning(place, "listens on every network of this host", "监听所有网络接口")
    times = Counter(address for _place, address in listening)
    for place, address in listening:
        if times[address] > 1:
            yield error(place, f"{address} is used twice", "地址重复")


def _sockets(config: Config) -> Iterator[Problem]:
    for role in config.instance_names():
        path = str(config.control_socket(role))
        if len(path.encode()) > SOCKET_PATH_BYTES_MAX:
            yield error("site.run_folder", f"too long for a socket: {path}", "路径过长")
    names = Counter(config.instance_names().values())
    for role, name in config.instance_names().items():
        if names[name] > 1:
            yield error(f"{role}.name", f"{name} is the name of two roles here", "名称重复")


def _example_keys(config: Config) -> Iterator[Problem]:
    for index, peer in enumerate(config.peers):
        if peer.curve_public_key.startswith("EXAMPLE-"):
            yield warning(f"peers[{index}].curve_public_key", "is the example's", "仍为示例密钥")
    for index, authority in enumerate(config.authorities):
        if authority.curve_public_key.startswith("EXAMPLE-"):
            place = f"authorities[{index}].curve_public_key"
            yield warning(place, "is the example's", "仍为示例密钥")


def _repeated(place: str, field: str, items: tuple[Section, ...]) -> Iterator[Problem]:
    times = Counter(getattr(item, field) for item in items)
    for index, item in enumerate(items):
        value = getattr(item, field)
        if times[value] > 1:
            yield error(f"{place}[{index}].{field}", f"{value} appears twice", "重复")


def _nested(folders: Sequence[tuple[str, PurePath]]) -> Iterator[Problem]:
    for place, folder in folders:
        for other_place, other in folders:
            if other in folder.parents:
                yield error(place, f"lies inside {other_place} ({other})", "目录不得互相包含")
