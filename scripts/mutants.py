# SPDX-License-Identifier: Apache-2.0
"""Small mistakes in C++ sources, all of them compiled into one program, for scripts/mutate.

Each mistake (mutant) is a choice at run time between the text that is there and another one:
`(flatkv_mutant::on(17) ? (a <= b) : (a < b))`. FLATKV_MUTANT=17 chooses it. So a tree is compiled and linked once
for all of them, and can tell which of them a test reaches. Lines stay where they are.
"""

import dataclasses
import re

import tree_sitter
import tree_sitter_cpp

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_cpp.language()))

OPERATORS = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"],
    "+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "&": ["|"], "|": ["&"], "<<": [">>"], ">>": ["<<"],
    "+=": ["-="], "-=": ["+="], "*=": ["/="], "/=": ["*="], "|=": ["&="], "&=": ["|="], "^=": ["|="],
    "++": ["--"], "--": ["++"],
}
KINDS = {**dict.fromkeys(["<", "<=", ">", ">=", "==", "!="], "comparison"), **dict.fromkeys(["&&", "||"], "logic")}

# Without these a program is as right as before: what they do for speed or for people is not for these tests, and
# failpoints are tests themselves.
UNTOUCHED = re.compile(r"FLATKV_FAILPOINT|FLATKV_ASSERT|static_cast<void>|log(ger_?)?[.(]"
                       r"|.*\b(reserve|shrink_to_fit|clear_for_reuse|prefetch\w*|name_thread)\(")
# Where a value is fixed when the program is compiled.
CONSTANT = {"template_argument_list", "array_declarator", "enumerator", "static_assert_declaration",
            "optional_parameter_declaration", "bitfield_clause", "preproc_def", "preproc_include", "preproc_if",
            "preproc_ifdef", "noexcept", "alignas_qualifier"}


@dataclasses.dataclass
class Mutant:
    id: int
    line: int
    kind: str
    before: str
    after: str


def assignments_as_declarations(text: bytes) -> bytes:
    """`FLATKV_ASSIGN(auto x, f());` as `auto x = f();`, byte for byte in its place, so that it parses."""
    out = bytearray(text)
    for match in re.finditer(rb"\bFLATKV_ASSIGN\(", text):
        depth, at, comma = 1, match.end(), None
        while depth:
            char = text[at:at + 1]
            depth += (char in b"([{") - (char in b")]}")
            if char == b"," and depth == 1 and comma is None and text[match.end():at].count(b"<") == \
                    text[match.end():at].count(b">"):
                comma = at
            at += 1
        out[match.start():match.end()] = b" " * (match.end() - match.start())
        out[comma:comma + 1] = b"="
        out[at - 1:at] = b" "
    return bytes(out)


class SourceFile:
    """The mutants of one file. `dropped`: ids that do not compile."""

    def __init__(self, text: bytes, first_id: int, dropped: set[int]):
        self.text = text
        self.next_id = first_id
        self.dropped = dropped
        self.mutants: list[Mutant] = []
        root = PARSER.parse(assignments_as_declarations(text)).root_node
        body = self.render(root)
        # In place of the licence, so that no line moves.
        self.mutated = '#include "base/mutant.hpp"\n' + body.split("\n", 1)[1]

    def source(self, start: int, end: int) -> str:
        return self.text[start:end].decode()

    def plain(self, node) -> str:
        """The text as it is, on one line."""
        pieces, at = [], node.start_byte
        stack, comments = [node], []
        while stack:
            one = stack.pop()
            if one.type == "comment":
                comments.append(one)
            stack.extend(one.children)
        for comment in sorted(comments, key=lambda one: one.start_byte):
            pieces.append(self.source(at, comment.start_byte))
            at = comment.end_byte
        pieces.append(self.source(at, node.end_byte))
        return re.sub(r"\s*\n\s*", " ", "".join(pieces))

    def add(self, node, kind: str, before: str, after: str) -> str | None:
        """Enters a mutant; the condition that chooses it, or None if it is dropped."""
        mutant = Mutant(self.next_id, node.start_point.row + 1, kind, before, after)
        self.next_id += 1
        if mutant.id in self.dropped:
            return None
        self.mutants.append(mutant)
        return f"flatkv_mutant::on({mutant.id})"

    def render(self, node) -> str:
        if node.type in CONSTANT or (node.type in ("declaration", "field_declaration", "function_definition") and
                                     any(self.plain(one) == "constexpr" for one in node.children)):
            return self.source(node.start_byte, node.end_byte)
        if node.type == "expression_statement" and self.untouched(node):
            return self.source(node.start_byte, node.end_byte)
        pieces, at = [], node.start_byte
        for child in self.with_steps(node) if node.type == "compound_statement" else node.children:
            start, end, text = child if isinstance(child, tuple) else (child.start_byte, child.end_byte, None)
            pieces.append(self.source(at, start))
            pieces.append(self.render(child) if text is None else text)
            at = end
        pieces.append(self.source(at, node.end_byte))
        return self.wrap(node, "".join(pieces))

    def with_steps(self, block) -> list:
        """The block's children; each run of statements of which two can change places is one, as its text."""
        out, run = [], []

        def close():
            steps = [one for one in run if not self.untouched(one)]
            if len(steps) < 2:
                out.extend(run)
            else:
                out.append((run[0].start_byte, run[-1].end_byte, self.swapped(run, steps)))
            run.clear()

        for child in block.children:
            if child.type == "expression_statement" and child.children[0].type == "call_expression":
                run.append(child)
            elif child.type != "comment" or not run:
                close()
                out.append(child)
        close()
        return out

    def swapped(self, run: list, steps: list) -> str:
        """Steps of which one can fail, in their order or with two neighbours exchanged."""
        choices = ""
        for first, second in zip(steps, steps[1:]):
            texts = [self.plain(one) for one in run]
            if not any(self.plain(one).startswith("FLATKV_TRY") for one in (first, second)):
                continue
            i, j = run.index(first), run.index(second)
            on = self.add(first, "swap", f"{texts[i]} {texts[j]}", f"{texts[j]} {texts[i]}")
            texts[i], texts[j] = texts[j], texts[i]
            if on:
                choices += f"if ({on}) {{ {' '.join(texts)} }} else "
        pieces, at = [], run[0].start_byte
        for one in run:
            pieces += [self.source(at, one.start_byte), self.render(one)]
            at = one.end_byte
        return f"{choices}{{ {''.join(pieces)} }}"

    def untouched(self, statement) -> bool:
        return UNTOUCHED.match(self.plain(statement)) is not None

    def wrap(self, node, text: str) -> str:
        parent = node.parent
        kind = node.type
        if kind in ("binary_expression", "assignment_expression", "update_expression"):
            text = self.other_operator(node, text)
        elif kind == "number_literal" and parent.type not in ("case_statement", "subscript_designator"):
            text = self.other_number(node, text)
        elif kind in ("true", "false"):
            text = self.choose(node, "constant", text, "false" if kind == "true" else "true")
        elif kind == "unary_expression" and node.child(0).type == "!" and not self.is_condition(node):
            text = self.choose(node, "negate", text, f"static_cast<bool>({self.plain(node.child(1))})")
        elif kind == "expression_statement":
            text = self.without_statement(node, text)
        elif kind == "return_statement":
            text = self.without_return(node, text)
        if self.is_condition(node) and not (kind == "binary_expression" and
                                            self.operator(node) in KINDS and KINDS[self.operator(node)] != "logic"):
            on = self.add(node, "negate", self.plain(node), f"!({self.plain(node)})")
            if on:
                text = f"({on} ? !({self.plain(node)}) : static_cast<bool>({text}))"
        return text

    def choose(self, node, kind: str, text: str, other: str) -> str:
        on = self.add(node, kind, self.plain(node), other)
        return f"({on} ? ({other}) : ({text}))" if on else text

    @staticmethod
    def operator(node) -> str:
        operator = node.child_by_field_name("operator")
        return operator.type if operator else ""

    @staticmethod
    def is_condition(node) -> bool:
        """Of an if or a conditional expression. A loop with its condition negated only runs for ever."""
        parent = node.parent
        if parent is None:
            return False
        if parent.type == "conditional_expression":
            return parent.child_by_field_name("condition") == node
        return (parent.type == "condition_clause" and parent.parent.type == "if_statement" and
                parent.child_by_field_name("value") == node and node.type != "declaration")

    def other_operator(self, node, text: str) -> str:
        operator = node.child_by_field_name("operator")
        if operator is None or (node.type == "update_expression" and node.parent.type == "for_statement"):
            return text
        for other in OPERATORS.get(operator.type, []):
            start, end = node.start_byte, node.end_byte
            left = re.sub(r"\s*\n\s*", " ", self.source(start, operator.start_byte))
            right = re.sub(r"\s*\n\s*", " ", self.source(operator.end_byte, end))
            if "//" in left + right or (operator.type == "+" and re.search(r'"|to_string|join|hex', left + right)):
                return text  # a text, which has no other operator
            text = self.choose(node, KINDS.get(operator.type, "arithmetic"), text, f"{left}{other}{right}")
        return text

    def other_number(self, node, text: str) -> str:
        number = self.plain(node)
        text = self.choose(node, "constant", text, f"{number} + 1")
        if not re.fullmatch(r"0[uUlL]*", number):
            text = self.choose(node, "constant", text, f"{number} - 1")
        return text

    def without_statement(self, node, text: str) -> str:
        what = node.child(0).type
        if what not in ("call_expression", "assignment_expression", "update_expression") or \
                node.parent.type not in ("compound_statement", "if_statement", "else_clause", "for_statement",
                                         "for_range_loop", "while_statement"):
            return text
        plain = self.plain(node)
        tried = re.fullmatch(r"FLATKV_TRY\((.*)\);", plain)
        on = self.add(node, "skip", plain, "")
        if on:
            text = f"if (!{on}) {{ {text} }}"
        if tried:
            on = self.add(node, "ignore", plain, f"static_cast<void>({tried[1]});")
            if on:
                text = f"if ({on}) {{ static_cast<void>({tried[1]}); }} else {{ {text} }}"
        return f"{{ {text} }}"

    def without_return(self, node, text: str) -> str:
        """Only where the program goes on behind the `if` that this return stands in."""
        within = node.parent
        if within.type == "compound_statement" and within.named_children[-1] == node:
            within = within.parent
        if within.type != "if_statement" or within.child_by_field_name("alternative") or \
                within.parent.type != "compound_statement" or within.parent.named_children[-1] == within:
            return text
        on = self.add(node, "go on", self.plain(node), "")
        return f"{{ if (!{on}) {{ {text} }} }}" if on else text
