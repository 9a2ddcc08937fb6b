"""How phones of many languages write an export. Each writer is a format of its own, so that a reader's mistake is not repeated here."""

# ruff: noqa: RUF001  letters of many scripts are the point

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

LRM, RLM, NBSP, NNBSP = "\u200e", "\u200f", "\u00a0", "\u202f"
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


@dataclass(frozen=True)
class Phone:
    """What a phone writes."""

    header: Callable[[datetime], str]
    """All in front of the author."""
    left_out: str
    attached: str
    """With {} for the file's name."""
    deleted: str
    system: str
    is_ios: bool = False

    @property
    def mark(self) -> str:
        """What it puts in front of what it says itself."""
        return LRM if self.is_ios else ""

    def text(self, at: datetime, author: str, body: str) -> str:
        """A message."""
        return f"{self.header(at)}{author}: {body}"

    def own(self, at: datetime, author: str, body: str) -> str:
        """What it says itself, in the place of the author's words."""
        return f"{self.mark}{self.header(at)}{author}: {self.mark}{body}"

    def notice(self, at: datetime, body: str) -> str:
        """What it says itself, of the chat."""
        return self.own(at, "Anna", body) if self.is_ios else f"{self.header(at)}{body}"


def twelve(at: datetime) -> int:
    return at.hour % 12 or 12


def half(at: datetime, am: str, pm: str) -> str:
    return am if at.hour < 12 else pm


def chinese(at: datetime) -> str:
    return "凌晨" if at.hour < 5 else "上午" if at.hour < 12 else "中午" if at.hour == 12 else "下午" if at.hour < 19 else "晚上"


def android(date: str, clock: str = ", %H:%M") -> Callable[[datetime], str]:
    return lambda at: f"{at:{date}{clock} - }"


def ios(date: str, clock: str = ", %H:%M:%S") -> Callable[[datetime], str]:
    return lambda at: f"[{at:{date}{clock}}] "


def us(at: datetime) -> str:
    return f"{at.month}/{at.day}/{at:%y}, {twelve(at)}:{at:%M}{NNBSP}{half(at, 'AM', 'PM')} - "


def korean(at: datetime) -> str:
    return f"{at.year}. {at.month}. {at.day}. {half(at, '오전', '오후')} {twelve(at)}:{at:%M} - "


PHONES = {
    "en-US": Phone(
        us,
        "<Media omitted>",
        "{} (file attached)",
        "This message was deleted",
        "Messages and calls are end-to-end encrypted. Tap to learn more.",
    ),
    "en-US iOS": Phone(
        lambda at: f"[{at.month}/{at.day}/{at:%y}, {twelve(at)}:{at:%M:%S}{NNBSP}{half(at, 'AM', 'PM')}] ",
        "image omitted",
        "<attached: {}>",
        "This message was deleted.",
        "Missed video call",
        is_ios=True,
    ),
    "en-GB": Phone(
        android("%d/%m/%Y"),
        "<Media omitted>",
        "{} (file attached)",
        "You deleted this message",
        "Your security code with Anna changed.",
    ),
    "en-AU": Phone(
        lambda at: f"{at.day}/{at.month}/{at.year}, {twelve(at)}:{at:%M}{NNBSP}{half(at, 'am', 'pm')} - ",
        "<Media omitted>",
        "{} (file attached)",
        "This message was deleted",
        "You blocked this contact",
    ),
    "en-ZA": Phone(android("%Y/%m/%d"), "<Media omitted>", "{} (file attached)", "This message was deleted", "Missed voice call"),
    "de": Phone(
        android("%d.%m.%y"),
        "<Medien ausgeschlossen>",
        "{} (Datei angehängt)",
        "Du hast diese Nachricht gelöscht.",
        "Deine Sicherheitsnummer für Anna hat sich geändert.",
    ),
    "de iOS": Phone(
        ios("%d.%m.%y"),
        "Bild weggelassen",
        "<Anhang: {}>",
        "Diese Nachricht wurde gelöscht.",
        "Verpasster Sprachanruf",
        is_ios=True,
    ),
    "es": Phone(
        android("%-d/%-m/%y"),
        "<Multimedia omitido>",
        "{} (archivo adjunto)",
        "Se eliminó este mensaje.",
        "Los mensajes y las llamadas están cifrados de extremo a extremo.",
    ),
    "es iOS": Phone(
        ios("%-d/%-m/%y"), "imagen omitida", "<adjunto: {}>", "Eliminaste este mensaje.", "Llamada perdida", is_ios=True
    ),
    "es-MX": Phone(
        lambda at: f"{at.day}/{at.month}/{at.year} {twelve(at)}:{at:%M} {half(at, f'a.{NBSP}m.', f'p.{NBSP}m.')} - ",
        "<Archivo omitido>",
        "{} (archivo adjunto)",
        "Este mensaje fue eliminado",
        "Llamada perdida",
    ),
    "fr": Phone(
        android("%d/%m/%Y", " à %H:%M"),
        "<Médias omis>",
        "{} (fichier joint)",
        "Ce message a été supprimé",
        "Votre code de sécurité avec Anna a changé.",
    ),
    "it": Phone(
        android("%d/%m/%y"), "<Media omessi>", "{} (file allegato)", "Questo messaggio è stato eliminato", "Chiamata vocale persa"
    ),
    "it iOS": Phone(
        ios("%d/%m/%y"), "immagine omessa", "<allegato: {}>", "Hai eliminato questo messaggio.", "Videochiamata persa", is_ios=True
    ),
    "nl": Phone(
        android("%d-%m-%Y", " %H:%M"),
        "<Media weggelaten>",
        "{} (bestand bijgevoegd)",
        "Dit bericht is verwijderd",
        "Gemist spraakgesprek",
    ),
    "pt-BR": Phone(
        android("%d/%m/%Y", " %H:%M"), "<Mídia oculta>", "{} (arquivo anexado)", "Mensagem apagada", "Chamada de voz perdida"
    ),
    "pt-PT": Phone(
        android("%d/%m/%y"), "<Ficheiro não revelado>", "{} (ficheiro anexado)", "Apagou esta mensagem", "Videochamada perdida"
    ),
    "ru": Phone(
        android("%d.%m.%Y"), "<Без медиафайлов>", "{} (файл добавлен)", "Данное сообщение удалено", "Пропущенный аудиозвонок"
    ),
    "uk": Phone(
        android("%d.%m.%y"), "<Медіа пропущено>", "{} (файл додано)", "Це повідомлення було видалено", "Пропущений відеодзвінок"
    ),
    "tr": Phone(
        android("%d.%m.%Y", " %H:%M"), "<Medya dahil edilmedi>", "{} (dosya ekli)", "Bu mesaj silindi", "Cevapsız sesli arama"
    ),
    "tr 12 h": Phone(
        lambda at: f"{at.day}.{at.month:02}.{at.year} {half(at, 'ÖÖ', 'ÖS')} {twelve(at)}:{at:%M} - ",
        "<Medya dahil edilmedi>",
        "{} (dosya ekli)",
        "Bu mesajı sildiniz",
        "Cevapsız görüntülü arama",
    ),
    "ja": Phone(
        android("%Y/%m/%d", " %H:%M"),
        "<メディアは含まれていません>",
        "{} (添付ファイル有り)",
        "このメッセージは削除されました",
        "音声通話不在着信",
    ),
    "ja iOS": Phone(
        lambda at: f"[{at:%Y/%m/%d} {half(at, '午前', '午後')}{at.hour % 12}:{at:%M:%S}] ",
        "画像は含まれていません",
        "<添付ファイル: {}>",
        "このメッセージは削除されました。",
        "ビデオ通話不在着信",
        is_ios=True,
    ),
    "ko": Phone(korean, "<미디어 파일을 제외한 내용>", "{} (파일 첨부됨)", "삭제된 메시지입니다", "부재중 전화"),
    "ko iOS": Phone(
        lambda at: f"[{at:%y}. {at.month}. {at.day}. {half(at, '오전', '오후')} {twelve(at)}:{at:%M:%S}] ",
        "이미지 생략됨",
        "<첨부됨: {}>",
        "이 메시지는 삭제되었습니다.",
        "부재중 영상통화",
        is_ios=True,
    ),
    "zh-CN": Phone(
        lambda at: f"{at.year}/{at.month}/{at.day} {chinese(at)}{twelve(at)}:{at:%M} - ",
        "<省略多媒体文件>",
        "{} (文件附件)",
        "此消息已删除",
        "未接语音通话",
    ),
    "zh-CN iOS": Phone(
        ios("%Y/%-m/%-d", " %H:%M:%S"), "照片已忽略", "<附件: {}>", "这条消息已被删除。", "未接视频通话", is_ios=True
    ),
    "zh-TW": Phone(
        lambda at: f"{at.year}/{at.month}/{at.day} {half(at, '上午', '下午')}{twelve(at)}:{at:%M} - ",
        "<忽略多媒體檔>",
        "{} (附件檔案)",
        "此訊息已刪除",
        "未接語音通話",
    ),
    "ar": Phone(
        lambda at: f"{at.day}{RLM}/{at.month}{RLM}/{at.year}، {twelve(at)}:{at:%M} {half(at, 'ص', 'م')} - ".translate(ARABIC),
        "<تم استبعاد الوسائط>",
        "{} (الملف مرفق)",
        "تم حذف هذه الرسالة",
        "مكالمة صوتية فائتة",
    ),
    "fa": Phone(
        lambda at: f"{at:%Y/%m/%d}،{RLM} {at:%H:%M} - ".translate(PERSIAN),
        "<رسانه حذف شد>",
        "{} (پیوست شد)",
        "این پیام حذف شد",
        "کد امنیتی شما با Anna تغییر کرد.",
    ),
    "he": Phone(android("%d.%m.%Y"), "<המדיה לא נכללה>", "{} (קובץ מצורף)", "הודעה זו נמחקה", "שיחה קולית שלא נענתה"),
    "he iOS": Phone(
        lambda at: f"{RLM}[{at:%d.%m.%Y, %H:%M:%S}] ",
        "התמונה הושמטה",
        "<מצורף: {}>",
        "מחקת הודעה זו.",
        "שיחת וידאו שלא נענתה",
        is_ios=True,
    ),
    "hi": Phone(
        lambda at: f"{at.day}/{at.month}/{at:%y}, {twelve(at)}:{at:%M} {half(at, 'am', 'pm')} - ",
        "<मीडिया के बिना>",
        "{} (फाइल अटैच कर दी गई है)",
        "यह मैसेज डिलीट कर दिया गया है",
        "मिस्ड वॉइस कॉल",
    ),
    "id": Phone(
        android("%d/%m/%y", " %H.%M"),
        "<Media tidak disertakan>",
        "{} (file terlampir)",
        "Pesan ini dihapus",
        "Panggilan suara tak terjawab",
    ),
    "pl": Phone(
        android("%d.%m.%Y"),
        "<pominięto multimedia>",
        "{} (załączony plik)",
        "Ta wiadomość została usunięta",
        "Twój kod zabezpieczeń z użytkownikiem Anna zmienił się.",
    ),
    "sv": Phone(
        android("%Y-%m-%d", " %H:%M"),
        "<Media har utelämnats>",
        "{} (bifogad fil)",
        "Detta meddelande raderades",
        "Missat röstsamtal",
    ),
    "fi": Phone(
        android("%-d.%-m.%Y", " klo %H.%M"),
        "<Media jätetty pois>",
        "{} (liitetiedosto)",
        "Tämä viesti poistettiin",
        "Vastaamaton äänipuhelu",
    ),
    "da": Phone(
        android("%d.%m.%Y", " %H.%M"),
        "<Mediefil udeladt>",
        "{} (fil vedhæftet)",
        "Denne besked blev slettet.",
        "Ubesvaret taleopkald",
    ),
    "bg": Phone(
        android("%-d.%m.%y г.", ", %H:%M"), "<Без файл>", "{} (прикачен файл)", "This message was deleted", "Missed voice call"
    ),
    "hr": Phone(
        android("%-d. %-m. %Y.", " %H:%M"),
        "<Medijski zapis izostavljen>",
        "{} (datoteka u privitku)",
        "Ova poruka je izbrisana",
        "Missed voice call",
    ),
    "el": Phone(
        lambda at: f"{at.day}/{at.month}/{at:%y}, {twelve(at)}:{at:%M} {half(at, 'π.μ.', 'μ.μ.')} - ",
        "<Εξαίρεση πολυμέσων>",
        "{} (συνημμένο αρχείο)",
        "Αυτό το μήνυμα διαγράφηκε",
        "Αναπάντητη φωνητική κλήση",
    ),
    "th Buddhist": Phone(
        lambda at: f"{at.day}/{at.month}/{at.year + 543} BE, {at:%H:%M} - ",
        "<สื่อถูกลบ>",
        "{} (ไฟล์ที่แนบ)",
        "ข้อความนี้ถูกลบแล้ว",
        "สายที่ไม่ได้รับ",
    ),
    "vi time first": Phone(
        lambda at: f"{at:%H:%M}, {at:%d/%m/%Y} - ", "<Bỏ qua Media>", "{} (tệp đính kèm)", "Tin nhắn này đã bị xóa", "Cuộc gọi nhỡ"
    ),
    "old iOS": Phone(
        lambda at: f"{at.month}/{at.day}/{at:%y}, {twelve(at)}:{at:%M:%S} {half(at, 'AM', 'PM')}: ",
        "<image omitted>",
        "<attached: {}>",
        "This message was deleted",
        "Missed voice call",
    ),
}
HAS_SECONDS = {name for name, phone in PHONES.items() if "07" in phone.header(datetime(2021, 12, 31, 20, 33, 7))}  # noqa: DTZ001
