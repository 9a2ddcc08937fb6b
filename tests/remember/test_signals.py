"""What a message hints at, in six languages: a labelled set, and what must never count."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.enums import Relationship as Kind
from secondme.core.remember.learning import LOOKED_AT, Signal, detect

FAMILY, LOVE, FRIEND = Kind.FAMILY, Kind.ROMANTIC_PARTNER, Kind.FRIEND
CLIENT, BOSS, COLLEAGUE, KNOWN = Kind.CLIENT, Kind.MANAGER, Kind.COLLEAGUE, Kind.ACQUAINTANCE
LABELLED: dict[str, list[tuple[str, Kind | None]]] = {
    "en": [
        ("Hi, it's mum. Are you eating properly?", FAMILY),
        ("your cousin is getting married in June", FAMILY),
        ("can't sleep without you babe", LOVE),
        ("good night my love ❤️", LOVE),
        ("wanna hang out on saturday?", FRIEND),
        ("dude you won't believe what happened", FRIEND),
        ("When can we expect your invoice?", CLIENT),
        ("How much do you charge for two days?", CLIENT),
        ("I need you to finish this before lunch", BOSS),
        ("Come to my office when you have a minute", BOSS),
        ("did you see the pull request? our boss is waiting", COLLEAGUE),
        ("Could you cover my shift on friday", COLLEAGUE),
        ("We met at the conference in Porto", KNOWN),
        ("Paula gave me your number, hope that's ok", KNOWN),
        ("ok, see you at eight", None),
        ("did you get the tickets?", None),
        ("The weather is terrible today", None),
        ("my friend's mum says your mum's the best cook in their village", None),
    ],
    "es": [
        ("Hola hijo, ¿has comido?", FAMILY),
        ("Tu abuela pregunta por ti", FAMILY),
        ("Te amo, vuelve pronto", LOVE),
        ("buenas noches amor", LOVE),
        ("¿unas cañas esta tarde?", FRIEND),
        ("qué pasa tío, cómo va", FRIEND),
        ("¿Me puede enviar su presupuesto?", CLIENT),
        ("Todavía no nos ha llegado la factura", CLIENT),
        ("Necesito el informe antes de las doce", BOSS),
        ("Pasa por mi despacho, en mi despacho a las 5", BOSS),
        ("nuestro jefe quiere cambiarlo todo otra vez", COLLEAGUE),
        ("¿puedes cubrirme el turno el viernes?", COLLEAGUE),
        ("Nos conocimos en la boda de Luis", KNOWN),
        ("Marta me dio tu número", KNOWN),
        ("vale, nos vemos a las ocho", None),
        ("¿has visto el partido?", None),
        ("mañana llueve", None),
    ],
    "de": [
        ("Hallo, hier ist Mama, ruf mal an", FAMILY),
        ("Am Sonntag sind wir bei Oma", FAMILY),
        ("Ich liebe dich", LOVE),
        ("Gute Nacht Schatz", LOVE),
        ("Lust auf ein Bier heute?", FRIEND),
        ("was geht digga", FRIEND),
        ("Wann bekomme ich Ihr Angebot?", CLIENT),
        ("Die Rechnung ist noch offen", CLIENT),
        ("Kommen Sie bitte in mein Büro", BOSS),
        ("Ich brauche die Zahlen bis zwölf", BOSS),
        ("Der Chef sagt, wir müssen länger bleiben", COLLEAGUE),
        ("Können wir die Schicht tauschen?", COLLEAGUE),
        ("Ich hab deine Nummer von Jonas", KNOWN),
        ("Weiß nicht ob du dich erinnerst, wir saßen nebeneinander", KNOWN),
        ("ok bis um acht", None),
        ("hast du die Karten?", None),
        ("Heute regnet es den ganzen Tag", None),
    ],
    "fr": [
        ("C'est maman, rappelle-moi", FAMILY),
        ("on mange chez mamie dimanche", FAMILY),
        ("je t'aime", LOVE),
        ("bonne nuit mon amour", LOVE),
        ("on se fait une bière ce soir ?", FRIEND),
        ("ça va mec ?", FRIEND),
        ("Pouvez-vous m'envoyer un devis ?", CLIENT),
        ("Je n'ai pas reçu votre facture", CLIENT),
        ("Passez dans mon bureau demain matin", BOSS),
        ("j'ai besoin du rapport pour midi", BOSS),
        ("le chef a dit qu'on reste jusqu'à 19h", COLLEAGUE),
        ("la réunion d'équipe est à 10h", COLLEAGUE),
        ("On s'est rencontrés au mariage de Léa", KNOWN),
        ("Paul m'a donné ton numéro", KNOWN),
        ("ok à huit heures", None),
        ("tu as vu le match ?", None),
        ("il pleut encore", None),
    ],
    "it": [
        ("Ciao, sono la mamma, hai mangiato?", FAMILY),
        ("domenica pranzo dalla nonna", FAMILY),
        ("ti amo tanto", LOVE),
        ("buonanotte amore", LOVE),
        ("usciamo stasera?", FRIEND),
        ("raga chi viene domani", FRIEND),
        ("Mi può mandare un preventivo?", CLIENT),
        ("non abbiamo ancora ricevuto la vostra fattura", CLIENT),
        ("vieni nel mio ufficio", BOSS),
        ("mi serve la relazione entro le due", BOSS),
        ("il nostro capo è impazzito", COLLEAGUE),
        ("possiamo fare cambio turno venerdì?", COLLEAGUE),
        ("ci siamo conosciuti alla festa di Carla", KNOWN),
        ("Luca mi ha dato il tuo numero", KNOWN),
        ("ok alle otto", None),
        ("hai visto la partita?", None),
        ("oggi piove", None),
    ],
    "pt": [
        ("oi filho, é a mãe, liga pra mim", FAMILY),
        ("domingo tem almoço de família", FAMILY),
        ("eu te amo", LOVE),
        ("boa noite amor", LOVE),
        ("bora sair hoje?", FRIEND),
        ("e aí mano, beleza?", FRIEND),
        ("Pode me enviar um orçamento?", CLIENT),
        ("ainda não recebi a nota fiscal", CLIENT),
        ("passa na minha sala depois", BOSS),
        ("preciso do relatório até meio-dia", BOSS),
        ("o chefe disse que é pra amanhã", COLLEAGUE),
        ("podemos trocar o turno na sexta?", COLLEAGUE),
        ("nos conhecemos no casamento da Ana", KNOWN),
        ("o Pedro me passou seu número", KNOWN),
        ("ok às oito", None),
        ("viu o jogo ontem?", None),
        ("hoje chove", None),
    ],
}


def test_the_labelled_set_is_told_right_in_each_language() -> None:
    wrong: list[tuple[str, str, str]] = []
    for language, cases in LABELLED.items():
        found = [(text, kind, detect(text)) for text, kind in cases]
        missed = [
            (language, text, str(signal)) for text, kind, signal in found if (signal.relationship if signal else None) is not kind
        ]
        print(f"\nsignals, {language}: {len(cases) - len(missed)} of {len(cases)} right", end="")
        wrong += missed
    total = sum(map(len, LABELLED.values()))
    print(f"\nsignals: {1 - len(wrong) / total:.1%} of {total}; wrong: {wrong}")
    assert len(wrong) <= total * 0.05


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🙂",
        "12345",
        "momentum of the bromide",
        "Schatzmeister",
        "besamor",
        "今晚一起吃饭吗",
        "babe, your invoice, bro: love you bro, mi amor",
        "standupcomedy",
    ],
)
def test_parts_of_words_other_scripts_and_contradictions_hint_at_nothing(text: str) -> None:
    assert detect(text) is None


def test_the_clearest_hint_counts() -> None:
    assert detect("haha krass, Mama: hier ist Mama") == Signal(FAMILY, 0.9)
    assert detect("MI AMOR, la reunión es a las 5") == Signal(LOVE, 0.9)
    assert detect("I\u2019ve approved your leave") == Signal(BOSS, 0.9)


@given(st.text(max_size=300))
def test_any_text_is_looked_at_without_failing(text: str) -> None:
    signal = detect(text)
    assert signal is None or signal.confidence in {0.5, 0.7, 0.9}


def test_what_looking_costs_and_that_a_wall_of_words_costs_no_more() -> None:
    texts = [text for cases in LABELLED.values() for text, _ in cases]
    begun = time.process_time()
    for text in texts * 20:
        detect(text)
    print(f"\nlooking for signals: {(time.process_time() - begun) / len(texts) / 20 * 1e6:.0f} us CPU a message")
    begun = time.process_time()
    detect("your mom and " * 1_000_000)
    assert time.process_time() - begun < 1
    assert detect("x" * LOOKED_AT + " mi amor") is None
