"""A server on loopback that answers the requests of huggingface_hub from memory."""

import base64
import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub(ThreadingHTTPServer):
    """Holds repositories by name, each a dict of files, and the requests in order."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FakeHubHandler)
        self.repositories, self.requests, self.messages = {}, [], []
        self.created, self.uploaded = {}, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class FakeHubHandler(BaseHTTPRequestHandler):
    """Answers create, preupload, commit, the list of files, and each file."""

    server: FakeHub

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub, path = self.server, self.path.split("?")[0]
        hub.requests.append(("POST", path))
        if path == "/api/repos/create":
            request = json.loads(body)
            name = "/".join(filter(None, [request.get("organization"), request["name"]]))
            if name in hub.repositories:
                return self.answer({"url": f"{hub.address}/{name}"}, 409)
            hub.repositories[name], hub.created[name] = {}, request
            return self.answer({"url": f"{hub.address}/{name}", "name": name, "id": name})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        name = re.match(r"/api/models/([^/]+/[^/]+)/", path)[1]
        if "/preupload/" in path:
            files = [f["path"] for f in json.loads(body)["files"]]
            kinds = [{"path": f, "uploadMode": "regular", "shouldIgnore": False} for f in files]
            return self.answer({"files": kinds})
        lines = [json.loads(line) for line in body.splitlines()]
        hub.uploaded.append(sorted(x["value"]["path"] for x in lines if x["key"] == "file"))
        for line in lines:
            if line["key"] == "header":
                hub.messages.append(line["value"]["summary"])
            if line["key"] == "file":
                value = line["value"]
                hub.repositories[name][value["path"]] = base64.b64decode(value["content"])
        return self.answer(
            {"commitUrl": f"{hub.address}/{name}/commit/main", "commitOid": "a" * 40}
        )

    def do_GET(self):
        hub, path = self.server, self.path.split("?")[0]
        hub.requests.append((self.command, path))
        if model := re.match(r"/api/models/([^/]+/[^/]+)", path):
            files = hub.repositories.get(model[1])
            if files is None:
                return self.answer({"error": "Repository not found"}, 404, "RepoNotFound")
            names = [{"rfilename": name, "path": name, "type": "file", "size": len(files[name]),
                      "oid": "0"} for name in files]  # fmt: skip
            if "/tree/" in path:
                return self.answer(names)
            return self.answer({"id": model[1], "sha": "a" * 40, "siblings": names})
        file = re.match(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
        data = hub.repositories.get(file[1], {}).get(file[2]) if file else None
        if data is None:
            return self.answer({"error": "Entry not found"}, 404, "EntryNotFound")
        return self.send(data)

    do_HEAD = do_GET

    def answer(self, value, status=200, code=None):
        self.send(json.dumps(value).encode(), status, code)

    def send(self, data, status=200, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def running_hub():
    """The server, in a thread of its own, until the end of the block."""
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
