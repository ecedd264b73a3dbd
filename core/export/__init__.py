"""Files that readers take away: tables as CSV and Parquet, pages as Jupyter notebooks, the ledger as an Atom feed."""
