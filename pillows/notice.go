package pillows

import (
	"log/slog"
	"sync"
	"time"
)

// repeatEvery is how often something that lasts is said again.
const repeatEvery = 30 * time.Second

// notice logs something that lasts: when it begins, again every repeatEvery, and
// when it is over. It is safe for concurrent use.
type notice struct {
	log *slog.Logger

	mu   sync.Mutex
	text string // what lasts, or ""
	said time.Time
}

func (n *notice) say(msg string, err error, attrs ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	lasts := n.text != ""
	n.text = err.Error()
	if lasts && time.Since(n.said) < repeatEvery {
		return
	}
	n.said = time.Now()
	n.log.Warn(msg, append(attrs, "error", err)...) //nolint:sloglint // the message is constant where say is called
}

// over logs msg where something lasted.
func (n *notice) over(msg string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text != "" {
		n.text = ""
		n.log.Info(msg) //nolint:sloglint // the message is constant where over is called
	}
}

// lasting returns what lasts, or "".
func (n *notice) lasting() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}
