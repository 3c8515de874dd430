package fetch

import (
	"archive/zip"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// zip unpacks an archive whose directory stands at its end: it has to be stored first.
func (u *unpacking) zip(archive io.Reader, beside string) error {
	store, err := os.CreateTemp(path.Dir(beside), "gildway-fetch-*.zip")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "there is no place to unpack to")
	}
	defer func() {
		_ = store.Close()
		_ = os.Remove(store.Name()) // what is left of it is in the system's temporary folder
	}()
	size, err := io.Copy(store, io.LimitReader(archive, maxZip+1))
	switch {
	case err != nil:
		return unreadable(err)
	case size > maxZip:
		return fault.New(fault.Invalid, "the archive is too large; a zip file may have %d MiB", maxZip>>20)
	}
	r, err := zip.NewReader(store, size)
	if err != nil {
		return unreadable(err)
	}
	for _, f := range r.File {
		e := entry{name: f.Name, mode: f.Mode()}
		e.content = func() (io.ReadCloser, error) {
			content, err := f.Open()
			if err != nil {
				return nil, unreadable(err)
			}
			return struct {
				io.Reader
				io.Closer
			}{&budget{u: u, r: content}, content}, nil
		}
		if strings.HasSuffix(f.Name, "/") {
			e.mode |= fs.ModeDir
		}
		if e.mode&fs.ModeSymlink != 0 {
			if e.target, err = read(e, maxName); err != nil {
				return err
			}
		}
		if err := u.add(e); err != nil {
			return err
		}
	}
	return nil
}

func read(e entry, limit int64) (string, error) {
	content, err := e.content()
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(content, limit+1))
	return string(text), unreadable(err)
}
