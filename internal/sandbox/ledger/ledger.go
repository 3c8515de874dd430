// Package ledger is what the sandbox remembers: documents in buckets and a count of every effect,
// changed together and on disk before anyone is told, so that kill -9 loses nothing and counts nothing twice.
package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
)

const (
	effects = "ledger.effects"
	calls   = "ledger.calls"

	// compactAt is the journal size at which it is rewritten as a snapshot.
	compactAt = 16 << 20
)

// Ledger keeps all documents in memory and every change in an append-only journal. The zero value is not usable.
type Ledger struct {
	mu       sync.RWMutex
	dir      string
	lock     *os.File
	journal  *os.File
	size     int64 // bytes in the journal
	base     int64 // bytes right after the last compaction
	sequence uint64
	buckets  map[string]*bucket
}

type bucket struct {
	documents map[string]document
	revision  uint64
}

type document struct {
	sequence uint64 // order of first appearance; a replaced document keeps its place
	raw      json.RawMessage
}

// change is one line item of the journal; no value means deleted.
type change struct {
	Bucket string          `json:"b"`
	Key    string          `json:"k"`
	Value  json.RawMessage `json:"v,omitempty"`
}

// Open reads the ledger in dir, creating it if need be. A torn last line, as a killed process leaves
// it, is dropped. Only one process can hold a ledger at a time.
func Open(dir string) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "ledger.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("the sandbox state in %s is in use by another process: %w", dir, err)
	}
	l := &Ledger{dir: dir, lock: lock, buckets: map[string]*bucket{}}
	if err := l.load(); err != nil {
		lock.Close()
		return nil, err
	}
	if err := l.compact(); err != nil {
		lock.Close()
		return nil, err
	}
	return l, nil
}

// Close releases the ledger. Changes are already on disk.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Unlocked by name: a process that is being forked at this moment holds a copy of the descriptor.
	return errors.Join(l.journal.Close(), syscall.Flock(int(l.lock.Fd()), syscall.LOCK_UN), l.lock.Close())
}

func (l *Ledger) path() string { return filepath.Join(l.dir, "ledger.jsonl") }

func (l *Ledger) load() error {
	f, err := os.Open(l.path())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return nil // what has no line end was never acknowledged
		}
		if err != nil {
			return err
		}
		var changes []change
		if err := json.Unmarshal(line, &changes); err != nil {
			return fmt.Errorf("%s line %d: %w", l.path(), n, err)
		}
		for _, c := range changes {
			l.apply(c)
		}
	}
}

func (l *Ledger) bucket(name string) *bucket {
	b := l.buckets[name]
	if b == nil {
		b = &bucket{documents: map[string]document{}}
		l.buckets[name] = b
	}
	return b
}

// apply makes a change in memory and returns the change that takes it back.
func (l *Ledger) apply(c change) (undo func()) {
	b := l.bucket(c.Bucket)
	old, had := b.documents[c.Key]
	b.revision++
	if c.Value == nil {
		delete(b.documents, c.Key)
	} else {
		d := document{sequence: old.sequence, raw: c.Value}
		if !had {
			l.sequence++
			d.sequence = l.sequence
		}
		b.documents[c.Key] = d
	}
	return func() {
		b.revision++
		if had {
			b.documents[c.Key] = old
		} else {
			delete(b.documents, c.Key)
		}
	}
}

// compact rewrites the journal as the shortest one that leads to the present state.
func (l *Ledger) compact() error {
	type item struct {
		document
		change
	}
	var all []item
	for name, b := range l.buckets {
		for key, d := range b.documents {
			all = append(all, item{d, change{Bucket: name, Key: key, Value: d.raw}})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].sequence < all[j].sequence })
	var buf bytes.Buffer
	for _, it := range all {
		line, err := json.Marshal([]change{it.change})
		if err != nil {
			return err
		}
		buf.Write(append(line, '\n'))
	}
	next := l.path() + ".next"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(buf.Bytes()); err != nil {
		f.Close()
		return err
	}
	if err := os.Rename(next, l.path()); err != nil {
		f.Close()
		return err
	}
	if l.journal != nil {
		l.journal.Close()
	}
	l.journal, l.size, l.base = f, int64(buf.Len()), int64(buf.Len())
	return nil
}

// Update runs fn alone and makes all of its changes, or none of them when it fails.
func (l *Ledger) Update(fn func(*Tx) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	tx := &Tx{ledger: l}
	err := fn(tx)
	if err == nil {
		err = l.write(tx.changes)
	}
	if err != nil {
		for i := len(tx.undo) - 1; i >= 0; i-- {
			tx.undo[i]()
		}
	}
	return err
}

// View runs fn on a state that nobody changes meanwhile. fn must not change anything itself.
func (l *Ledger) View(fn func(*Tx)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	fn(&Tx{ledger: l})
}

func (l *Ledger) write(changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	line, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	n, err := l.journal.Write(append(line, '\n'))
	if err != nil {
		if n > 0 {
			err = errors.Join(err, l.journal.Truncate(l.size))
		}
		return err
	}
	l.size += int64(n)
	if l.size > compactAt && l.size > 4*l.base {
		// The change is safe in the old journal; a failed rewrite only means trying again later.
		_ = l.compact()
	}
	return nil
}

// Tx sees and changes the ledger within one Update or View.
type Tx struct {
	ledger  *Ledger
	changes []change
	undo    []func()
}

func (tx *Tx) set(c change) {
	tx.undo = append(tx.undo, tx.ledger.apply(c))
	tx.changes = append(tx.changes, c)
}

// Put stores v under key. v must be what encoding/json can write.
func (tx *Tx) Put(bucket, key string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ledger: %s/%s can't be written as JSON: %v", bucket, key, err))
	}
	tx.set(change{Bucket: bucket, Key: key, Value: raw})
}

// Delete removes key; it reports whether it was there.
func (tx *Tx) Delete(bucket, key string) bool {
	if _, ok := tx.ledger.lookup(bucket, key); !ok {
		return false
	}
	tx.set(change{Bucket: bucket, Key: key})
	return true
}

// Revision grows with every change of the bucket, and only then.
func (tx *Tx) Revision(bucket string) uint64 {
	if b := tx.ledger.buckets[bucket]; b != nil {
		return b.revision
	}
	return 0
}

// Next counts up: 1 at the first call for a key.
func (tx *Tx) Next(bucket, key string) int64 {
	n, _ := Get[int64](tx, bucket, key)
	tx.Put(bucket, key, n+1)
	return n + 1
}

// Effect counts one state change under a stable name, such as github.repo.created, and the resource it happened to.
func (tx *Tx) Effect(name, resource string) { tx.Next(effects, name+" "+resource) }

// Call counts one request to a route.
func (tx *Tx) Call(route string) { tx.Next(calls, route) }

func (l *Ledger) lookup(bucket, key string) (document, bool) {
	b := l.buckets[bucket]
	if b == nil {
		return document{}, false
	}
	d, ok := b.documents[key]
	return d, ok
}

// Get reads one document.
func Get[T any](tx *Tx, bucket, key string) (T, bool) {
	var v T
	d, ok := tx.ledger.lookup(bucket, key)
	if !ok {
		return v, false
	}
	return decode[T](bucket, key, d.raw), true
}

// All reads the documents of a bucket whose key starts with prefix, oldest first.
func All[T any](tx *Tx, bucket, prefix string) []T {
	b := tx.ledger.buckets[bucket]
	if b == nil {
		return nil
	}
	keys := make([]string, 0, len(b.documents))
	for k := range b.documents {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	sort.Slice(keys, func(i, j int) bool { return b.documents[keys[i]].sequence < b.documents[keys[j]].sequence })
	all := make([]T, len(keys))
	for i, k := range keys {
		all[i] = decode[T](bucket, k, b.documents[k].raw)
	}
	return all
}

func decode[T any](bucket, key string, raw json.RawMessage) T {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Sprintf("ledger: %s/%s is not what it was written as: %v", bucket, key, err))
	}
	return v
}

// Effect is how often something happened, and to what.
type Effect struct {
	Total int64            `json:"total"`
	By    map[string]int64 `json:"by"`
}

// Counts is everything that was counted since the last Reset.
type Counts struct {
	Effects map[string]Effect `json:"effects"`
	Calls   map[string]int64  `json:"calls"`
}

// Counts reads all counts.
func (l *Ledger) Counts() Counts {
	c := Counts{Effects: map[string]Effect{}, Calls: map[string]int64{}}
	l.View(func(tx *Tx) {
		for key := range l.documents(effects) {
			name, resource, _ := strings.Cut(key, " ")
			n, _ := Get[int64](tx, effects, key)
			e := c.Effects[name]
			if e.By == nil {
				e.By = map[string]int64{}
			}
			e.Total += n
			e.By[resource] += n
			c.Effects[name] = e
		}
		for key := range l.documents(calls) {
			c.Calls[key], _ = Get[int64](tx, calls, key)
		}
	})
	return c
}

// Reset sets all counts to nothing.
func (l *Ledger) Reset() error {
	return l.Update(func(tx *Tx) error {
		for _, b := range []string{effects, calls} {
			for key := range l.documents(b) {
				tx.Delete(b, key)
			}
		}
		return nil
	})
}

func (l *Ledger) documents(name string) map[string]document {
	if b := l.buckets[name]; b != nil {
		return b.documents
	}
	return nil
}
