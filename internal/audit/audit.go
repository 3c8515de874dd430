// Package audit is the tamper-evident log: what is written down about a decision or an effect, and
// how to tell that nothing was changed, dropped or slipped in afterwards.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
)

// Entry is one thing that an auditor wants to know.
type Entry struct {
	Task  string         `json:"task,omitempty"`
	Kind  string         `json:"kind"`  // e.g. task-created, approval-decided, run-completed
	Actor string         `json:"actor"` // entity ref of who did it; "gildway" for the engine itself
	At    time.Time      `json:"at"`
	Data  map[string]any `json:"data,omitempty"` // never a secret
}

// Encode gives the bytes that are hashed and kept: the same entry always gives the same ones.
func (e Entry) Encode() ([]byte, error) {
	e.At = e.At.UTC().Truncate(time.Microsecond)
	return json.Marshal(e) // fields in order of declaration, map keys sorted
}

// Leaf is an entry in its place in the log.
type Leaf struct {
	Seq   int64  // 1, 2, 3 without a gap
	Body  []byte // the encoded entry
	Hash  []byte // RFC 6962 leaf hash of Body
	Chain []byte // binds this leaf to all before it
}

// Next makes the leaf that follows prev, which is the zero Leaf for the first.
func Next(prev Leaf, body []byte) Leaf {
	hash := rfc6962.DefaultHasher.HashLeaf(body)
	return Leaf{Seq: prev.Seq + 1, Body: body, Hash: hash, Chain: rfc6962.DefaultHasher.HashChildren(prev.Chain, hash)}
}

// Verifier checks leaves one after the other, from the first.
type Verifier struct{ last Leaf }

// Add checks the next leaf. Its error says which leaf is wrong and how.
func (v *Verifier) Add(leaf Leaf) error {
	want := Next(v.last, leaf.Body)
	switch {
	case leaf.Seq != want.Seq:
		return fmt.Errorf("the log has entry %d where %d belongs", leaf.Seq, want.Seq)
	case !bytes.Equal(leaf.Hash, want.Hash):
		return fmt.Errorf("entry %d was changed: its content doesn't match its hash", leaf.Seq)
	case !bytes.Equal(leaf.Chain, want.Chain):
		return fmt.Errorf("entry %d doesn't follow from the entries before it", leaf.Seq)
	}
	v.last = leaf
	return nil
}

// Head gives the size of the log so far and the hash that stands for all of it.
func (v *Verifier) Head() (size int64, chain []byte) { return v.last.Seq, v.last.Chain }
