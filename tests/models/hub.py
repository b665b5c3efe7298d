"""A hub on loopback that serves a directory as one model repository: what `huggingface_hub` asks of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

COMMIT = "1" * 40


def _listing(path: str, name: str, files: Path) -> object:
    """The repository as a tree, which newer clients ask for, or as a whole."""
    names = sorted(file.name for file in files.iterdir())
    if f"/{name}/tree/" in path:
        sizes = {file: (files / file).stat().st_size for file in names}
        return [{"type": "file", "path": file, "size": sizes[file], "oid": COMMIT} for file in names]
    return {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in names]}


@contextmanager
def hub(name: str, files: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves `files` as the repository `name`: its address, and the names of the files fetched so far."""
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = urlsplit(self.path).path
            if path.startswith(f"/api/models/{name}/"):
                self._send(200, json.dumps(_listing(path, name, files)).encode(), body)
                return
            wanted = files / path.rpartition("/")[2]
            if not path.startswith(f"/{name}/resolve/") or not wanted.is_file():
                self._send(404, b"{}", body)
                return
            if body:
                fetched.append(wanted.name)
            self._send(200, wanted.read_bytes(), body)

        def _send(self, status: int, content: bytes, body: bool) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
