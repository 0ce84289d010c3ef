"""Reports: data of figures, the backends that draw them, and self-contained HTML pages."""
