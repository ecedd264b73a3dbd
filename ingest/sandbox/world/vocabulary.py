"""The vocabulary of generated names and descriptions."""

# ruff: noqa: SIM905 - a line of words reads better than a column of strings

GIVEN_NAMES = (
    "Mara Tobias Ines Oleg Yuki Amara Felix Noor Petra Luca Sanna Diego Hanna Ravi Zofia Emre Thandi Nils Aoife Kenji "
    "Marta Jonas Leila Pavel Imani Sofie Arjun Clara Tomas Wanjiru Mikko Elif Bruno Daria Osman Freya Hugo Ximena"
).split()
FAMILY_NAMES = (
    "Lindqvist Okafor Brandt Moreau Takeda Novak Silva Haddad Virtanen Kowalski Nakamura Eriksen Petrov Rossi Mbeki "
    "Ferreira Jansen Castillo Banerjee Aydin Horvat Keller Dubois Marchetti Sato Olsen Quispe Baumann Fischer Adeyemi"
).split()
COMPANY_WORDS = (
    "Kestrel Helio Tidewater Basalt Northlight Quartz Juniper Meridian Cobalt Larkspur Ember Fathom Granite Halcyon "
    "Ivory Lantern Mosaic Nimbus Orchard Pinion Riverbend Saffron Tundra Umbra Vellum Willow Zephyr Copper Driftwood"
).split()
COMPANY_SUFFIXES = ("labs", "io", "Foundation", "dev", "-robotics", "-project", "HQ", "Systems", "-data", "Works")
LOCATIONS = (
    "Berlin", "Lagos", "Kyoto, Japan", "São Paulo", "Tallinn", "Nairobi", "Porto", "Wrocław", "Toronto, Canada",
    "Bengaluru, India", "Oslo", "Montevideo", "Earth", "Remote", "Zürich", "Taipei",
)  # fmt: skip

ADJECTIVES = (
    "tiny fast quiet open lazy sharp solid async atomic static remote plain rapid elastic typed durable pocket modern "
    "simple strict sparse linear"
).split()
NOUNS = (
    "parser router ledger lens cache queue kernel compiler atlas beacon canvas schema engine crawler pipeline notebook "
    "scheduler sandbox tokenizer viewer gateway mapper bridge forge garden harbor index journal keeper loom mirror "
    "needle orbit parquet quarry raster socket tracer vault weaver widget"
).split()
COMMON_REPOSITORY_NAMES = (
    "dotfiles", ".github", "blog", "website", "docs", "playground", "advent-of-code", "awesome-lists", "homebrew-tap",
    "examples", "cookbook", "infra", "scripts", "papers", "notes", "benchmarks",
)  # fmt: skip
TOPICS = (
    "cli api python rust go typescript machine-learning data-visualization database compiler kubernetes devops web "
    "security graphics game-development hacktoberfest parser http static-site-generator linux embedded testing sql "
    "education robotics bioinformatics geospatial"
).split()
DESCRIPTION_TEMPLATES = (
    "A {adjective} {noun} that stays out of your way",
    "{adjective} {noun} for people who read the source first",
    "🚀 The {adjective} {noun} we wished we had",
    "An experiment: a {noun} in an afternoon",
    "{noun}, but {adjective}. Ünïcödé welcome — 日本語もどうぞ",
    "Deprecated: use the {adjective} {noun} instead",
    "Documentation and examples for the {noun}",
)

# Linguist's names and colours.
LANGUAGES: dict[str, str | None] = {
    "Python": "#3572A5",
    "TypeScript": "#3178c6",
    "JavaScript": "#f1e05a",
    "Go": "#00ADD8",
    "Rust": "#dea584",
    "Java": "#b07219",
    "C++": "#f34b7d",
    "C": "#555555",
    "C#": "#178600",
    "Ruby": "#701516",
    "Kotlin": "#A97BFF",
    "Swift": "#F05138",
    "PHP": "#4F5D95",
    "Jupyter Notebook": "#DA5B0B",
    "Elixir": "#6e4a7e",
    "Haskell": "#5e5086",
    "Zig": "#ec915c",
    "Julia": "#a270ba",
    "Shell": "#89e051",
    "HTML": "#e34c26",
    "CSS": "#663399",
    "Dockerfile": "#384d54",
    "Makefile": "#427819",
    "Vim Script": "#199f4b",
    "Nix": "#7e7eff",
    "TeX": "#3D6117",
    "CMake": "#DA3434",
    "Batchfile": "#C1F12E",
    "Gherkin": "#5B2063",
    "Tree-sitter Query": "#8ea64c",
}
MAIN_LANGUAGES = tuple(LANGUAGES)[:18]
SIDE_LANGUAGES = tuple(LANGUAGES)[18:]
MAIN_LANGUAGE_WEIGHTS = (24, 16, 15, 9, 8, 7, 5, 4, 4, 3, 2, 2, 2, 4, 1, 1, 1, 1)

# key, name, SPDX id, legacy node number
LICENSES: dict[str, tuple[str, str, int]] = {
    "mit": ("MIT License", "MIT", 13),
    "apache-2.0": ("Apache License 2.0", "Apache-2.0", 2),
    "gpl-3.0": ("GNU General Public License v3.0", "GPL-3.0", 9),
    "bsd-3-clause": ('BSD 3-Clause "New" or "Revised" License', "BSD-3-Clause", 5),
    "mpl-2.0": ("Mozilla Public License 2.0", "MPL-2.0", 14),
    "lgpl-3.0": ("GNU Lesser General Public License v3.0", "LGPL-3.0", 12),
    "other": ("Other", "NOASSERTION", 0),
}
LICENSE_WEIGHTS = (46, 22, 8, 7, 3, 2, 6)
