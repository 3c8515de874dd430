package stack

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// stateDir is where a stack keeps its data, keys, logs and process records.
// Only its owner can look inside.
type stateDir struct {
	path string
	lock *os.File
}

// BusyError says that another stack is running on the state directory.
type BusyError struct{ Dir string }

func (e *BusyError) Error() string {
	return fmt.Sprintf("another stack is running in %s: stop it, or choose another --state-dir", e.Dir)
}

func openStateDir(path string) (*stateDir, error) {
	if path == "" {
		return nil, errors.New("stack: a state directory is needed")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &stateDir{path: path}
	for _, dir := range []string{"", "logs", "run", "secrets"} {
		if err := os.MkdirAll(d.file(dir), 0o700); err != nil {
			return nil, err
		}
	}
	if d.lock, err = os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	locked, err := tryLock(d.lock)
	if err == nil && !locked {
		err = &BusyError{Dir: path}
	}
	if err != nil {
		d.lock.Close()
		return nil, err
	}
	return d, nil
}

// close lets the next stack in. The lock is given up by name: closing the file is not enough while a
// child that this process has just forked still holds a copy of it.
func (d *stateDir) close() error { return errors.Join(unlock(d.lock), d.lock.Close()) }

func (d *stateDir) file(parts ...string) string {
	return filepath.Join(append([]string{d.path}, parts...)...)
}

// away is where Postgres keeps its data when its account can't reach the state directory.
func (d *stateDir) away() string {
	hash := sha256.Sum256([]byte(d.path))
	return filepath.Join("/var/tmp", "gildway-"+hex.EncodeToString(hash[:8]))
}

// password returns the secret kept under name and makes a random one first
// when there is none.
func (d *stateDir) password(name string) (string, error) {
	file := d.file("secrets", name)
	text, err := os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 24)
	rand.Read(random)
	secret := hex.EncodeToString(random)
	return secret, WriteFile(file, []byte(secret))
}

// WriteFile replaces the file as a whole, readable by its owner only.
func WriteFile(file string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
