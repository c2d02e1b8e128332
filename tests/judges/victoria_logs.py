"""Reads all that a VictoriaLogs has.

    victoria_logs.py read ADDRESS"""
import json
import sys
import urllib.request

_, _, address = sys.argv
with urllib.request.urlopen(f"{address}/select/logsql/query?query=*&limit=1000") as answer:
    print(json.dumps([json.loads(line) for line in answer]))
