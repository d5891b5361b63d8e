"""A fake Hub that also takes commits, as huggingface_hub makes them, into its own memory.

All files come within the commit, as the real Hub has it for small ones; it has no Xet and no LFS.
"""

import base64
import json
import re
from pathlib import PurePosixPath
from typing import Any

from tests.loopback_hub import NO_REPO, LoopbackHub, Request, Status, _Answer, _json, _refusal

_SENT = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/?]+)/(?P<what>preupload|commit)/main(\?|$)")
UNKNOWN = Status(401, message="Invalid username or password.")
FORBIDDEN = Status(403, message="You don't have the rights to create or write here.")


class WritableHub(LoopbackHub):
    """Anybody with `token` may make datasets of `namespace`, and commit to them."""

    def __init__(self, namespace: str, token: str) -> None:
        self._namespace, self._token = namespace, token
        self.private: dict[str, bool] = {}
        self.messages: list[str] = []
        super().__init__()

    def content(self, repo: str) -> dict[str, bytes]:
        """Every file of a dataset."""
        tree = self._trees[repo, self._refs[repo]["main"]]
        found = {}
        for name, blob in tree.items():
            assert isinstance(blob.content, bytes)
            found[name] = blob.content
        return found

    def _answer_to(self, request: Request, body: bytes) -> _Answer:
        if request.path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if request.authorization != f"Bearer {self._token}":
            return _refusal(UNKNOWN)
        if request.path == "/api/repos/create":
            return self._create(json.loads(body))
        if (sent := _SENT.match(request.path)) is None:
            return _refusal(Status(404))
        repo = sent["repo"]
        if repo.partition("/")[0] != self._namespace:
            return _refusal(FORBIDDEN)
        if repo not in self._refs:
            return _refusal(NO_REPO)
        if sent["what"] == "preupload":
            asked = [file["path"] for file in json.loads(body)["files"]]
            told = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in asked]
            return _json({"files": told})
        return self._commit(repo, [json.loads(line) for line in body.splitlines()])

    def _create(self, asked: dict[str, str]) -> _Answer:
        repo = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != self._namespace:
            return _refusal(FORBIDDEN)
        address = {"url": f"{self.endpoint}/datasets/{repo}", "name": repo}
        if repo in self._refs:
            return _json({"error": "You already created this dataset repo", **address}, status=409)
        self.publish(repo, {".gitattributes": b""})
        self.private[repo] = asked.get("visibility") == "private"
        return _json(address)

    def _commit(self, repo: str, lines: list[dict[str, Any]]) -> _Answer:
        files = self.content(repo)
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "header":
                self.messages.append(value["summary"])
            elif key == "file":
                assert ".." not in PurePosixPath(value["path"]).parts
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "deletedFile":
                del files[value["path"]]
        commit = self.publish(repo, dict(files))
        address = f"{self.endpoint}/datasets/{repo}/commit/{commit}"
        return _json({"success": True, "commitOid": commit, "commitUrl": address})
