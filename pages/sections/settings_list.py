"""Versions and settings of this web process; secrets are masked."""

import platform
from importlib.metadata import version

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core import settings_report
from core.queries import system
from core.settings import settings
from pages.components.format import UNKNOWN
from pages.components.status_cards import query_or_reason
from pages.components.table import show_table

LIBRARIES = {"Plotly": "plotly", "pandas": "pandas", "SQLAlchemy": "sqlalchemy", "procrastinate": "procrastinate"}
COLUMNS = {
    "name": column.TextColumn("Setting", width=240),
    "value": column.TextColumn("Value", width=240),
    "origin": column.TextColumn("Source", width=110),
    "meaning": column.TextColumn("Meaning", width=460),
}


def show_warnings() -> None:
    """Show what an admin should know about the configuration; nothing when all is well."""
    if warnings := settings_report.settings_warnings(settings()):
        st.warning("  \n".join(warnings), icon=":material/tune:")


def show_versions() -> None:
    """Show the versions of Almanac, its schema, Python and the main libraries in one line."""
    revision, _ = query_or_reason(lambda: system.postgres_status().revision)
    versions = {
        "Almanac": settings_report.almanac_version(),
        "Schema": f"revision {revision or UNKNOWN}",
        "Python": platform.python_version(),
        "Streamlit": st.__version__,
        **{label: version(distribution) for label, distribution in LIBRARIES.items()},
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    st.markdown(" · ".join(f"{label} **{value}**" for label, value in versions.items()))


def show_settings() -> None:
    rows = DataFrame(
        [
            {
                "name": row.name,
                "value": row.value or UNKNOWN,
                "origin": "set" if row.is_set else "default",
                "meaning": row.description.replace("`", ""),
            }
            for row in settings_report.setting_rows(settings())
        ]
    )
    show_table(rows, COLUMNS, alt="The settings of this process", key="settings")
