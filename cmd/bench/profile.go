package bench

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profile writes a processor profile until stop is called, and then one of the
// heap, to files of this name. An empty name: none.
func profile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(name + ".cpu")
	if err != nil {
		return nil, fmt.Errorf("make profile: %w", err)
	}
	runtime.MemProfileRate = 1024
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("start profile: %w", err), file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(file.Close(), profileHeap(name+".heap"))
	}, nil
}

func profileHeap(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("make profile: %w", err)
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
}
