package fetch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/gildway/gildway/internal/fault"
	"github.com/gildway/gildway/internal/secrets"
	"github.com/gildway/gildway/internal/workspace"
	"gocloud.dev/blob/memblob"
)

// maxArchive bounds what a repository may unpack to, file headers included.
const maxArchive = workspace.MaxSize + 64<<20

// GitHub reads folders of repositories as archives. URLs have the form
// https://<host>/<owner>/<repo>[/tree/<ref>[/<path>]]; blob and edit count as tree.
type GitHub struct {
	APIBaseURL string // e.g. https://api.github.com
	Token      secrets.Secret
	Client     *http.Client // nil: http.DefaultClient
}

// Tree implements Reader.
func (g GitHub) Tree(ctx context.Context, at *url.URL, token secrets.Secret) (fs.FS, error) {
	parts := strings.SplitN(strings.Trim(at.Path, "/"), "/", 5)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" || len(parts) == 3 || len(parts) > 3 && parts[2] != "tree" && parts[2] != "blob" && parts[2] != "edit" {
		return nil, fault.New(fault.Invalid, "%s does not name a folder of a repository; write https://%s/<owner>/<repo>/tree/<ref>/<path>", at.Redacted(), at.Host)
	}
	endpoint := strings.TrimSuffix(g.APIBaseURL, "/") + "/repos/" + url.PathEscape(parts[0]) + "/" + url.PathEscape(parts[1]) + "/tarball"
	if len(parts) > 3 {
		endpoint += "/" + url.PathEscape(parts[3])
	}
	folder := "."
	if len(parts) == 5 {
		folder = path.Clean(parts[4])
	}
	if !fs.ValidPath(folder) {
		return nil, fault.New(fault.Denied, "%s leads out of the repository", at.Redacted())
	}
	if token.Empty() {
		token = g.Token
	}
	body, err := g.get(ctx, endpoint, at, token)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was only read
	files, err := unpack(ctx, body, folder)
	if err != nil {
		return nil, err
	}
	return files, nil
}

func (g GitHub) get(ctx context.Context, endpoint string, at *url.URL, token secrets.Secret) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the address of %s's API is not a URL", at.Host)
	}
	if !token.Empty() {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	client := g.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "%s does not answer", at.Host)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	_ = resp.Body.Close() // nothing of it is needed
	return nil, refused(resp, at)
}

func refused(resp *http.Response, at *url.URL) error {
	again, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent = 0 = unknown
	limited := again > 0 || resp.Header.Get("X-RateLimit-Remaining") == "0"
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && limited:
		f := fault.New(fault.RateLimited, "%s wants fewer calls", at.Host)
		f.RetryAfter = time.Duration(again) * time.Second
		return f
	case code == http.StatusNotFound:
		return fault.New(fault.NotFound, "%s does not exist, or may not be seen with the credentials in use", at.Redacted())
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return fault.New(fault.Denied, "%s may not be read with the credentials in use", at.Redacted())
	case code >= http.StatusInternalServerError:
		return fault.New(fault.Unavailable, "%s answers with status %d", at.Host, code)
	default:
		return fault.New(fault.Internal, "%s answers with status %d", at.Host, code)
	}
}

// unpack reads one folder of an archive. A workspace holds it: it keeps names and links inside and
// knows how much is too much.
func unpack(ctx context.Context, archive io.Reader, folder string) (fs.FS, error) {
	broken := func(err error) error {
		return fault.Wrap(fault.Unavailable, err, "the repository's archive can't be read")
	}
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return nil, broken(err)
	}
	into, err := workspace.Open(ctx, memblob.OpenBucket(nil), nil)
	if err != nil {
		return nil, err
	}
	bounded := &io.LimitedReader{R: zipped, N: maxArchive}
	found := folder == "."
	for r := tar.NewReader(bounded); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if bounded.N <= 0 {
			return nil, fault.New(fault.Invalid, "the repository is too large; %d MiB are allowed", maxArchive>>20)
		}
		if err != nil {
			return nil, broken(err)
		}
		_, name, _ := strings.Cut(strings.TrimSuffix(h.Name, "/"), "/") // the first part is the commit's
		if folder != "." {
			if name == folder {
				found = true
				continue
			}
			rest, below := strings.CutPrefix(name, folder+"/")
			if !below {
				continue
			}
			name, found = rest, true
		}
		if name == "" {
			continue
		}
		if err := unpackOne(into, r, h, name); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fault.New(fault.NotFound, "there is no folder %q in the repository", folder)
	}
	return into, nil
}

func unpackOne(into *workspace.Workspace, r io.Reader, h *tar.Header, name string) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return into.Mkdir(name)
	case tar.TypeSymlink:
		if err := into.Symlink(h.Linkname, name); err != nil && fault.KindOf(err) != fault.Denied {
			return err
		}
		return nil // one that points outside is left out
	case tar.TypeReg:
		content, err := io.ReadAll(io.LimitReader(r, workspace.MaxFileSize+1))
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "the repository's archive can't be read")
		}
		return into.WriteFile(name, content, h.FileInfo().Mode())
	default:
		return nil
	}
}
