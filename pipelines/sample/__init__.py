"""The sample world: a simulated market behind the connectors' own interface.

Everything in it is simulated; no figure is a statement about a real market or company.
"""

from pipelines.sample.adapter import SampleAdapter, sample_clock

__all__ = ["SampleAdapter", "sample_clock"]
