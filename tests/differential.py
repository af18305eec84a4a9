#!/usr/bin/python3
"""Compares the standard families with what prometheus_client's parser says of the engine's page.

    tests/differential.py BINARY PAGE...

Each PAGE is named for its engine: vllm-0.8.prom. The rules are taken from `rules explain` and applied once more, here,
to the samples that the parser finds on the page; `metrics --only` has to give the same names, labels, values,
timestamps and exemplars, as the same parser reads them, and every family the type and help that the rules give it.
Exit status 1 when anything differs, 77 when prometheus_client is not installed.
"""
import collections
import decimal
import json
import os
import re
import subprocess
import sys

try:
    from prometheus_client import openmetrics, parser  # noqa: F401
    from prometheus_client.openmetrics import parser as openmetrics_parser
except ImportError:
    sys.exit(77)

SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"], "summary": ["", "_sum", "_count"]}
Sample = collections.namedtuple("Sample", "name labels value timestamp exemplar")


def number(text):
    """A value to compare by: a decimal number, or its name where there is none. Every NaN is one."""
    value = float(text)
    if value != value:
        return "NaN"
    return str(value) if value in (float("inf"), float("-inf")) else decimal.Decimal(repr(value))


def sample(found):
    exemplar = found.exemplar and (tuple(sorted(found.exemplar.labels.items())), found.exemplar.value,
                                   found.exemplar.timestamp)
    return Sample(found.name, dict(found.labels), number(found.value), found.timestamp, exemplar)


def samples(page):
    """Every sample of a page that the parser understands. Text pages are read line by line, since the parser gives up
    at the first line it does not know and renames counters when it knows their type."""
    if page.endswith("# EOF\n"):
        return [sample(s) for family in openmetrics_parser.text_string_to_metric_families(page) for s in family.samples]
    found = []
    for line in page.split("\n"):
        line = line.rstrip("\r").replace("nan(ind)", "nan")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found += [sample(s) for family in parser.text_string_to_metric_families(line + "\n") for s in family.samples]
        except (ValueError, IndexError):
            pass
    return found


def scaled(value, scale):
    return value if scale is None or isinstance(value, str) else value * decimal.Decimal(str(scale))


def selected(found, where):
    return all(found.labels.get(label, "") in values for label, values in (where or {}).items())


def parts(metric, source):
    """(sample name on the page, sample name of the standard family, scale) for each part of a source."""
    if "sum" in source:
        return [(source[role]["name"], metric["name"] + "_" + role, source[role].get("scale")) for role in ("sum", "count")]
    if source.get("sample"):
        return [(source["name"] + "_" + source["sample"], metric["name"], source.get("scale"))]
    return [(source["name"] + suffix, metric["name"] + suffix, source.get("scale")) for suffix in SUFFIXES[metric["type"]]]


def take(page, metric, source):
    """The samples of the standard family made from one source; empty when the source is not there."""
    taken, complete = [], True
    for name, standard, scale in parts(metric, source):
        here = [found for found in page if found.name == name and selected(found, source.get("where"))]
        complete = complete and bool(here)
        for found in here:
            labels, value = dict(found.labels), found.value
            if standard.endswith("_bucket") and "le" in labels:
                labels["le"] = number(labels["le"]) if scale is None else scaled(number(labels["le"]), scale)
            elif not (standard.endswith("_count") and metric["type"] in ("histogram", "summary")):
                value = scaled(value, scale)
            taken.append(found._replace(name=standard, labels=labels, value=value))
    return taken if complete or "sum" not in source else []


def edited(found, edits):
    labels = {edits["rename"].get(name, name): value for name, value in found.labels.items() if name not in edits["drop"]}
    labels.update(edits["add"])
    return found._replace(labels=labels)


def merged(found, how):
    """One sample for each name and label set: the largest or the smallest."""
    best = {}
    for one in found:
        key = (one.name, tuple(sorted(one.labels.items())))
        values = [old for old in (best.get(key),) if old] + [one]
        values = [v for v in values if v.value != "NaN"] or values
        best[key] = (max if how == "max" else min)(values, key=lambda v: float(v.value))
    return list(best.values())


def expected(page, rules):
    families = {}
    exposed = {found.name for found in page}
    for metric in rules["metrics"]:
        if any(metric["name"] + suffix in exposed for suffix in SUFFIXES[metric["type"]]):
            continue
        for source in metric["sources"]:
            taken = take(page, metric, source)
            if taken:
                edits = {"drop": metric["labels"]["drop"] or [], "rename": metric["labels"]["rename"] or {},
                         "add": metric["labels"]["add"] or {}}
                taken = [edited(found, edits) for found in taken]
                families[metric["name"]] = merged(taken, metric["merge"]) if metric.get("merge") else taken
                break
    return families


def comparable(found, buckets):
    """A sample as a text, so that any two can be sorted and compared."""
    labels = {name: number(value) if name == "le" and buckets and isinstance(value, str) and value not in ("NaN", "inf")
              else value for name, value in found.labels.items()}
    plain = {name: format(float(value), ".15g") if isinstance(value, decimal.Decimal) else value
             for name, value in labels.items()}
    value = format(float(found.value), ".15g")
    return repr((found.name, sorted(plain.items()), value, found.timestamp, found.exemplar))


def run(binary, *arguments):
    return subprocess.run([binary, *arguments], check=True, stdout=subprocess.PIPE).stdout.decode("utf-8", "replace")


def headers(text):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)), set(re.findall(r"^# HELP (\S+) \S", text, re.M))


def compare(binary, path):
    engine = re.match(r"[a-z]+", os.path.basename(path)).group()
    rules = json.loads(run(binary, "rules", "explain", "--engine", engine))
    with open(path, encoding="utf-8", newline="") as file:
        page = file.read()
    text = run(binary, "metrics", "--engine", engine, "--only", path)
    wanted = expected(samples(page), rules)
    types, helps = headers(text)
    open_metrics = text.endswith("# EOF\n")
    problems = []
    for metric in rules["metrics"]:
        family = metric["name"]
        if open_metrics and metric["type"] == "counter" and family.endswith("_total"):
            family = family[:-len("_total")]
        if (metric["name"] in wanted) != (family in types) or (family in types and types[family] != metric["type"]):
            problems.append("# TYPE of %s: %s" % (metric["name"], types.get(family)))
        if family in types and metric.get("help") and family not in helps:
            problems.append("# HELP of %s is missing" % metric["name"])
    bucketed = {metric["name"] for metric in rules["metrics"] if metric["type"] == "histogram"}
    is_bucket = lambda name: name.endswith("_bucket") and name[:-len("_bucket")] in bucketed  # noqa: E731
    want = collections.Counter(comparable(s, is_bucket(s.name)) for family in wanted.values() for s in family)
    have = collections.Counter(comparable(s, is_bucket(s.name)) for s in samples(text))
    problems += ["missing  " + line for line in sorted((want - have).elements())]
    problems += ["surplus  " + line for line in sorted((have - want).elements())]
    print("%s: %d families, %d samples%s" % (os.path.basename(path), len(wanted), sum(want.values()),
                                           ", DIFFERENT" if problems else ""))
    for problem in problems[:20]:
        print("  " + problem)
    return not problems


def main():
    results = [compare(sys.argv[1], path) for path in sys.argv[2:]]
    sys.exit(0 if results and all(results) else 1)


main()
