package stack

import "syscall"

// asNobodyToItself maps root to an ordinary user id inside a user namespace:
// files and signals stay root's, but the process sees that it isn't root.
func asNobodyToItself() (func(*syscall.SysProcAttr), bool) {
	const inside = 1000
	return func(attr *syscall.SysProcAttr) {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: 0, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: 0, Size: 1}}
		attr.Credential = &syscall.Credential{Uid: inside, Gid: inside, NoSetGroups: true}
	}, true
}
