"""No file of the package carries a virus, as far as the scanner knows.

DA/T 70-2018 item 4-2 (病毒感染检测). Every file, received or decoded, is handed to the scanner by
its descriptor. What the scanner could not take whole is not scanned, and never clean; what
that means for the package is the profile's to say.
"""

from collections.abc import Iterator

from ingest_watch.check_profile import CheckProfile
from ingest_watch.checks.check import (
    Check,
    Consequence,
    ContentFile,
    CouldNotRun,
    Examined,
    Judge,
    JudgesEach,
    OfFiles,
    Outcome,
    Property,
    Text,
    Undone,
)
from ingest_watch.findings import Finding, Rule, Severity
from ingest_watch.instruments import TOO_LARGE, VirusScanner

NO_SCANNER = Rule(
    "virus-scanner-none", Severity.NOTE, "no virus scanner is configured, so nothing was scanned",
    "未配置杀毒软件，未进行病毒检测", "DA/T 70 4-2",
)  # fmt: skip
_FOUND = Rule(
    "virus-found", Severity.ERROR, "the scanner found {signature}", "发现病毒：{signature}",
    "DA/T 70 4-2",
)  # fmt: skip
_UNSCANNED = Rule(
    "virus-unscanned", Severity.WARNING, "this file was not scanned: {reason}",
    "该文件未经病毒检测：{reason}", "DA/T 70 4-2",
)  # fmt: skip
_HEAVIEST = (Consequence.REJECT, Consequence.HOLD, Consequence.REMARK)


class _Virus(JudgesEach):
    def __init__(self, scanner: VirusScanner, profile: CheckProfile) -> None:
        self._scanner = scanner
        self._profile = profile
        self._allowed = {code for each in profile.content.formats for code in each.formats}
        self.undone: Undone | None = None

    def take(self, file: ContentFile) -> Iterator[Finding]:
        if file.size_bytes == 0:
            return
        try:
            with file.location.open("rb", buffering=0) as stream:
                scanned = self._scanner.scan(stream.fileno())
        except OSError as error:
            self._leave(Consequence(self._profile.virus.away))
            yield _UNSCANNED.found(file.path, reason=error.strerror or type(error).__name__)
            return
        if scanned.signature is not None:
            yield _FOUND.found(file.path, signature=scanned.signature)
        elif not scanned.is_clean:
            self._leave(self._consequence_of(file, scanned.unscanned))
            yield _UNSCANNED.found(file.path, reason=scanned.unscanned)

    def _consequence_of(self, file: ContentFile, reason: str) -> Consequence:
        virus = self._profile.virus
        if reason != TOO_LARGE:
            return Consequence(virus.away)
        known = file.identified.format if file.identified is not None else None
        is_allowed = known in self._allowed
        return Consequence(virus.too_large_allowed if is_allowed else virus.too_large_other)

    def _leave(self, consequence: Consequence) -> None:
        """Some file was not scanned: the heaviest consequence of all such counts."""
        known = self.undone.consequence if self.undone is not None else None
        heaviest = min((each for each in (known, consequence) if each), key=_HEAVIEST.index)
        self.undone = Undone(Outcome.COULD_NOT_RUN, heaviest)


def _judge(examined: Examined) -> Judge[ContentFile] | CouldNotRun:
    scanner = examined.instruments.scanner
    if scanner is None:
        return CouldNotRun(NO_SCANNER.found())
    return _Virus(scanner, examined.profile)


CHECK = Check(
    "4-2",
    Text("Virus check", "病毒感染检测"),
    Property.SAFETY,
    Text("all files of the package", "信息包中的全部文件"),
    Text("each file scanned", "调用杀毒软件逐个检测"),
    OfFiles(_judge),
)
