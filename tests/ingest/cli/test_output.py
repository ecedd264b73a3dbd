"""What the commands print of GitHub's text is text: neither markup nor control of the terminal."""

from ingest.cli import output


def test_names_control_neither_the_table_nor_the_terminal(capsys):
    repository = {"name": "[red]x[/]\x1b[2J", "stars": 1, "forks": 2, "primary_language": "[/b]", "pushed_at": None}
    account = {"login": "octo\x1b]0;t\x07", "kind": "user", "followers": 1}
    output.print_stored_account({"account": account, "repositories": [repository]})
    printed = capsys.readouterr().out
    assert r"[red]x[/]\x1b[2J" in printed
    assert "[/b]" in printed
    assert "\x1b" not in printed
