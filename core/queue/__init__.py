"""The job queue between the web process, the scheduler and workers: jobs, ingestions, enrichment, lookups."""
