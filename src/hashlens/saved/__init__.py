"""What lies at a path: which room reads it, and its page."""

from hashlens.saved.json_files import save_result
from hashlens.saved.report import report_page
from hashlens.saved.results import load_result

__all__ = ["load_result", "report_page", "save_result"]
