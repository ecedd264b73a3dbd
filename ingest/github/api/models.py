"""Accounts and repositories as REST or GraphQL reports them, as common models.

Unknown fields are ignored, missing ones are None; only ids and names are required. Where REST and GraphQL report the
same thing differently it is normalised, so that switching the API is never taken for a change of data.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

AccountKind = Literal["user", "organization"]
JsonObject = dict[str, Any]
MAX_COUNT = 2**63 - 1
SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")


def clean_text(value: object) -> object:
    """Remove what Postgres refuses in a text: NUL, and unpaired surrogates, which JSON may contain."""
    if not isinstance(value, str):
        return value
    text = value.replace("\x00", "")
    return text if text.isascii() else SURROGATE_PATTERN.sub("\ufffd", text)


def clean_text_or_none(value: object) -> object:
    """Clean a text and turn "" into None: REST reports null where GraphQL reports "" and the other way round."""
    text = clean_text(value)
    return text if text != "" else None


def _normalize_avatar_url(value: object) -> object:
    """Drop the `u` parameter that GraphQL, unlike REST, adds to an avatar's URL."""
    text = clean_text_or_none(value)
    if not isinstance(text, str) or "u=" not in text:
        return text
    parts = urlsplit(text)
    parameters = [(name, item) for name, item in parse_qsl(parts.query, keep_blank_values=True) if name != "u"]
    return urlunsplit(parts._replace(query=urlencode(parameters)))


CleanText = Annotated[str, BeforeValidator(clean_text)]
OptionalText = Annotated[str | None, BeforeValidator(clean_text_or_none)]
AvatarUrl = Annotated[str | None, BeforeValidator(_normalize_avatar_url)]
Timestamp = AwareDatetime
TIMESTAMP_ADAPTER: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class _ReportedModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Account(_ReportedModel):
    """A user or organization. Counts that were not reported are None."""

    github_id: int
    node_id: OptionalText = None
    login: CleanText
    kind: AccountKind
    name: OptionalText = None
    company: OptionalText = None
    location: OptionalText = None
    website: OptionalText = None
    bio: OptionalText = None
    avatar_url: AvatarUrl = None
    created_at: Timestamp | None = None
    followers: int | None = None
    following: int | None = None
    public_repositories: int | None = None
    public_gists: int | None = None

    @classmethod
    def from_rest(cls, body: JsonObject) -> Self:
        """Read `/users/{login}`, `/user/{id}` or `/orgs/{org}`."""
        is_organization = body.get("type", "Organization" if "members_url" in body else "User") == "Organization"
        return cls(
            github_id=body["id"],
            node_id=body.get("node_id"),
            login=body["login"],
            kind="organization" if is_organization else "user",
            name=body.get("name"),
            company=body.get("company"),
            location=body.get("location"),
            website=body.get("blog"),
            bio=body.get("bio") or body.get("description"),
            avatar_url=body.get("avatar_url"),
            created_at=body.get("created_at"),
            followers=body.get("followers"),
            following=body.get("following"),
            public_repositories=body.get("public_repos"),
            public_gists=body.get("public_gists"),
        )

    @classmethod
    def from_graphql(cls, node: JsonObject) -> Self:
        """Read a RepositoryOwner of the pulse query, which lacks the followers of organizations."""
        is_organization = node.get("__typename") == "Organization"
        return cls(
            github_id=node["databaseId"],
            node_id=node.get("id"),
            login=node["login"],
            kind="organization" if is_organization else "user",
            name=node.get("name"),
            company=node.get("company"),
            location=node.get("location"),
            website=node.get("websiteUrl"),
            bio=node.get("bio") or node.get("description"),
            avatar_url=node.get("avatarUrl"),
            created_at=node.get("createdAt"),
            followers=total_count(node, "followers"),
            following=total_count(node, "following"),
            public_repositories=total_count(node, "repositories"),
            public_gists=total_count(node, "gists"),
        )

    def with_organization_details(self, organization: "Account") -> "Account":
        """Add the fields of an organization that only REST reports."""
        return self.model_copy(
            update={name: getattr(organization, name) for name in ("company", "followers", "following", "public_gists")}
        )


class Repository(_ReportedModel):
    """A repository. `topics`, and counts that cost extra points, are None where they were not requested."""

    github_id: int
    node_id: OptionalText = None
    owner_id: int | None = None
    owner_login: CleanText
    name: CleanText
    full_name: CleanText
    description: OptionalText = None
    homepage: OptionalText = None
    license: OptionalText = None
    topics: tuple[CleanText, ...] | None = None
    primary_language: OptionalText = None
    default_branch: OptionalText = None
    is_fork: bool = False
    is_archived: bool = False
    is_template: bool = False
    is_private: bool = False
    created_at: Timestamp | None = None
    pushed_at: Timestamp | None = None
    stars: int | None = None
    forks: int | None = None
    size_kb: int | None = None
    watchers: int | None = None
    open_issues: int | None = None
    open_change_requests: int | None = None
    open_issues_and_change_requests: int | None = None

    @classmethod
    def from_rest(cls, body: JsonObject) -> Self:
        """Read a repository of a list, or a full one; bodies recorded in 2012 lack most fields or name them otherwise.

        GitHub's `watchers_count` is stars, `subscribers_count` is watchers, and `open_issues_count` includes change
        requests. Source: https://docs.github.com/en/rest/activity/starring#starring-versus-watching
        """
        owner = body.get("owner") or {}
        never_pushed = _is_never_pushed(body)
        topics = body.get("topics")
        return cls(
            github_id=body["id"],
            node_id=body.get("node_id"),
            owner_id=owner.get("id"),
            owner_login=owner.get("login") or body["full_name"].partition("/")[0],
            name=body["name"],
            full_name=body.get("full_name") or f"{owner['login']}/{body['name']}",
            description=body.get("description"),
            homepage=body.get("homepage"),
            license=(body.get("license") or {}).get("spdx_id"),
            topics=None if topics is None else tuple(topics),
            primary_language=body.get("language"),
            default_branch=None if never_pushed else body.get("default_branch"),
            is_fork=bool(body.get("fork")),
            is_archived=bool(body.get("archived")),
            is_template=bool(body.get("is_template")),
            is_private=bool(body.get("private")),
            created_at=body.get("created_at"),
            pushed_at=None if never_pushed else body.get("pushed_at"),
            stars=first_present(body, "stargazers_count", "watchers_count", "watchers"),
            forks=first_present(body, "forks_count", "forks"),
            size_kb=body.get("size"),
            watchers=body.get("subscribers_count"),
            open_issues_and_change_requests=first_present(body, "open_issues_count", "open_issues"),
        )

    @classmethod
    def from_graphql(cls, node: JsonObject) -> Self:
        """Read a Repository node, with or without the extras."""
        owner = node.get("owner") or {}
        issues, change_requests = total_count(node, "issues"), total_count(node, "pullRequests")
        return cls(
            github_id=node["databaseId"],
            node_id=node.get("id"),
            owner_id=owner.get("databaseId"),
            owner_login=owner.get("login") or node["nameWithOwner"].partition("/")[0],
            name=node.get("name") or node["nameWithOwner"].partition("/")[2],
            full_name=node["nameWithOwner"],
            description=node.get("description"),
            homepage=node.get("homepageUrl"),
            license=(node.get("licenseInfo") or {}).get("spdxId"),
            topics=topic_names(node),
            primary_language=(node.get("primaryLanguage") or {}).get("name"),
            default_branch=(node.get("defaultBranchRef") or {}).get("name"),
            is_fork=bool(node.get("isFork")),
            is_archived=bool(node.get("isArchived")),
            is_template=bool(node.get("isTemplate")),
            is_private=bool(node.get("isPrivate")),
            created_at=node.get("createdAt"),
            pushed_at=node.get("pushedAt"),
            stars=node.get("stargazerCount"),
            forks=node.get("forkCount"),
            size_kb=node.get("diskUsage"),
            watchers=total_count(node, "watchers"),
            open_issues=issues,
            open_change_requests=change_requests,
            open_issues_and_change_requests=_sum_or_none(issues, change_requests),
        )

    def with_extras(self, extras: "Extras") -> "Repository":
        """Add extras, which are fetched separately."""
        return self.model_copy(update=dict(extras))


class Extras(_ReportedModel):
    """Counts and topics that cost a connection each, and so are fetched on their own cadence."""

    topics: tuple[CleanText, ...] | None = None
    watchers: int | None = None
    open_issues: int | None = None
    open_change_requests: int | None = None
    open_issues_and_change_requests: int | None = None

    @classmethod
    def from_graphql(cls, node: JsonObject) -> Self:
        issues, change_requests = total_count(node, "issues"), total_count(node, "pullRequests")
        return cls(
            topics=topic_names(node),
            watchers=total_count(node, "watchers"),
            open_issues=issues,
            open_change_requests=change_requests,
            open_issues_and_change_requests=_sum_or_none(issues, change_requests),
        )


class RareCounts(_ReportedModel):
    """Counts of a user that cost a connection each and change little, and so are fetched on their own cadence."""

    following: int | None = None
    public_gists: int | None = None

    @classmethod
    def from_graphql(cls, node: JsonObject) -> Self:
        return cls(following=total_count(node, "following"), public_gists=total_count(node, "gists"))


def _is_never_pushed(body: JsonObject) -> bool:
    """Detect an empty repository: REST reports its creation as its last push where GraphQL reports null."""
    untouched = body.get("pushed_at") in (None, body.get("created_at"))
    return untouched and not body.get("size") and body.get("language") is None and not body.get("fork")


def _sum_or_none(issues: int | None, change_requests: int | None) -> int | None:
    return None if issues is None or change_requests is None else issues + change_requests


def first_present(body: JsonObject, *names: str) -> int | None:
    return next((body[name] for name in names if body.get(name) is not None), None)


def is_count(value: object) -> bool:
    """Return whether *value* is a count that can be stored; GitHub sends some beyond 32 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def total_count(node: JsonObject, name: str) -> int | None:
    connection = node.get(name)
    return connection.get("totalCount") if isinstance(connection, dict) else None


def topic_names(node: JsonObject) -> tuple[str, ...] | None:
    connection = node.get("repositoryTopics")
    if not isinstance(connection, dict):
        return None
    topics = [(item or {}).get("topic") or {} for item in connection.get("nodes") or ()]
    return tuple(topic["name"] for topic in topics if topic.get("name"))


# Raised by reading a body of an unexpected structure.
PARSE_ERRORS = (ValidationError, KeyError, TypeError, AttributeError, ValueError, OverflowError)
