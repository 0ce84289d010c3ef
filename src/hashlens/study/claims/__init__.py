"""Claims about a study's results, tested by intervals over paired repeats."""

from hashlens.study.claims.correlation import Correlation
from hashlens.study.claims.difference import Difference
from hashlens.study.claims.equivalence import Equivalence
from hashlens.study.claims.finding import Finding
from hashlens.study.claims.read import decide, read_claims
from hashlens.study.claims.threshold import Threshold
from hashlens.study.claims.trend import Trend

__all__ = ["Correlation", "Difference", "Equivalence", "Finding", "Threshold", "Trend", "decide", "read_claims"]
