"""smallcaps: a gated, point-in-time ELT pipeline for US small caps."""

__version__ = "0.1.0"
