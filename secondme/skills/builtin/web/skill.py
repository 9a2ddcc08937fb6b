"""A web page as its title and its words: no scripts, no styles, no addresses behind links."""

from html.parser import HTMLParser

MOST = 6000
"""Characters of the text."""
UNSEEN = {"script", "style", "noscript", "template", "svg", "head", "iframe", "object", "select", "textarea"}
BLOCKS = {
    "p",
    "br",
    "div",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "table",
    "ul",
    "ol",
    "pre",
    "blockquote",
}


class Words(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.title, self.words, self.length, self.unseen, self.in_title = [], [], 0, [], False

    def handle_starttag(self, tag, _):
        if tag == "title" and not self.title:
            self.in_title = True
        elif tag in UNSEEN:
            self.unseen.append(tag)
        elif tag == "body":
            self.unseen.clear()  # a head that nobody ended
        elif tag in BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag):
        if tag == "title":
            self.in_title = False
        elif tag in self.unseen:
            while self.unseen.pop() != tag:
                pass
        elif tag in BLOCKS:
            self.words.append("\n")

    def handle_data(self, data):
        if self.in_title:
            self.title.append(data)
        elif not self.unseen and self.length < MOST * 4:
            self.words.append(data)
            self.length += len(data)


def page(given, ask):
    try:
        answer = ask("http", url=given["url"], headers={"accept": "text/html, text/plain;q=0.5"})
    except AskError as error:
        raise SkillError("unavailable", f"The page cannot be had ({error.code}).") from None
    if answer["status"] != 200:
        raise SkillError("unavailable", f"The server answers {answer['status']}.")
    kind = answer["headers"].get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"text/html", "application/xhtml+xml", "text/plain"}:
        raise SkillError("not_a_page", "It is neither HTML nor plain text.")
    title, text = "", answer["text"]
    if kind != "text/plain":
        read = Words()
        read.feed(text)
        read.close()
        title, text = " ".join("".join(read.title).split()), "".join(read.words)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    text = "\n".join(line for line in lines if line)
    is_cut = len(text) > MOST or answer["cut"]
    return {"title": title[:200], "text": text[:MOST], "cut": is_cut, "as_of": ask.now.isoformat(), "source": given["url"]}
