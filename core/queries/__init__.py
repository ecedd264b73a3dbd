"""Read queries: one module per subject, SQL in, DataFrames or typed records out."""
