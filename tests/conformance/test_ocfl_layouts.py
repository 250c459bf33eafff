"""Known answers of layouts 0003 and 0004, from the extensions' own documents."""

import json
from pathlib import Path

import pytest

from storage.ocfl.layout import layout_from_configuration

ROWS = 12


@pytest.mark.needs_corpora
def test_every_known_answer_is_given(corpora: Path) -> None:
    lines = (corpora / "ocfl-layout-known-answers.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    answers = []
    for extension, configuration, object_id, expected, *_ in rows:
        layout = layout_from_configuration(extension, json.loads(configuration))
        assert layout is not None
        answers.append((object_id, str(layout.object_folder(object_id)), expected))
    assert [given for _, given, _ in answers] == [expected for _, _, expected in answers]
    assert len(rows) == ROWS
