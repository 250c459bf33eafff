"""What was seen of a disk, judged: what proves it fit, what speaks against it, what nobody knows.

docs/operations/burn-in.md lists every check. Pure: everything seen is an argument. A question that
the disk does not answer is `not-told`, and never a pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from storage.burn_in.device import DeviceFacts, MountFacts
from storage.burn_in.proof import Proof
from storage.burn_in.result import Examined, Outcome

# Others read and write meanwhile, which only adds; metadata is compressed by nobody here.
_REACHED_SHARE_MIN = 0.99
_SHOWN_MAX = 20
_RISKY_OPTIONS = frozenset({"nobarrier", "barrier=0", "errors=continue", "norecovery", "noload"})
_CAREFUL_OPTIONS = frozenset({"errors=remount-ro", "errors=panic"})
# Kinds that shut themselves down at a damaged structure, and need no option for it.
_CAREFUL_KINDS = frozenset({"xfs", "zfs", "btrfs"})


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that one burn-in saw. The second look came after the trial."""

    proof: Proof
    device: DeviceFacts
    second_look: DeviceFacts
    mount: MountFacts
    filesystem_bytes: int
    write_cache: str  # "write back", "write through", or empty
    has_fua: bool | None
    has_journal: bool | None
    errors_before: int | None
    errors_after: int | None
    sparse_image: str  # the path, or empty


def examine(seen: Seen) -> tuple[Examined, ...]:
    """Every check, in the order of the page."""
    return (
        *_bytes(seen.proof),
        *_reached(seen),
        *_errors(seen),
        *_mount(seen),
        *_identity(seen),
    )


def _bytes(proof: Proof) -> Iterator[Examined]:
    wrong = [each.what for each in proof.differences]
    if wrong:
        yield _failed("content", "; ".join(wrong[:_SHOWN_MAX]), "读回的内容与写入不符")
    else:
        said = f"{proof.tested_bytes} bytes written twice and read three times, all as written"
        yield _passed("content", said, "两次写入、三次读回，全部一致")
    if proof.not_evicted:
        yield _failed("eviction", proof.not_evicted, "无法清出缓存，读回不能证明介质")
    else:
        yield _passed("eviction", "0 pages left in memory before each read", "读回前缓存页为零")
    if proof.no_direct:
        yield _remark("direct", f"O_DIRECT is not offered: {proof.no_direct}", "不支持 O_DIRECT")
    else:
        yield _passed("direct", "O_DIRECT gave the same bytes", "O_DIRECT 读回一致")


def _reached(seen: Seen) -> Iterator[Examined]:
    written, read = seen.proof.written, seen.proof.read
    if written.counted is None or read.counted is None:
        for check in ("writes-reach", "reads-reach", "flushes"):
            yield _not_told(check, "the device counts nothing", "设备不提供计数")
        return
    yield _share("writes-reach", written.counted.written_bytes, written.passed_bytes, "写入")
    yield _share("reads-reach", read.counted.read_bytes, read.passed_bytes, "读取")
    flushes = written.counted.flushes
    if flushes is None:
        yield _not_told("flushes", "the kernel does not count flushes", "内核不统计刷写")
    elif flushes > 0:
        yield _passed("flushes", f"{flushes} flushes at the syncs", "同步时设备收到刷写命令")
    elif seen.write_cache == "write back":
        said = "the device has a write cache, and a sync sent it no flush"
        yield _failed("flushes", said, "设备有写缓存，但同步未刷写")
    else:
        yield _remark("flushes", "no flush: no write cache is said to be there", "未声明写缓存")


def _share(check: str, counted_bytes: int, passed_bytes: int, what_zh: str) -> Examined:
    said = f"{counted_bytes} of {passed_bytes} bytes reached the device"
    if counted_bytes >= passed_bytes * _REACHED_SHARE_MIN:
        return _passed(check, said, f"{what_zh}确实到达设备")
    return _failed(check, said, f"{what_zh}未全部到达设备")


def _errors(seen: Seen) -> Iterator[Examined]:
    reported = [each.what for each in seen.proof.errors]
    before, after = seen.errors_before, seen.errors_after
    if reported:
        yield _failed("errors", "; ".join(reported[:_SHOWN_MAX]), "内核报告了读写错误")
    elif before is None or after is None:
        yield _passed("errors", "no call failed; this driver counts no errors", "没有调用失败")
    elif after > before or after > 0:
        said = f"the driver or the file system counted {before} errors before, {after} now"
        yield _failed("errors", said, "驱动或文件系统记录有错误")
    else:
        yield _passed("errors", "no call failed, and no error was counted", "没有错误")


def _mount(seen: Seen) -> Iterator[Examined]:
    options, kind = seen.mount.options, seen.device.filesystem
    risky = sorted(options & _RISKY_OPTIONS)
    if risky:
        yield _failed("options", f"mounted with {', '.join(risky)}", "挂载选项不安全")
    elif kind in _CAREFUL_KINDS or options & _CAREFUL_OPTIONS:
        yield _passed("options", f"{kind}: stops at damage to itself", "出错即停止写入")
    else:
        said = f"{kind}: mount it with errors=remount-ro, so that it stops at damage to itself"
        yield _remark("options", said, "建议以 errors=remount-ro 挂载")
    if seen.has_journal is False:
        said = "this ext4 has no journal: make it anew with one"
        yield _failed("journal", said, "文件系统没有日志")
    elif seen.has_journal is None:
        yield _not_told("journal", f"whether this {kind} has a journal", "是否有日志无从得知")
    elif "data=journal" in options:
        yield _remark("journal", "data=journal writes everything twice", "data=journal 写两遍")
    else:
        yield _passed("journal", "metadata are journalled", "元数据有日志")
    if not seen.device.size_bytes:
        yield _not_told("size", "the device does not tell its size", "设备不提供容量")
    elif seen.filesystem_bytes > seen.device.size_bytes:
        said = f"{seen.filesystem_bytes} bytes of file system on {seen.device.size_bytes}"
        yield _failed("size", said, "文件系统大于设备")
    elif seen.sparse_image:
        said = f"{seen.sparse_image} has less room than it promises: a write may be lost later"
        yield _remark("size", said, "稀疏映像：以后写入可能丢失")
    else:
        yield _passed("size", "the file system ends before its device does", "容量相符")
    yield _cache(seen)


def _cache(seen: Seen) -> Examined:
    if not seen.write_cache:
        return _not_told("write-cache", "the device does not say", "设备不提供写缓存信息")
    fua = {True: "with FUA", False: "without FUA: flushed instead", None: "FUA not told"}
    said = f"{seen.write_cache}, {fua[seen.has_fua]}"
    return _passed("write-cache", said, "写缓存方式已记录")


def _identity(seen: Seen) -> Iterator[Examined]:
    device = seen.device
    if not device.is_same_disk(seen.second_look):
        said = f"first {device}, then {seen.second_look}"
        yield _failed("identity", said, "两次查看不是同一块盘")
    elif not device.is_known:
        said = "no serial number and no WWID: a swapped disk is told by node-identity alone"
        yield _remark("identity", said, "设备没有序列号")
    else:
        yield _passed("identity", f"{device.serial or device.wwid}, twice alike", "标识两次一致")
    if seen.mount.by_uuid:
        yield _passed("mount-name", "/etc/fstab names it by UUID or label", "按 UUID 挂载")
    elif seen.mount.by_uuid is None:
        yield _not_told("mount-name", "/etc/fstab does not name it", "fstab 未列出")
    else:
        said = "/etc/fstab names it by a device name, which may be another disk's tomorrow"
        yield _remark("mount-name", said, "fstab 按设备名挂载，建议改用 UUID")


def _said(outcome: Outcome, check: str, detail: str, detail_zh: str) -> Examined:
    return Examined(check, outcome, detail, detail_zh)


def _passed(check: str, detail: str, detail_zh: str) -> Examined:
    return _said("passed", check, detail, detail_zh)


def _failed(check: str, detail: str, detail_zh: str) -> Examined:
    return _said("failed", check, detail, detail_zh)


def _remark(check: str, detail: str, detail_zh: str) -> Examined:
    return _said("remark", check, detail, detail_zh)


def _not_told(check: str, detail: str, detail_zh: str) -> Examined:
    return _said("not-told", check, detail, detail_zh)
