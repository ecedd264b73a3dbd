"""Rows whose texts, which GitHub and people supply, look like Markdown, HTML, icons, formulas and controls."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select, text

from core.alerts import rules
from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data

LOGIN, REPOSITORY = "octo", "octo/__init__"
# Each is raw text; WORD shows that a page has it.
WORD = "RustFan"
BIO = f"# 1 {WORD} and\n\n* a list, see [link](https://evil.example) :zap: std::id::new"
NAME = f"__init__ {WORD}"
MARKUP = f'{WORD} <img src="x" onerror="document.title=1"> <b>bold</b> $x^2$ :material/skull: :red[x] `code` | a | b'
SHORT = f"{WORD} __init__ <b> :material/skull: :red[x] `code`"
NOTE = f"{WORD} [^1] ~~gone~~ **bold** &copy; www.evil.example a@evil.example a -- b -> c"
RIGHT_TO_LEFT = f"{WORD} שלום \u202eabc\x1b[31m"
LANGUAGE = f"<i>{WORD}</i> %{{x}}"
# Pieces that every way of escaping changes: none is in what a page hands to a language of markup.
TRAPS = (
    *("# 1 RustFan", "__init__", "](https://evil", "<img", "<b>", "<i>", "$x^2$", ":material/skull", ":red[x]"),
    *("`code`", "| a", "[^1]", "~~gone", "**bold", "&copy", "www.evil", "a@evil", " -- ", " -> ", "\u202e", "\x1b"),
)  # fmt: skip


def insert_rows(connection: Connection) -> None:
    """Insert an account, repositories, languages, sources, alerts, webhooks, requests and runs with such texts."""
    now = datetime.now(UTC).replace(microsecond=0)
    days = [f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in (70, 35, 0)]
    for number, full_name in enumerate((REPOSITORY, "octo/second")):
        seed_data.add_repository(
            connection, full_name, dict(zip(days, (10, 20, 30 + number), strict=True)), growth={7: 4, 30: 9 + number},
            captures=[f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in range(70)],
            description=MARKUP, topics=[MARKUP, NOTE], license=NOTE, primary_language=LANGUAGE, homepage=NOTE,
            default_branch=NOTE, pushed_at=now, github_id=10 + number,
        )  # fmt: skip
    octo = seed_data.add_account(connection, LOGIN)
    connection.execute(
        schema.account.update().where(schema.account.c.id == octo).values(
            github_id=1, kind="user", name=NAME, bio=BIO, location=RIGHT_TO_LEFT, company=MARKUP, website=NOTE,
            created_at=seed_data.utc("2015-01-01"), checked_at=now,
        )
    )  # fmt: skip
    for day in days:
        connection.execute(
            insert(schema.account_snapshot).values(
                account_id=octo, captured_at=seed_data.utc(day), stars=60, forks=2, repositories=2, followers=5
            )
        )
    seed_data.add_imported_repository(
        connection, f"{NAME}/{NOTE}", {"2025-01-01": 5, "2025-02-01": 9}, by=MARKUP, growth={30: 4}, description=NOTE
    )
    connection.execute(
        insert(schema.repository_language),
        [
            {"repository_id": id_, "captured_at": now, "language": LANGUAGE, "bytes": 9}
            for id_ in connection.scalars(select(schema.repository.c.id).where(schema.repository.c.account_id == octo))
        ],
    )
    sources = [1, seed_data.add_source(connection, MARKUP)]
    connection.execute(
        insert(schema.language_day),
        [
            {"day": seed_data.utc(day).date(), "source_id": source, "language": LANGUAGE}
            | {"repositories": 2, "stars": 61, "bytes": 18}
            for day in days
            for source in sources
        ],
    )
    connection.execute(
        insert(schema.change).values(account_id=octo, detected_at=now, kind="relicensed", before=MARKUP, after=NOTE)
    )
    _insert_tracking(connection, octo, now)
    _insert_alerts(connection, octo, now)
    publish_data_version(connection)


def _insert_tracking(connection: Connection, octo: int, now: datetime) -> None:
    other = seed_data.add_account(connection, "failing")
    for account, failures in ((octo, 0), (other, 3)):
        connection.execute(
            insert(schema.tracked_account).values(
                account_id=account, added_by=NAME, note=MARKUP, failures=failures, due_at=now
            )
        )
    requester = connection.scalar(
        insert(schema.person).values(username="stranger", display_name=MARKUP, email="a@evil.example", role="analyst")
        .returning(schema.person.c.id)
    )  # fmt: skip
    connection.execute(insert(schema.tracking_request).values(login="wanted", person_id=requester, note=MARKUP))
    ingestion = seed_data.insert_row(
        connection, schema.ingestion, trigger="person", requested_by=NAME, request_id="0123", accounts=2
    )
    run = seed_data.insert_row(
        connection, schema.ingest_run, trigger="person", requested_by=NAME, state="partial", ingestion_id=ingestion,
        finished_at=now, accounts=2, stored=1, failed=1,
    )  # fmt: skip
    for account, login, state, error in ((octo, LOGIN, "stored", None), (other, "failing", "failed", MARKUP)):
        connection.execute(
            insert(schema.ingest_item).values(
                run_id=run, account_id=account, login=login, state=state, error=error, finished_at=now, rows_written=1,
                repositories=2, error_code=error and "github_error",
            )
        )  # fmt: skip
    connection.execute(
        insert(schema.audit_event).values(actor=NAME, action="account_tracked", target=MARKUP, details={"note": NOTE})
    )
    connection.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))


def _insert_alerts(connection: Connection, octo: int, now: datetime) -> None:
    kinds = connection.execute(select(schema.alert_rule.c.id, schema.alert_rule.c.kind)).all()
    for rule in kinds:
        connection.execute(
            insert(schema.alert).values(
                rule_id=rule.id, kind=rule.kind, subject=f"{rule.kind} {MARKUP}", message=f"{MARKUP} {NOTE}",
                account_id=octo, raised_at=now,
            )
        )  # fmt: skip
    webhook, _ = rules.add_webhook(connection, SHORT, "https://hooks.example.com/x", "slack", NAME)
    connection.execute(
        insert(schema.webhook_delivery).values(webhook_id=webhook, event="test", state="failed", error=MARKUP)
    )
