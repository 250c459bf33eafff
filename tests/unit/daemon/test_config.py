"""The configuration: what is refused, and that the refusal names the place."""

from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from daemon.config import Config, ConfigurationError, load_config, required
from ingest_watch.formats.registry import FORMATS

SAMPLE = files("daemon").joinpath("sample.toml").read_text("utf-8")


def written(folder: Path, text: str) -> Path:
    file = folder / "lantai.toml"
    file.write_text(text, "utf-8")
    return file


def sections_in(kind: object) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [each for inner in getattr(kind, "__args__", ()) for each in sections_in(inner)]


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(folder, text))
    assert caught.value.code == "configuration-refused"
    return str(caught.value)


def test_the_sample_is_a_configuration_with_every_role(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SAMPLE))
    assert config.site.name == "示例市档案馆"
    assert list(config.instance_names()) == ["node", "ingest", "notary", "keeper", "view", "api"]
    assert required(config.node, "node").sweep.deadline_days == 90
    assert required(config.ingest, "ingest").sources[0].formats == ("bagit",)


def test_the_sample_shows_every_key() -> None:
    seen: set[str] = set()

    def collect(kind: type[msgspec.Struct]) -> None:
        for field in msgspec.structs.fields(kind):
            sections = sections_in(field.type)
            for section in sections:
                collect(section)
            if not sections:
                seen.add(field.name)

    collect(Config)
    assert {key for key in seen if f"{key} = " not in SAMPLE} == set()


def test_the_sample_has_a_source_for_each_format(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SAMPLE))
    sources = required(config.ingest, "ingest").sources
    assert {name for source in sources for name in source.formats} == FORMATS.keys()


def test_a_role_takes_its_control_socket_from_its_name(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, SAMPLE))
    assert config.control_socket("node") == Path("/run/lantai/node-1.sock")
    assert config.control_socket("api") == Path("/run/lantai/api.sock")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[site]\nname = "A"\ncopys = 3', "site.copys: unknown key"),
        ("[site]\ncopies = 3", "site.name: missing"),
        ('[site]\nname = "A"\ncopies = "3"', "site.copies: expected `int`"),
        ('[site]\nname = "A"\n[keepr]', "keepr: unknown key"),
        ('[site]\nname = "A"\nrun_folder = "run"', "site.run_folder: expected an absolute path"),
        ('[site]\nname = "A"\nrun_folder = "/a/../b"', "site.run_folder: expected a path without"),
        (
            '[[authorities]]\nname="x"\nrole="api"\ncurve_public_key="short"\n[site]\nname="A"',
            "authorities[0].curve_public_key: expected a CURVE key of 40 Z85 characters",
        ),
        ("[site", "is not TOML"),
    ],
)
def test_a_refusal_names_the_file_and_the_place(tmp_path: Path, text: str, place: str) -> None:
    message = refusal(tmp_path, text)
    assert str(tmp_path / "lantai.toml") in message
    assert place in message


def test_a_file_that_is_not_there_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LANTAI_CONFIG"):
        load_config(tmp_path / "absent.toml")


def test_a_role_without_its_section_is_told_which(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, '[site]\nname = "A"'))
    with pytest.raises(ConfigurationError, match=r"\[view\]"):
        required(config.view, "view")
