package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// digest is made of parts, each with its length before it.
type digest struct{ hash.Hash }

func (d digest) String() string { return "sha256:" + hex.EncodeToString(d.Sum(nil)) }

func (d digest) part(text []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(text)))
	d.Write(length[:]) // a hash never fails to write
	d.Write(text)
}

// entry adds a file, a link or an empty folder. No name holds a zero.
func (d digest) entry(h *tar.Header, content []byte) {
	switch {
	case h.Typeflag == tar.TypeSymlink:
		content = []byte(h.Linkname)
		d.part([]byte(h.Name + "\x00link"))
	case h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0:
		d.part([]byte(h.Name + "\x00executable"))
	default:
		d.part([]byte(h.Name))
	}
	d.part(content)
}

// about is what a digest covers beside the files: which of them is the template, as another may lie in the same folder,
// and the hash of the template if it is none of them.
type about struct{ Template, Source string }

const templateRecord, sourceRecord = "GILDWAY.template", "GILDWAY.source"

func (a about) plain() bool {
	return (a.Template == TemplateFile || a.Template == "") && a.Source == ""
}

func (a about) records() map[string]string {
	records := map[string]string{}
	for key, value := range map[string]string{templateRecord: a.Template, sourceRecord: a.Source} {
		if value != "" {
			records[key] = value
		}
	}
	return records
}

func start(a about) digest {
	d := digest{sha256.New()}
	if !a.plain() {
		d.part([]byte("\x00template " + a.Template))
		d.part([]byte("\x00source " + a.Source))
	}
	return d
}

// Check reports whether an archive is what Take made under a digest. That it isn't is a Denied fault.
func Check(archive []byte, want string) error {
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return altered(err)
	}
	// Names and headers take some more than the files.
	r := tar.NewReader(io.LimitReader(zipped, 2*maxFolder))
	d := start(about{})
	for first := true; ; first = false {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return altered(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader && first {
			d = start(about{Template: h.PAXRecords[templateRecord], Source: h.PAXRecords[sourceRecord]})
			continue
		}
		var inside bool
		if h.Name, inside = strings.CutPrefix(h.Name, around+"/"); !inside {
			return altered(nil)
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeSymlink, tar.TypeDir:
		default:
			return altered(nil)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return altered(err)
		}
		d.entry(h, content)
	}
	if d.String() != want {
		return altered(nil)
	}
	return nil
}

func altered(cause error) error {
	return fault.Wrap(fault.Denied, cause, "the files kept of this version of the template are not those that it was made of")
}
