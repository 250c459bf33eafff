"""Judging a configuration: each rule catches what it is for, and nothing in the sample."""

import tomllib
from importlib.resources import files

import pytest

from daemon.config_check import judge_values

SAMPLE = files("daemon").joinpath("sample.toml").read_text("utf-8")


SQLITE = "sqlite:////var/lib/lantai/catalogue.sqlite"


def errors(text: str) -> list[str]:
    _config, problems = judge_values(tomllib.loads(text))
    assert all(problem.message_zh for problem in problems)
    return [f"{each.place}: {each.message}" for each in problems if each.severity == "error"]


def warnings(text: str) -> list[str]:
    _config, problems = judge_values(tomllib.loads(text))
    return [each.place for each in problems if each.severity == "warning"]


def test_the_sample_has_no_error_and_warns_about_its_own_keys() -> None:
    assert errors(SAMPLE) == []
    assert "peers[0].curve_public_key" in warnings(SAMPLE)


@pytest.mark.parametrize(
    ("written", "instead", "found"),
    [
        ("copies = 3 ", "copies = 4 ", "site.copies: 4 copies need as many failure domains"),
        ('domain = "room-c"', 'domain = "room-b"', "site.copies: 3 copies need"),
        ('name = "node-3"\nendpoint', 'name = "node-2"\nendpoint', "peers[1].name: node-2"),
        ("10.0.0.13", "10.0.0.12", "peers[1].endpoint: tcp://10.0.0.12:5570 appears twice"),
        ("EXAMPLE-7", "EXAMPLE-1", "authorities[3].curve_public_key: is the key of node-1"),
        ("EXAMPLE-7", "EXAMPLE-6", "authorities[2].curve_public_key"),
        ("[node]", "[node]\nx = 1", "node.x: unknown key"),
        ('profile = "bagit"', 'profile = "bag"', "ingest.sources[0].profile: is none of bagit"),
        ('profile = "bagit"', 'profile = "csip"', "ingest.sources[0].profile: is not made for"),
        ('"/srv/lantai/node-1/root"', '"/root"', "node.root: needs a folder of its own"),
        ('room-a"\nmetrics', 'room-z"\nmetrics', "node.domain: room-z, but peers say room-a"),
        ("127.0.0.1:9415", "127.0.0.1:9414", "view.metrics_address: 127.0.0.1:9414 is used"),
        ("127.0.0.1:8410", "10.0.0.5:8410", "api.bind: is not the loopback"),
        ("127.0.0.1:8410", "127.0.0.1:88888", "api.bind: the port is above 65535"),
        ('socket = "/run/lantai/notary-sign.sock"\nmetrics', 'socket = "/x"\nmetrics', "ingest.no"),
        ("gov-portal/return", "gov-portal/drop/return", "ingest.sources[0].return_folder: lies in"),
        ('name = "api"\nbind', 'name = "view"\nbind', "view.name: view is the name of two roles"),
        ("sqlite:////var", "mysql:////var", "catalogue.url: must begin with"),
        (SQLITE, "postgresql+psycopg://lantai:s3cret@db/lantai", "catalogue.url: has a password"),
        (SQLITE, "postgresql+psycopg://lantai@db/lantai?password=x", "catalogue.url: has a pass"),
        (SQLITE, "postgresql+psycopg://db.internal", "catalogue.url: names no user or no datab"),
        ('name = "vital"', 'name = "default"', "node.sweep.classes: default is the name of two"),
        ('["gov-portal"]\n', '["a", "a"]\n', "node.sweep.classes: a is in two classes"),
        ("hours = []", 'hours = ["7:00-7:00"]', "node.sweep.hours: 7:00-7:00 never opens"),
        ("hours = []", 'hours = ["7-8"]', "node.sweep.hours[0]: "),
        ('"/run/lantai"', f'"/run/{"x" * 100}"', "site.run_folder: too long for a socket"),
    ],
)
def test_a_rule_catches_what_it_is_for(written: str, instead: str, found: str) -> None:
    assert written in SAMPLE
    assert any(each.startswith(found) for each in errors(SAMPLE.replace(written, instead)))


def test_every_broken_section_is_reported_at_once() -> None:
    broken = SAMPLE.replace("[node.sweep]", "[node.sweep]\nx=1").replace("[api]", "[api]\ny=2")
    assert errors(broken) == ["node.sweep.x: unknown key", "api.y: unknown key"]


def test_a_role_that_works_with_nodes_needs_them() -> None:
    text = '[site]\nname = "A"\n[keeper]\n'
    assert errors(text) == ["peers: empty, and [keeper] works with the nodes"]


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        ("debug = false", "debug = true", "site.debug"),
        ("127.0.0.1:9413", "0.0.0.0:9413", "keeper.metrics_address"),
        ("allow_unproven = false                    #", "allow_unproven = true #", "node.allow_un"),
        ('versions = "allow"', 'custody = "registration"', "ingest.sources[2].unit"),
    ],
)
def test_what_an_operator_may_have_meant_is_a_warning(
    written: str, instead: str, place: str
) -> None:
    assert written in SAMPLE
    assert any(each.startswith(place) for each in warnings(SAMPLE.replace(written, instead)))


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        ("postgresql+psycopg://lantai@/lantai", False),
        ("postgresql+psycopg://lantai@/lantai?host=/run/postgresql", False),
        ("postgresql+psycopg://lantai@db.internal/lantai?sslmode=verify-full", False),
        ("postgresql+psycopg:///?service=lantai", False),
        ("postgresql+psycopg://lantai@db.internal/lantai", True),
    ],
)
def test_a_catalogue_across_the_network_is_asked_for_proof_of_its_server(
    url: str, *, is_warned: bool
) -> None:
    text = SAMPLE.replace(SQLITE, url)
    assert errors(text) == []
    assert ("catalogue.url" in warnings(text)) == is_warned


def test_no_judgement_shows_a_password() -> None:
    text = SAMPLE.replace(SQLITE, "postgresql+psycopg://lantai:s3cret@db/lantai")
    assert "s3cret" not in str(errors(text)) + str(warnings(text))
