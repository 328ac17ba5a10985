"""Every function of MiniStack that we replace is the one that we read."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

import pytest

import emulator
from emulator.filling import gap_names
from emulator.replacing import REPLACEMENTS, Replacement, source_digest, stock_function

for _gap in gap_names():
    importlib.import_module(f"emulator.gaps.{_gap}")


def test_ministack_is_the_version_that_is_pinned() -> None:
    """The gaps are those of one version."""
    pinned = (Path(emulator.__file__).parent / "requirements.txt").read_text()
    assert f"ministack=={importlib.metadata.version('ministack')}\n" in pinned


@pytest.mark.parametrize("replacement", REPLACEMENTS, ids=lambda replacement: f"{replacement.gap}-{replacement.path}")
def test_the_replaced_function_has_not_changed(replacement: Replacement) -> None:
    """When this fails, read MiniStack's function anew: does it still lack what the gap fills?"""
    assert source_digest(stock_function(replacement)) == replacement.digest


def test_every_gap_is_listed_with_its_tests() -> None:
    """The package's own description names every gap."""
    assert emulator.__doc__ is not None
    for gap in gap_names():
        assert f"`{gap}`" in emulator.__doc__
