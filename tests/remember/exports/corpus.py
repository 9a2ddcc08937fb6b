"""A generated corpus: phones of many languages, everything that WhatsApp says itself in a chat of two, and what people say in between.

Each sentence has {} where a name stands. An Android phone writes its sentences without an author; an iPhone behind one, and marks them;
what passes a text on may strip the marks.
"""

# ruff: noqa: RUF001  letters of many scripts are the point

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remember.exports.dialects import LRM, PHONES, ios

OWNER, OTHER = "Anna", "Ben Example"


@dataclass(frozen=True)
class Language:
    """What WhatsApp says in one language."""

    phone: str
    """Whose dialect it is, of `PHONES`."""
    sentences: tuple[str, ...]
    omitted: tuple[str, ...]
    """Alone, behind an author."""
    deleted: tuple[str, ...]
    survey: tuple[str, str, str]
    """The title, what stands before an answer, and the votes."""


LANGUAGES = {
    "en": Language(
        "en-US",
        (
            "Messages and calls are end-to-end encrypted. Only people in this chat can read, listen to, or share them. Learn more.",
            "Your security code with {} changed. Tap to learn more.",
            "{} changed their phone number to a new number. Tap to message or add the new number.",
            "You turned on disappearing messages. New messages will disappear from this chat 24 hours after they're sent.",
            "{} pinned a message",
            "You blocked this contact. Tap to unblock.",
            "This business uses a secure service from Meta to manage this chat. Tap to learn more.",
            "Missed voice call, Tap to call back",
            "Video call, 12 min",
            "Waiting for this message. This may take a while.",
        ),
        ("image omitted", "video note omitted", "Contact card omitted", "GIF omitted"),
        ("This message was deleted.", "You deleted this message.", "This message was deleted by admin {}."),
        ("POLL", "OPTION", "2 votes"),
    ),
    "de": Language(
        "de",
        (
            "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt. Niemand außerhalb dieses Chats kann sie lesen.",
            "Deine Sicherheitsnummer für {} hat sich geändert. Tippe, um mehr zu erfahren.",
            "{} hat die Telefonnummer gewechselt. Tippe, um eine Nachricht an die neue Nummer zu senden.",
            "Du hast selbstlöschende Nachrichten aktiviert. Neue Nachrichten verschwinden nach 24 Stunden.",
            "{} hat eine Nachricht angeheftet",
            "Du hast diesen Kontakt blockiert. Tippe, um die Blockierung aufzuheben.",
            "Dieser Chat ist mit einem Unternehmens-Account. Tippe für mehr Infos.",
            "Verpasster Sprachanruf um 12:33",
            "Auf diese Nachricht wird gewartet. Dieser Vorgang kann eine Weile dauern.",
        ),
        ("Bild weggelassen", "Videonachricht weggelassen", "Kontaktkarte ausgelassen"),
        ("Diese Nachricht wurde gelöscht.", "Diese Nachricht wurde von Admin {} gelöscht."),
        ("UMFRAGE", "OPTION", "2 Stimmen"),
    ),
    "es": Language(
        "es",
        (
            "Los mensajes y las llamadas están cifrados de extremo a extremo. Nadie fuera de este chat puede leerlos.",
            "Cambió tu código de seguridad con {}. Toca para obtener más información.",
            "{} cambió su número de teléfono a un número nuevo.",
            "Activaste los mensajes temporales. Los mensajes nuevos desaparecerán de este chat 24 horas después.",
            "{} fijó un mensaje",
            "Bloqueaste a este contacto. Toca para desbloquearlo.",
            "Llamada perdida a las 12:33",
            "Videollamada, 5 min",
        ),
        ("imagen omitida", "audio omitido", "tarjeta de contacto omitida"),
        ("Se eliminó este mensaje.", "Eliminaste este mensaje.", "Un admin., {}, eliminó este mensaje."),
        ("ENCUESTA", "OPCIÓN", "2 votos"),
    ),
    "fr": Language(
        "fr",
        (
            "Les messages et les appels sont chiffrés de bout en bout. Aucun tiers ne peut les lire.",
            "Votre code de sécurité avec {} a changé. Appuyez pour en savoir plus.",
            "{} a changé de numéro de téléphone.",
            "Vous avez activé les messages éphémères. Les nouveaux messages disparaîtront après 24 heures.",
            "{} a épinglé un message",
            "Vous avez bloqué ce contact.",
            "Appel vocal manqué",
            "Appel vidéo manqué à 12:33",
        ),
        ("image absente", "vidéo absente", "fiche contact manquante"),
        ("Ce message a été supprimé", "Vous avez supprimé ce message", "Ce message a été supprimé par l'admin {}"),
        ("SONDAGE ", "OPTION ", "2 votes"),
    ),
    "it": Language(
        "it",
        (
            "I messaggi e le chiamate sono crittografati end-to-end. Nessuno al di fuori di questa chat può leggerli.",
            "Il tuo codice di sicurezza con {} è cambiato. Tocca per saperne di più.",
            "{} ha cambiato numero di telefono.",
            "{} ha fissato un messaggio",
            "Hai attivato i messaggi effimeri.",
            "Hai bloccato questo contatto.",
            "Chiamata vocale persa",
        ),
        ("immagine omessa", "video omesso", "scheda contatto omessa"),
        ("Questo messaggio è stato eliminato", "Questo messaggio è stato eliminato dall'amministratore {}."),
        ("SONDAGGIO", "OPZIONE", "2 voti"),
    ),
    "pt": Language(
        "pt-BR",
        (
            "As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.",
            "Seu código de segurança com {} mudou. Toque para saber mais.",
            "{} mudou de número de telefone.",
            "{} fixou uma mensagem",
            "Você ativou as mensagens temporárias.",
            "Você bloqueou este contato",
            "Chamada de voz perdida às 12:33",
        ),
        ("imagem ocultada", "áudio ocultado", "figurinha omitida"),
        ("Mensagem apagada", "Essa mensagem foi apagada", "Mensagem apagada por um admin ({})"),
        ("ENQUETE", "OPÇÃO", "2 votos"),
    ),
    "nl": Language(
        "nl",
        (
            "Berichten en gesprekken worden end-to-end versleuteld. Niemand buiten deze chat kan ze lezen.",
            "Je beveiligingscode met {} is gewijzigd. Tik voor meer informatie.",
            "{} heeft een bericht vastgezet",
            "Je hebt verdwijnende berichten ingeschakeld.",
            "Je hebt dit contact geblokkeerd",
            "Gemiste spraakoproep",
        ),
        ("afbeelding weggelaten", "contactkaart weggelaten"),
        ("Dit bericht is verwijderd", "Dit bericht is verwijderd door {}."),
        ("PEILING", "OPTIE", "2 stemmen"),
    ),
    "pl": Language(
        "pl",
        (
            "Wiadomości i połączenia są w pełni zaszyfrowane. Nikt spoza tego czatu nie może ich odczytać.",
            "Twój kod zabezpieczeń z użytkownikiem {} zmienił się. Dotknij, aby dowiedzieć się więcej.",
            "{} przypiął wiadomość",
            "Włączono znikające wiadomości.",
            "Nieodebrane połączenie głosowe",
        ),
        ("obraz pominięty", "wideo pominięte"),
        ("Ta wiadomość została usunięta", "Ta wiadomość została usunięta przez {}"),
        ("ANKIETA", "OPCJA", "2 głosy"),
    ),
    "ru": Language(
        "ru",
        (
            "Сообщения и звонки защищены сквозным шифрованием. Никто вне этого чата не может их прочитать.",
            "Ваш код безопасности с {} изменился. Нажмите, чтобы узнать больше.",
            "{} изменил номер телефона на новый.",
            "{} закрепил сообщение",
            "Вы включили исчезающие сообщения.",
            "Вы заблокировали данный контакт",
            "Пропущенный аудиозвонок в 12:33",
        ),
        ("изображение отсутствует", "стикер не добавлен"),
        ("Данное сообщение удалено", "Вы удалили данное сообщение", "Данное сообщение удалено админом {}."),
        ("ОПРОС", "ВАРИАНТ", "2 голоса"),
    ),
    "tr": Language(
        "tr",
        (
            "Mesajlar ve aramalar uçtan uca şifrelidir. Bu sohbetin dışındaki hiç kimse bunları okuyamaz.",
            "{} ile olan güvenlik kodunuz değişti. Daha fazla bilgi için dokunun.",
            "{} bir mesajı sabitledi",
            "Süreli mesajları açtınız.",
            "Bu kişiyi engellediniz",
            "Cevapsız sesli arama",
        ),
        ("görüntü dahil edilmedi", "ses dahil edilmedi"),
        ("Bu mesaj silindi", "Bu mesajı sildiniz", "Bu mesaj {} tarafından silindi."),
        ("ANKET", "SEÇENEK", "2 oy"),
    ),
    "ar": Language(
        "ar",
        (
            "الرسائل والمكالمات مشفرة تمامًا بين الطرفين. لا يمكن لأي شخص خارج هذه الدردشة قراءتها.",
            "تغيّر رمز الأمان الخاص بك مع {}. انقر لمعرفة المزيد.",
            "لقد قمت بتشغيل الرسائل ذاتية الاختفاء.",
            "مكالمة صوتية فائتة",
            "مكالمة فيديو فائتة",
        ),
        ("لم يتم إدراج الصورة", "تم حذف الملصقات"),
        ("تم حذف هذه الرسالة", "حذف المشرف {} هذه الرسالة."),
        ("استطلاع", "خيار", "2 صوت"),
    ),
    "he": Language(
        "he",
        (
            "ההודעות והשיחות מוצפנות מקצה לקצה. אף אחד מחוץ לצ'אט הזה לא יכול לקרוא אותן.",
            "קוד האבטחה שלך עם {} השתנה. יש להקיש למידע נוסף.",
            "הפעלת הודעות זמניות.",
            "חסמת איש קשר זה",
            "שיחה קולית שלא נענתה",
        ),
        ("התמונה הושמטה", "סטיקר הושמט"),
        ("הודעה זו נמחקה", "מחקת הודעה זו", "ההודעה נמחקה על ידי {}."),
        ("סקר", "אפשרות", "2 הצבעות"),
    ),
    "hi": Language(
        "hi",
        (
            "मैसेजेस और कॉल्स एंड-टू-एंड एन्क्रिप्टेड हैं. कोई और इन्हें नहीं पढ़ सकता.",
            "{} के साथ आपका सुरक्षा कोड बदल गया है. ज़्यादा जानने के लिए टैप करें.",
            "मिस्ड वॉइस कॉल",
        ),
        ("फ़ोटो हटाई गई", "वीडियो छोड़ा गया"),
        ("यह मैसेज डिलीट कर दिया गया है", "यह मैसेज एडमिन {} ने डिलीट कर दिया है."),
        ("पोल", "विकल्प", "2 वोट"),
    ),
    "id": Language(
        "id",
        (
            "Pesan dan panggilan terenkripsi secara end-to-end. Tidak seorang pun di luar chat ini dapat membacanya.",
            "Kode keamanan Anda dengan {} berubah. Ketuk untuk info selengkapnya.",
            "{} menyematkan pesan",
            "Anda mengaktifkan pesan sementara.",
            "Anda memblokir kontak ini",
            "Panggilan suara tak terjawab pukul 12.33",
        ),
        ("gambar tidak disertakan", "stiker tidak disertakan"),
        ("Pesan ini dihapus", "Pesan ini dihapus oleh admin {}."),
        ("POLLING", "OPSI", "2 suara"),
    ),
    "sv": Language(
        "sv",
        (
            "Meddelanden och samtal är komplett krypterade. Ingen utanför chatten kan läsa dem.",
            "Din säkerhetskod med {} har ändrats. Tryck för att läsa mer.",
            "{} fäste ett meddelande",
            "Missat röstsamtal",
        ),
        ("bild utelämnad", "ljud uteslutet"),
        ("Detta meddelande raderades", "Detta meddelande raderades av {}"),
        ("OMRÖSTNING", "ALTERNATIV", "2 röster"),
    ),
    "ja": Language(
        "ja",
        (
            "メッセージと通話はエンドツーエンド暗号化されています。このチャットの外部の人は読めません。",
            "{}とのセキュリティコードが変更されました。タップして詳細を確認してください。",
            "{}がメッセージをピン留めしました",
            "消えるメッセージをオンにしました。",
            "音声通話不在着信",
        ),
        ("画像は含まれていません", "動画は省略されました", "連絡先カードは省略されました"),
        ("このメッセージは削除されました", "管理者{}がこのメッセージを削除しました"),
        ("アンケート", "オプション", "2票"),
    ),
    "ko": Language(
        "ko",
        (
            "메시지와 통화는 종단간 암호화됩니다. 이 채팅 외부의 누구도 읽을 수 없습니다.",
            "{}님과의 보안 코드가 변경되었습니다. 자세히 알아보려면 탭하세요.",
            "{}님이 메시지를 고정했습니다",
            "부재중 음성통화",
        ),
        ("이미지 생략됨", "동영상 생략됨"),
        ("삭제된 메시지입니다", "이 메시지는 삭제되었습니다", "관리자 {}님이 이 메시지를 삭제했습니다"),
        ("투표", "옵션", "2표"),
    ),
    "zh-CN": Language(
        "zh-CN",
        (
            "消息和通话都进行端到端加密。对话之外的任何人都无法读取。",
            "您与 {} 的安全代码已更改。轻触了解更多。",
            "{} 置顶了一条消息",
            "您开启了限时消息。",
            "未接语音通话",
        ),
        ("图片已省略", "视频已忽略", "联系人卡片已忽略"),
        ("此消息已删除", "管理员 {} 已删除这条消息。"),
        ("投票", "选项", "2 票"),
    ),
    "zh-TW": Language(
        "zh-TW",
        (
            "訊息和通話都受到端對端加密。此對話以外的任何人都無法讀取。",
            "您與 {} 的安全碼已變更。點按以瞭解更多。",
            "{} 釘選了一則訊息",
            "您開啟了限時訊息。",
            "未接語音通話",
        ),
        ("圖片已省略", "影片已略去", "聯絡人名片已省略"),
        ("此訊息已刪除", "管理員 {} 已刪除這則訊息。"),
        ("投票", "選項", "2 票"),
    ),
}
FILES = (
    "IMG-20211230-WA0001.jpg ({})",
    "DOC-20211230-WA0002. ({})",
    "PTT-20211230-WA0003.opus ({})",
)


@dataclass
class Chat:
    """A generated export, and what is right."""

    text: str
    said: list[tuple[str, str]]
    """Author and words, in order."""


def chat(language: Language, platform: str) -> Chat:
    """A chat of two on `android`, or on an iPhone whose marks are there (`marked`) or gone (`stripped`)."""
    android = PHONES[language.phone]
    phone = android if platform == "android" else replace(android, header=ios("%d.%m.%Y"), is_ios=True)
    moment, lines, said = datetime(2021, 12, 30, 8, 0), [], []  # noqa: DTZ001  an export knows no zone

    def person(words: str) -> None:
        nonlocal moment
        moment += timedelta(minutes=7)
        author = (OWNER, OTHER)[len(said) % 2]
        said.append((author, words))
        lines.append(phone.text(moment, author, words))

    person("hello: are you there?")
    person("yes, tell me\nwhat it is")
    for sentence in language.sentences:
        moment += timedelta(minutes=1)
        body = sentence.format(OTHER)
        lines.append(f"{phone.header(moment)}{body}" if platform == "android" else phone.own(moment, OTHER, body))
        person(f"and then {len(lines)}")
    for body in bodies(language, platform):
        moment += timedelta(minutes=1)
        lines.append(phone.own(moment, (OWNER, OTHER)[len(lines) % 2], body))
        person(f"so {len(lines)} <3")
    text = "\n".join(lines) + "\n"
    return Chat(text.replace(LRM, "") if platform == "stripped" else text, said)


def bodies(language: Language, platform: str) -> list[str]:
    """What stands in the place of somebody's words."""
    android = PHONES[language.phone]
    words = android.attached.partition("(")[2].rstrip(")")
    title, option, votes = language.survey
    survey = f"{title}:\n9 o'clock?\n{option}: yes ({votes})\n{option}: no ({votes})"
    found = [each.format(OTHER) for each in language.deleted] + [survey]
    if platform == "android":
        return [*found, android.left_out, *(each.format(words) for each in FILES)]
    return [*found, *language.omitted, "<attached: 00000012-PHOTO-2021-12-30-09-00-00.jpg>"]
