"""Users and organizations of the sandbox GitHub."""

from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from random import Random
from typing import Literal

from ingest.sandbox.world.clock import epoch
from ingest.sandbox.world.growth_curves import DAY, GrowthCurve
from ingest.sandbox.world.seeded_random import random_generator
from ingest.sandbox.world.vocabulary import COMPANY_SUFFIXES, COMPANY_WORDS, FAMILY_NAMES, GIVEN_NAMES, LOCATIONS, NOUNS

AccountKind = Literal["User", "Organization"]
EARLIEST_CREATED_AT, LATEST_CREATED_AT = epoch("2011-02-01"), epoch("2025-06-01")
# Things born later than this carry node ids of the new form.
NEW_NODE_IDS_SINCE = epoch("2021-10-01")
NODE_ID_PREFIXES = {"User": "U", "Organization": "O", "Repository": "R"}


@dataclass(slots=True)
class Account:
    """One account; edits change its attributes, counts follow growth curves."""

    id: int
    kind: AccountKind
    login: str
    created_at: int
    name: str | None
    company: str | None
    blog: str
    location: str | None
    bio: str | None
    followers: GrowthCurve
    following: int
    gists: int
    popularity: float
    edited_at: int
    deleted: bool = False
    version: int = 0

    @property
    def node_id(self) -> str:
        return node_id(self.kind, self.id, self.created_at)

    def followers_at(self, timestamp: int) -> int:
        return self.followers.count(timestamp)

    def updated_at(self, timestamp: int) -> int:
        """Return the last time at which anything in its body may have changed."""
        return max(self.followers.last_change_at(timestamp), self.edited_at)


def node_id(kind: str, number: int, born: int) -> str:
    """Return the GraphQL node id: the old form for old objects, else the new form."""
    if born < NEW_NODE_IDS_SINCE:
        return b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()
    packed = b"\x92\x00\xce" + number.to_bytes(4, "big")
    return f"{NODE_ID_PREFIXES[kind]}_{urlsafe_b64encode(packed).decode().rstrip('=')}"


def create_account(seed: int, index: int, kind: AccountKind, taken: set[str]) -> Account:
    """Create account number *index*; its login is not in *taken* (lower case) and is added to it."""
    chance = random_generator(seed, "account", index)
    name = _company_name(chance) if kind == "Organization" else _person_name(chance)
    login = _free_login(chance, name, kind, taken)
    born = EARLIEST_CREATED_AT + int((LATEST_CREATED_AT - EARLIEST_CREATED_AT) * chance.random() ** 1.3)
    fame = chance.lognormvariate(0.6, 1.2)
    return Account(
        id=1000 + (born - EARLIEST_CREATED_AT) // 3 + index,
        kind=kind,
        login=login,
        created_at=born,
        name=name if chance.random() < 0.85 else None,
        company=chance.choice((None, None, f"@{chance.choice(COMPANY_WORDS).lower()}")) if kind == "User" else None,
        blog=f"https://{login.lower()}.example" if chance.random() < 0.4 else "",
        location=chance.choice(LOCATIONS) if chance.random() < 0.6 else None,
        bio=f"Makes {chance.choice(NOUNS)}s and {chance.choice(NOUNS)}s" if chance.random() < 0.6 else None,
        followers=_follower_curve(chance, born, fame),
        following=0 if kind == "Organization" else int(chance.lognormvariate(2.5, 1.2)),
        gists=0 if kind == "Organization" else int(chance.expovariate(0.1)),
        popularity=fame,
        edited_at=born,
    )


def _follower_curve(chance: Random, born: int, fame: float) -> GrowthCurve:
    final = fame * chance.lognormvariate(3.5, 1.2)
    drift = final / 4000
    return GrowthCurve(
        born, _step_seconds(drift * 3), final, chance.uniform(300, 2000), chance.uniform(0.9, 1.8), drift
    )


def _step_seconds(per_day: float) -> int:
    return int(min(max(DAY / (per_day + 0.1), 60), 5 * DAY))


def _person_name(chance: Random) -> str:
    return f"{chance.choice(GIVEN_NAMES)} {chance.choice(FAMILY_NAMES)}"


def _company_name(chance: Random) -> str:
    return chance.choice(COMPANY_WORDS) + " " + chance.choice(COMPANY_SUFFIXES).strip("-").capitalize()


def _free_login(chance: Random, name: str, kind: AccountKind, taken: set[str]) -> str:
    first, last = name.split(" ", 1)
    while True:
        login = _company_login(chance, first) if kind == "Organization" else _person_login(chance, first, last)
        if login.lower() not in taken:
            taken.add(login.lower())
            return login


def _person_login(chance: Random, first: str, last: str) -> str:
    number = chance.randrange(100)
    forms = (
        f"{first}{last}",
        f"{first}{last[0]}".lower(),
        f"{first[0]}{last}".lower(),
        f"{first}-{last}".lower(),
        f"{last}{number}".lower(),
        f"{first}{number}".lower(),
        f"{chance.choice(NOUNS)}-{first}".lower(),
    )
    return chance.choice(forms)


def _company_login(chance: Random, word: str) -> str:
    form = word + chance.choice(COMPANY_SUFFIXES)
    number = str(chance.randrange(2, 1000)) if chance.random() < 0.3 else ""
    return (form if chance.random() < 0.3 else form.lower()) + number
