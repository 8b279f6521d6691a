package localpg

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// account is a user that root's server runs as. A nil account is ourselves.
type account struct {
	name     string
	uid, gid uint32
}

// String names the account for messages.
func (a *account) String() string {
	if a == nil {
		return "the current user"
	}
	return "user " + a.name
}

// serverAccount is the account under which a server of this process runs.
// preferred is asked for instead of the usual names unless it is empty.
func serverAccount(preferred string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	names := []string{"postgres", "nobody"}
	if preferred != "" {
		names = []string{preferred}
	}
	var problems []error
	for _, name := range names {
		a, err := lookupAccount(name)
		if err == nil {
			return a, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("find an unprivileged user for PostgreSQL, which refuses to run as root (run this as an ordinary user, or create one: useradd --system postgres): %w", errors.Join(problems...))
}

func lookupAccount(name string) (*account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("look up user: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read user id of %s: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read group id of %s: %w", name, err)
	}
	if uid == 0 {
		return nil, fmt.Errorf("user %s is root", name)
	}
	return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
}

// give makes a file or folder of ours the account's own.
func (a *account) give(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to user %s: %w", path, a.name, err)
	}
	return nil
}
