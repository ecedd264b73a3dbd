"""Questions to the database: one module a subject, SQL in, frames out."""
