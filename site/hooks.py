# SPDX-License-Identifier: Apache-2.0
"""What mkdocs does not know of Rust's pages: the words for rustdoc after a fence's language, and the lines that rustdoc
hides."""

import re

BLOCK = re.compile(r"^```rust[\w,]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_) -> str:
    return BLOCK.sub(lambda found: "```rust\n" + re.sub(r"^# .*\n", "", found[1], flags=re.MULTILINE) + "```", markdown)
