"""The mailbox's page: what a person sees of the mails, in both languages, and that no mail can do harm there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from aiosmtpd.smtp import Envelope

from deploy.local.mailbox.page import MAIL_POLICY, PAGE_SIZE, create_app
from deploy.local.mailbox.sink import arrival
from deploy.local.mailbox.store import Store
from deploy.local.mailbox.words import LOCALES, WORDS, choose

EVIL = '<script>alert(1)</script> & "quotes"'


class Reader:
    """The page over a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.transport = httpx.ASGITransport(create_app(self.store, lambda: True))

    def post(self, *messages: EmailMessage) -> None:
        for message in messages:
            envelope = Envelope()
            envelope.rcpt_tos = [str(message["To"])]
            envelope.content = message.as_bytes()
            self.store.add([arrival(envelope, datetime(2026, 11, 20, 9, 30, tzinfo=UTC))])

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, headers)

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://localhost") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(answer())

    def newest(self) -> int:
        return self.store.page("", 0, 1)[0].id


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.store.close()


def letter(subject: str = "Hello", *, to: str = "ann@example.test", message_id: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Rapport <alerts@example.test>"
    message["To"] = to
    message["Subject"] = subject
    if message_id:
        message["Message-ID"] = message_id
    message.set_content("plain words\n")
    message.add_alternative(f"<p>rich words</p>{EVIL}", subtype="html")
    return message


@pytest.mark.parametrize("language", sorted(LOCALES))
def test_an_empty_mailbox_says_so_in_both_languages(reader: Reader, language: str) -> None:
    page = reader.get("/", **{"accept-language": language})
    assert page.headers["content-language"] == language
    assert f'<html lang="{language}">' in page.text
    assert WORDS["empty"][language] in page.text


def test_the_address_wins_over_the_browsers_language_and_is_kept_in_links(reader: Reader) -> None:
    reader.post(letter())
    page = reader.get("/?lang=zh-CN", **{"accept-language": "en"})
    assert WORDS["received"]["zh-CN"] in page.text
    number = reader.newest()
    assert f'href="/messages/{number}?lang=zh-CN"' in page.text


def test_a_reader_gets_the_language_he_wishes_most() -> None:
    assert choose(None, "fr, zh-TW;q=0.7, en;q=0.8") == "en"
    assert choose(None, "zh, en;q=0.8") == "zh-CN"
    assert choose(None, "zh;q=0, en;q=0.1") == "en"
    assert choose("de", "") == "en"
    assert choose("zh-CN", "en") == "zh-CN"


def test_both_languages_have_all_words() -> None:
    assert {key for key, words in WORDS.items() if set(words) != set(LOCALES) or not all(words.values())} == set()


def test_the_list_is_paged_newest_first(reader: Reader) -> None:
    reader.post(*(letter(f"mail {n:03}") for n in range(PAGE_SIZE + 5)))
    first, second = reader.get("/").text, reader.get("/?page=2").text
    assert first.index(f"mail {PAGE_SIZE + 4:03}") < first.index(f"mail {PAGE_SIZE + 3:03}")
    assert "mail 004" not in first and "mail 004" in second
    assert f"1–{PAGE_SIZE} of {PAGE_SIZE + 5}" in first
    assert f"{PAGE_SIZE + 1}–{PAGE_SIZE + 5} of {PAGE_SIZE + 5}" in second
    assert reader.get("/?page=99").text == reader.get("/?page=2").text.replace("page=2", "page=99")


def test_mails_are_found_by_part_of_recipient_or_subject(reader: Reader) -> None:
    reader.post(letter("100% off_er"), letter("100 percent offer"), letter("other", to="percy@example.test"))
    for search, found in (("100%25", ["100% off_er"]), ("f_e", ["100% off_er"]), ("PERC", ["100 percent", "other"])):
        page = reader.get(f"/?q={search}").text
        subjects = ("100% off_er", "100 percent", "other")
        assert [subject for subject in subjects if subject in page] == found
    assert WORDS["no_match"]["en"] in reader.get("/?q=nothing+like+it").text


def test_what_a_mail_says_never_becomes_part_of_the_page(reader: Reader) -> None:
    reader.post(letter(EVIL, message_id="<one@example.test>"))
    number = reader.newest()
    for path in ("/", f"/messages/{number}", f"/messages/{number}?view=text", f"/messages/{number}?view=headers"):
        page = reader.get(path)
        assert "<script>alert" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "&lt;script&gt;" in reader.get("/").text
    assert "<script>alert" not in reader.get(f"/?q={EVIL}&to={EVIL}").text


def test_a_mails_markup_is_shown_in_a_box_that_runs_and_loads_nothing(reader: Reader) -> None:
    reader.post(letter())
    number = reader.newest()
    page = reader.get(f"/messages/{number}").text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    markup = reader.get(f"/messages/{number}/html")
    assert "<p>rich words</p>" in markup.text
    assert markup.headers["content-security-policy"] == MAIL_POLICY
    assert "default-src 'none'" in MAIL_POLICY and "allow-scripts" not in MAIL_POLICY
    assert "allow-same-origin" not in MAIL_POLICY
    assert markup.headers["x-content-type-options"] == "nosniff"


def test_nothing_can_be_changed_through_the_page(reader: Reader) -> None:
    for path in ("/", "/api/messages", "/api/messages/1", "/api/count"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert reader.ask(method, path).status_code == 405


def test_a_mail_that_is_not_there_is_said(reader: Reader) -> None:
    assert reader.get("/api/messages/7").status_code == 404
    page = reader.get("/messages/7?lang=zh-CN")
    assert page.status_code == 404
    assert WORDS["not_found"]["zh-CN"] in page.text
