package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/gildway/gildway/internal/fault"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

const digestPrefix = "sha256:"

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Put stores a blob beside the files of the workspaces and gives its digest, sha256:<hex>. The same
// content is stored once.
func Put(ctx context.Context, bucket *blob.Bucket, content []byte) (string, error) {
	digest := digestOf(content)
	return digest, store(ctx, bucket, digest, content)
}

// Get reads a blob and checks that it is what its digest says. What is no digest is an Invalid fault.
func Get(ctx context.Context, bucket *blob.Bucket, digest string) ([]byte, error) {
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

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return digestPrefix + hex.EncodeToString(sum[:])
}

func key(digest string) (string, error) {
	if !digestForm.MatchString(digest) {
		return "", fault.New(fault.Invalid, "%.80q is not a digest", digest)
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
