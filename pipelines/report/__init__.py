"""The nightly report: one content, written as one HTML file and as a PDF into each version."""
