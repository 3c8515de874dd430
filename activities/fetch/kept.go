package fetch

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/snapshot"
)

// Archives keeps the files of template versions as tar.gz, by digest. *store.Store implements it.
type Archives interface {
	// TemplateArchive gives a NotFound fault if nothing is kept under the digest.
	TemplateArchive(ctx context.Context, digest string) ([]byte, error)
}

// Kept reads the files of template versions. What it has read it remembers, up to a bound: a digest never comes to
// mean anything else.
type Kept struct {
	from Archives

	mu   sync.Mutex
	held map[string][]byte // those that were checked
	size int
	most int // bytes
}

// NewKept makes it.
func NewKept(from Archives) *Kept {
	return &Kept{from: from, held: map[string][]byte{}, most: 64 << 20}
}

// Open gives the files of a version. The caller calls done when it has read them.
func (k *Kept) Open(ctx context.Context, digest string) (_ fs.FS, done func(), err error) {
	if k == nil {
		return nil, func() {}, fault.New(fault.NotFound, "the files of this version of the template are not kept here")
	}
	archive, err := k.archive(ctx, digest)
	if err != nil {
		return nil, func() {}, err
	}
	return unpack(ctx, bytes.NewReader(archive), ".")
}

func (k *Kept) archive(ctx context.Context, digest string) ([]byte, error) {
	k.mu.Lock()
	archive, held := k.held[digest]
	k.mu.Unlock()
	if held {
		return archive, nil
	}
	archive, err := k.from.TemplateArchive(ctx, digest)
	if errors.Is(err, fault.NotFound) {
		return nil, fault.Wrap(fault.NotFound, err, "the files of this version of the template are not kept")
	}
	if err == nil {
		err = snapshot.Check(archive, digest)
	}
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, held := k.held[digest]; held || len(archive) > k.most {
		return archive, nil
	}
	for other, bytes := range k.held { // any: what is still in use comes back with the next run
		if k.size+len(archive) <= k.most {
			break
		}
		delete(k.held, other)
		k.size -= len(bytes)
	}
	k.held[digest] = archive
	k.size += len(archive)
	return archive, nil
}
