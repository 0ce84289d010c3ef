import hashlens as hl

trained = hl.train("mlp", hl.load_data("digits#train"), width=40)

codes = hl.encode(trained.network, "digits#test")  # which units are active, 40 bits per example
print(codes)
print("redundancy ratio:", hl.redundancy_ratio(codes))

report = hl.measure(trained.network, "digits#train", "digits#test")
print(report)  # also report.to_dict() and report.to_html("report.html")
