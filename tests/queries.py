"""Runs the SQL of the README as it stands there, with the real DuckDB, on the records of results/ and on simulated ones.

Usage, from the project's folder: python tests/queries.py FOLDER_OF_SIMULATED_RECORDS…
"""

import re
import sys

import duckdb

queries = re.findall(r"```sql\n(.*?)```", open("README.md", encoding="utf-8").read(), re.DOTALL)
assert len(queries) >= 2, "the README shows two queries or more"
assert all("'results/*.json'" in query for query in queries)
for query in queries:
    for folder in ["results", *sys.argv[1:]]:
        result = duckdb.sql(query.replace("results/", f"{folder}/"))
        assert len(result) > 0, f"no row:\n{query}"
        print(result)
