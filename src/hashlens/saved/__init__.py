"""Reading of saved results, and reports of any file or folder that hashlens writes."""

from hashlens.saved.json_files import save_result
from hashlens.saved.report import report_page
from hashlens.saved.results import load_result

__all__ = ["load_result", "report_page", "save_result"]
