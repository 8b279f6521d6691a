package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// notice is what broker.json says.
type notice struct {
	Address string `json:"address"`
	PID     int    `json:"pid"`
	State   state  `json:"state"`
}

// state is how far a broker is; see the package documentation.
type state string

const (
	starting state = "starting"
	running  state = "running"
	stopped  state = "stopped"
)

// ErrNotRunning is wrapped by the errors of [Find] where no broker runs in the
// directory, or none that takes connections yet.
var ErrNotRunning = errors.New("no embedded broker runs")

// ErrInUse is wrapped by the error of [Broker.Run] where another broker has the
// directory.
var ErrInUse = errors.New("another embedded broker has the directory")

// Find returns the address of the broker that runs in a directory, in whatever
// process.
func Find(dir string) (string, error) {
	held, err := isHeld(dir)
	if err != nil {
		return "", err
	}
	if !held {
		return "", fmt.Errorf("find broker: %w in %s: start it with: changefeed broker, or changefeed run; or set kafka.brokers to a Kafka of yours", ErrNotRunning, dir)
	}
	n, err := readNotice(dir)
	if err != nil {
		return "", err
	}
	if n.State != running {
		return "", fmt.Errorf("find broker: %w in %s yet: it is %s", ErrNotRunning, dir, n.State)
	}
	return n.Address, nil
}

func noticePath(dir string) string { return filepath.Join(dir, "broker.json") }

// readNotice returns a zero notice where there is none.
func readNotice(dir string) (notice, error) {
	var n notice
	text, err := os.ReadFile(noticePath(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return n, nil
	case err != nil:
		return n, fmt.Errorf("read notice of the embedded broker: %w", err)
	}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("read notice of the embedded broker %s (remove the file; the broker then takes another port): %w", noticePath(dir), err)
	}
	return n, nil
}

// write replaces the notice as a whole: a reader sees the old one or the new.
func (n notice) write(dir string) error {
	text, err := json.Marshal(n)
	if err == nil {
		err = replaceFile(noticePath(dir), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write notice of the embedded broker: %w", err)
	}
	return nil
}

// replaceFile writes a file that is complete whenever it is there, on the disk
// too.
func replaceFile(path string, content []byte) error {
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
