"""A small agent and the model it asks, for `profile_pod --demo`. Standard library only.

The agent is real: it asks a model over HTTP what to do, does it with tools (programs, files, the
network), and reports back until the model is content. Only the model is an actor: it reads its
lines from a script, one per task, so that the demonstration needs no account and no network.

    agent.py model              serve the model on 127.0.0.1; print the port; end with stdin
    agent.py TASK PORT          do one task in the current directory
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request


def call(tool, **arguments):
    return {"tool": tool, "arguments": arguments}


# What the model answers, turn by turn, whatever the agent reports. The last tasks repeat what the
# first ones did, as the work of agents does; each has something of its own.
TASKS = [
    [
        call("list_files"),
        call("read_file", name="docs/report.txt"),
        call("shell", command="wc -w docs/*.txt | sort -n | tail -n 3"),
        call("write_file", name="notes.md", text="# Report\nThree documents, the report is longest.\n"),
    ],
    [
        call("list_files"),
        call("shell", command="grep -c error docs/service.log"),
        call("read_file", name="docs/missing.txt"),
        call("append_file", name="notes.md", text="The log has errors; one document is missing.\n"),
    ],
    [
        call("list_files"),
        call("read_file", name="docs/plan.txt"),
        call("fetch", host="127.0.0.1", port=9),
        call("append_file", name="notes.md", text="The inventory service does not answer.\n"),
    ],
    [
        call("list_files"),
        call("shell", command="sort docs/service.log | uniq -c | sort -rn | head -n 5 > top.txt"),
        call("read_file", name="top.txt"),
        call("append_file", name="notes.md", text="The most frequent lines are known.\n"),
    ],
    [
        call("list_files"),
        call("read_file", name="notes.md"),
        call("run_python", code="print(sum(1 for line in open('docs/service.log')))"),
        call("write_file", name="summary.md", text="# Summary\nSee notes.md.\n"),
        call("remove_file", name="top.txt"),
    ],
]

DOCUMENTS = {
    "report.txt": "The quarterly report. " * 40,
    "plan.txt": "The plan for the next quarter. " * 20,
    "service.log": "".join(
        f"{'error' if n % 7 == 0 else 'info'} request {n % 5}\n" for n in range(200)
    ),
}


class Model(http.server.BaseHTTPRequestHandler):
    """Answers `{"task": N, "turn": N}` with the next tool call, or with none at the end."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        question = json.loads(self.rfile.read(length))
        turns = TASKS[question["task"]]
        turn = question["turn"]
        time.sleep(0.12)  # A model thinks.
        answer = turns[turn] if turn < len(turns) else {"tool": None}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()  # Ends with the program that started us.


def ask(port, question):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat",
        data=json.dumps(question).encode(),
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as response:
        return json.load(response)


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return done.stdout or done.stderr


def read_file(name):
    with open(name) as file:
        return file.read()


def write_file(name, text, mode="w"):
    with open(name, mode) as file:
        file.write(text)
    return "done"


def fetch(host, port):
    with socket.create_connection((host, port), timeout=2) as peer:
        return peer.recv(1000).decode()


def remove_file(name):
    os.remove(name)
    return "done"


TOOLS = {
    "list_files": lambda: output_of(["ls", "-l", "docs"]),
    "read_file": read_file,
    "write_file": write_file,
    "append_file": lambda name, text: write_file(name, text, "a"),
    "remove_file": remove_file,
    "shell": lambda command: output_of(["sh", "-c", command]),
    "run_python": lambda code: output_of([sys.executable, "-I", "-S", "-c", code]),
    "fetch": fetch,
}


def work(task, port):
    os.makedirs("docs", exist_ok=True)
    for name, text in DOCUMENTS.items():
        if not os.path.exists(f"docs/{name}"):
            write_file(f"docs/{name}", text)
    result, turn = None, 0
    while True:
        answer = ask(port, {"task": task, "turn": turn, "result": result})
        if answer["tool"] is None:
            return
        try:
            result = TOOLS[answer["tool"]](**answer["arguments"])
        except OSError as error:
            result = f"failed: {error}"
        turn += 1


if sys.argv[1:] == ["model"]:
    serve()
else:
    work(int(sys.argv[1]), int(sys.argv[2]))
