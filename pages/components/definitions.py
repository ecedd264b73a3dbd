"""How the numbers on the pages are counted: the texts of the cells' Definition popovers."""

from core.queries import growth

ACCOUNT_TOTALS = """
**Our own refreshes** add up all repositories that the account owns and that are neither deleted nor private, forks of
others included.

**Imported history** adds up the repositories that its source reported last within twice its usual interval, for whoever
owned them then. The line jumps when a repository enters or leaves that source's list, or moves to another account.

A refresh without any change still counts as a refresh. Grey: no successful refresh for more than twice the expected
interval, so no line is drawn across.
"""
REPOSITORY_HISTORY = """
**Our own refreshes** read the number each time the account is refreshed and store it when it differs: between two
changes the line is level. **Imported history** has one number for each of its source's captures.

Grey: no successful refresh for more than twice the expected interval, so no line is drawn across.
"""
REPOSITORY_EXTRAS = """
Watchers, open issues and open change requests cost extra requests and are read on a cadence of their own, once a day
to once a week; a value that equals the one before is not stored. Between two dots the number was the same, or was not
read, so no line is drawn. **In 30 days** compares with the last value that differed in the 30 days before; without one
the growth is unknown. Watchers are subscribers to notifications, not stars.
"""
LANGUAGE_MIX = (
    "Each repository that was refreshed in the three months before the quarter's end counts for who owned it then, with "
    "its stars and its primary language then. Forks are left out."
)
LANGUAGE_TREND = (
    "The last rollup of each month. Imported history: repositories that the source reported that week. Each counts "
    "with its current primary language. Forks are left out."
)
LANGUAGE_MEASURES = {
    "stars": "Stars of all repositories that have it as their primary language; forks left out.",
    "repositories": "Repositories that have it as their primary language; forks left out.",
    "bytes": "Bytes of code in it over all repositories, whatever their primary language; forks left out.",
}
REPOSITORY_COUNTS = (
    "A repository's numbers are from its last refresh, or else the last that an imported source reported. Forks and "
    f"archived, deleted or private repositories count like any other until hidden. {growth.DEFINITION}"
)
SCENE_TOWERS = (
    "A repository's number is from its last refresh, whose date the tooltip shows. Deleted and private repositories are "
    "left out, forks are not. At most {max_towers:,} towers are drawn, the most starred."
)

STARS_GIVEN = (
    "Stars that people gave on that day and had not withdrawn when GitHub was last asked. The line is the mean of the "
    "seven days up to that one. Days are those of America/Los_Angeles, as GitHub counts; the last day shown is the last "
    "complete one."
)
REPOSITORY_LANGUAGES = (
    "Bytes of code by language as GitHub (Linguist) counts them on the default branch. They are read when the repository "
    "was pushed to, and stored when any of them differs; the last set holds up to the last refresh."
)
ABSENCE_FACTOR = (
    "The Contributor Absence Factor of CHAOSS: the fewest people who together made half of the commits; bots do not "
    "count. With commits of 1000, 202, 90, 33, 332, 343, 42 and 433 it is 2: 1000 + 433 is more than half of 2,475. "
    "People whose commits belong to no GitHub account are not counted."
)
COMMIT_WEEKS = (
    "Commits to the default branch without merges, by week (Monday to Sunday, UTC), complete weeks only. GitHub counts "
    "the last year."
)
TRAFFIC_DAYS = (
    "Views and clones as GitHub counts them, by day (UTC); only for repositories whose traffic the token may read. "
    "Unique visitors of several days cannot be added up."
)
PORTFOLIO_LANGUAGES = (
    "**By bytes**: code in each language over all its repositories. **By repositories** and **by stars**: each repository "
    "counts with its primary language. Deleted and private repositories are left out. Languages of forks are read less "
    "often than those of others."
)
CONTRIBUTIONS = (
    "Public contributions on each day, as in the calendar on the user's GitHub page: commits, issues, change requests and "
    "reviews. The last day shown is the last complete one. The year before is read every time, earlier years once, so "
    "that a contribution that was made private since may still count there. As of a day, the counts are those read by "
    "then."
)
