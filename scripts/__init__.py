"""Programs for maintainers: generators of files and pages, and tools that are run by hand."""
