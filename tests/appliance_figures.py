"""One figure as a role tells it, over HTTP, as Prometheus would read it."""

import http.client


def figure(address: str, name: str) -> float | None:
    """The value of the series `name` (labels included) at `address`, or None."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/metrics")
        for line in connection.getresponse().read().decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series == name:
                return float(value)
    finally:
        connection.close()
    return None
