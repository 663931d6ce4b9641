"""The order of imports: each package imports only those below it, and no two modules import each other."""

import ast
import graphlib

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.once

# From the ground up. A module directly in common/ is one of the templates.
FLOORS = (
    ("common.base",),
    ("common.launch",),
    ("common", "data_prep"),
    ("common.scoring",),
    ("common.training",),
    ("common.cli",),
    ("recipes",),
)
MODULES = {
    ".".join(path.relative_to(PROJECT).with_suffix("").parts): path
    for folder in ("common", "data_prep", "recipes")
    for path in sorted((PROJECT / folder).rglob("*.py"))
    if path.name != "__init__.py"
}


def room(module):
    """Returns the package that a module is in, as `FLOORS` names them."""
    first, *rest = module.split(".")
    return f"common.{rest[0]}" if first == "common" and len(rest) > 1 else first


def floor(module):
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def imported(module):
    """Returns the modules of the project that a module imports, anywhere in its text."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = module.rsplit(".", node.level)[0] if node.level else ""
            base = ".".join(part for part in (parent, node.module) if part)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found & MODULES.keys()


@pytest.mark.parametrize("module", MODULES)
def test_no_import_runs_up(module):
    above = [other for other in imported(module) if floor(other) > floor(module)]
    assert not above, f"{module} is below {above}"


def test_no_imports_in_a_circle():
    graphlib.TopologicalSorter({module: imported(module) for module in MODULES}).prepare()


def test_data_prep_and_the_templates_need_nothing_above_the_ground():
    """But for what installs packages: `python -m data_prep` all, pretrained networks their weights, meshes theirs."""
    installers = ("data_prep.__main__", "data_prep.meshes", "common.imagenet", "common.word_vectors")
    for module in MODULES:
        if room(module) in ("data_prep", "common") and module not in installers:
            others = {room(other) for other in imported(module)} - {room(module)}
            assert others <= {"common.base"}, (module, others)


def test_modules_are_told_apart_by_their_names():
    """No two files of common/ and data_prep/ have the same name."""
    names = [module.rsplit(".", 1)[1] for module in MODULES if not module.startswith("recipes.")]
    assert sorted(names) == sorted(set(names))
