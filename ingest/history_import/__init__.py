"""History import: reads files with history recorded elsewhere and stores it beside our own captures."""
