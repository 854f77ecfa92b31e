"""Where a model is said to be from: what would silently be another model is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wise.config.model import Model
from wise.config.sources import check_source
from wise.errors import ConfigError


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"path": "me/model"}, "models.mine.path: .* write 'source: hub'"),
        ({"package": "some_gguf"}, "models.mine.package: .* or 'source: gguf'"),
        ({"revision": "main"}, "models.mine.revision: .* trained here"),
        ({"source": "hub"}, "needs 'path'"),
        ({"source": "hub", "path": "~/model"}, "models.mine.path: ~/model: write the home folder in full"),
        ({"source": "hub", "path": __file__}, "is a file; a model is a folder"),
        ({"source": "gguf", "path": "no.gguf"}, "no such file"),
    ],
)
def test_what_does_not_go_with_a_source_is_refused(told: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        check_source("models.mine", Model(**told).model_dump())


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"source": "hub", "path": "me/model"},
        {"source": "hub", "path": "/elsewhere/model"},  # on the machine where the jobs run
        {"source": "hub", "path": "me/model", "package": "left_over"},  # --config beside config/real.yaml
    ],
)
def test_what_a_job_may_find_is_left_to_it(told: dict[str, Any]):
    check_source("models.mine", Model(**told).model_dump())
