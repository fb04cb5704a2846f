// Reads a log of auditkeep with the libraries of Go's checksum database, checks proofs that auditkeep made, and makes its own.
// Usage: sumdb LOG-FOLDER VKEY < proofs.json
package main

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type record struct {
	Index int64
	Proof []string
}

type tree struct {
	Older int64
	Root  string
	Proof []string
}

type proofs struct {
	Origin  string
	Size    int64
	Root    string
	Entries int
	Records []record
	Trees   []tree
}

func check(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func hashes(texts []string) []tlog.Hash {
	out := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		h, err := tlog.ParseHash(text)
		check(err, "hash")
		out[i] = h
	}
	return out
}

func texts(hashes []tlog.Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out
}

// C2SP names tiles like the checksum database does, without the height.
type folder struct{ path string }

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(filepath.Join(f.path, "tile", strings.TrimPrefix(t.Path(), "tile/8/")))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func entries(path string, size int64) [][]byte {
	var out [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := min(256, size-n*256)
		name := strings.TrimPrefix(tlog.Tile{H: 8, L: 0, N: n, W: int(width)}.Path(), "tile/8/0/")
		data, err := os.ReadFile(filepath.Join(path, "tile", "entries", name))
		check(err, "bundle")
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			out = append(out, data[2:2+length])
			data = data[2+length:]
		}
	}
	return out
}

func main() {
	log.SetFlags(0)
	path, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	check(err, "vkey")
	text, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	check(err, "checkpoint")
	opened, err := note.Open(text, note.VerifierList(verifier))
	check(err, "note")
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err, "size")
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	check(err, "root")
	var root tlog.Hash
	copy(root[:], raw)

	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, folder{path})
	all := entries(path, size)
	for i, entry := range all {
		stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(i))})
		check(err, "tile")
		if stored[0] != tlog.RecordHash(entry) {
			log.Fatalf("entry %d is not the leaf of its tile", i)
		}
	}

	var given proofs
	check(json.NewDecoder(os.Stdin).Decode(&given), "input")
	made := proofs{Origin: lines[0], Size: size, Root: root.String(), Entries: len(all)}
	for _, r := range given.Records {
		check(tlog.CheckRecord(hashes(r.Proof), size, root, r.Index, tlog.RecordHash(all[r.Index])), "their record proof")
		proof, err := tlog.ProveRecord(size, r.Index, reader)
		check(err, "record proof")
		made.Records = append(made.Records, record{r.Index, texts(proof)})
	}
	for _, t := range given.Trees {
		older, err := tlog.ParseHash(t.Root)
		check(err, "root")
		check(tlog.CheckTree(hashes(t.Proof), size, root, t.Older, older), "their tree proof")
		own, err := tlog.TreeHash(t.Older, reader)
		check(err, "older root")
		proof, err := tlog.ProveTree(size, t.Older, reader)
		check(err, "tree proof")
		made.Trees = append(made.Trees, tree{t.Older, own.String(), texts(proof)})
	}
	check(json.NewEncoder(os.Stdout).Encode(made), "output")
	fmt.Fprintln(os.Stderr, "ok")
}
