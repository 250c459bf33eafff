"""What integration tests have in common: a failure tells what the roles said."""

from tests.roles_log import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
