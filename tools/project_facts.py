"""Version and owner of the project, written once, in pyproject.toml; what else says them is stamped.

    python -m tools.docs            # stamps
    python -m tools.docs --check    # fails where something says another one

Before the first release the owner puts the account in place of OWNER in `[project.urls]`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STAMPED = ("CITATION.cff", "conda/recipe.yaml", "docs/ci.md", "docs/usage.md", "SECURITY.md")
"""Files that say the version or the owner."""


@dataclass(frozen=True)
class ProjectFacts:
    """What pyproject.toml says of the project."""

    version: str
    repository: str

    @classmethod
    def read(cls, root: Path) -> ProjectFacts:
        """Raises KeyError where pyproject.toml lacks one of them."""
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
        return cls(project["version"], project["urls"]["Repository"])

    @property
    def owner(self) -> str:
        """The account and the name: `OWNER/adapter-audit`."""
        return self.repository.split("github.com/")[1]

    def stamped(self, text: str) -> str:
        """The text with today's version and owner wherever it says one."""
        major = self.version.split(".")[0]
        for pattern, wanted in (
            (r"https://github\.com/[\w-]+/adapter-audit\b", self.repository),
            (r"(?<=uses: )[\w-]+/adapter-audit@v\d+", f"{self.owner}@v{major}"),
            (r"(?<=rev: v)[\d.]+(?:rc\d+)?", self.version),
            (r'^( *version: )"[\d.]+(?:rc\d+)?"', rf'\g<1>"{self.version}"'),
        ):
            text = re.sub(pattern, wanted, text, flags=re.MULTILINE)
        return text
