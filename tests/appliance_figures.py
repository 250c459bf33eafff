"""Figures as a role tells them, over HTTP, as Prometheus would read them."""

import http.client


def figure(address: str, name: str) -> float | None:
    """The value of the series `name` (labels included) at `address`, or None."""
    return _read(address).get(name)


def figures(address: str, *names: str) -> tuple[float, ...]:
    """The values of several series at one moment, 0 for one that is not there."""
    read = _read(address)
    return tuple(read.get(name, 0) for name in names)


def _read(address: str) -> dict[str, float]:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in pairs}
