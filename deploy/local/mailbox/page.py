"""The page and the small JSON API over the stored mails. Everything here only reads."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deploy.local.mailbox.reading import Letter, read
from deploy.local.mailbox.store import Entry, Store
from deploy.local.mailbox.words import LOCALES, WORDS, choose, moment

HERE = Path(__file__).parent
PAGE_SIZE = 50
POLL_LIMIT = 1000
VIEWS = ("html", "text", "headers")

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# The mail's own markup is not ours: no script, no form, nothing loaded from anywhere; a link opens in a tab of its own.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

Handler = Callable[[Request], Awaitable[Response]]
Search = Annotated[str, Query(max_length=200)]


class Pages:
    """Renders the two pages in the reader's language."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jinja = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
        )

    def list(self, request: Request, search: str, to: str | None, number: int) -> Response:
        found, everything = self._store.count(search, to), self._store.count()
        last_page = max(1, -(-found.messages // PAGE_SIZE))
        number = min(number, last_page)
        offset = (number - 1) * PAGE_SIZE
        return self._render(
            request,
            "list.html.j2",
            entries=self._store.page(search, offset, PAGE_SIZE, to),
            search=search,
            to=to,
            page=number,
            last_page=last_page,
            first=offset + 1,
            total=found.messages,
            deliveries=everything.deliveries,
        )

    def mail(self, request: Request, number: int, view: str | None) -> Response:
        found = self.find(number)
        if found is None:
            return self._render(request, "missing.html.j2", 404)
        entry, letter = found
        if view not in VIEWS:
            view = "html" if letter.html or not letter.text else "text"
        return self._render(request, "mail.html.j2", entry=entry, letter=letter, view=view, views=VIEWS)

    def find(self, number: int) -> tuple[Entry, Letter] | None:
        entry, raw = self._store.entry(number), self._store.raw(number)
        return None if entry is None or raw is None else (entry, read(raw))

    def _render(self, request: Request, name: str, status: int = 200, **values: object) -> Response:
        asked = request.query_params.get("lang")
        language = choose(asked, request.headers.get("accept-language", ""))

        def word(key: str, **parts: object) -> str:
            return WORDS[key][language].format(**parts)

        kept = {"lang": asked} if asked in LOCALES else {}

        def link(path: str, **query: object) -> str:
            wanted = {key: value for key, value in (kept | query).items() if value not in (None, "")}
            return f"{path}?{urlencode(wanted)}" if wanted else path

        here = {key: value for key, value in request.query_params.items() if key != "lang"}
        html = self._jinja.get_template(name).render(
            language=language,
            asked=kept.get("lang"),
            w=word,
            link=link,
            moment=moment,
            path=request.url.path,
            here=here,
            **values,
        )
        return HTMLResponse(html, status, headers={"Content-Language": language, "Vary": "Accept-Language"})


def create_app(store: Store, smtp_listening: Callable[[], bool]) -> FastAPI:
    app = FastAPI(title="Rapport mailbox", docs_url=None, redoc_url=None)
    pages = Pages(store)
    app.include_router(_page_routes(store, pages))
    app.include_router(_api_routes(store, pages))
    app.include_router(_health_routes(store, smtp_listening))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.middleware("http")(_guard)
    return app


def _page_routes(store: Store, pages: Pages) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    def show_list(
        request: Request, q: Search = "", to: str | None = None, page: Annotated[int, Query(ge=1, le=10**9)] = 1
    ) -> Response:
        return pages.list(request, q.strip(), to or None, page)

    @routes.get("/messages/{number}")
    def show_mail(request: Request, number: int, view: str | None = None) -> Response:
        return pages.mail(request, number, view)

    @routes.get("/messages/{number}/html")
    def show_markup(number: int) -> Response:
        found = pages.find(number)
        markup = found[1].html if found else ""
        return HTMLResponse(markup, 200 if found else 404, headers={"Content-Security-Policy": MAIL_POLICY})

    @routes.get("/messages/{number}/raw")
    def download(number: int) -> Response:
        raw = store.raw(number)
        name = f'attachment; filename="mail-{number}.eml"'
        return Response(raw or b"", 200 if raw else 404, {"Content-Disposition": name}, "application/octet-stream")

    return routes


def _api_routes(store: Store, pages: Pages) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/messages")
    def messages(
        to: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=POLL_LIMIT)] = 100,
    ) -> JSONResponse:
        """Mails oldest first; `next` is what to give as `after` for those that come later."""
        entries = store.after(after, limit, to)
        return JSONResponse(
            {"items": [_item(entry) for entry in entries], "next": entries[-1].id if entries else after}
        )

    @routes.get("/messages/{number}")
    def message(number: int) -> JSONResponse:
        """One mail with its text, its html and its headers; a repeated header's values stand on lines of their own."""
        found = pages.find(number)
        if found is None:
            return JSONResponse({"title": "Not found", "status": 404, "detail": f"There is no mail {number}."}, 404)
        entry, letter = found
        headers: dict[str, str] = {}
        for name, value in letter.headers:
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
        parts = {"text": letter.text, "html": letter.html, "headers": headers, "attachments": letter.attachments}
        return JSONResponse(_item(entry) | parts)

    @routes.get("/count")
    def count(to: str | None = None) -> JSONResponse:
        """`messages` counts each mail once, `deliveries` its repeats too."""
        return JSONResponse(asdict(store.count(to=to)))

    return routes


def _health_routes(store: Store, smtp_listening: Callable[[], bool]) -> APIRouter:
    routes = APIRouter(prefix="/healthz")

    @routes.get("/live")
    def live() -> JSONResponse:
        return JSONResponse({"status": "alive"})

    @routes.get("/ready")
    def ready() -> JSONResponse:
        store.count()
        listening = smtp_listening()
        return JSONResponse({"status": "ready" if listening else "not ready"}, 200 if listening else 503)

    return routes


def _item(entry: Entry) -> dict[str, Any]:
    item = asdict(entry)
    item["to"], item["from"] = item.pop("recipients"), item.pop("sender")
    return {key: value for key, value in item.items() if value is not None}


async def _guard(request: Request, forward: Handler) -> Response:
    response = await forward(request)
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-cache" if request.url.path.startswith("/static") else "no-store")
    return response
