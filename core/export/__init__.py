"""Files that readers take away: tables as CSV and Parquet, pages as Jupyter notebooks, changes as an Atom feed."""
