package workspace

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"

	"github.com/gildway/gildway/internal/fault"
	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

const layerVersion = 1

// layer is what one step changed. As JSON with sorted names it is the same bytes for the same changes.
type layer struct {
	Version int              `json:"version"`
	Files   map[string]entry `json:"files"`
}

const transfers = 8 // how many blobs move at once

// Seal stores what was changed and gives the digest of its layer, "" if nothing changed. The same
// changes to the same files give the same digest.
func (w *Workspace) Seal(ctx context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.base.diff(w.now)
	if len(l.Files) == 0 {
		return "", nil
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	for _, digest := range l.contents() {
		if content, pending := w.pending[digest]; pending {
			group.Go(func() error { return store(gctx, w.bucket, digest, content) })
		}
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return l.store(ctx, w.bucket)
}

// Squash stores one layer that does what the given ones do, oldest first, and gives its digest; "" for
// none. It does so on every workspace that those were made on: each on all or some of what lies before it.
func Squash(ctx context.Context, bucket *blob.Bucket, layers []string) (string, error) {
	if len(layers) == 1 {
		return layers[0], nil
	}
	all, err := readLayers(ctx, bucket, layers)
	if err != nil || len(all) == 0 {
		return "", err
	}
	one, end := layer{Version: layerVersion, Files: map[string]entry{}}, newTree()
	for _, l := range all {
		end.apply(l)
		for name := range l.Files {
			one.Files[name] = entry{Deleted: true}
		}
	}
	maps.Copy(one.Files, end.files)
	return one.store(ctx, bucket)
}

func (l layer) store(ctx context.Context, bucket *blob.Bucket) (string, error) {
	manifest, err := json.Marshal(l)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "the workspace can't be described")
	}
	return Put(ctx, bucket, manifest)
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

func readLayers(ctx context.Context, bucket *blob.Bucket, digests []string) ([]layer, error) {
	layers := make([]layer, len(digests))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	for i, digest := range digests {
		group.Go(func() (err error) {
			layers[i], err = readLayer(gctx, bucket, digest)
			return err
		})
	}
	return layers, group.Wait()
}

func readLayer(ctx context.Context, bucket *blob.Bucket, digest string) (layer, error) {
	var l layer
	raw, err := Get(ctx, bucket, digest)
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(raw, &l); err != nil || l.Version != layerVersion {
		return l, fault.Wrap(fault.Internal, err, "the workspace layer %s can't be read", digest)
	}
	for name, e := range l.Files {
		if !e.valid(name) || l.fileAbove(name) {
			return l, fault.New(fault.Denied, "the workspace layer %s holds what is not allowed in a workspace", digest)
		}
	}
	return l, nil
}

// fileAbove reports whether a name lies below something that is no folder.
func (l layer) fileAbove(name string) bool {
	for dir := range above(name) {
		if e, there := l.Files[dir]; there && !e.Dir && !e.Deleted && !l.Files[name].Deleted {
			return true
		}
	}
	return false
}

// valid reports whether Workspace could have written an entry of that name.
func (e entry) valid(name string) bool {
	if cleaned, err := clean(name); err != nil || cleaned != name || name == "." {
		return false
	}
	switch {
	case e.Deleted, e.Dir:
		return e == entry{Deleted: e.Deleted, Dir: e.Dir && !e.Deleted}
	case e.Link != "":
		_, err := linkTarget(path.Clean(name), e.Link)
		return err == nil && e == entry{Link: e.Link}
	default:
		return digestForm.MatchString(e.Digest) && e.Size >= 0 && e.Size <= MaxFileSize
	}
}
