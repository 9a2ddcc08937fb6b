"""What the model is told of five invented owners, whole, in five languages: read a change of these files before you keep it.

`UPDATE_SNAPSHOTS=1 pytest tests/reply/test_prompt_snapshots.py` writes them anew.
"""

# ruff: noqa: RUF001  letters of many scripts are the point

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secondme.core.enums import Relationship, Tier
from secondme.core.messages import Prompt, Utterance
from secondme.core.records import ApprovedContact, OwnMessage
from secondme.core.remember.style import describe, examples_for, profile_of
from secondme.core.remember.style.measure import fixed
from secondme.core.reply.checks import FaultKind, Instructions, find_fault
from secondme.core.reply.persona import Persona
from secondme.core.reply.prompt import Briefing, build_prompt, may_be_said

SNAPSHOTS = Path(__file__).parent / "prompts"
START = datetime(2026, 5, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Owner:
    """Somebody invented. `talk`: what was asked > the answer; `/` parts the messages of one answer."""

    name: str
    contact: str
    relationship: Relationship
    asks: str
    talk: str
    says: Sequence[str]
    """What the description must say."""


OWNERS = {
    "english": Owner(
        "Robin",
        "Kit",
        Relationship.FRIEND,
        "are you bringing the tent on saturday?",
        """you there?>yeah whats up
did you get the tickets>got em / row 12 lol
can you drive on saturday>cant sorry, cars at the garage
what time should we meet>like 9? dont wanna rush
is your brother coming>nah hes working
how was the exam>dont ask lol
do we need a tent>ive got one / its tiny tho
who has the stove>thats ben i think
are you ok>im fine, just tired
pizza or thai>thai obviously
did you read my mail>not yet / tonight
want to run tomorrow>if its not raining
happy birthday!!>aww thanks x
is it far>its like an hour
bring a jacket>ok mum lol
can I borrow your bike>sure its in the shed
what did she say>she said maybe
the film starts at eight>ok see you there
did you call the landlord>hes not picking up
how big is the van>big enough i think
can you lend me 20>ya, send me your iban again
is the pub open>til 11
did it hurt>nah / bit sore now
where did you park>by the church
whats the code>1408, dont tell anyone lol
are the shops open>dont think so
shall I cook>yes please""",
        [
            "Apostrophes are left out (dont)",
            "Everything is written in lower case",
            "Laughter is written lol",
            "no exclamation marks",
        ],
    ),
    "spanish": Owner(
        "Inés",
        "Tía Pilar",
        Relationship.FAMILY,
        "¿cenamos el domingo en casa?",
        """¿Qué tal el viaje?>Jajaja un horror, pero ya en casa / luego te cuento
¿Vienes a cenar mañana?>Sí!! llevo postre 😋
¿Tienes las llaves?>Las tiene Marcos, creo
¿Cómo está la niña?>Mejor, hoy ya sin fiebre 🙏
¿Compro pan?>No hace falta, tengo
¿Te llamo luego?>Vale, a las 9
¿Has visto la foto?>Jajaja qué cara 😂
¿Cuándo volvéis?>El jueves por la tarde / si no hay atasco
¿Te gusta el color?>Me encanta!
¿Necesitas algo?>Nada, gracias
¿Has hablado con tu madre?>Todavía no, esta noche
¿Llueve ahí?>A cántaros
¿Cenamos en casa?>Perfecto, llevo vino 🍷
¿Qué regalo le compro?>Un libro, seguro que acierta
¿Ya estás?>Bajo en 5 min
¿Te acuerdas de Lola?>Claro jajaja
¿Está abierto?>Creo que cierran a las 8
¿Y el perro?>Durmiendo, como siempre 😂
¿Puedes el lunes?>El lunes no puedo, el martes sí
¿Qué hora es ahí?>Las seis / aún de noche
¿Vas al médico?>Mañana a primera hora
¿Quién viene?>Los de siempre, y Julia 😋
¿Te ha gustado?>Muchísimo!
¿Está rico?>Jajaja se ha quemado
¿Has comido?>Ahora voy
¿Todo bien?>Todo bien / un beso""",
        ["Laughter is written jaja", "¿ and ¡ are left out", "no full stop at the end", "😂"],
    ),
    "german": Owner(
        "Jonas",
        "Frau Albrecht",
        Relationship.CLIENT,
        "Könnten wir den Termin auf Freitag verschieben?",
        """Haben Sie das Angebot bekommen?>Guten Morgen, ja, es liegt vor mir. Ich melde mich bis Mittag.
Wann können Sie liefern?>In der zweiten Juniwoche, sofern das Holz rechtzeitig kommt.
Ist der Preis fest?>Ja, der Preis ist fest.
Könnten wir den Termin verschieben?>Gerne. Passt Ihnen Donnerstag um zehn?
Was kostet die Montage?>Die Montage ist im Preis enthalten, die Anfahrt nicht.
Welche Farbe empfehlen Sie?>Ich würde Eiche natur nehmen, sie dunkelt kaum nach.
Haben Sie noch Fragen?>Nein, vielen Dank.
Sind Sie morgen erreichbar?>Ab acht Uhr, am besten im Büro.
Schicken Sie mir die Maße?>Die Maße: 182 x 90, Höhe 74.
Wie lange dauert es?>Etwa zwei Tage.
Darf ich die Tür anders haben?>Natürlich. Links oder rechts angeschlagen?
Ist das Holz geölt?>Ja, zweimal, mit Zwischenschliff.
Brauchen Sie eine Anzahlung?>Ein Drittel bei Auftrag, den Rest nach der Montage.
Können Sie die Rechnung teilen?>Das geht, sagen Sie mir bitte die Anschriften.
Wann ist Feierabend?>Um fünf.
Kommt noch jemand mit?>Mein Kollege, Herr Lindner.
Muss ich da sein?>Nur zum Aufschließen, bitte.
Wer baut auf?>Mein Geselle und ich.
Haben Sie ein Muster?>Ja, ich bringe morgen zwei mit.
Wie pflegt man es?>Mit einem feuchten Tuch, sonst nichts.
Kann es später werden?>Bis sechs bin ich in der Werkstatt.
Ist die Kante rund?>Leicht gefast, wie besprochen.
Und der Griff?>Den Griff wählen Sie.
Passt Montag?>Montag passt.
Passt es durch die Tür?>Das habe ich geprüft, es passt.
Gibt es Garantie?>Fünf Jahre auf das Gestell.
Danke für alles>Sehr gern. Einen schönen Abend noch.""",
        ["Messages begin with a capital letter", "a full stop at the end of", "Laughter is not written out", "No emoji"],
    ),
    "russian": Owner(
        "Лена",
        "Паша",
        Relationship.FRIEND,
        "ты завтра на работе?",
        """ты где>еду / буду минут через 20
как дела>норм, устала
видел новости>ахаха да)
пойдем в кино>давай / только не на ужасы
ты на работе>ага
купить хлеба>купи, и молоко
во сколько встреча>в семь вроде
что делаешь>ничего, лежу
позвонить тебе>чуть позже
как мама>уже лучше, спасибо
поедем на дачу>поехали, если не дождь
ты видела ключи>на полке, как всегда
скинь фото>ща
ну как тебе>ахахах огонь
кто придет>Катя, Миша и я
ты обиделась>нет, с чего ты взял
закажем пиццу>да, с грибами
сколько стоит>дорого / потом скажу
ты простыла>немного, горло
кто звонил>хозяйка
куда едем>к морю, куда еще
дождь идет>льет
как экзамен>сдала ахаха
холодно там>ужасно
ты готова>почти / 5 минут
спокойной ночи>спокойной
какой этаж>третий, код 14""",
        ["Laughter is written ахах", "no full stop at the end", "Everything is written in lower case"],
    ),
    "japanese": Owner(
        "みさき",
        "ゆうた",
        Relationship.FRIEND,
        "土曜の集合、何時にする?",
        """今どこ?>駅ついた / 改札のとこ
明日ひま?>午後ならいける!
何時にする?>6時でどう?
映画どうだった?>めっちゃよかったwww
ご飯たべた?>まだ、おなかすいた
写真おくって>あとでね!
雨ふってる?>ふってないよ
お土産なにがいい?>お菓子がいいな、ありがと😊
電車おくれてる>えー、大丈夫?
テストどうだった?>聞かないでwww
集合どこ?>いつものとこで
誕生日おめでとう!>ありがとう!うれしい😊
カラオケいく?>いくいく!
ねむい>わかる、私も
仕事おわった?>やっと / つかれたー
宿題やった?>やってないwww
週末なにする?>たぶん家にいる
それ本当?>ほんとほんと
寒くない?>さむい、冬かと思った
道わかる?>たぶん / まよったらごめん
猫げんき?>げんきだよ😊
次いつ会える?>来週かな
見た?>見た見たwww
いくらだった?>2000円くらい
だれが来る?>いつもの3人
迎えに行こうか?>いいの?助かる!
おやすみ>おやすみ😊""",
        ["Laughter is written www", "no full stop at the end", "😊", "exclamation marks in"],
    ),
}


def own_messages(owner: Owner) -> list[OwnMessage]:
    found: list[OwnMessage] = []
    for line in owner.talk.splitlines():
        before, _, answer = line.partition(">")
        for number, text in enumerate(answer.split(" / ")):
            at = START + timedelta(hours=len(found))
            found.append(OwnMessage(id=f"m{len(found):02}", at=at, text=text, before="" if number else before, follows=number > 0))
    return found


def assembled(owner: Owner) -> tuple[Prompt, Briefing]:
    own = own_messages(owner)
    profile = profile_of(own)
    assert profile is not None
    briefing = Briefing(
        owner=owner.name,
        persona=Persona("plain", style_guide="Write as I do."),
        contact=ApprovedContact(
            contact_id="local:friend",
            phone_number="",
            display_name=owner.contact,
            approved_at=START,
            approved_by="test",
            tier=Tier.STANDARD,
        ),
        relationship=owner.relationship,
        style=describe(profile),
        examples=examples_for(owner.asks, own),
        lessons=[("I would love to, see you then!", own[0].text, "too long, an exclamation mark")],
        local_time=datetime(2026, 6, 5, 18, 30, tzinfo=UTC),
    )
    return build_prompt(briefing, [Utterance("user", owner.asks)], max_tokens=100), briefing


@pytest.mark.parametrize("language", OWNERS)
def test_the_whole_prompt_is_what_was_looked_at(language: str) -> None:
    prompt, _ = assembled(OWNERS[language])
    shown = "\n\n---------- next block ----------\n\n".join(block.text for block in prompt.system) + "\n"
    snapshot = SNAPSHOTS / f"{language}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(shown, "utf-8")
    assert shown == snapshot.read_text("utf-8"), "UPDATE_SNAPSHOTS=1 keeps it; read the difference first"


@pytest.mark.parametrize("language", OWNERS)
def test_the_description_says_what_this_owner_does_and_does_not(language: str) -> None:
    owner = OWNERS[language]
    _, briefing = assembled(owner)
    assert [each for each in owner.says if each not in briefing.style] == [], briefing.style
    assert len(briefing.style.split("\n")) <= 12
    listed = " ".join([*fixed("greetings").values(), *fixed("sign_offs").values()])
    words = {word for message in own_messages(owner) for word in re.findall(r"[^\W\d_]{5,}", message.text.casefold())}
    assert [word for word in words if word in briefing.style.casefold() and word not in listed] == []


@pytest.mark.parametrize("language", OWNERS)
def test_twelve_examples_stand_with_the_nearest_last_and_all_may_be_said(language: str) -> None:
    prompt, briefing = assembled(OWNERS[language])
    assert len(briefing.examples) == 12
    lines = prompt.system[2].text.partition("<examples>\n")[2].partition("\n</examples>")[0].split("\n")
    assert briefing.examples[0][0] in lines[-1]
    assert {each for pair in briefing.examples for each in pair} <= {*may_be_said(briefing)}


def test_rules_are_the_same_for_every_contact_of_an_owner() -> None:
    told = {assembled(owner)[0].system[0].text.replace(owner.name, "NAME") for owner in OWNERS.values()}
    assert len(told) == 1


@pytest.mark.parametrize("language", OWNERS)
def test_the_owners_words_may_be_repeated_and_what_was_said_of_them_may_not(language: str) -> None:
    prompt, briefing = assembled(OWNERS[language])
    told = Instructions(system=tuple(block.text for block in prompt.system), own_words=may_be_said(briefing))
    for words in ("\n".join(answer for _, answer in briefing.examples), briefing.lessons[0][1]):
        assert (fault := find_fault(words, told)) is None or fault.kind is not FaultKind.PROMPT_LEAK, words
    for line in briefing.style.split("\n"):
        if len(line) > 60:
            fault = find_fault(line, told)
            assert fault is not None
            assert fault.kind is FaultKind.PROMPT_LEAK


def test_however_long_people_write_the_prompt_stays_small_and_its_own_words_may_be_said() -> None:
    wall = "".join(f"word{at} " for at in range(900))
    own = [
        OwnMessage(id=f"{at:03}", at=START + timedelta(hours=at), text=f"{at} {wall}"[:4000], before=f"{at} {wall}"[:500])
        for at in range(300)
    ]
    profile = profile_of(own)
    assert profile is not None
    _, briefing = assembled(OWNERS["english"])
    briefing = replace(
        briefing, style=describe(profile), examples=examples_for(wall, own), lessons=[(wall, f"no {wall}", wall)] * 100
    )
    prompt = build_prompt(briefing, [Utterance("user", wall)], max_tokens=100)
    assert sum(len(block.text) for block in prompt.system) < 20_000
    told = Instructions(system=tuple(block.text for block in prompt.system), own_words=may_be_said(briefing))
    assert find_fault(briefing.examples[0][1], told) is None
