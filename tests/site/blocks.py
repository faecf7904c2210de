# SPDX-License-Identifier: Apache-2.0
"""The code blocks of the site's pages, and which of them are run how."""

import dataclasses
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*(.*)$")


@dataclasses.dataclass(frozen=True)
class Block:
    page: str  # from the root of the checkout
    line: int
    kind: str  # what follows the fence; "" for an indented block
    text: str

    @property
    def first(self) -> str:
        return self.text.split("\n", 1)[0]

    def __str__(self):
        return f"{self.page}:{self.line}: {self.first!r}"

    def is_session(self) -> bool:
        """Whether it shows commands behind prompts, and what they print."""
        return re.match(r"(?:here|there)?\$ ", self.text) is not None


def pages() -> list:
    """What scripts/site puts on the site, generated references apart."""
    found = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    return found + sorted((ROOT / "docs").rglob("*.md"))


def blocks_of(page: pathlib.Path) -> list:
    """Every fenced and every indented block of a page."""
    lines = page.read_text().split("\n")
    name, found, at = str(page.relative_to(ROOT)), [], 0

    def add(kind: str, begin: int, end: int, indent: int):
        text = "\n".join(line[indent:] for line in lines[begin:end]).rstrip("\n") + "\n"
        found.append(Block(name, begin + 1, kind, text))

    in_list = False
    while at < len(lines):
        fence = FENCE.match(lines[at])
        if fence:
            end = at + 1
            while lines[end].strip() != fence[2]:
                end += 1
            add(fence[3], at + 1, end, len(fence[1]))
            at = end + 1
        elif lines[at].startswith("    ") and not in_list and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            add("", at, end, 4)
            at = end
        else:
            # What is indented under an item of a list is its text.
            if re.match(r"(?:[-*]|\d+\.) ", lines[at]):
                in_list = True
            elif lines[at].strip() and not lines[at].startswith(" "):
                in_list = False
            at += 1
    return found


def all_blocks() -> list:
    return [block for page in pages() for block in blocks_of(page)]


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What declared.toml says of a block, or of all blocks of a page that have one language."""
    page: str
    begins: str = ""
    kind: str | None = None
    run: str = ""
    by: str = ""
    names: str = ""
    why: str = ""

    def is_of(self, block: Block) -> bool:
        return (block.page == self.page and not block.is_session() and block.text.startswith(self.begins)
                and self.kind in (None, block.kind))


def declared() -> list:
    with open(pathlib.Path(__file__).parent / "declared.toml", "rb") as file:
        return [Declaration(page, **entry) for page, entries in tomllib.load(file).items() for entry in entries]
