package stack

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
)

// account is whom Postgres runs as and where it keeps its data. Postgres
// refuses to run as root.
type account struct {
	home string
	// uid and gid own home; -1 for those of this process.
	uid, gid int
	apply    func(*syscall.SysProcAttr)
}

// own gives the file to the account.
func (a account) own(file string) error {
	if a.uid < 0 {
		return nil
	}
	return os.Chown(file, a.uid, a.gid)
}

// usable reports whether a process of this account is not root and can write
// to its home.
func (a account) usable() bool {
	cmd := exec.Command("/bin/sh", "-c", `test "$(id -u)" != 0 && test -w "$0" && test -x "$0"`, a.home)
	cmd.Dir = "/"
	cmd.SysProcAttr = processAttr(syscall.SIGKILL)
	a.apply(cmd.SysProcAttr)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run() == nil
}

// postgresAccount chooses, in this order: this user; when it is root, the same
// root seen from a user namespace in which it is somebody else, which keeps
// the data in the state directory; the user postgres or nobody there; and the
// same below /var/tmp where they can't reach the state directory.
func (s *Stack) postgresAccount() (account, error) {
	home := s.dir.file("postgres")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return account{}, err
	}
	if os.Geteuid() != 0 {
		return account{home: home, uid: -1, gid: -1, apply: func(*syscall.SysProcAttr) {}}, nil
	}
	if apply, ok := asNobodyToItself(); ok {
		if a := (account{home: home, uid: -1, gid: -1, apply: apply}); a.usable() {
			return a, nil
		}
	}
	for _, home := range []string{home, s.dir.away()} {
		for _, name := range []string{"postgres", "nobody"} {
			a, err := accountOf(name, home)
			if err == nil && a.usable() {
				return a, nil
			}
		}
	}
	return account{}, errors.New("root can't run Postgres, and neither user namespaces nor the users postgres and nobody can be used here: " +
		"start as an ordinary user, or name a running server with --postgres URL")
}

// accountOf gives home to the named user. A home outside the state directory
// that somebody else made is refused.
func accountOf(name, home string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, err
	}
	a := account{home: home, uid: uid, gid: gid, apply: func(attr *syscall.SysProcAttr) { become(attr, uid, gid) }}
	err = os.Mkdir(home, 0o700)
	if err == nil {
		return a, a.own(home)
	}
	info, err := os.Lstat(home)
	if err != nil {
		return account{}, err
	}
	if !info.IsDir() {
		return account{}, fmt.Errorf("%s is not a folder", home)
	}
	switch owner := ownerOf(info); owner {
	case uid:
		return a, nil
	case 0:
		if entries, err := os.ReadDir(home); err != nil || len(entries) > 0 {
			return account{}, fmt.Errorf("%s holds data of root", home)
		}
		return a, a.own(home)
	default:
		return account{}, fmt.Errorf("%s belongs to user %d", home, owner)
	}
}
