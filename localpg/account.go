package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the account that the server runs as. The zero account is this process's user.
type account struct {
	name       string
	credential *syscall.Credential
}

// serverAccount chooses the account for root, as whom Postgres refuses to run. The owner of an existing cluster takes
// precedence, so that a cluster created by nobody still works after the user postgres has been added.
func serverAccount(data string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	if info, err := os.Stat(data); err == nil {
		if uid, gid := ownerOf(info); uid != 0 {
			return newAccount("user "+strconv.Itoa(int(uid)), uid, gid), nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if a, err := lookUpAccount(name); err == nil {
			return a, nil
		}
	}
	return account{}, errors.New("Postgres does not run as root, and neither user postgres nor user nobody exists; create one of them")
}

// ServerCredential returns the credential of the account that new servers run as, for programs that may not run as
// root either; nil stands for this process's user.
func ServerCredential() (*syscall.Credential, error) {
	a, err := serverAccount("")
	return a.credential, err
}

func lookUpAccount(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return newAccount("user "+name, uint32(uid), uint32(gid)), err
}

// newAccount returns an account without supplementary groups, so that the server does not inherit root's.
func newAccount(name string, uid, gid uint32) account {
	return account{name, &syscall.Credential{Uid: uid, Gid: gid}}
}

func (a account) isOther() bool { return a.credential != nil }

// own gives path to a. It is called only on what this process has just created, in a directory where nobody else can
// replace it; Lchown does not follow a link anyway.
func (a account) own(path string) error {
	if !a.isOther() {
		return nil
	}
	return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// enter returns nil if a may traverse dir and all its parents.
func (a account) enter(dir string) error {
	if !a.isOther() {
		return nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("%s is not accessible to %s, which runs Postgres because root may not; choose another directory", dir, a.name)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	uid, gid := ownerOf(info)
	switch {
	case uid == a.credential.Uid:
		return info.Mode()&0o100 != 0
	case gid == a.credential.Gid:
		return info.Mode()&0o010 != 0
	default:
		return info.Mode()&0o001 != 0
	}
}

func ownerOf(info fs.FileInfo) (uid, gid uint32) {
	stat := info.Sys().(*syscall.Stat_t) // documented for every Unix
	return stat.Uid, stat.Gid
}
