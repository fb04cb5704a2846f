"""Checks a proof of auditkeep with nothing but Python 3 and openssl: verify-proof.py PROOF VKEY"""
import base64, hashlib, json, subprocess, sys, tempfile

b64, sha = base64.b64decode, lambda data: hashlib.sha256(data).digest()

def root(leaf, index, size, path):  # RFC 9162, 2.1.3.2
    node, last = sha(b"\0" + leaf), size - 1
    for sibling in path:
        if index % 2 or index == last:
            node = sha(b"\1" + sibling + node)
            while index % 2 == 0 and index: index, last = index // 2, last // 2
        else:
            node = sha(b"\1" + node + sibling)
        index, last = index // 2, last // 2
    assert last == 0, "the path is too short"
    return node

head, checkpoint = open(sys.argv[1], "rb").read().split(b"\n\n", 1)
_, extra, index, *path = head.decode().split("\n")
extra, text = json.loads(b64(extra[6:])), checkpoint[: checkpoint.rindex(b"\n\n") + 1]
origin, size, log_root = text.decode().split("\n")[:3]
event, manifest = b64(extra["event"]), b64(extra["manifest"])
part = next(p for p in json.loads(manifest)["parts"] if p["key"] == extra["part"])
assert root(event, extra["line"], part["lines"], map(b64, extra["linePath"])).hex() == part["lineRoot"], "event"
leaf = f"{extra['manifestKey']} {sha(manifest).hex()}".encode()
assert root(leaf, int(index[6:]), int(size), map(b64, path)) == b64(log_root), "manifest"
name, key_id, key = sys.argv[2].split("+", 2)
lines = checkpoint[len(text) + 1 :].decode().splitlines()
signature = next(s for n, s in (x[2:].split(" ") for x in lines) if n == name and b64(s)[:4].hex() == key_id)
with tempfile.NamedTemporaryFile() as k, tempfile.NamedTemporaryFile() as s, tempfile.NamedTemporaryFile() as t:
    for f, data in (k, bytes.fromhex("302a300506032b6570032100") + b64(key)[1:]), (s, b64(signature)[4:]), (t, text):
        f.write(data), f.flush()
    command = "openssl pkeyutl -verify -pubin -keyform DER -rawin".split()
    subprocess.run([*command, "-inkey", k.name, "-sigfile", s.name, "-in", t.name], check=True, capture_output=True)
print(event.decode())
print(f"proven: {leaf.decode().split()[0]} in {origin}, {size} leaves", file=sys.stderr)
