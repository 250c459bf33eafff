"""What a reader of a fixity report must be told first: exceptions, and notes on what was not seen.

docs/formats/fixity-report.md, "Remarks". Pure: reads a report and adds nothing to it. An exception
is whatever an auditor would ask about; a note says what a figure does not cover.
"""

from collections.abc import Iterator
from datetime import datetime

from replication.fixity_report import LISTED_MAX, FixityReport, Node, Remark

_DAY_S = 86_400
# An audit that settled found a difference that the sweep then put on record.
_AUDITS_WELL = frozenset({"agreed", "settled"})


def remarks_of(report: FixityReport) -> Iterator[Remark]:
    """Exceptions and notes, those of the whole first, then node by node."""
    if not report.nodes:
        yield _exception(
            "no-node", "no node is configured: nothing was checked", "没有配置节点，未作任何检查"
        )
    yield from _of_packages(report)
    yield from _of_copies(report)
    yield from _of_findings(report)
    yield from _of_audits(report)
    for node in report.nodes:
        yield from _of_node(node, report)
    yield from _of_lists(report)


def _of_packages(report: FixityReport) -> Iterator[Remark]:
    packages = report.packages
    if packages.below_target:
        yield _exception(
            "copies-below-target",
            f"{packages.below_target} packages have fewer good copies than promised",
            f"{packages.below_target} 个信息包的完好副本数少于承诺",
        )
    if packages.without_good_copy:
        yield _exception(
            "no-good-copy",
            f"{packages.without_good_copy} packages have no good copy left to mend from",
            f"{packages.without_good_copy} 个信息包已没有可用于修复的完好副本",
        )
    if packages.at_risk:
        yield _exception(
            "at-risk",
            f"{packages.at_risk} packages have at most one good copy",
            f"{packages.at_risk} 个信息包至多只有一份完好副本",
        )


def _of_copies(report: FixityReport) -> Iterator[Remark]:
    unproven = sum(each.copies for each in report.copies if each.verify_mode == "unproven")
    if unproven:
        yield _exception(
            "unproven",
            f"{unproven} copies lie on file systems whose readings do not prove the medium",
            f"{unproven} 份副本所在文件系统不能证明读取来自介质",
        )
    configured = {node.node for node in report.nodes}
    for name in sorted({each.node for each in report.copies} - configured):
        count = sum(each.copies for each in report.copies if each.node == name)
        yield _exception(
            "node-not-configured",
            f"{count} copies are on record on {name}, which nobody asked: not checked",
            f"目录库记有 {count} 份副本在 {name} 上，但配置中没有该节点，未检查",
            name,
        )


def _of_findings(report: FixityReport) -> Iterator[Remark]:
    if report.findings.open:
        yield _exception(
            "findings-open",
            f"{report.findings.open} findings are not mended",
            f"{report.findings.open} 项损坏尚未修复",
        )


def _of_audits(report: FixityReport) -> Iterator[Remark]:
    for suspect in report.suspects:
        yield _exception(
            "node-suspected",
            f"{suspect.node} is not believed since {suspect.since}: {suspect.reason}",
            f"{suspect.node} 自 {suspect.since} 起被列为可疑：{suspect.reason}",
            suspect.node,
        )
    for outcome, count in report.audits.by_outcome.items():
        if outcome not in _AUDITS_WELL:
            yield _note(
                "audit-not-agreed",
                f"{count} audits came to {outcome!r}",
                f"{count} 次抽查结果为“{outcome}”",
            )


def _of_node(node: Node, report: FixityReport) -> Iterator[Remark]:
    if node.absence is not None:
        until = node.absence.until
        yield _exception(
            "away-by-plan",
            f"{node.node} is away by plan until {until}: its copies are not counted as good",
            f"{node.node} 按计划离线至 {until}，其副本不计为完好",
            node.node,
        )
    elif not node.answered:
        since = f"; last heard {node.heard_at}" if node.heard_at else ""
        since_zh = f"；最近一次应答 {node.heard_at}" if node.heard_at else ""
        yield _exception(
            "node-away",
            f"{node.node} does not answer: nothing is known of its copies now{since}",
            f"{node.node} 无应答，其副本现状不明{since_zh}",
            node.node,
        )
    if not node.answered:
        return
    yield from _of_its_check(node, report)
    if node.state != "ready":
        yield _exception(
            "volume-not-ready",
            f"{node.node} is {node.state}: it takes no copies and no repairs",
            f"{node.node} 状态为 {node.state}，不接受写入与修复",
            node.node,
        )
    if node.ages is not None and node.ages.never:
        yield _note(
            "not-yet-swept",
            f"{node.ages.never} objects on {node.node} were read back when they were committed"
            " and by no sweep since",
            f"{node.node} 上 {node.ages.never} 个对象仅在入库时回读，此后尚未巡检",
            node.node,
        )


def _of_its_check(node: Node, report: FixityReport) -> Iterator[Remark]:
    if node.sweep_broken:
        yield _exception(
            "sweep-broken",
            f"{node.node} did not find its planted damage, so its check is not believed:"
            f" {node.sweep_broken}",
            f"{node.node} 未能发现预置损坏，其巡检结果不可信：{node.sweep_broken}",
            node.node,
        )
    if node.deadline == "missed":
        yield _exception(
            "deadline-missed",
            f"the oldest reading on {node.node} is of {node.oldest_checked_at}: past its deadline"
            f" of {node.deadline_days:g} days",
            f"{node.node} 最久未检时间为 {node.oldest_checked_at}，"
            f"已超过 {node.deadline_days:g} 天期限",
            node.node,
        )
    for each in node.forecasts:
        if each.slack_s < 0:
            yield _exception(
                "forecast-late",
                f"{node.node} will miss the deadline of class {each.name} at this pace: through"
                f" with it at {each.finish_at}",
                f"{node.node} 类别 {each.name} 按目前速度将逾期，预计 {each.finish_at} 完成",
                node.node,
            )
    if not any(sweep.node == node.node for sweep in report.sweeps):
        yield _no_sweep(node, report)


def _no_sweep(node: Node, report: FixityReport) -> Remark:
    """In a period as long as the deadline one sweep at least must have ended."""
    start, end = map(datetime.fromisoformat, (report.period.start, report.period.end))
    days = (end - start).total_seconds() / _DAY_S
    say = _note if node.deadline_days is None or days < node.deadline_days else _exception
    return say(
        "no-sweep-finished",
        f"no sweep of {node.node} ended in this period",
        f"本期内 {node.node} 没有完成一轮巡检",
        node.node,
    )


def _of_lists(report: FixityReport) -> Iterator[Remark]:
    listed = {
        "sweeps": len(report.sweeps),
        "findings": len(report.findings.listed),
        "repairs": len(report.repairs.listed),
        "audits": len(report.audits.listed),
    }
    for name, entries in listed.items():
        if entries >= LISTED_MAX:
            yield _note(
                "list-cut",
                f"of the {name}, the first {LISTED_MAX} are listed; the counts are whole",
                f"{name} 仅列出前 {LISTED_MAX} 条，计数为全部",
            )


def _exception(code: str, message: str, message_zh: str, node: str | None = None) -> Remark:
    return Remark("exception", code, node, message, message_zh)


def _note(code: str, message: str, message_zh: str, node: str | None = None) -> Remark:
    return Remark("note", code, node, message, message_zh)
