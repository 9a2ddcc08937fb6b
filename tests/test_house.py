"""The house's rules that no linter knows: who speaks to the store, one name for one thing, no cycle, few imports, plain first lines."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import secondme

PACKAGE = Path(secondme.__file__).parent
REDIS_CALLS = {
    "batch",
    "blocking",
    "call",
    "eval",
    "evalsha",
    "execute_command",
    "pipeline",
    "pubsub",
    "register_script",
    "script_load",
}
"""What sends commands, as far as its name says so. Of a store only: `call` is a word of others too."""


@pytest.fixture(scope="module")
def modules() -> dict[Path, ast.Module]:
    """Every module of the package. Parsing them takes two seconds: not where tests are only collected."""
    return {path.relative_to(PACKAGE.parent): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def may_speak_redis(path: Path) -> bool:
    """The one place for the connection, and the store of each stage."""
    return path.parts[1:3] == ("core", "store") or path.stem == "store" or path.stem.endswith("_store")


def redis_calls(tree: ast.Module) -> dict[int, str]:
    """By line, what speaks to the store by itself: its client, a pipeline, a script by its name."""
    return dict(sorted(_redis_calls(tree)))


def _redis_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr="client", value=owner) if ast.unparse(owner) != "request":
                yield node.lineno, ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr="run", value=owner), args=[ast.Constant(value=str()), *_]) if _is_store(owner):
                yield node.lineno, ast.unparse(node.func)
            case ast.Call(func=ast.Attribute(attr=attr, value=owner)) if attr in REDIS_CALLS and (
                _is_store(owner) or attr in {"execute_command", "evalsha", "register_script", "script_load"}
            ):
                yield node.lineno, ast.unparse(node.func)


def _is_store(node: ast.expr) -> bool:
    """It is called a store, or the source of a migration."""
    return ast.unparse(node).rpartition(".")[2].endswith(("store", "source"))


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("await self._store.client.get('x')", 1),
        ("pipe = source.client.pipeline(transaction=False)", 1),
        ("client = self._store.client", 1),
        ("pipe = self._source.batch()", 1),
        ("await self._store.run('take', contact=contact)", 1),
        ("await store.call(command)", 1),
        ("await raw.execute_command('PING')", 1),
        ("self._client.get(url); request.client.host; await graph.call('GET', 'x'); subprocess.run('x')", 0),
    ],
)
def test_a_call_of_redis_is_seen(code: str, count: int) -> None:
    assert len(redis_calls(ast.parse(code))) == count


def test_only_stores_speak_redis(modules: dict[Path, ast.Module]) -> None:
    found = [
        f"{path}:{line} {text}"
        for path, tree in modules.items()
        if not may_speak_redis(path)
        for line, text in redis_calls(tree).items()
    ]
    assert not found, "\n" + "\n".join(found)


def test_no_module_needs_itself_to_be_imported_not_even_from_within_a_function() -> None:
    graph = grimp.build_graph("secondme", exclude_type_checking_imports=True, cache_dir=None)
    needs = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    while done := [module for module, others in needs.items() if not others & needs.keys()]:
        for module in done:
            del needs[module]
    cycles = set()
    for module, others in needs.items():
        for other in others & needs.keys():
            chain = graph.find_shortest_chain(importer=other, imported=module)
            if chain:
                first = chain.index(min(chain))  # the same cycle has one name wherever it is entered
                cycles.add((*chain[first:], *chain[:first]))
    found = [" -> ".join((*cycle, cycle[0])) for cycle in sorted(cycles, key=lambda each: (len(each), each))]
    assert not found, "\n" + "\n".join(found)


def test_no_two_classes_share_a_name(modules: dict[Path, ast.Module]) -> None:
    places = defaultdict(list)
    for path, node in ((path, node) for path, tree in modules.items() for node in tree.body if isinstance(node, ast.ClassDef)):
        places[node.name].append(str(path))
    assert {name: each for name, each in places.items() if len(each) > 1} == {}


def test_few_lines_are_imports(modules: dict[Path, ast.Module]) -> None:
    lines = sum(len((PACKAGE.parent / path).read_text("utf-8").splitlines()) for path in modules)
    nodes = [node for tree in modules.values() for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imports = sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in nodes)
    assert imports <= 0.08 * lines, f"{imports} of {lines} lines are imports: {imports / lines:.2%}"


def test_a_module_says_what_it_is_and_asks_nothing(modules: dict[Path, ast.Module]) -> None:
    firsts = {str(path): (ast.get_docstring(tree) or "").partition("\n")[0] for path, tree in modules.items()}
    assert {path: first for path, first in firsts.items() if first.endswith("?")} == {}
