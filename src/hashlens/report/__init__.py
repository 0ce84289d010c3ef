"""Reports: figure data apart from drawing, and pages that open anywhere."""
