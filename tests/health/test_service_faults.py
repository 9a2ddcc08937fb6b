"""What can be wrong with what is asked over a network: the model, FalkorDB, AutoMem, the platforms, and their clocks."""

from datetime import timedelta
from pathlib import Path

import pytest
from fakes.bot_api import TOKEN, BotApi, Fail, Hang
from fakes.graph_api import failure, graph_api, settings_for
from fakes.messages_api import Fail as Refused
from fakes.messages_api import MessagesApi, Say, Silence
from health.rig import BASICS, KEY, Background, Ward, address_of, free_port
from health.servers import Http, array, bulk, little_redis, number
from redis import Redis

from secondme.channels.whatsapp.account import WhatsAppAccount, save_account
from secondme.channels.whatsapp.jids import OwnDevice

HEALTHY = {"status": "healthy", "falkordb": "connected", "qdrant": "connected", "memory_count": 3}


def test_a_key_that_has_expired(ward: Ward, vendor: MessagesApi) -> None:
    vendor.keys = {"sk-test-new"}
    finding = ward.is_found("model-key-refused", "the model's key has expired")
    ward.mend(finding, stdin="sk-test-new\n")
    ward.is_clean()


def test_a_model_that_the_server_does_not_offer(ward: Ward, vendor: MessagesApi) -> None:
    vendor.models = ["claude-other", "claude-test"]
    ward.configure(basics=BASICS.replace('small = "claude-test"', 'small = "claude-tset"'))
    finding = ward.is_found("model-unknown", "the server offers no such model")
    assert finding["fix"].endswith("config set model.small claude-test")
    ward.mend(finding)
    ward.is_clean()


def test_a_model_that_was_retired(ward: Ward, vendor: MessagesApi) -> None:
    vendor.models = ["claude-test", "claude-sonnet-5-5"]
    ward.configure(basics=BASICS.replace('name = "claude-test"', 'name = "claude-sonnet-4-20250514"', 1))
    finding = ward.is_found("model-retired", "the model was retired")
    assert "2026-06-15" in finding["what"]
    ward.mend(finding)
    ward.is_clean()


def test_a_server_of_models_that_is_not_there(ward: Ward, vendor: MessagesApi) -> None:
    ward.configure(model__base_url=f"http://127.0.0.1:{free_port()}")
    finding = ward.is_found("model-unreachable", "model.base_url leads nowhere")
    assert str(ward.home / ".env") in finding["fix"]  # what .env sets, config.toml cannot change
    ward.configure(model__base_url=vendor.url)
    ward.is_clean()


def test_an_address_of_models_that_is_none(ward: Ward) -> None:
    ward.configure(basics=BASICS + 'base_url = "no address"\n', model__base_url="")
    ward.mend(ward.is_found("model-bad-url", "model.base_url is no address"))
    assert "model.base_url" not in (ward.home / "config.toml").read_text()


def test_a_server_of_models_that_knows_no_effort(ward: Ward, vendor: MessagesApi) -> None:
    vendor.knows_effort = False
    finding = ward.is_found("model-no-effort", "the model's server knows no effort")
    assert (finding["fix"], finding["canFix"]) == ('secondme config set model.effort ""', True)
    ward.mend(finding)
    ward.is_clean()
    ward.configure()
    assert ward.run("doctor", "--fix").exit_code == 0
    assert 'effort = ""' in (ward.home / "config.toml").read_text()
    ward.is_clean()


def test_an_effort_that_only_the_environment_can_change_is_not_mended(
    ward: Ward, vendor: MessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.knows_effort = False
    monkeypatch.setenv("SECONDME_MODEL__EFFORT", "high")
    assert "change or remove SECONDME_MODEL__EFFORT" in ward.doctor("--fix").only("model-no-effort")["fix"].lower().replace(
        "secondme_model__effort", "SECONDME_MODEL__EFFORT"
    )
    assert "effort" not in (ward.home / "config.toml").read_text()


@pytest.mark.parametrize(
    ("refusal", "identity", "words"),
    [
        (Refused(400, "invalid_request_error", message="Your credit balance is too low"), "model-no-credit", "no credit"),
        (
            Refused(400, "invalid_request_error", message="You will regain access on 2027-02-01 at 00:00 UTC."),
            "model-no-credit",
            "2027-02-01",
        ),
        (Refused(400, "invalid_request_error"), "model-refused", "invalid_request_error"),
        (Refused(404, "not_found_error"), "model-refused", "knows no model"),
        (Refused(529, "overloaded_error"), "model-busy", "overloaded_error"),
        (Refused(500, "api_error"), "model-unreachable", "api_error"),
    ],
)
def test_a_server_that_lists_its_models_and_writes_nothing(
    ward: Ward, vendor: MessagesApi, refusal: Refused, identity: str, words: str
) -> None:
    vendor.script = lambda _: refusal
    assert words in ward.is_found(identity, f"a model's server refuses replies: {words}")["what"]
    vendor.script = lambda _: Say("Hi")
    ward.is_clean()


def test_a_model_that_takes_its_time_is_no_finding(ward: Ward, vendor: MessagesApi) -> None:
    vendor.script = lambda _: Silence()
    assert ward.doctor("model-key", "model", "--timeout", "0.5").findings == {}


def test_a_server_of_models_with_another_clock(ward: Ward, http: Http) -> None:
    http.answers["/v1/models"] = (200, {"data": [{"id": "claude-test"}]})
    http.answers["/v1/messages"] = (200, {"type": "message", "content": "Hi", "stop_reason": "end_turn"})
    http.behind = timedelta(seconds=300)
    ward.configure(model__base_url=http.url)
    finding = ward.is_found("clock-skew", "this machine's clock is ahead")
    assert "ahead of that of the model's server" in finding["what"]
    assert 299 <= int(finding["what"].split(" s ")[0].rpartition(" ")[2]) <= 305
    http.behind = timedelta(seconds=-40)
    ward.is_clean()


def test_a_graph_address_that_leads_to_a_plain_redis(ward: Ward, spare: Redis) -> None:
    ward.configure(memory__graph_url=address_of(spare))
    ward.mend(ward.is_found("graph-no-module", "FalkorDB's address leads to a plain Redis"))
    ward.is_clean()


def test_a_graph_that_refuses_us(ward: Ward, spare: Redis) -> None:
    spare.config_set("requirepass", "right")
    ward.configure(memory__graph_url=address_of(spare))
    assert ward.doctor("graph").only("graph-refused")


def test_a_graph_that_is_stopped(ward: Ward) -> None:
    port = free_port()
    ward.configure(memory__graph_url=f"redis://127.0.0.1:{port}")
    ward.is_found("graph-unreachable", "FalkorDB is stopped")
    module = array(array(bulk("name"), bulk("graph"), bulk("ver"), number(41_603)))
    with little_redis(lambda words: module if words[0].upper() == "MODULE" else b"+OK\r\n", port):
        ward.is_clean()
        assert ward.doctor("graph").checks["graph"]["detail"] == f"Connected (127.0.0.1:{port}, version 4.16.3)"


@pytest.fixture
def automem(ward: Ward, http: Http) -> Http:
    """An AutoMem that is well, and asked for."""
    http.answers = {"/health": (200, dict(HEALTHY)), "/memory/by-tag": (200, {"status": "success", "memories": []})}
    http.token = "zqGoodTokenzq"
    ward.configure(memory__automem_url=http.url, memory__automem_token=http.token)
    return http


def test_an_automem_that_refuses_the_token(ward: Ward, automem: Http) -> None:
    ward.configure(memory__automem_token="zqOldTokenzq")
    finding = ward.is_found("automem-refused", "AutoMem refuses the token")
    assert "Tokenzq" not in ward.run("doctor").output
    ward.mend(finding, stdin=f"{automem.token}\n")
    ward.is_clean()


def test_an_automem_that_is_degraded(ward: Ward, automem: Http) -> None:
    automem.answers["/health"] = (200, {**HEALTHY, "status": "degraded", "falkordb": "disconnected"})
    ward.is_found("automem-degraded", "AutoMem has lost FalkorDB")
    automem.answers["/health"] = (200, {**HEALTHY, "status": "degraded", "qdrant": "disconnected"})
    ward.is_clean()  # without Qdrant it says so for ever, and works


def test_an_automem_that_is_something_else(ward: Ward, automem: Http) -> None:
    automem.answers["/health"] = (200, ["hello"])
    ward.is_found("automem-unreachable", "AutoMem's address leads to something else")
    automem.answers["/health"] = (200, HEALTHY)
    ward.is_clean()


@pytest.fixture
def telegram(ward: Ward, bot: BotApi) -> BotApi:
    """A bot that is linked."""
    bot.token = TOKEN
    ward.configure(f'[telegram]\napi_url = "{bot.url}"\n', telegram__token=TOKEN)
    return bot


def test_a_token_that_telegram_refuses(ward: Ward, telegram: BotApi) -> None:
    telegram.token = "123456789:zqNewTokenzq"
    finding = ward.is_found("channel-needs-you", "Telegram refuses the token")
    assert finding["fix"] == "secondme channels connect telegram"
    assert TOKEN not in ward.run("doctor").output
    result = ward.run("config", "set", "telegram.token", stdin=f"{telegram.token}\n")
    assert result.exit_code == 0, result.output
    ward.is_clean()


def test_a_telegram_that_fails(ward: Ward, telegram: BotApi) -> None:
    telegram.faults["getMe"].append(Fail(502))
    ward.is_found("channel-unreachable", "Telegram fails")
    ward.is_clean()


def test_a_telegram_that_hangs_is_found_before_the_check_is_given_up(ward: Ward, telegram: BotApi) -> None:
    telegram.faults["getMe"].append(Hang())
    assert "does not answer" in ward.doctor("telegram", "--timeout", "0.5").only("channel-unreachable")["what"]


@pytest.fixture
def whatsapp(ward: Ward) -> Path:
    """A phone that is linked, as far as our files say."""
    directory = ward.home / "data" / "channels" / "whatsapp"
    save_account(directory, WhatsAppAccount(OwnDevice("491512345678", "", 7, "Sam")))
    (directory / "device.db").touch(0o600)
    (directory / "device.db").write_bytes(b"SQLite format 3\x00" + b"\x00" * 84)
    return directory


@pytest.mark.usefixtures("whatsapp")
def test_a_whatsapp_that_is_linked_and_well(ward: Ward) -> None:
    assert "4915****78" in ward.doctor().checks["whatsapp"]["detail"]
    ward.is_clean()


@pytest.mark.parametrize(("fault", "words"), [("out", "unlinked"), ("keys", "gone or damaged"), ("file", "cannot be read")])
def test_a_whatsapp_that_has_to_be_linked_anew(ward: Ward, whatsapp: Path, fault: str, words: str) -> None:
    if fault == "out":
        save_account(whatsapp, WhatsAppAccount(OwnDevice("491512345678", "", 7, "Sam"), is_logged_out=True))
    elif fault == "keys":
        (whatsapp / "device.db").write_bytes(b"")
    else:
        (whatsapp / "linked.json").write_text("[]")
    finding = ward.is_found("channel-needs-you", f"WhatsApp's session: {words}")
    assert (words in finding["what"], finding["fix"]) == (True, "secondme channels connect whatsapp")
    save_account(whatsapp, WhatsAppAccount(OwnDevice("491512345678", "", 8, "Sam")))
    (whatsapp / "device.db").write_bytes(b"SQLite format 3\x00" + b"\x00" * 84)
    ward.is_clean()


def test_a_business_number_whose_token_meta_refuses(ward: Ward, background: Background) -> None:
    graph = background.open(graph_api())
    settings = {f"whatsapp_cloud__{name}": str(value) for name, value in settings_for(graph.url).items()}
    ward.configure('[webhooks]\nlisten = "127.0.0.1:0"\n', **settings)
    ward.is_clean()
    graph.account = failure(190, 401)
    assert "Meta refuses the access token" in ward.doctor("whatsapp_cloud").only("channel-needs-you")["what"]


def test_a_business_number_that_nobody_can_call(ward: Ward, background: Background) -> None:
    graph = background.open(graph_api())
    settings = {f"whatsapp_cloud__{name}": str(value) for name, value in settings_for(graph.url).items()}
    ward.configure(**settings)
    ward.mend(ward.is_found("channel-unheard", "Meta has no address to call"))
    ward.is_clean()
    assert KEY not in ward.run("doctor").output
