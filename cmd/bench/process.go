package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// endTime is how long a worker has to end after it was asked to.
const endTime = 20 * time.Second

// process is a worker that has been started.
type process struct {
	kind     string
	cmd      *exec.Cmd
	input    io.Closer
	outcomes *json.Decoder
	stderr   *strings.Builder
}

// start starts a worker. End it.
func (b *bench) start(ctx context.Context, j job) (*process, error) {
	p := &process{kind: j.Kind, stderr: new(strings.Builder)}
	p.cmd = exec.CommandContext(ctx, b.Program[0], b.Program[1:]...) //nolint:gosec // this program itself
	p.cmd.Stderr = io.MultiWriter(p.stderr, b.Progress)              // a worker that waits says for what
	p.cmd.WaitDelay = endTime
	input, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	p.input, p.outcomes = input, json.NewDecoder(output)
	if err := json.NewEncoder(input).Encode(j); err != nil {
		return nil, errors.Join(fmt.Errorf("tell worker %s its job: %w", j.Kind, err), p.end())
	}
	return p, nil
}

// next waits for the worker's next outcome.
func (p *process) next() (o outcome, err error) {
	if err := p.outcomes.Decode(&o); err != nil {
		return o, errors.Join(fmt.Errorf("worker %s has not finished: %w", p.kind, err), p.end())
	}
	return o, nil
}

// ask asks the worker to end.
func (p *process) ask() { p.input.Close() }

// end asks the worker to end and waits for it.
func (p *process) end() error {
	p.ask()
	timer := time.AfterFunc(endTime, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("worker %s: %w: %s", p.kind, err, strings.TrimSpace(p.stderr.String()))
	}
	return nil
}

// do runs a worker to its end.
func (b *bench) do(ctx context.Context, j job) (outcome, error) {
	p, err := b.start(ctx, j)
	if err != nil {
		return outcome{}, err
	}
	o, err := p.next()
	if err != nil {
		return o, err
	}
	return o, p.end()
}
