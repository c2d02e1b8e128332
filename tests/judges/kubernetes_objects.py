"""Judges rendered objects by the schemas of Kubernetes: python kubernetes_objects.py VERSION FILE. Each object must be known, but for
those of Prometheus' operator, and have no field that its schema lacks."""

import sys

import kubernetes_validate
import yaml

FOREIGN = {"ServiceMonitor", "PrometheusRule"}

version, path = sys.argv[1:]
kinds = []
with open(path, encoding="utf-8") as file:
    for item in yaml.safe_load_all(file):
        if item is None:
            continue
        kinds.append(item["kind"])
        if item["kind"] not in FOREIGN:
            kubernetes_validate.validate(item, version, strict=True)
print(" ".join(sorted(kinds)))
