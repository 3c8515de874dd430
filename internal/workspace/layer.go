package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
	"golang.org/x/sync/errgroup"
)

const layerVersion = 1

// layer is what one step changed. As JSON with sorted names it is the same bytes for the same changes.
type layer struct {
	Version int  `json:"version"`
	Files   tree `json:"files"`
}

// entry is one name: a file, a link, an explicit folder or, in a layer only, a deletion.
type entry struct {
	Digest  string `json:"digest,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Exec    bool   `json:"exec,omitempty"`
	Link    string `json:"link,omitempty"`
	Dir     bool   `json:"dir,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

type tree map[string]entry

func (t tree) clone() tree { return maps.Clone(t) }

// apply puts a later layer on top. Where names exclude each other (a file and a folder of that name),
// the later layer wins.
func (t tree) apply(l layer) {
	for name, e := range l.Files {
		if e.Deleted {
			delete(t, name)
		}
	}
	occupied := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(l.Files)) {
		e := l.Files[name]
		if e.Deleted {
			continue
		}
		for at := parent(name); at != ""; at = parent(at) {
			if above, there := t[at]; there && !above.Dir {
				delete(t, at)
			}
		}
		if !e.Dir {
			occupied[name] = true
		}
		t[name] = e
	}
	for name := range t {
		for at := parent(name); at != ""; at = parent(at) {
			if occupied[at] {
				delete(t, name)
				break
			}
		}
	}
}

// diff gives the layer that makes `to` out of t.
func (t tree) diff(to tree) layer {
	l := layer{Version: layerVersion, Files: tree{}}
	for name, e := range to {
		if old, there := t[name]; !there || old != e {
			l.Files[name] = e
		}
	}
	for name := range t {
		if _, there := to[name]; !there {
			l.Files[name] = entry{Deleted: true}
		}
	}
	return l
}

func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

// Seal stores what was changed and gives the digest of its layer, "" if nothing changed. The same
// changes to the same files give the same digest.
func (w *Workspace) Seal(ctx context.Context) (string, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	l := w.base.diff(w.now)
	if len(l.Files) == 0 {
		return "", nil
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, digest := range l.contents() {
		if content, pending := w.pending[digest]; pending {
			group.Go(func() error { return store(gctx, w.bucket, digest, content) })
		}
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	manifest, err := json.Marshal(l)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the workspace can't be described")
	}
	digest := digestOf(manifest)
	return digest, store(ctx, w.bucket, digest, manifest)
}

func (l layer) contents() []string {
	seen := map[string]bool{}
	for _, e := range l.Files {
		if e.Digest != "" {
			seen[e.Digest] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func readLayer(ctx context.Context, bucket *blob.Bucket, digest string) (layer, error) {
	var l layer
	raw, err := load(ctx, bucket, digest)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(raw, &l); err != nil || l.Version != layerVersion {
		return l, fault.Wrap(fault.Internal, err, "the workspace layer %s can't be read", digest)
	}
	for name := range l.Files {
		if cleaned, err := clean(name); err != nil || cleaned != name || name == "." {
			return l, fault.Wrap(fault.Denied, err, "the workspace layer %s holds a name that is not allowed", digest)
		}
	}
	return l, nil
}

const digestPrefix = "sha256:"

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return digestPrefix + hex.EncodeToString(sum[:])
}

func key(digest string) (string, error) {
	if !digestForm.MatchString(digest) {
		return "", fault.New(fault.Invalid, "%q is not a digest", digest)
	}
	hexa := strings.TrimPrefix(digest, digestPrefix)
	return "sha256/" + hexa[:2] + "/" + hexa, nil
}

func store(ctx context.Context, bucket *blob.Bucket, digest string, content []byte) error {
	at, err := key(digest)
	if err != nil {
		return err
	}
	if there, err := bucket.Exists(ctx, at); err == nil && there {
		return nil
	}
	if err := bucket.WriteAll(ctx, at, content, nil); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the workspace can't be stored now")
	}
	return nil
}

// load reads a blob and checks that it is what its digest says.
func load(ctx context.Context, bucket *blob.Bucket, digest string) ([]byte, error) {
	at, err := key(digest)
	if err != nil {
		return nil, err
	}
	content, err := bucket.ReadAll(ctx, at)
	switch {
	case gcerrors.Code(err) == gcerrors.NotFound:
		return nil, fault.Wrap(fault.Internal, err, "a part of the workspace is missing from its store")
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "the workspace can't be read now")
	case digestOf(content) != digest:
		return nil, fault.New(fault.Internal, "a part of the workspace was changed in its store")
	}
	return content, nil
}
