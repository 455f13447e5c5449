"""Runs a Python program of others again and again, each time in a process of its own.

To import what it needs takes the programs longer than their work, so this process
imports it once and forks. It reads runs as lines of JSON, and answers each with a line.
"""

import json
import os
import runpy
import sys
import traceback

PROGRAM, MODULES = sys.argv[1], sys.argv[2:]


def child(run):
    """Becomes the program, and returns its exit status."""
    out = os.open(run["out"], os.O_WRONLY | os.O_TRUNC)
    errors = os.open(run["errors"], os.O_WRONLY | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for to, file in enumerate((nothing, out, errors)):
        os.dup2(file, to)
    os.environ.update(run["env"])
    sys.argv = [PROGRAM] + run["args"]
    try:
        runpy.run_path(PROGRAM, run_name="__main__")
        return 0
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


for name in MODULES:
    __import__(name)
if "awscli.clidriver" in MODULES:
    sys.modules["awscli.clidriver"].create_clidriver()  # imports what it is made of
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os._exit(child(json.loads(line)))
    _, status = os.waitpid(pid, 0)
    print(json.dumps({"value": os.waitstatus_to_exitcode(status)}), flush=True)
