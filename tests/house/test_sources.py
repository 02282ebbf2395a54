"""What every source file of the house must be, where no linter looks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from workspace import DISTS, ROOT, Dist, modules_of, tracked_files

_LONGEST = 300
_SOURCES = ("packages", "conformance", "examples", "bench", "tests")
_DISTS = pytest.mark.parametrize("dist", DISTS, ids=lambda dist: dist.name)
_PRIVATE_PLACES = re.compile(
    "|".join(
        (
            "/(?:" + "work|root|farm" + ")/",
            "index" + "-url",
            "://[^ ]*/" + "simple\\b",
            "python" + "hosted",
            "pypi" + r"\.org/(?!project/)",
        )
    )
)
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_TYPE_PARAMETERS = {"ParamSpec", "TypeVar", "TypeVarTuple"}


def test_no_source_file_is_longer_than_a_reader_bears() -> None:
    too_long = {
        str(file.relative_to(ROOT)): lines
        for file in tracked_files()
        if file.suffix == ".py"
        and file.relative_to(ROOT).parts[0] in _SOURCES
        and (lines := len(file.read_text(encoding="utf-8").splitlines())) > _LONGEST
    }
    assert too_long == {}


def test_no_file_names_a_machine_or_a_registry() -> None:
    named = [
        f"{file.relative_to(ROOT)}: {found.group()}"
        for file in tracked_files()
        if file.name != "uv.lock"
        and (found := _PRIVATE_PLACES.search(file.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert named == []


@_DISTS
def test_a_dist_is_typed_licensed_and_told(dist: Dist) -> None:
    for needed in ("README.md", "CHANGELOG.md", "LICENSE", f"src/{dist.package}/py.typed"):
        assert (dist.folder / needed).is_file(), needed


@_DISTS
def test_a_package_init_holds_imports_and_nothing_else(dist: Dist) -> None:
    for name, file in modules_of(dist):
        if file.name != "__init__.py":
            continue
        imported: set[str] = set()
        tree = _parse(file)
        for statement in tree.body[1:]:
            if isinstance(statement, ast.ImportFrom):
                if statement.module != "__future__":
                    imported |= {alias.asname or alias.name for alias in statement.names}
            else:
                assert _is_all(statement), f"{name}:{statement.lineno} is neither an import nor __all__"
        assert ast.get_docstring(tree), f"{name} has no docstring"
        assert _exported(tree) == imported, f"{name}: __all__ is not exactly what is imported"


@_DISTS
def test_every_public_name_stands_in_all(dist: Dist) -> None:
    for name, file in modules_of(dist):
        if file.name == "__init__.py" or any(part.startswith("_") for part in name.split(".")):
            continue
        tree = _parse(file)
        hidden = _public_names(tree.body) - _exported(tree)
        assert hidden == set(), f"{name}: public, but not in __all__"


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def _is_all(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AugAssign):
        return ast.unparse(statement.target) == "__all__"
    return isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["__all__"]


def _exported(tree: ast.Module) -> set[str]:
    lists = [one.value for one in tree.body if isinstance(one, ast.Assign | ast.AugAssign) and _is_all(one)]
    return {str(name) for value in lists for name in ast.literal_eval(value)}


def _public_names(body: list[ast.stmt]) -> set[str]:
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, _DEFINITIONS):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign) and not _is_type_parameter(statement.value):
            names |= {name for target in statement.targets for name in _bound(target)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.If):
            if ast.unparse(statement.test) != "TYPE_CHECKING":
                names |= _public_names(statement.body) | _public_names(statement.orelse)
        elif isinstance(statement, ast.Try):
            names |= _public_names(statement.body) | _public_names(statement.orelse)
    return {name for name in names if not name.startswith("_")}


def _bound(target: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _is_type_parameter(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in _TYPE_PARAMETERS
