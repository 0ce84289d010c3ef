"""Studies: many networks trained and measured as a spec says, resumable, ending in a phase chart."""
