package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"changefeed/cdc"
	"changefeed/cmd/stack"
	"changefeed/internal/localpg"
	"changefeed/pillows"
)

// demo is one run.
type demo struct {
	options Options
	shop    shop
	tracker *tracker
	writer  *writer

	// Tests put faults here: between the pillow and the tracker, and into the
	// database before it is compared.
	observer      func(next func(pillows.Observation)) func(pillows.Observation)
	beforeCompare func(ctx context.Context, conn *pgx.Conn) error
}

// Run runs the demo: until the changes are made and each has its verdict, or
// until ctx ends, upon which it waits for those that were made. It prints the
// summary to Out, and returns an error that wraps [ErrFailed] where the summary
// shows a fault.
func Run(ctx context.Context, o Options) error {
	d, err := newDemo(o)
	if err != nil {
		return err
	}
	summary, err := d.run(ctx)
	d.options.Screen.clear()
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
		return errors.New("stopped before the demo had begun")
	case err != nil:
		return err
	}
	if err := summary.print(o.Out, o.JSON); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	if err := summary.Err(); err != nil {
		return err
	}
	if o.Changes > 0 && ctx.Err() != nil {
		return fmt.Errorf("stopped after %d of %d changes", summary.Changes, o.Changes)
	}
	return nil
}

func newDemo(o Options) (*demo, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &demo{
		options: o.withDefaults(), tracker: newTracker(),
		observer: func(next func(pillows.Observation)) func(pillows.Observation) { return next },
	}, nil
}

// run starts the servers, and stops them at the end whatever happens.
func (d *demo) run(ctx context.Context) (summary *Summary, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer limitMemory()()
	d.options.Screen.note("starting a private PostgreSQL")
	server, err := localpg.Start(ctx, localpg.Config{Logger: d.options.Log, Settings: serverSettings})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	d.shop = shop{server}
	d.writer = newWriter(d.shop, d.tracker, d.options)
	if err := d.shop.open(ctx); err != nil {
		return nil, err
	}
	s, setup, err := d.stacks()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	defer setup.Close()
	// The servers outlive ctx, at whose end there is something left to do.
	err = s.WithBroker(context.WithoutCancel(ctx), "", func(serving context.Context) error {
		if err := setup.Init(ctx); err != nil {
			return err
		}
		summary, err = d.perform(ctx, serving, s)
		return err
	})
	return summary, err
}

// stacks returns the stack of the demo, and that of the init command, which
// needs more privileges.
func (d *demo) stacks() (demo, setup *stack.Stack, err error) {
	dsn, err := d.shop.dsn(feedRole)
	if err != nil {
		return nil, nil, err
	}
	configured, err := d.shop.configuration(dsn, dsn)
	if err != nil {
		return nil, nil, err
	}
	privileged, err := d.shop.configuration(d.shop.server.DSN(database), dsn)
	if err != nil {
		return nil, nil, err
	}
	return stack.New(configured, d.options.Log), stack.New(privileged, d.options.Log), nil
}

// parts are what the demo shows at work.
type parts struct {
	publisher *cdc.Publisher
	pillow    *pillows.Pillow
}

func (d *demo) parts(s *stack.Stack) (p parts, err error) {
	if p.publisher, err = s.Publisher(0, true); err != nil {
		return p, err
	}
	p.pillow, err = s.Pillow(0, d.observer(d.tracker.observe))
	return p, err
}

// perform runs the parts and the writer, until the writer is stopped by ctx or
// has made its changes and each has a verdict, and compares. serving ends where
// the broker fails.
func (d *demo) perform(ctx, serving context.Context, s *stack.Stack) (*Summary, error) {
	p, err := d.parts(s) //nolint:contextcheck // pools connect when they are first used
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(serving)
	defer stop()
	group, working := errgroup.WithContext(working)
	group.Go(func() error { return p.publisher.Run(working) })
	group.Go(func() error { return p.pillow.Run(working) })
	group.Go(func() error { return d.watchServer(working) })
	var took time.Duration
	group.Go(func() (err error) {
		defer stop()
		took, err = d.work(ctx, working, p)
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	d.options.Screen.note("comparing the report table with the orders")
	return d.summarize(serving, s, took)
}

// watchServer returns an error when PostgreSQL ends by itself.
func (d *demo) watchServer(ctx context.Context) error {
	select {
	case <-d.shop.server.Done():
		return d.shop.server.Err()
	case <-ctx.Done():
		return nil
	}
}

// work lets the writer write and shows it, until every change has its verdict or
// none comes any more. It returns the time that this took.
func (d *demo) work(ctx, working context.Context, p parts) (time.Duration, error) {
	writing, stopWriting := context.WithCancel(working)
	defer stopWriting()
	defer context.AfterFunc(ctx, stopWriting)()
	showing, stopShowing := context.WithCancel(working)
	defer stopShowing()
	group, showing := errgroup.WithContext(showing)
	group.Go(func() error { return d.show(ctx, showing, p) })
	begun := time.Now()
	var took time.Duration
	group.Go(func() error {
		defer stopShowing()
		err := d.writer.run(writing)
		if err == nil {
			d.settle(working)
		}
		took = time.Since(begun)
		return err
	})
	err := group.Wait()
	return took, err
}

// settle waits until every change has its verdict, or verdicts have stopped
// coming.
func (d *demo) settle(ctx context.Context) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for d.tracker.waiting() > 0 && !d.tracker.stalled(d.options.Stall) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
