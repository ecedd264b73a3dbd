"""The REST API pages, sorts, revalidates and refuses as GitHub does."""

import re

import httpx
import pytest

from ingest.sandbox import Sandbox, World, serve


def all_pages(client: httpx.Client, path: str) -> list[list[dict[str, object]]]:
    """Follow Link from *path* to its end."""
    found, url = [], path
    while url:
        answer = client.get(url).raise_for_status()
        found.append(answer.json())
        url = answer.links.get("next", {}).get("url", "")
    return found


@pytest.fixture
def organization(sandbox: Sandbox) -> str:
    """Return the login of the organization with 230 repositories."""
    return sandbox.world.accounts[0].login


def test_following_the_links_gives_every_repository_once(sandbox, signed_in, organization):
    found = all_pages(signed_in, f"/orgs/{organization}/repos?per_page=100")
    assert [len(page) for page in found] == [100, 100, 30]
    names = {item["name"] for page in found for item in page}
    assert names == {r["name"] for r in sandbox.ground_truth(organization)["repositories"]}


def test_a_repository_list_matches_the_ground_truth(sandbox, signed_in):
    for login in sandbox.world.logins():
        expected = {r["id"]: r for r in sandbox.ground_truth(login)["repositories"]}
        found = {
            item["id"]: item for page in all_pages(signed_in, f"/users/{login}/repos?per_page=100") for item in page
        }
        assert found.keys() == expected.keys()
        for number, item in found.items():
            truth = expected[number]
            assert item["stargazers_count"] == item["watchers_count"] == truth["stars"]
            assert item["open_issues_count"] == truth["open_issues"] + truth["open_change_requests"]
            assert item["pushed_at"] == (truth["pushed_at"] or truth["created_at"])
            assert (item["forks_count"], item["size"], item["language"]) == (
                truth["forks"],
                truth["size_kb"],
                truth["primary_language"],
            )


def test_watchers_are_only_in_the_repository_response(sandbox, signed_in, organization):
    truth = sandbox.ground_truth(organization)["repositories"][0]
    shown = signed_in.get(f"/repos/{truth['full_name']}").json()
    assert shown["subscribers_count"] == truth["watchers"]
    assert signed_in.get(f"/repositories/{truth['id']}").json() == shown
    assert signed_in.get(f"/repos/{truth['full_name']}/languages").json() == truth["languages"]


def test_sorting_by_stars_is_not_supported(signed_in, organization):
    path = f"/users/{organization}/repos?per_page=100"
    assert signed_in.get(f"{path}&sort=stars&direction=desc").json() == signed_in.get(f"{path}&direction=desc").json()
    names = [item["full_name"].lower() for item in signed_in.get(path).json()]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("sort", "field"), [("created", "created_at"), ("updated", "updated_at"), ("pushed", "pushed_at")]
)
def test_times_sort_newest_first_by_default(signed_in, organization, sort, field):
    for direction, reverse in (("", True), ("&direction=asc", False)):
        found = all_pages(signed_in, f"/orgs/{organization}/repos?per_page=100&sort={sort}{direction}")
        times = [item[field] for page in found for item in page]
        assert times == sorted(times, reverse=reverse)


def test_the_type_parameter_filters_the_list(sandbox, signed_in):
    account = next(
        a for a in sandbox.world.accounts if sandbox.world.collaborator_repositories(a) and sandbox.world.owned(a)
    )
    owned = {r.id for r in sandbox.world.owned(account)}
    others = {r.id for r in sandbox.world.collaborator_repositories(account)}

    def ids(kind: str) -> set[object]:
        found = all_pages(signed_in, f"/users/{account.login}/repos?per_page=100{kind}")
        return {item["id"] for page in found for item in page}

    assert ids("") == ids("&type=owner") == owned
    assert ids("&type=member") == others
    assert ids("&type=all") == owned | others


def test_forks_and_sources_make_up_an_organizations_list(sandbox, signed_in, organization):
    listed = {
        kind: sum(len(page) for page in all_pages(signed_in, f"/orgs/{organization}/repos?per_page=100&type={kind}"))
        for kind in ("forks", "sources", "all", "private")
    }
    assert listed["forks"] + listed["sources"] == listed["all"] == 230
    assert listed["forks"] > 0
    assert listed["private"] == 0


def test_an_account_is_found_by_id_and_in_any_case(sandbox, signed_in, organization):
    account = sandbox.world.accounts[0]
    by_name = signed_in.get(f"/users/{organization.swapcase()}").json()
    assert signed_in.get(f"/user/{account.id}").json() == by_name
    assert signed_in.get(f"/organizations/{account.id}").json() == signed_in.get(f"/orgs/{organization}").json()
    assert by_name["followers"] == sandbox.ground_truth(organization)["account"]["followers"]


def test_a_user_is_not_served_as_an_organization(sandbox, signed_in):
    user = next(a for a in sandbox.world.accounts if a.kind == "User")
    assert signed_in.get(f"/orgs/{user.login}").status_code == 404
    assert signed_in.get(f"/orgs/{user.login}/repos").status_code == 404


def test_a_matching_etag_returns_304_free_of_charge(sandbox, signed_in, organization):
    for path in (f"/users/{organization}", f"/orgs/{organization}/repos", f"/orgs/{organization}"):
        first = signed_in.get(path)
        again = signed_in.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]


def test_anonymous_clients_are_charged_for_304(anonymous, organization):
    first = anonymous.get(f"/users/{organization}")
    again = anonymous.get(f"/users/{organization}", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert int(again.headers["x-ratelimit-used"]) == int(first.headers["x-ratelimit-used"]) + 1


def test_an_etag_is_valid_for_one_token(signed_in, organization):
    tag = signed_in.get(f"/users/{organization}").headers["etag"]
    headers = {"If-None-Match": tag, "Authorization": "Bearer sandbox-token-2"}
    assert signed_in.get(f"/users/{organization}", headers=headers).status_code == 200


def test_a_change_only_changes_the_etag_of_its_page(sandbox, signed_in, organization):
    urls = [f"/orgs/{organization}/repos?per_page=100&sort=full_name&page={page}" for page in (1, 2, 3)]
    tags = [signed_in.get(url).headers["etag"] for url in urls]
    last = signed_in.get(urls[2]).json()[-1]["full_name"]
    sandbox.world.edit.star(last, 5)
    again = [signed_in.get(url, headers={"If-None-Match": tag}) for url, tag in zip(urls, tags, strict=True)]
    assert [answer.status_code for answer in again] == [304, 304, 200]


def test_if_modified_since_works_where_last_modified_is_sent(sandbox, signed_in, organization):
    path = f"/users/{organization}"
    since = {"If-Modified-Since": signed_in.get(path).headers["last-modified"]}
    assert signed_in.get(path, headers=since).status_code == 304
    sandbox.world.advance(hours=1)
    sandbox.world.edit.create(organization, "brand-new")
    assert signed_in.get(path, headers=since).status_code == 200
    assert signed_in.get(path, headers={"If-Modified-Since": "not a date"}).status_code == 200
    # A tag that differs outweighs a date that does not.
    current = {"If-Modified-Since": signed_in.get(path).headers["last-modified"], "If-None-Match": '"old"'}
    assert signed_in.get(path, headers=current).status_code == 200


def test_star_history_comes_in_pages_of_thirty_weeks_newest_first(sandbox, signed_in):
    repository = max(sandbox.world.repositories.values(), key=lambda r: r.counts(sandbox.world.now()).stars)
    found = all_pages(signed_in, f"/repos/{repository.full_name}/stargazers/history?per_page=100")
    weeks = [row for page in found for row in page]
    assert {len(page) for page in found[:-1]} == {30}
    assert sum(row["total"] for row in weeks) == repository.counts(sandbox.world.now()).stars
    assert [row["week"] for row in weeks] == sorted((row["week"] for row in weeks), reverse=True)


def test_an_invalid_page_number_returns_the_first_page(signed_in, organization):
    first = signed_in.get(f"/orgs/{organization}/repos").json()
    assert len(first) == 30
    for query in ("page=0", "page=-1", "page=x", "per_page=0", "per_page=nonsense"):
        assert signed_in.get(f"/orgs/{organization}/repos?{query}").json() == first
    assert len(signed_in.get(f"/orgs/{organization}/repos?per_page=1000").json()) == 100
    beyond = signed_in.get(f"/orgs/{organization}/repos?per_page=100&page=9")
    assert beyond.json() == []
    assert "next" not in beyond.links


def test_redirects_keep_the_rest_of_the_path(sandbox, signed_in):
    repository = next(iter(sandbox.world.repositories.values()))
    before = repository.full_name
    sandbox.world.edit.rename(before, "moved-on")
    for rest in ("", "/languages", "/stargazers/history"):
        answer = signed_in.get(f"/repos/{before}{rest}")
        assert answer.headers["location"].endswith(f"/repositories/{repository.id}{rest}")
        assert signed_in.get(f"/repos/{before}{rest}", follow_redirects=True).status_code == 200


@pytest.mark.parametrize("path", ["/users/{login}/", "/nothing", "/users/no-such-login", "/repos/{login}/nothing"])
def test_a_missing_resource_returns_404_and_is_charged(signed_in, organization, path):
    used = int(signed_in.get("/rate_limit").json()["resources"]["core"]["used"])
    answer = signed_in.get(path.format(login=organization))
    assert answer.status_code == 404
    assert "etag" not in answer.headers
    assert int(answer.headers["x-ratelimit-used"]) == used + 1


def test_a_request_without_a_user_agent_is_refused(sandbox):
    with httpx.Client(base_url=sandbox.url, timeout=60) as client:
        del client.headers["user-agent"]
        answer = client.get("/rate_limit")
    assert answer.status_code == 403
    assert "User-Agent" in answer.text


def test_an_unknown_api_version_is_refused(signed_in, organization):
    def ask(version: str) -> httpx.Response:
        return signed_in.get(f"/users/{organization}/repos", headers={"X-GitHub-Api-Version": version})

    assert ask("1999-01-01").status_code == 400
    assert "has_downloads" in ask("2022-11-28").json()[0]
    newer = ask("2026-03-10")
    assert "has_downloads" not in newer.json()[0]
    assert newer.headers["x-github-api-version-selected"] == "2026-03-10"
    limits = {v: signed_in.get("/rate_limit", headers={"X-GitHub-Api-Version": v}).json() for v in ("2026-03-10",)}
    assert "rate" not in limits["2026-03-10"]


def test_every_response_has_the_sandbox_time_and_a_request_id(sandbox, signed_in):
    first, second = signed_in.get("/user"), signed_in.get("/user")
    assert first.headers["date"] == "Mon, 14 Sep 2026 12:00:00 GMT"
    assert first.headers["x-github-request-id"] != second.headers["x-github-request-id"]
    assert re.fullmatch(r"[0-9A-F:]+", first.headers["x-github-request-id"])
    sandbox.world.advance(hours=1)
    assert signed_in.get("/user").headers["date"] == "Mon, 14 Sep 2026 13:00:00 GMT"


def test_an_enterprise_server_is_served_under_its_own_roots():
    with serve(World(accounts=3, repositories=30), enterprise=True) as sandbox:
        root = sandbox.url.removesuffix("/api/v3")
        headers = {"Authorization": "token sandbox-token-1", "User-Agent": "tests"}
        assert httpx.get(f"{sandbox.url}/user", headers=headers).json()["login"] == "sandbox-owner-1"
        query = {"query": "{ viewer { login } }"}
        assert httpx.post(f"{root}/api/graphql", json=query, headers=headers).json()["data"]["viewer"]
        assert httpx.get(f"{root}/user", headers=headers).status_code == 404
        link = httpx.get(f"{sandbox.url}/users/{sandbox.world.logins()[0]}/repos?per_page=1", headers=headers).links
        assert link["next"]["url"].startswith(sandbox.url)
